"""USRDAModel: the step, its phases, what it logs, what it saves and starts from."""

import copy

import pytest
import torch

from usrda_plugin.method import Critics, training_step
from usrda_plugin.models import USRDAModel
from usrda_plugin.models.image_grid import image_grids

NETWORK = {
    "type": "USRDANet", "scale": 2, "encoder": "rrdb", "num_feat": 4, "num_block": 2, "num_grow_ch": 2,
    "num_block_encoder": 1, "num_block_lr_decoder": 1,
}  # fmt: skip
CRITIC = {"type": "USRDADiscriminator", "num_in_ch": 3, "num_feat": 4, "num_down": 1}
TERMS = {
    "pixel_opt": {"type": "L1Loss", "loss_weight": 0.5, "reduction": "mean"},
    "gan_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.1},
    "align_opt": {"type": "USRDAAlignLoss", "loss_weight": 0.2},
    "rec_opt": {"loss_weight": 2.0},
    "res_opt": {"type": "L1Loss", "loss_weight": 0.7},
    "sty_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.3},
    "idt_opt": {"type": "L1Loss", "loss_weight": 0.4},
    "cyc_opt": {"loss_weight": 1.0},
}
ALL_LOSSES = {
    "l_g_align", "l_g_rec_pix", "l_g_rec_gan", "l_g_res", "l_g_sty", "l_g_idt", "l_g_cyc_pix", "l_g_cyc_gan",
    "l_g_total",
}  # fmt: skip


def options(folder, **train):
    adam = {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]}
    kept = {key: block for key, block in {**TERMS, **train}.items() if block is not None}
    return {
        "name": "test", "model_type": "USRDAModel", "scale": 2, "num_gpu": 0,
        "is_train": True, "dist": False, "rank": 0, "world_size": 1, "network_g": dict(NETWORK),
        "network_d_f": {**CRITIC, "num_in_ch": 4}, "network_d_t": dict(CRITIC),
        "network_d_y": dict(CRITIC), "path": {"models": str(folder), "training_states": str(folder)},
        "train": {
            "ema_decay": 0.9, "optim_g": dict(adam), "optim_d": dict(adam), "total_iter": 10,
            "scheduler": {"type": "MultiStepLR", "milestones": [8], "gamma": 0.5}, **kept,
        },
        "logger": {}, "val": {},
    }  # fmt: skip


def build(folder, **train):
    torch.manual_seed(0)
    return USRDAModel(copy.deepcopy(options(folder, **train)))


def batch(seed=0, with_target=True):
    generator = torch.Generator().manual_seed(seed)
    sizes = {"x_s": 8, "y_s": 16, "x_t": 8} if with_target else {"x_s": 8, "y_s": 16}
    return {name: torch.rand(2, 3, size, size, generator=generator) for name, size in sizes.items()}


def run(model, iterations, first=1, **options):
    for current_iter in range(first, first + iterations):
        model.update_learning_rate(current_iter)
        model.feed_data(batch(current_iter, **options))
        model.optimize_parameters(current_iter)
    return model


def step_of(model, player):
    """The step of the generator ("g") or of the critics ("d") alone, by all terms."""

    class Alone:
        forward = model.harness.forward

        def descend(self, who, passes, loss_of):
            return model.harness.descend(who, passes, loss_of) if who == player else {}

    critics = Critics(**{name: model.critics[name] for name in model.objective.critics})
    return training_step(model.forward_pass, critics, model.objective, model.batch, Alone())


