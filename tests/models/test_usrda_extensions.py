"""USRDAModel with the extensions: what they train, in which phase, under which switches, and what they refuse."""

import copy

import pytest
import torch

from tests.models.test_usrda_model import ALL_LOSSES, CRITIC, DATA, TERMS, batch, changed, run, state, step_of
from tests.models.test_usrda_model import options as paper_options
from usrda_plugin.models import USRDAModel
from usrda_plugin.models.criteria import asking_terms, leaves_networks_idle

LSGAN = {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.3}
PAIRS = {"type": "USRDARelativisticLoss", "r1_weight": 0.2, "r2_weight": 0.4, "loss_weight": 0.3}
HR = {"hr_opt": LSGAN}
CON = {"con_opt": {"type": "L1Loss", "loss_weight": 0.6}}
TEA = {"tea_opt": {"type": "L1Loss", "loss_weight": 0.8, "perturbation": 0.05}}
WEIGHED = {"cyc_opt": {"loss_weight": 1.0, "weighted_by": "d_t"}}
IN_PAIRS = dict.fromkeys(("sty_opt", "hr_opt", "gan_opt"), PAIRS)
EACH = {"hr": HR, "con": CON, "tea": TEA, "weighed": WEIGHED, "pairs": IN_PAIRS}
ALL = {**HR, **CON, **TEA, **WEIGHED}


def options(folder, **train):
    return {**paper_options(folder, **train), "network_d_h": {**CRITIC, "view": "luma_high"}}


def build(folder, **train):
    torch.manual_seed(0)
    return USRDAModel(copy.deepcopy(options(folder, **train)))


def gradients_of(model):
    """One step's gradients; the noise of tea is the same for every model."""
    torch.manual_seed(3)
    for optimizer in model.optimizers:
        optimizer.step = lambda: None
    run(model, 1)
    networks = (model.net_g, *model.critics.values())
    return [parameter.grad for network in networks for parameter in network.parameters()]


def test_extensions_log_what_they_add(tmp_path):
    log = run(build(tmp_path, **ALL), 1).get_current_log()
    added = {"l_g_hr", "l_g_con", "l_g_tea", "l_d_h", "out_d_h_real", "out_d_h_fake"}
    assert added | ALL_LOSSES <= set(log)
    assert not added & set(run(build(tmp_path), 1).get_current_log())


@pytest.mark.parametrize(
    ("extension", "calls", "teacher"),
    [("hr", 8, 0), ("con", 8, 0), ("tea", 9, 2), ("weighed", 7, 0), ("pairs", 8, 0)],
)
def test_an_extension_costs_its_own_network_calls_alone(tmp_path, extension, calls, teacher):
    model, called, taught = build(tmp_path, **EACH[extension]), [], []
    for network, counted in ((model.net_g, called), (model.net_g_ema, taught)):
        for part in network.children():
            part.register_forward_hook(lambda *_, counted=counted: counted.append(1))
    run(model, 1)
    assert (len(called), len(taught)) == (calls, teacher)


def test_least_squares_ask_no_critic_for_real_images_in_the_generators_half(tmp_path):
    counts = {}
    for name, extension in (("labels", HR), ("pairs", IN_PAIRS)):
        model, called = build(tmp_path, **extension), []
        for critic in model.critics.values():
            critic.register_forward_hook(lambda *_, called=called: called.append(1))
        model.feed_data(batch())
        step_of(model, "g")
        counts[name] = len(called)
    assert counts == {"labels": 6, "pairs": 6 + 3}  # f_s f_t x_st y_ss y_sts y_tt, and x_t y_s y_s


