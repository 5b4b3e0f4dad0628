"""PerformanceOptions change how a step is computed and not what it computes."""

import copy
from functools import partial

import pytest
import torch

from tests.models.test_usrda_model import NETWORK, batch, build, options, run, state
from usrda_plugin.models import USRDAModel
from usrda_plugin.models.performance import PerformanceOptions, resolve_performance
from usrda_plugin.models.stepping import split

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SAFE = {"channels_last": True, "fused_adam": True, "joint_batches": True}


def gradients_of(model):
    model.feed_data(batch())
    model.optimize_parameters(1)
    networks = (model.net_g, *model.critics.values())
    return [parameter.grad.clone() for network in networks for parameter in network.parameters()]


# ---------------------------------------------------------------------- which are chosen


def test_on_a_cpu_only_what_keeps_every_bit_is_chosen_unasked():
    assert resolve_performance({}, CPU) == PerformanceOptions(gradient_checkpointing="concat")
    automatic = dict.fromkeys(PerformanceOptions._fields, "auto")
    assert resolve_performance(automatic, CPU) == PerformanceOptions(gradient_checkpointing="concat")


@pytest.mark.parametrize(("capability", "modern"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_on_a_gpu_what_is_safe_is_chosen(monkeypatch, capability, modern):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_performance({}, GPU) == PerformanceOptions(tf32=modern, gradient_checkpointing="concat", **SAFE)
    assert resolve_performance({"amp": "auto"}, GPU).amp == (torch.bfloat16 if modern else None)


def test_what_is_asked_for_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    asked = dict.fromkeys(("channels_last", "tf32", "fused_adam", "joint_batches", "gradient_checkpointing"), False)
    assert resolve_performance(asked, GPU) == PerformanceOptions()
    switches = resolve_performance({"amp": "fp16", "compile": True, "gradient_checkpointing": True, **SAFE}, CPU)
    assert switches == PerformanceOptions(torch.float16, compile=True, gradient_checkpointing="block", **SAFE)
    assert resolve_performance({"amp": False}, GPU).amp is None
    assert resolve_performance({"compile": True}, CPU) == PerformanceOptions(
        compile=True
    )  # compiled blocks choose what they keep


# ---------------------------------------------------------------------- the same step


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch.compile's own
@pytest.mark.parametrize(
    "train",
    [
        {"joint_batches": True},
        {"channels_last": True},
        {"fused_adam": True},
        {"gradient_checkpointing": "block"},
        {"gradient_accumulation_steps": 2},
        {**SAFE, "gradient_checkpointing": True, "gradient_accumulation_steps": 2},
        pytest.param({"compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda train: " ".join(train),
)
def test_a_switch_changes_no_loss_and_no_gradient(tmp_path, train):
    plain, switched = build(tmp_path), build(tmp_path, **train)
    for expected, found in zip(gradients_of(plain), gradients_of(switched), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert switched.get_current_log() == pytest.approx(plain.get_current_log(), rel=1e-5, abs=1e-7)
    for name, value in plain.net_g_ema.state_dict().items():
        torch.testing.assert_close(switched.net_g_ema.state_dict()[name], value, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "amp"),
    [
        pytest.param(kind, amp, marks=() if (kind, amp) == ("block", "bf16") else pytest.mark.slow)
        for kind in ("auto", "concat", "block")
        for amp in (False, "bf16")
    ],
)
def test_twenty_iterations_are_the_same_to_the_last_bit(tmp_path, amp, kind):
    plain, switched = (
        build(tmp_path, amp=amp, gradient_checkpointing=checkpointing) for checkpointing in (False, kind)
    )
    for current_iter in range(1, 21):
        logs = [run(model, 1, first=current_iter).get_current_log() for model in (plain, switched)]
        assert logs[0] == logs[1], current_iter


def test_switched_networks_are_saved_under_the_same_names_and_load_into_plain_ones(tmp_path):
    switched = run(build(tmp_path, **SAFE, gradient_checkpointing=True), 2)
    switched.save(0, 2)
    opt = options(tmp_path)
    opt["path"]["pretrain_network_g"] = str(tmp_path / "net_g_2.pth")
    plain = USRDAModel(opt)
    for name, value in switched.net_g.state_dict().items():
        assert torch.equal(plain.net_g.state_dict()[name], value)


@pytest.mark.parametrize(("noise_ch", "calls"), [(0, 4), (2, 5)])
def test_joint_batches_call_each_network_once_a_stage(tmp_path, noise_ch, calls):
    opt = options(tmp_path, joint_batches=True)
    opt["network_g"] = {**NETWORK, "noise_ch": noise_ch}
    model, called = USRDAModel(opt), []
    for network in model.net_g.children():
        network.register_forward_hook(lambda *_: called.append(1))
    run(model, 1)
    assert len(called) == calls  # with a noise input G_t and the renderer are two


def test_checkpointing_runs_each_block_twice_and_only_in_training(tmp_path):
    model, called = build(tmp_path, gradient_checkpointing=True), []
    for block in model.net_g.encoder.body:
        block.register_forward_pre_hook(lambda *_: called.append(1))
    run(model, 1)
    assert len(called) == 2 * 3  # E runs three times
    called.clear()
    with torch.no_grad():
        model.net_g(torch.rand(1, 3, 8, 8))
    assert len(called) == 1


def kept_bytes(model):
    """What autograd keeps of a pass, weights left out."""
    kept, weights = {}, {parameter.data_ptr() for parameter in model.net_g.parameters()}
    model.feed_data(batch())

    def remember(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        tensors = model.forward_pass(model.batch, model.objective.needs)
    assert tensors.y_sts.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("amp", [False, "bf16"])
def test_each_checkpointing_keeps_less_for_the_backward_pass(tmp_path, amp):
    kinds = (False, "concat", "block")
    everything, concat, block = (kept_bytes(build(tmp_path, gradient_checkpointing=kind, amp=amp)) for kind in kinds)
    assert block < concat < 0.75 * everything


# ---------------------------------------------------------------------- half precision


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_is_near_and_keeps_full_precision_weights(tmp_path, amp):
    plain, half = (run(build(tmp_path, amp=kind), 1) for kind in (False, amp))
    assert half.get_current_log() == pytest.approx(plain.get_current_log(), rel=0.05, abs=5e-3)
    assert half.get_current_log() != plain.get_current_log()
    networks = (half.net_g, half.net_g_ema, *half.critics.values())
    assert {p.dtype for network in networks for p in network.parameters()} == {torch.float32}


def test_only_fp16_needs_a_gradient_scaler(tmp_path):
    scalers = [build(tmp_path, amp=amp).stepper.scaler for amp in (False, "bf16", "fp16")]
    assert [scaler.is_enabled() for scaler in scalers] == [False, False, True]


def test_the_scale_of_gradients_is_saved_and_resumed(tmp_path):
    model = run(build(tmp_path, amp="fp16"), 1)
    model.stepper.scaler.update(1024.0)
    model.save(0, 1)
    resumed = build(tmp_path, amp="fp16")
    resumed.resume_training(torch.load(tmp_path / "1.state", weights_only=True))
    assert resumed.stepper.scaler.get_scale() == 1024.0
    build(tmp_path).resume_training(torch.load(tmp_path / "1.state", weights_only=True))  # full precision goes on too


def test_a_gradient_that_overflows_is_skipped_and_the_scale_halved(tmp_path):
    model = build(tmp_path, amp="fp16")
    model.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    before = state(model.net_g)
    run(model, 1)
    assert all(torch.equal(before[name], value) for name, value in model.net_g.state_dict().items())
    assert model.stepper.scaler.get_scale() == pytest.approx(5e29)


@pytest.mark.parametrize("amp", [False, "fp16"])
def test_an_iteration_in_which_nothing_is_trained_is_no_error(tmp_path, amp):
    terms = ("align_opt", "sty_opt", "gan_opt")
    model = build(tmp_path, amp=amp, net_d_iters=2, **dict.fromkeys(terms))
    before = state(model.net_g)
    run(model, 1)
    assert all(torch.equal(before[name], value) for name, value in model.net_g.state_dict().items())
    run(model, 2, first=2)
    assert any(not torch.equal(before[name], value) for name, value in model.net_g.state_dict().items())


# ---------------------------------------------------------------------- resuming with other switches


def resumed(folder, **train):
    opt = options(folder, **train)
    opt["path"] |= {"resume_state": str(folder / "3.state")}
    opt["path"] |= {f"pretrain_network_{n}": str(folder / f"net_{n}_3.pth") for n in ("g", "d_f", "d_t", "d_y")}
    model = USRDAModel(copy.deepcopy(opt))
    model.resume_training(torch.load(folder / "3.state", weights_only=True))
    return model


SWITCHED = {"channels_last": True, "fused_adam": True}


@pytest.mark.parametrize(("saved", "asked"), [(SWITCHED, {}), ({}, SWITCHED), (SWITCHED, {"fused_adam": True})])
def test_a_run_resumes_with_other_switches_as_if_it_had_them_before(tmp_path, saved, asked):
    first = run(build(tmp_path, **saved), 3)
    first.save(0, 3)
    second = resumed(tmp_path, **asked)
    for optimizer in second.optimizers:
        assert all(bool(group["fused"]) is asked.get("fused_adam", False) for group in optimizer.param_groups)
        for parameter, kept in optimizer.state.items():
            assert kept["exp_avg"].stride() == parameter.stride()
    for model in (first, second):
        run(model, 1, first=4)
    for name, value in first.net_g.state_dict().items():
        torch.testing.assert_close(second.net_g.state_dict()[name], value, rtol=1e-4, atol=2e-5)


def test_a_plain_state_goes_on_in_half_precision_with_fused_adam(tmp_path):
    run(build(tmp_path), 3).save(0, 3)
    model = run(resumed(tmp_path, amp="fp16", fused_adam=True), 1, first=4)
    assert all(torch.tensor(value).isfinite() for value in model.get_current_log().values())


def test_compiled_blocks_with_recomputed_concatenations_are_refused(tmp_path):
    with pytest.raises(ValueError, match="concat would pass by the compiled blocks"):
        build(tmp_path, compile=True, gradient_checkpointing="concat")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch.compile's own
def test_validation_does_not_compile_for_each_image_size(tmp_path, monkeypatch):
    stances = []
    monkeypatch.setattr(USRDAModel, "_validate", lambda *_: stances.append(torch._dynamo.eval_frame._stance.stance))
    for switched in (True, False):
        build(tmp_path, compile=switched).nondist_validation(None, 1, None, False)
    assert stances == ["force_eager", "default"]


# ---------------------------------------------------------------------- accumulation and clipping


def test_a_batch_is_cut_into_equal_parts_in_order():
    whole = partial(torch.arange, 6)
    from usrda_plugin.method import Batch

    parts = split(Batch(whole(), whole(), None), 3)
    assert [part.x_s.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert all(part.x_t is None for part in parts)
    with pytest.raises(
        ValueError, match="gradient_accumulation_steps: expected a divisor of the batch size 6, found 4"
    ):
        split(Batch(whole(), whole(), None), 4)


def test_accumulated_critics_look_at_passes_without_a_graph(tmp_path):
    model = build(tmp_path, gradient_accumulation_steps=2)
    model.feed_data(batch())
    passes = model.harness.forward(lambda part: model.forward_pass(part, model.objective.needs), model.batch)
    for with_gradient in (False, True):
        found = passes.passes([model.net_g], with_gradient=with_gradient)
        assert [tensors.y_ss.requires_grad for _, tensors in found] == [with_gradient] * 2


def test_a_resting_generator_builds_no_graph(tmp_path):
    model = build(tmp_path, net_d_init_iters=1)
    model.feed_data(batch())
    made = []
    model.net_g.sr_decoder.register_forward_hook(lambda _m, _args, image: made.append(image.requires_grad))
    for current_iter in (1, 2):
        model.optimize_parameters(current_iter)
    assert made == [False, False, True, True]  # y_ss and y_sts of each


def norm_of(parameters):
    return torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])


def test_clipping_bounds_each_optimizers_gradient_and_the_log_has_the_norm_before(tmp_path):
    free, clipped = build(tmp_path, log_grad_norm=True), build(tmp_path, log_grad_norm=True, clip_grad_norm=1e-3)
    for model in (free, clipped):
        run(model, 1)
    assert norm_of(free.net_g.parameters()) > 1e-3
    assert norm_of(clipped.net_g.parameters()) <= 1e-3 * 1.001
    critics = [parameter for critic in clipped.critics.values() for parameter in critic.parameters()]
    assert norm_of(critics) <= 1e-3 * 1.001
    logs = [{k: v for k, v in model.log.items() if k.startswith("grad_norm")} for model in (free, clipped)]
    assert logs[1].keys() == logs[0].keys()
    assert logs[1]["grad_norm_d_f"] == logs[0]["grad_norm_d_f"]