def state(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def changed(before, network):
    return any(not torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_every_raw_term_and_the_weighted_total_are_logged(tmp_path):
    log = run(build(tmp_path), 1).get_current_log()
    critics = {f"{kind}_d_{name}{suffix}" for name in "fty" for kind, suffix in
               (("l", ""), ("out", "_real"), ("out", "_fake"))}  # fmt: skip
    assert set(log) == ALL_LOSSES | critics
    weights = {
        "l_g_align": 0.2, "l_g_rec_pix": 2 * 0.5, "l_g_rec_gan": 2 * 0.1, "l_g_res": 0.7, "l_g_sty": 0.3,
        "l_g_idt": 0.4, "l_g_cyc_pix": 0.5, "l_g_cyc_gan": 0.1,
    }  # fmt: skip
    assert log["l_g_total"] == pytest.approx(sum(weight * log[name] for name, weight in weights.items()), rel=1e-5)


def test_a_step_moves_all_six_networks(tmp_path):
    model = build(tmp_path)
    networks = {**dict(model.net_g.named_children()), **model.critics}
    before = {name: state(network) for name, network in networks.items()}
    run(model, 1)
    assert all(changed(before[name], network) for name, network in networks.items())


def test_the_generators_step_leaves_no_gradient_in_the_critics(tmp_path):
    model = build(tmp_path)
    model.feed_data(batch())
    step_of(model, "g")
    assert all(p.grad is None for critic in model.critics.values() for p in critic.parameters())
    assert all(p.requires_grad for critic in model.critics.values() for p in critic.parameters())


def test_the_generators_gradients_are_those_of_the_textbook_schedule(tmp_path):
    """One pass against every tensor recomputed for each loss: same gradients."""
    model = build(tmp_path)
    model.feed_data(batch())
    textbook = copy.deepcopy(model.net_g)
    x_s, y_s, x_t, *_ = model.batch
    e, g_sr, g_t = textbook.encoder, textbook.sr_decoder, textbook.lr_decoder
    d_f, d_t, d_y = (model.critics[name] for name in "fty")

    def against_y_s(image):
        return 0.5 * (image - y_s).abs().mean() + 0.1 * (d_y(image) - 1).square().mean()

    align = ((d_f(e(x_s)) - 0.5).square().mean() + (d_f(e(x_t)) - 0.5).square().mean()) / 2
    total = (
        0.2 * align
        + 2.0 * against_y_s(g_sr(e(x_s)))
        + 0.7 * (g_t(e(x_t)) - x_t).abs().mean()
        + 0.3 * (d_t(g_t(e(x_s))) - 1).square().mean()
        + 0.4 * (e(g_t(e(x_s))) - e(x_s)).abs().mean()
        + 1.0 * against_y_s(g_sr(e(g_t(e(x_s)))))
    )
    total.backward()
    step_of(model, "g")
    for ours, theirs in zip(model.net_g.parameters(), textbook.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("switched_off", "critics", "calls"),
    [
        ({"align_opt": None}, {"t", "y"}, 7),
        ({"align_opt": None, "res_opt": None}, {"t", "y"}, 5),
        ({"sty_opt": {**TERMS["sty_opt"], "loss_weight": 0}}, {"f", "y"}, 7),
        ({"gan_opt": None}, {"f", "t"}, 7),
        ({"align_opt": None, "res_opt": None, "sty_opt": None, "idt_opt": None, "cyc_opt": None}, {"y"}, 2),
        (
            {"align_opt": None, "res_opt": None, "sty_opt": None, "idt_opt": None, "cyc_opt": None, "gan_opt": None},
            set(),
            2,
        ),
    ],
)
def test_what_is_switched_off_costs_nothing(tmp_path, switched_off, critics, calls):
    model = build(tmp_path, **switched_off)
    called = []
    for network in model.net_g.children():
        network.register_forward_hook(lambda *_: called.append(1))
    run(model, 1, with_target=bool(critics & {"f", "t"}))
    assert set(model.critics) == critics
    assert len(called) == calls
    assert len(model.optimizers) == (2 if critics else 1)


def test_a_term_whose_critic_is_not_in_the_options_is_an_error(tmp_path):
    opt = options(tmp_path)
    del opt["network_d_t"]
    with pytest.raises(ValueError, match=r"network_d_t.*sty"):
        USRDAModel(opt)


def test_no_term_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no term of USR-DA has a weight"):
        build(tmp_path, **dict.fromkeys(TERMS))


def test_the_psnr_phase_trains_by_pixels_alone_and_then_ends(tmp_path):
    model = build(tmp_path, psnr_iter=2)
    critics = {name: state(critic) for name, critic in model.critics.items()}
    run(model, 2)
    assert set(model.get_current_log()) == {"l_g_rec_pix", "l_g_res", "l_g_total"}
    assert not any(changed(critics[name], critic) for name, critic in model.critics.items())
    run(model, 1, first=3)
    assert set(model.get_current_log()) > ALL_LOSSES


def test_critics_can_have_a_head_start_while_the_generator_rests(tmp_path):
    model = build(tmp_path, net_d_init_iters=2)
    generator, critic = state(model.net_g), state(model.critics["t"])
    run(model, 2)
    assert not changed(generator, model.net_g)
    assert changed(critic, model.critics["t"])
    run(model, 1, first=3)
    assert changed(generator, model.net_g)


def test_net_d_iters_critic_steps_for_each_generator_step(tmp_path):
    model = build(tmp_path, net_d_iters=3)
    moved = []
    for current_iter in range(1, 7):
        before = state(model.net_g)
        run(model, 1, first=current_iter)
        moved.append(changed(before, model.net_g))
    assert moved == [False, False, True, False, False, True]


def test_ema_is_the_running_mean_of_the_parameters(tmp_path):
    model = build(tmp_path)
    expected = state(model.net_g)
    for current_iter in range(1, 4):
        run(model, 1, first=current_iter)
        expected = {key: 0.9 * expected[key] + 0.1 * value for key, value in model.net_g.state_dict().items()}
    for key, value in model.net_g_ema.state_dict().items():
        torch.testing.assert_close(value, expected[key])


def test_ema_copies_buffers(tmp_path):
    model = build(tmp_path)
    for network, value in ((model.net_g, 3.0), (model.net_g_ema, 0.0)):
        network.register_buffer("seen", torch.tensor(value))
    model.model_ema(0.9)
    assert model.net_g_ema.seen == 3.0


def test_gradient_norms_are_logged_on_request(tmp_path):
    log = run(build(tmp_path, log_grad_norm=True), 1).get_current_log()
    norms = {key for key in log if key.startswith("grad_norm")}
    assert norms == {f"grad_norm_{n}" for n in ("encoder", "sr_decoder", "lr_decoder", "d_f", "d_t", "d_y")}
    assert all(log[name] > 0 for name in norms)


def test_logging_waits_for_the_device_only_when_the_log_is_read(tmp_path, monkeypatch):
    model = build(tmp_path, fused_adam=True)
    model.stepper.guard.asynchronous = True  # as on a GPU
    model.feed_data(batch())
    for optimizer in model.optimizers:
        optimizer.step = lambda: None  # Adam counts its steps on the host, which waits for nothing
    for wait in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        monkeypatch.setattr(torch.Tensor, wait, lambda *_, wait=wait: pytest.fail(f"waited by {wait}"))
    model.optimize_parameters(1)


def test_a_resumed_run_has_the_same_weights_average_and_critics(tmp_path):
    model = run(build(tmp_path), 3)
    model.save(0, 3)
    opt = options(tmp_path)
    opt["path"] |= {"resume_state": str(tmp_path / "3.state")}
    opt["path"] |= {f"pretrain_network_{n}": str(tmp_path / f"net_{n}_3.pth") for n in ("g", "d_f", "d_t", "d_y")}
    resumed = USRDAModel(opt)
    resumed.resume_training(torch.load(tmp_path / "3.state", weights_only=True))
    for name in ("net_g", "net_g_ema", "net_d_f", "net_d_t", "net_d_y"):
        first, second = vars(model)[name].state_dict(), vars(resumed)[name].state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    run(model, 2, first=4)
    run(resumed, 2, first=4)
    assert model.get_current_log() == resumed.get_current_log()


def test_a_saved_network_says_how_it_is_built(tmp_path):
    run(build(tmp_path), 1).save(0, 1)
    for name, options_of_it in (("g", NETWORK), ("d_t", CRITIC)):
        assert torch.load(tmp_path / f"net_{name}_1.pth", weights_only=True)["network"] == options_of_it


def test_a_save_that_fails_leaves_the_file_before_it(tmp_path, monkeypatch):
    model = run(build(tmp_path), 1)
    model.save(0, 1)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full_disk(content, file):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        run(model, 1).save(0, 1)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_each_network_and_each_part_can_start_from_a_file(tmp_path):
    first = run(build(tmp_path), 2)
    first.save(0, 2)
    opt = options(tmp_path)
    opt["path"] |= {"pretrain_network_g_encoder": str(tmp_path / "net_g_2.pth"), "param_key_g": "params_ema"}
    opt["path"] |= {"pretrain_network_d_t": str(tmp_path / "net_d_t_2.pth")}
    torch.manual_seed(7)
    second = USRDAModel(opt)
    same = {
        "encoder": (first.net_g_ema.encoder, second.net_g.encoder),
        "average": (first.net_g_ema.encoder, second.net_g_ema.encoder),
        "d_t": (first.critics["t"], second.critics["t"]),
    }
    for name, (a, b) in same.items():
        assert not changed(state(a), b), name
    assert changed(state(first.net_g.sr_decoder), second.net_g.sr_decoder)
    assert changed(state(first.critics["f"]), second.critics["f"])


def test_weights_of_another_network_are_refused_naming_file_and_keys(tmp_path):
    run(build(tmp_path), 1).save(0, 1)
    opt = options(tmp_path)
    opt["network_g"]["num_feat"] = 8
    opt["network_d_f"]["num_in_ch"] = 8
    opt["path"]["pretrain_network_g"] = str(tmp_path / "net_g_1.pth")
    with pytest.raises(ValueError, match=r"net_g_1\.pth.*other shape: encoder\.conv_first\.weight"):
        USRDAModel(opt)


def test_strips_show_each_network_at_work(tmp_path):
    model = build(tmp_path)
    model.feed_data(batch())
    pictures = image_grids(model.net_g, model.batch, shown=2)
    assert {name: tuple(picture.shape) for name, picture in pictures.items()} == {
        "target: x_t, x_tt, y_tt": (3, 2 * 16, 3 * 16),
        "source: x_s, x_st, y_sts, y_s": (3, 2 * 16, 4 * 16),
    }
    truth = pictures["source: x_s, x_st, y_sts, y_s"][:, :16, -16:]
    assert torch.equal(truth, model.batch.y_s[0])
    assert model.net_g.training


def test_validation_batches_are_super_resolved_by_the_average(tmp_path):
    model = build(tmp_path)
    model.feed_data({"lq": torch.rand(1, 3, 8, 8)})
    model.test()
    assert torch.equal(model.output, model.net_g_ema(model.lq))


DATA = {"train": {"gt_size": 16, "dataroot_target": "anywhere"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network_d_t": {**CRITIC, "num_down": 6}}, "network_d_t with train: sty_opt"),
        ({"network_d_f": {**CRITIC, "num_in_ch": 8}}, "network_d_f with train: align_opt"),
        ({"network_g": {**NETWORK, "num_out_ch": 1}}, "network_d_y with train: gan_opt"),
        (
            {"network_g": {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1}},
            "network_g",
        ),
        ({"train": {"sty_opt": {"type": "L1Loss"}}}, "network_d_t with train: sty_opt"),
        ({"train": {"res_opt": {"type": "GANLoss", "gan_type": "lsgan"}}}, "train: res_opt"),
        ({"train": {"idt_opt": {"type": "L1Loss", "reduction": "none"}}}, "idt_opt.*expected a loss of one number"),
    ],
)
def test_what_does_not_fit_together_is_told_before_the_first_iteration(tmp_path, changes, said):
    opt = {**options(tmp_path, **changes.pop("train", {})), "datasets": DATA, **changes}
    with pytest.raises(ValueError, match=said):
        USRDAModel(opt)


def test_the_rehearsal_changes_nothing(tmp_path):
    opt = options(tmp_path)
    opt["network_d_t"]["spectral_norm"] = True
    opt["network_g"]["noise_ch"] = 1
    states = []
    for datasets in ({}, DATA):
        torch.manual_seed(0)
        model = USRDAModel(copy.deepcopy({**opt, "datasets": datasets}))
        networks = [model.net_g, model.net_g_ema, *model.critics.values()]
        states.append([*[value for network in networks for value in state(network).values()], torch.rand(3)])
        assert all(critic.training for critic in model.critics.values())
        assert model.net_g.training
    assert all(torch.equal(first, second) for first, second in zip(*states, strict=True))


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"psnr_iter": 3, "pixel_opt": None, "res_opt": None}, "psnr_iter"),
        ({"align_opt": {"type": "GANLoss", "gan_type": "hinge"}}, "align_opt: gan_type"),
    ],
)
def test_options_that_would_train_nothing_or_the_wrong_thing_are_refused(tmp_path, train, said):
    with pytest.raises(ValueError, match=said):
        build(tmp_path, **train)


def test_a_critic_starts_from_the_weights_that_its_key_names(tmp_path):
    first = build(tmp_path)
    torch.save({"params": {}, "mine": first.critics["t"].state_dict()}, tmp_path / "d_t.pth")
    opt = options(tmp_path)
    opt["path"] |= {"pretrain_network_d_t": str(tmp_path / "d_t.pth"), "param_key_d_t": "mine"}
    torch.manual_seed(5)
    assert not changed(state(first.critics["t"]), USRDAModel(opt).critics["t"])
