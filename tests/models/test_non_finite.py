"""A loss or a gradient that is not finite costs its step and nothing else; it is counted, told, in the end fatal."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.models.test_usrda_model import batch, options, run, state
from usrda_plugin.models import USRDAModel, non_finite
from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.models.non_finite import LOOK_EVERY, NonFiniteGuard

SPECTRAL = {"type": "USRDADiscriminator", "num_in_ch": 3, "num_feat": 4, "num_down": 1, "spectral_norm": True}
FUSED = {"fused_adam": True}


@pytest.fixture
def told(monkeypatch):
    """What the log is told: (level, text)."""
    lines = []

    class Log:
        def warning(self, text):
            lines.append(("warning", text))

        def info(self, text):
            lines.append(("info", text))

    monkeypatch.setattr(non_finite, "get_root_logger", Log)
    return lines


def make(folder, *, like_a_gpu=False, **train):
    torch.manual_seed(0)
    opt = options(folder, **train)
    opt["network_d_y"] = dict(SPECTRAL)
    model = USRDAModel(copy.deepcopy(opt))
    model.stepper.guard.asynchronous = like_a_gpu
    return model


def step(model, current_iter, images):
    model.feed_data(images)
    model.optimize_parameters(current_iter)


def with_nan(seed, name="x_t", sample=1):
    images = batch(seed)
    images[name][sample, 0, 3, 3] = float("nan")
    return images


def everything(model):
    """All that training moves, by name."""
    networks = {"g": model.net_g, "ema": model.net_g_ema, **model.critics}
    found = {f"{name}.{key}": value for name, network in networks.items() for key, value in state(network).items()}
    for number, optimizer in enumerate(model.optimizers):
        for place, moments in optimizer.state_dict()["state"].items():
            found |= {f"{number}.{place}.{key}": torch.as_tensor(value).clone() for key, value in moments.items()}
    return found


def differing(found, expected):
    assert found.keys() == expected.keys()
    return [name for name, value in expected.items() if not torch.equal(found[name], value)]


def spoil(model, term, loss):
    """Let a term's criterion give another loss."""
    criterion = getattr(model.objective.criteria, term)
    criteria = model.objective.criteria._replace(**{term: lambda *images: loss(criterion(*images))})
    model.phases = model.phases._replace(everything=model.objective._replace(criteria=criteria))