def test_gradients_are_those_of_the_textbook(tmp_path):
    model = build(tmp_path, **HR, **CON, **TEA, rec_opt=None, cyc_opt=None, res_opt=None, sty_opt=None, idt_opt=None)
    model.feed_data(batch())
    torch.manual_seed(5)
    lesson = model.with_pseudo_labels(model.objective)
    textbook = copy.deepcopy(model.net_g)
    e, g_sr = textbook.encoder, textbook.sr_decoder
    d_f, d_h, (x_s, _, x_t, *_) = model.critics["f"], model.critics["h"], model.batch
    y_tt = g_sr(e(x_t))
    small = torch.nn.functional.interpolate(y_tt, scale_factor=0.5, mode="bicubic", antialias=True)
    mean = torch.nn.functional.avg_pool2d
    padded = [torch.nn.functional.pad(image, [3] * 4, mode="reflect") for image in (small, x_t)]
    total = (
        0.2 * ((d_f(e(x_s)) - 0.5).square().mean() + (d_f(e(x_t)) - 0.5).square().mean()) / 2
        + 0.3 * (d_h(y_tt) - 1).square().mean()
        + 0.6 * (mean(padded[0], 7, 1) - mean(padded[1], 7, 1)).abs().mean()
        + 0.8 * (g_sr(e(lesson.x_tp)) - model.net_g_ema(x_t)).abs().mean()
    )
    total.backward()
    model.batch = lesson
    step_of(model, "g")
    for ours, theirs in zip(model.net_g.parameters(), textbook.parameters(), strict=True):
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in model.net_g_ema.parameters())


