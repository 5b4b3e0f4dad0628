"""BasicSR's own models skip steps whose loss or gradient is not finite, without a trace, as USRDAModel does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from usrda_plugin.models import non_finite
from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.models.guarded_steps import wrong_losses_have_wrong_gradients
from usrda_plugin.models.non_finite import LOOK_EVERY

ADAM = {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]}
ADVERSARIAL = {"optim_d": ADAM, "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1}}
FUSED = {"optim_g": {**ADAM, "fused": True}, "optim_d": {**ADAM, "fused": True}}
SYNTHESIS = {"l1_gt_usm": True, "percep_gt_usm": True, "gan_gt_usm": False, "high_order_degradation": False}
KINDS: dict[str, dict[str, Any]] = {
    "SRModel": {},
    "SwinIRModel": {},
    "SRGANModel": ADVERSARIAL,
    "ESRGANModel": ADVERSARIAL,
    "RealESRNetModel": {},
    "RealESRGANModel": ADVERSARIAL,
    "VideoGANModel": ADVERSARIAL,
}


def options(folder: Path, kind: str, **train: Any) -> dict[str, Any]:
    shared = {
        "name": "model", "model_type": kind, "scale": 2, "num_gpu": 0, "dist": False, "is_train": True, "rank": 0,
        "world_size": 1, "gt_usm": True, **SYNTHESIS, "path": {"models": str(folder), "training_states": str(folder)},
        "network_g": {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2},
        "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
        "train": {
            "ema_decay": 0.5, "optim_g": ADAM, "pixel_opt": {"type": "L1Loss"}, "total_iter": 400,
            "scheduler": {"type": "MultiStepLR", "milestones": [10], "gamma": 0.5}, **KINDS[kind], **train,
        },
    }  # fmt: skip
    unshared: dict[str, Any] = json.loads(json.dumps(shared))  # models take blocks apart
    return unshared


def make(folder: Path, kind: str, **train: Any) -> Any:
    torch.manual_seed(0)
    registry = import_module("basicsr.utils.registry").MODEL_REGISTRY
    return registry.get(kind)(options(folder, kind, **train))


def guard_of(model: Any) -> non_finite.NonFiniteGuard:
    found: non_finite.NonFiniteGuard = model.optimize_parameters.__self__.guard
    return found


def batch(seed: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {"lq": torch.rand(2, 3, 16, 16, generator=rng), "gt": torch.rand(2, 3, 32, 32, generator=rng)}


def spoiled(seed: int, name: str = "gt", value: float = float("nan")) -> dict[str, Tensor]:
    images = batch(seed)
    images[name][1, 0, 3, 3] = value
    return images


def step(model: Any, current_iter: int, images: dict[str, Tensor]) -> None:
    model.feed_data(images)
    model.optimize_parameters(current_iter)


def everything(model: Any) -> dict[str, Tensor]:
    """All that training moves, by name."""
    networks = {
        name: part for name, part in vars(model).items() if isinstance(part, nn.Module) and name.startswith("net_")
    }
    found = {
        f"{name}.{key}": value.clone() for name, net in networks.items() for key, value in net.state_dict().items()
    }
    for number, optimizer in enumerate(model.optimizers):
        for place, moments in optimizer.state_dict()["state"].items():
            found |= {f"{number}.{place}.{key}": torch.as_tensor(value).clone() for key, value in moments.items()}
    return found


def differing(found: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    assert found.keys() == expected.keys()
    return [name for name, value in expected.items() if not torch.equal(found[name], value)]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []

    class Log:
        def warning(self, text: str) -> None:
            lines.append(text)

    monkeypatch.setattr(non_finite, "get_root_logger", Log)
    return lines


# ---------------------------------------------------------------------- a skipped step leaves no trace


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["lq", "gt"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_batch_leaves_no_trace_and_the_next_step_is_as_if_it_had_not_been(
    tmp_path: Path, kind: str, name: str, value: float
) -> None:
    model, other = make(tmp_path, kind), make(tmp_path, kind)
    for one in (model, other):
        step(one, 1, batch(1))
    before = everything(model)
    step(model, 2, spoiled(2, name, value))
    assert differing(everything(model), before) == []
    assert model.skipped_state() == dict.fromkeys("gd" if "d" in {*model.skipped_state()} else "g", 1)
    for one in (model, other):
        step(one, 3, batch(3))
    assert differing(everything(model), everything(other)) == []


@pytest.mark.parametrize("kind", ["SRModel", "ESRGANModel"])
def test_so_it_does_where_the_device_decides(tmp_path: Path, kind: str) -> None:
    model = make(tmp_path, kind, **FUSED)
    guard_of(model).asynchronous = True
    step(model, 1, batch(1))
    before = everything(model)
    step(model, 2, spoiled(2))
    assert differing(everything(model), before) == []
    step(model, 3, batch(3))
    assert "net_g_ema.body.0.weight" in differing(everything(model), before)


def test_finite_steps_are_basicsrs_own_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = import_module("basicsr.models.base_model").BaseModel
    guarded = make(tmp_path, "ESRGANModel")
    monkeypatch.setattr(base, "setup_schedulers", base.setup_schedulers.__wrapped__)
    plain = make(tmp_path, "ESRGANModel")
    assert not hasattr(plain, "skipped_state")
    for current_iter in range(1, 4):
        for model in (guarded, plain):
            step(model, current_iter, batch(current_iter))
    assert differing(everything(guarded), everything(plain)) == []
    assert guarded.get_current_log() == plain.get_current_log()
    step(plain, 4, spoiled(4))
    assert not all(value.isfinite().all() for value in plain.net_g.state_dict().values())


def test_a_bad_discriminator_loss_spares_the_discriminator_and_the_generator_goes_on(tmp_path: Path) -> None:
    model = make(tmp_path, "SRGANModel")
    step(model, 1, batch(1))
    original = model.cri_gan.forward
    model.cri_gan.forward = lambda pred, real, is_disc: original(pred, real, is_disc) * (float("nan") if is_disc else 1)
    before = everything(model)
    step(model, 2, batch(2))
    assert {name.split(".")[0] for name in differing(everything(model), before)} == {"net_g", "net_g_ema", "0"}
    assert model.skipped_state() == {"g": 0, "d": 1}


@pytest.mark.parametrize("train", [{"net_d_iters": 2}, {"net_d_init_iters": 3}])
def test_a_generator_that_rests_is_not_judged(tmp_path: Path, train: dict[str, Any]) -> None:
    model = make(tmp_path, "SRGANModel", **train)
    for current_iter in (1, 2, 3):
        step(model, current_iter, spoiled(1) if current_iter % 2 else batch(2))
    assert model.skipped_state() == {"g": 0, "d": 2}


@pytest.mark.parametrize("ema_decay", [0, 0.5])
def test_buffers_of_a_batch_norm_are_given_back(tmp_path: Path, ema_decay: float) -> None:
    model = make(tmp_path, "SRModel", ema_decay=ema_decay)
    for network in (model.net_g, *([model.net_g_ema] if ema_decay else [])):
        network.body.append(nn.BatchNorm2d(12))
    step(model, 1, batch(1))
    before = everything(model)
    assert before["net_g.body.5.num_batches_tracked"] == 1
    step(model, 2, spoiled(2, "lq"))
    assert differing(everything(model), before) == []


# ---------------------------------------------------------------------- what is told


def test_the_losses_are_named_in_the_order_of_computing_and_the_gradient_where_no_loss_is_wrong(
    tmp_path: Path, log: list[str]
) -> None:
    model = make(tmp_path, "ESRGANModel")
    step(model, 7, spoiled(1))
    generator, discriminator = log
    assert generator.startswith(
        "Iteration 7: the generator's step was skipped, l_g_pix was not finite (and then l_g_gan). Skipped in a row: 1"
    )
    assert discriminator.startswith("Iteration 7: the discriminator's step was skipped, l_d_real was not finite (and")
    step(model, 8, batch(1))
    log.clear()
    model.net_d.conv0.weight.register_hook(lambda gradient: gradient * float("inf"))
    step(model, 9, batch(1))
    assert ["the gradient of net_d was not finite" in text for text in log] == [True]


def test_on_a_gpu_it_is_told_some_iterations_later_or_when_the_log_is_read(tmp_path: Path, log: list[str]) -> None:
    model = make(tmp_path, "SRModel", **FUSED)
    guard_of(model).asynchronous = True
    for current_iter in range(1, 2 * LOOK_EVERY):
        step(model, current_iter, spoiled(1) if current_iter == 3 else batch(1))
    assert not log
    step(model, 2 * LOOK_EVERY, batch(1))
    assert [text.split(":")[0] for text in log] == ["Iteration 3"]
    step(model, 40, spoiled(1))
    model.get_current_log()
    assert [text.split(":")[0] for text in log] == ["Iteration 3", "Iteration 40"]


def test_after_so_many_in_a_row_training_stops_with_advice(tmp_path: Path) -> None:
    model = make(tmp_path, "ESRGANModel", max_skipped_steps=3)
    step(model, 1, batch(1))
    model.save(0, 1)
    for current_iter in (2, 3):
        step(model, current_iter, spoiled(1))
    with pytest.raises(TrainingDiverged) as stopped:
        step(model, 4, spoiled(1))
    said = str(stopped.value)
    for part in (
        "the generator's step was skipped 3 times in a row, since iteration 2, when l_g_pix was not finite",
        "no network holds a wrong number. The last saved set is whole: iteration 1;",
        "It has the weights from which steps were skipped; if they are again, begin anew",
        "a lower learning rate (optim_g: lr, now 0.001); a smaller loss_weight of pixel_opt.",
    ):
        assert part in said
    assert "clip_grad_norm" not in said, "which these models do not know"


def test_counts_go_on_after_resuming(tmp_path: Path, log: list[str]) -> None:
    model = make(tmp_path, "ESRGANModel")
    step(model, 1, spoiled(1))
    resumed = make(tmp_path, "ESRGANModel")
    resumed.restore_skipped(model.skipped_state())
    log.clear()
    step(resumed, 3, spoiled(1))
    assert "in a row: 1; in all: 2." in log[0]
    resumed.restore_skipped({})
    assert resumed.skipped_state() == {"g": 0, "d": 0}


PROCESS = """
import sys
import torch
import usrda_plugin
usrda_plugin.register()
from tests.models import test_guarded_steps as here

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
opt = {**here.options(folder, "SRGANModel", max_skipped_steps=3), "dist": True, "rank": rank, "world_size": 2}
torch.manual_seed(0)
model = here.import_module("basicsr.utils.registry").MODEL_REGISTRY.get("SRGANModel")(opt)
for current_iter in range(1, 5):
    images = here.batch(10 * rank + current_iter)
    if rank == 1 and current_iter == 2:  # the gradient of this loss is finite
        images = here.spoiled(9, value=float("inf"))
    here.step(model, current_iter, images)