class NanGradient(torch.autograd.Function):
    """A loss that is as it should be, with a gradient that is not."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


# ---------------------------------------------------------------------- a skipped step leaves no trace


WAYS = {
    "plain": {},
    "clipped": {"clip_grad_norm": 0.05},
    "bf16": {"amp": "bf16"},
    "one bad micro-batch": {"gradient_accumulation_steps": 2},
    "fused": FUSED,
    "fused, decided on the device": {**FUSED, "like_a_gpu": True},
}


@pytest.mark.parametrize("train", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", ["x_s", "x_t", "y_s"])
def test_a_bad_batch_leaves_no_trace_and_the_next_step_is_as_if_it_had_not_been(tmp_path, train, name):
    model, other = (make(tmp_path, **train) for _ in range(2))
    for one in (model, other):
        step(one, 1, batch(1))
    before = everything(model)
    step(model, 2, with_nan(2, name))
    assert differing(everything(model), before) == []
    assert model.skipped_state() == {"g": 1, "d": 1}
    for one in (model, other):
        step(one, 3, batch(3))
    assert differing(everything(model), everything(other)) == []


@pytest.mark.parametrize("train", [{}, {**FUSED, "like_a_gpu": True}], ids=["host", "device"])
def test_a_bad_generator_loss_spares_the_generator_and_the_critics_go_on(tmp_path, train):
    model = make(tmp_path, **train)
    step(model, 1, batch(1))
    spoil(model, "res", lambda loss: loss * float("inf"))
    before = everything(model)
    step(model, 2, batch(2))
    changed = {name.split(".")[0] for name in differing(everything(model), before)}
    assert changed == {"f", "t", "y", "1"}  # 1: the moments of the critics' optimizer
    assert model.skipped_state() == {"g": 1, "d": 0}


def test_the_first_step_can_be_skipped_without_a_warning_of_the_schedulers(tmp_path):
    model = make(tmp_path)
    before = everything(model)
    step(model, 1, with_nan(1))
    assert differing(everything(model), before) == []
    run(model, 2, first=2)  # warnings are errors
    assert model.skipped_state() == {"g": 1, "d": 1}


def test_finite_steps_are_those_that_the_device_decides_on_too(tmp_path):
    on_host, on_device = (make(tmp_path, **FUSED, like_a_gpu=like) for like in (False, True))
    for model in (on_host, on_device):
        run(model, 3)
    found, expected = everything(on_device), everything(on_host)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-7)


# ---------------------------------------------------------------------- what is told


def test_the_terms_are_named_in_the_order_of_computing(tmp_path, told):
    model = make(tmp_path)
    step(model, 7, with_nan(1, "x_t"))
    generator, critics = told
    assert generator[1].startswith(
        "Iteration 7: the generator's step was skipped, l_g_align was not finite (and then l_g_res)"
    )
    assert critics[1].startswith("Iteration 7: the critics' step was skipped, l_d_f was not finite (and then l_d_t)")
    assert all("in a row: 1; in all: 1." in text for _, text in told)


def test_the_one_term_that_is_wrong_is_named_and_not_the_total(tmp_path, told):
    model = make(tmp_path)
    spoil(model, "idt", lambda loss: loss * float("inf"))
    step(model, 1, batch(1))
    assert len(told) == 1
    assert "the generator's step was skipped, l_g_idt was not finite. " in told[0][1]


def test_a_total_that_overflows_alone_is_named(tmp_path, told):
    model = make(tmp_path)
    objective = model.objective._replace(weights={**model.objective.weights, "l_g_res": float("inf")})
    model.phases = model.phases._replace(everything=objective)
    step(model, 1, batch(1))
    assert "l_g_total was not finite" in told[0][1]


def test_a_wrong_gradient_alone_is_named_by_its_networks(tmp_path, told):
    model = make(tmp_path)
    step(model, 1, batch(1))
    before = everything(model)
    spoil(model, "res", NanGradient.apply)
    step(model, 2, batch(2))
    assert "the gradient of encoder was not finite (and then the gradient of lr_decoder)" in told[0][1]
    assert not [name for name in differing(everything(model), before) if name.startswith(("g.", "ema."))]


def test_a_long_row_is_told_as_it_doubles(tmp_path, told):
    model = make(tmp_path)
    for current_iter in range(1, 21):
        step(model, current_iter, with_nan(1))
    rows = [int(text.split("in a row: ")[1].split(";")[0]) for _, text in told if "generator" in text]
    assert rows == [1, 2, 4, 8, 16]
    step(model, 21, batch(1))
    step(model, 22, with_nan(1))
    assert told[-1][1].startswith("Iteration 22")


def test_on_a_gpu_it_is_told_some_iterations_later_or_when_the_log_is_read(tmp_path, told):
    model = make(tmp_path, **FUSED, like_a_gpu=True)
    for current_iter in range(1, 2 * LOOK_EVERY):
        step(model, current_iter, with_nan(1) if current_iter == 3 else batch(1))
    assert not told
    step(model, 2 * LOOK_EVERY, batch(1))
    assert [text.split(":")[0] for _, text in told] == ["Iteration 3", "Iteration 3"]
    step(model, 2 * LOOK_EVERY + 1, with_nan(1))
    assert len(told) == 2
    model.get_current_log()
    assert [text.split(":")[0] for _, text in told[2:]] == [f"Iteration {2 * LOOK_EVERY + 1}"] * 2
    run(model, LOOK_EVERY, first=2 * LOOK_EVERY + 2)
    assert len(told) == 4


# ---------------------------------------------------------------------- the end


def diverge(model, first=1, last=99):
    for current_iter in range(first, last + 1):
        step(model, current_iter, batch(current_iter))


def test_after_so_many_in_a_row_training_stops_with_advice(tmp_path):
    model = make(tmp_path, max_skipped_steps=3)
    diverge(model, last=4)
    model.save(0, 4)
    spoil(model, "res", lambda loss: loss * float("nan"))
    before = everything(model)
    with pytest.raises(TrainingDiverged) as stopped:
        diverge(model, first=5)
    said = str(stopped.value)
    for part in (
        "the generator's step was skipped 3 times in a row, since iteration 5, when l_g_res was not finite",
        "The last saved set is whole: iteration 4",
        "a lower learning rate (optim_g: lr, now 0.001)",
        "a smaller loss_weight of res_opt",
        "clip_grad_norm: 1",
        "max_skipped_steps",
    ):
        assert part in said
    assert "fp16" not in said
    assert model.skipped_state() == {"g": 3, "d": 0}
    assert not [name for name in differing(everything(model), before) if name.startswith(("g.", "ema.", "0."))]


def test_a_good_step_ends_a_row(tmp_path):
    model = make(tmp_path, max_skipped_steps=2)
    for current_iter in range(1, 8):
        step(model, current_iter, with_nan(1) if current_iter % 2 else batch(1))
    assert model.skipped_state() == {"g": 4, "d": 4}


def test_on_a_gpu_too_training_stops(tmp_path):
    model = make(tmp_path, **FUSED, like_a_gpu=True, max_skipped_steps=3)
    spoil(model, "res", lambda loss: loss * float("nan"))
    with pytest.raises(TrainingDiverged, match=r"since iteration 1, when l_g_res .* Nothing was saved before"):
        diverge(model)
    assert model.skipped_state()["g"] <= 2 * LOOK_EVERY


def test_weights_that_are_not_finite_are_neither_saved_nor_begun_from(tmp_path):
    model = make(tmp_path)
    step(model, 1, batch(1))
    model.save(0, 1)
    weights = torch.load(tmp_path / "net_g_1.pth", weights_only=True)
    next(model.net_g_ema.parameters()).data[0] = float("inf")
    for save in (lambda: model.save(0, 2), model.save_best, lambda: model.save(-1, -1)):
        with pytest.raises(TrainingDiverged, match=r"net_g \(params_ema\) .*not finite .*iteration 1"):
            save()
    assert sorted(file.name for file in tmp_path.glob("net_g_*")) == ["net_g_1.pth"]
    next(iter(weights["params"].values()))[0] = float("nan")
    torch.save({"params": weights["params"]}, tmp_path / "spoiled.pth")
    opt = options(tmp_path)
    opt["path"]["pretrain_network_g"] = str(tmp_path / "spoiled.pth")
    with pytest.raises(ValueError, match=r"spoiled\.pth: expected numbers .*, found NaN or infinity in 1 of "):
        USRDAModel(opt)


def test_a_stop_says_where_weights_are_not_finite_themselves(tmp_path):
    model = make(tmp_path, max_skipped_steps=1)
    next(model.net_g.parameters()).data[0] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"No step can be finite, as weights are not: .* of net_g\."):
        step(model, 1, batch(1))


# ---------------------------------------------------------------------- half precision


def scaled_by(model, scale):
    model.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return model


@pytest.mark.parametrize("train", [{}, {**FUSED, "like_a_gpu": True}], ids=["host", "device"])
def test_overflows_while_the_scale_adapts_are_counted_and_stop_nothing(tmp_path, told, train):
    model = scaled_by(make(tmp_path, amp="fp16", max_skipped_steps=2, **train), 2.0**100)
    before = everything(model)
    diverge(model, last=5)
    model.get_current_log()
    assert {level for level, _ in told} == {"info"}
    assert "overflowed in half precision" in told[0][1]
    assert model.skipped_state() == {"g": 5, "d": 5}
    assert model.stepper.scaler.get_scale() == 2.0**95
    kept = {name: value for name, value in everything(model).items() if not name[0].isdigit()}
    assert differing(kept, {name: before[name] for name in kept}) == []


def test_a_loss_that_is_not_finite_counts_in_half_precision(tmp_path):
    model = make(tmp_path, amp="fp16", max_skipped_steps=2)
    spoil(model, "res", lambda loss: loss * float("nan"))
    with pytest.raises(TrainingDiverged, match="amp: bf16 or false instead of fp16"):
        diverge(model, last=2)


def test_a_gradient_that_is_wrong_whatever_the_scale_counts_in_half_precision(tmp_path):
    model = scaled_by(make(tmp_path, amp="fp16", max_skipped_steps=2), 4.0)
    spoil(model, "res", NanGradient.apply)
    diverge(model, last=4)  # at scales of 4, 2, 1 and 1/2
    with pytest.raises(TrainingDiverged, match="the gradient of encoder"):
        diverge(model, first=5, last=5)


# ---------------------------------------------------------------------- resuming, several processes


def test_counts_go_on_after_resuming(tmp_path, told):
    model = make(tmp_path)
    step(model, 1, with_nan(1))
    resumed = make(tmp_path)
    resumed.restore_skipped(model.skipped_state())
    assert resumed.skipped_state() == {"g": 1, "d": 1}
    told.clear()
    step(resumed, 2, batch(1))
    assert not told
    step(resumed, 3, with_nan(1))
    assert "in a row: 1; in all: 2." in told[0][1]
    resumed.restore_skipped(None)
    assert resumed.skipped_state() == {"g": 0, "d": 0}


@pytest.mark.parametrize(("world_size", "skipped"), [(1, True), (2, False)])
def test_one_process_goes_by_losses_and_gradients_and_several_by_what_they_exchange(tmp_path, world_size, skipped):
    opt = {"train": {}, "path": {"training_states": tmp_path}, "world_size": world_size}
    judge = NonFiniteGuard(torch.device("cpu"), opt, {"g": "the step"}, dict).judge
    one, nan = torch.tensor(1.0), torch.tensor(float("nan"))
    assert bool(judge("g", {"l_g_res": nan}, {"encoder": one}, None)) is skipped
    assert bool(judge("g", {"l_g_res": one}, {"encoder": nan}, None))
    assert not bool(judge("g", {"l_g_res": one}, {"encoder": one}, None))


def test_a_loss_that_is_not_finite_has_no_gradient_that_is(tmp_path):
    model = make(tmp_path)
    weight = torch.ones(3, requires_grad=True)
    for shift, finite in ((0.0, True), (float("inf"), False), (float("nan"), False)):
        weight.grad = None
        model.stepper.backward(weight.sum() + shift)
        assert bool(weight.grad.isfinite().any()) is finite


PROCESS = """
import sys
import torch
import usrda_plugin
from tests.models import test_non_finite as here