@pytest.mark.parametrize("extensions", [ALL, {**ALL, **IN_PAIRS, "cyc_opt": TERMS["cyc_opt"]}], ids=["labels", "pairs"])
@pytest.mark.parametrize(
    "train",
    [{"gradient_accumulation_steps": 2}, {"joint_batches": True}, {"gradient_checkpointing": "block"}],
    ids=lambda train: next(iter(train)),
)
def test_a_switch_changes_no_gradient(tmp_path, extensions, train):
    plain, switched = build(tmp_path, **extensions), build(tmp_path, **extensions, **train)
    for expected, found in zip(gradients_of(plain), gradients_of(switched), strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-6)
    assert switched.get_current_log() == pytest.approx(plain.get_current_log(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_is_near_and_penalties_are_in_full(tmp_path, amp):
    everything = {**ALL, **IN_PAIRS, "cyc_opt": TERMS["cyc_opt"]}
    plain, half = (run(build(tmp_path, **everything, amp=kind), 1) for kind in (False, amp))
    expected = {name: value for name, value in plain.get_current_log().items() if name.startswith("l_")}
    # tea's noise is another in each run, and no larger than its perturbation makes it
    found = {name: value for name, value in half.get_current_log().items() if name in expected}
    assert found == pytest.approx(expected, rel=0.1, abs=0.02)
    model = build(tmp_path, **IN_PAIRS, amp=amp)
    seen = []
    model.critics["t"].register_forward_hook(lambda _m, args, out: seen.append((args[0].dtype, out.dtype)))
    model.feed_data(batch())
    step_of(model, "d")
    assert seen == [(torch.float32, torch.float32)] * 2


def test_weighed_cycles_in_half_precision_are_near(tmp_path):
    plain, half = (run(build(tmp_path, **WEIGHED, amp=kind), 1).get_current_log() for kind in (False, "bf16"))
    assert half["l_g_cyc_pix"] == pytest.approx(plain["l_g_cyc_pix"], rel=0.02)


def test_all_phases_treat_extensions_as_adversarial(tmp_path):
    model = build(tmp_path, **ALL, psnr_iter=1, net_d_init_iters=1)
    weights, critic = state(model.net_g), state(model.critics["h"])
    run(model, 1)
    assert set(model.get_current_log()) == {"l_g_rec_pix", "l_g_res", "l_g_total"}
    assert changed(weights, model.net_g)
    assert not changed(critic, model.critics["h"])
    weights = state(model.net_g)
    run(model, 1, first=2)
    assert not changed(weights, model.net_g)
    assert changed(critic, model.critics["h"])
    run(model, 1, first=3)
    assert changed(weights, model.net_g)


def test_a_resting_generator_asks_no_teacher_for_labels(tmp_path):
    model, taught = build(tmp_path, **TEA, net_d_init_iters=1), []
    model.net_g_ema.register_forward_hook(lambda *_: taught.append(1))
    run(model, 1)
    assert not taught
    run(model, 1, first=2)
    assert taught


def test_the_critic_of_the_extension_is_saved_and_resumed(tmp_path):
    model = run(build(tmp_path, **ALL), 2)
    model.save(0, 2)
    opt = options(tmp_path, **ALL)
    opt["path"] |= {"resume_state": str(tmp_path / "2.state")}
    opt["path"] |= {
        f"pretrain_network_{n}": str(tmp_path / f"net_{n}_2.pth") for n in ("g", "d_f", "d_t", "d_y", "d_h")
    }
    resumed = USRDAModel(opt)
    resumed.resume_training(torch.load(tmp_path / "2.state", weights_only=True))
    for one in (model, resumed):
        torch.manual_seed(4)
        run(one, 1, first=3)
    assert model.get_current_log() == resumed.get_current_log()


def test_penalties_flatten_a_critic(tmp_path):
    """With nothing but penalties to lessen, a critic's slopes fall."""
    heavy = {**PAIRS, "r1_weight": 1000.0, "r2_weight": 1000.0}
    model = build(tmp_path, sty_opt=heavy, net_d_init_iters=100)
    losses = [run(model, 1, first=number).get_current_log()["l_d_t"] for number in range(1, 31)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({**TEA, "ema_decay": 0}, r"tea_opt: .*averaged network.*ema_decay"),
        ({**WEIGHED, "sty_opt": None}, r"cyc_opt: weighted_by: .*no term trains it"),
        ({**WEIGHED, "sty_opt": PAIRS}, r"cyc_opt: weighted_by: .*between 0 and 1.*USRDARelativisticLoss"),
        ({**WEIGHED, "sty_opt": {**LSGAN, "gan_type": "hinge"}}, r"cyc_opt: weighted_by: .*hinge"),
        ({**WEIGHED, "pixel_opt": None}, r"cyc_opt: weighted_by: .*no pixel_opt"),
        (
            {**WEIGHED, "pixel_opt": {"type": "L1Loss", "reduction": "sum"}},
            r"cyc_opt: weighted_by: .*reduction at mean",
        ),
        ({**WEIGHED, "pixel_opt": {"type": "GANLoss", "gan_type": "lsgan"}}, r"pixel_opt: type: .*reduction: none"),
        ({"align_opt": PAIRS}, r"align_opt: type: .*USRDAAlignLoss"),
    ],
)
def test_what_an_extension_lacks_is_told(tmp_path, train, said):
    with pytest.raises(ValueError, match=said):
        build(tmp_path, **train)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network_d_h": {**CRITIC, "num_down": 7}}, "network_d_h with train: hr_opt"),
        ({"train": {"con_opt": {"type": "L1Loss", "reduction": "none"}}}, "con_opt.*expected a loss of one number"),
        ({"train": {"tea_opt": {"type": "GANLoss", "gan_type": "lsgan"}}}, "train: tea_opt"),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_iteration(tmp_path, changes, said):
    train = {**ALL, **changes.pop("train", {})}
    with pytest.raises(ValueError, match=said):
        USRDAModel({**options(tmp_path, **train), "datasets": DATA, **changes})


def test_the_rehearsal_of_extensions_changes_nothing(tmp_path):
    opt = options(tmp_path, **{**ALL, **IN_PAIRS, "cyc_opt": TERMS["cyc_opt"]})
    opt["network_d_h"]["spectral_norm"] = True
    states = []
    for datasets in ({}, DATA):
        torch.manual_seed(0)
        model = USRDAModel(copy.deepcopy({**opt, "datasets": datasets}))
        networks = [model.net_g, *model.critics.values()]
        assert all(parameter.grad is None for network in networks for parameter in network.parameters())
        states.append([*[value for network in networks for value in state(network).values()], torch.rand(3)])
    assert all(torch.equal(first, second) for first, second in zip(*states, strict=True))


def test_what_extensions_ask_is_told_by_the_options():
    train = {"pixel_opt": {}, "rec_opt": {}, **HR, **CON}
    assert asking_terms(train)["h"] == ["hr"]
    assert leaves_networks_idle(train)
    assert not leaves_networks_idle({**train, "res_opt": {}})
    assert leaves_networks_idle({**HR, "res_opt": {}, "psnr_iter": 5})