print(sum(float(value.double().sum()) for value in here.everything(model).values()), model.skipped_state())
"""


@pytest.mark.slow
def test_a_bad_batch_of_one_process_is_skipped_by_all(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    place: dict[str, Any] = {"cwd": Path(__file__).parents[2], "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(rank)], **place, **pipes) for rank in (0, 1)]
    answers = [process.communicate(timeout=250) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    (one, said), (other, _) = answers
    assert one.splitlines()[-1] == other.splitlines()[-1]
    assert "{'g': 1, 'd': 1}" in one
    assert "l_g_pix was not finite" in said + one, "which process 0 did not see itself"


# ---------------------------------------------------------------------- what is never saved


@pytest.mark.parametrize("place", ["net_g", "net_g_ema", "net_d", "moments"])
def test_numbers_that_are_not_finite_are_not_saved(tmp_path: Path, place: str) -> None:
    model = make(tmp_path, "ESRGANModel")
    step(model, 1, batch(1))
    model.save(0, 1)
    if place == "moments":
        next(iter(model.optimizer_d.state.values()))["exp_avg"][0, 0] = float("inf")
    else:
        next(vars(model)[place].parameters()).data[0] = float("nan")
    with pytest.raises(
        TrainingDiverged, match=r"not finite.*and was not saved\. The last saved set is whole: iteration 1"
    ):
        model.save(0, 2)
    assert not (tmp_path / "2.state").exists()


def test_a_training_that_ends_in_skipped_steps_has_no_latest_network(tmp_path: Path) -> None:
    model = make(tmp_path, "SRModel")
    for current_iter in range(1, 5):
        step(model, current_iter, spoiled(1) if current_iter > 2 else batch(1))
    with pytest.raises(TrainingDiverged, match="skipped 2 times in a row, since iteration 3"):
        model.save(-1, -1)
    step(model, 5, batch(1))
    step(model, 6, spoiled(1))
    model.save(-1, -1)
    assert (tmp_path / "net_g_latest.pth").is_file()


@pytest.mark.parametrize("kind", ["SRModel", "ESRGANModel"])
def test_weights_that_are_not_finite_are_refused_before_training_begins(tmp_path: Path, kind: str) -> None:
    model = make(tmp_path, kind)
    weights = model.net_g.state_dict()
    weights["body.0.weight"][0, 0, 0, 0] = float("nan")
    torch.save({"params": weights}, tmp_path / "spoiled.pth")
    opt = options(tmp_path, kind)
    opt["path"]["pretrain_network_g"] = str(tmp_path / "spoiled.pth")
    registry: Callable[..., Any] = import_module("basicsr.utils.registry").MODEL_REGISTRY.get(kind)
    with pytest.raises(
        ValueError,
        match=r"spoiled\.pth: expected numbers .*, found NaN or infinity in 1 of .*body\.0\.weight",
    ):
        registry(opt)


# ---------------------------------------------------------------------- the trick with the gradient


def test_a_loss_that_is_not_finite_has_no_gradient_that_is_and_torch_is_left_as_it_was() -> None:
    weight = torch.ones(3, requires_grad=True)
    theirs = torch.autograd.backward
    for shift, finite in ((0.0, True), (float("inf"), False), (float("nan"), False)):
        weight.grad = None
        with wrong_losses_have_wrong_gradients():
            (weight.sum() + shift).backward()
        assert bool(weight.grad.isfinite().any()) is finite
    with pytest.raises(RuntimeError, match="here"), wrong_losses_have_wrong_gradients():
        raise RuntimeError("here")
    assert torch.autograd.backward is theirs