usrda_plugin.register()

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
opt = {**here.options(folder, max_skipped_steps=3), "dist": True, "rank": rank, "world_size": 2}
torch.manual_seed(0)
model = here.USRDAModel(opt)
sound = model.objective
for current_iter in range(1, 6):
    images = here.batch(10 * rank + current_iter)
    if rank == 1 and current_iter == 2:
        images = here.with_nan(9)
    if rank == 1 and current_iter == 4:  # the gradient of this loss is finite
        here.spoil(model, "idt", lambda loss: loss + float("inf"))
    here.step(model, current_iter, images)
    model.phases = model.phases._replace(everything=sound)
print(sum(float(value.double().sum()) for value in here.everything(model).values()), model.skipped_state())
"""


@pytest.mark.slow
def test_a_bad_batch_of_one_process_is_skipped_by_all(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    place = {"cwd": Path(__file__).parents[2], "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(rank)], **place, **pipes) for rank in (0, 1)]
    answers = [process.communicate(timeout=250) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    (one, told), (other, _) = answers
    assert one.splitlines()[-1] == other.splitlines()[-1]
    assert "{'g': 2, 'd': 1}" in one
    for culprits in ("l_g_align was not finite (and then l_g_res)", "l_g_idt was not finite"):
        assert culprits in told + one  # which process 0 did not see itself
