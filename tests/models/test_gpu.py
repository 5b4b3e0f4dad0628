"""On a GPU the model does what it does on the CPU; `make gpu-check` runs these where CUDA is."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.models.test_usrda_model import batch, options
from usrda_plugin.models import USRDAModel
from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.models.non_finite import LOOK_EVERY
from usrda_plugin.training import launch

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
TOLERANCE = 2e-3  # relative; convolutions add up in another order, and ten steps amplify it


def build(folder, num_gpu, **train):
    torch.manual_seed(0)
    return USRDAModel(copy.deepcopy({**options(folder, **{"tf32": False, **train}), "num_gpu": num_gpu}))


def losses_of(model, iterations):
    logs = []
    for current_iter in range(1, iterations + 1):
        model.feed_data(batch(current_iter))
        model.optimize_parameters(current_iter)
        logs.append(model.get_current_log())
    return logs


def test_ten_steps_have_the_losses_of_the_cpu(tmp_path):
    on_cpu, on_gpu = (losses_of(build(tmp_path, num_gpu), 10) for num_gpu in (0, 1))
    for here, there in zip(on_cpu, on_gpu, strict=True):
        assert here == pytest.approx(there, rel=TOLERANCE, abs=1e-4)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
def test_a_checkpoint_moves_between_cpu_and_gpu(tmp_path, first, second):
    model = build(tmp_path, first)
    losses_of(model, 2)
    model.save(0, 2)
    opt = {**options(tmp_path), "num_gpu": second}
    opt["path"] |= {"resume_state": str(tmp_path / "2.state")}
    opt["path"] |= {f"pretrain_network_{n}": str(tmp_path / f"net_{n}_2.pth") for n in ("g", "d_f", "d_t", "d_y")}
    moved = USRDAModel(opt)
    moved.resume_training(torch.load(tmp_path / "2.state", map_location="cpu", weights_only=True))
    losses_of(moved, 2)
    for key, value in model.net_g_ema.state_dict().items():
        assert value.shape == moved.net_g_ema.state_dict()[key].shape
    assert next(moved.net_g.parameters()).is_cuda == bool(second)


# fp16's scaler asks the device whether gradients are finite, unless Adam is fused and asks it itself
FREE_OF_WAITS = [{}, {"amp": "bf16"}, {"amp": "fp16"}, {"compile": True, "amp": "bf16"}, {"clip_grad_norm": 1.0}]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch.compile's own
@pytest.mark.parametrize("train", FREE_OF_WAITS)
def test_the_step_does_not_wait_for_the_device(tmp_path, train):
    model = build(tmp_path, 1, tf32="auto", **train)
    losses_of(model, 3)
    model.feed_data(batch(9))
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.optimize_parameters(4)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("train", [{}, {"amp": "fp16"}, {"ema_decay": 0}])
def test_skipped_steps_are_counted_and_told_without_a_wait(tmp_path, train):
    model = build(tmp_path, 1, **train)
    losses_of(model, 3)
    before = [value.clone() for value in model.net_g.state_dict().values()]
    bad = batch(9) | {"x_t": torch.full((2, 3, 8, 8), float("nan"))}
    model.feed_data(bad)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for current_iter in range(4, 2 * LOOK_EVERY + 1):
            model.optimize_parameters(current_iter)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    skipped = 2 * LOOK_EVERY - 3
    assert model.skipped_state() == {"g": skipped, "d": skipped}
    assert model.stepper.guard.reported[0].in_row == LOOK_EVERY - 3  # what was seen is of the look before
    assert all(map(torch.equal, model.net_g.state_dict().values(), before))
    losses_of(model, 1)
    assert any(not torch.equal(*pair) for pair in zip(model.net_g.state_dict().values(), before, strict=True))


def test_a_training_on_the_gpu_stops_after_so_many_bad_steps(tmp_path):
    model = build(tmp_path, 1, max_skipped_steps=3)
    model.feed_data(batch(9) | {"x_t": torch.full((2, 3, 8, 8), float("nan"))})

    def train():
        for current_iter in range(1, 3 * LOOK_EVERY):
            model.optimize_parameters(current_iter)

    with pytest.raises(TrainingDiverged, match="l_g_align"):
        train()


def test_the_profile_of_a_step_shows_no_wait_and_no_copy_to_the_host(tmp_path):
    model = build(tmp_path, 1)
    losses_of(model, 3)
    model.feed_data(batch(9))
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        model.optimize_parameters(4)
    seen = {event.key for event in profile.key_averages()}
    assert any("aten::convolution" in name for name in seen)
    waits = ("cudaStreamSynchronize", "cudaEventSynchronize", "aten::item", "aten::_local_scalar_dense", "Memcpy DtoH")
    assert not [name for name in seen if name.startswith(waits)]


@pytest.mark.parametrize(
    "train",
    [
        dict.fromkeys(("channels_last", "fused_adam", "joint_batches"), False),
        {"gradient_checkpointing": "block"},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_switches_change_no_loss_on_the_gpu(tmp_path, train):
    plain, switched = losses_of(build(tmp_path, 1), 5), losses_of(build(tmp_path, 1, **train), 5)
    for expected, found in zip(plain, switched, strict=True):
        assert found == pytest.approx(expected, rel=TOLERANCE, abs=1e-4)


@pytest.mark.parametrize("num_gpu", ["1", "auto"])
def test_basicsr_train_takes_the_gpu(tmp_path, monkeypatch, num_gpu):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for root, side in (("hr", 192), ("lr", 96)):
        Path(root).mkdir()
        for number in range(2):
            cv2.imwrite(f"{root}/{number}.png", rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    data = {"dataroot_gt": "hr", "dataroot_target": "lr", "gt_size": 32, "batch_size_per_gpu": 2}
    data["num_worker_per_gpu"] = 0
    small = {"num_feat": 8, "num_block": 1, "num_block_lr_decoder": 1}
    overrides = [f"datasets:train:{key}={value}" for key, value in data.items()]
    overrides += [f"network_g:{key}={value}" for key, value in small.items()]
    overrides += ["datasets:val=null", "val=null", "train:total_iter=2", "train:psnr_iter=0", f"num_gpu={num_gpu}"]
    overrides += ["path:pretrain_network_g=null"]
    torch.cuda.reset_peak_memory_stats()
    launch.train(Path(__file__).parents[2] / "options/train_usrda_x2.yml", overrides=overrides)
    assert torch.cuda.max_memory_allocated() > 0
    weights = torch.load("experiments/train_usrda_x2/models/net_g_latest.pth", weights_only=True)
    assert not any(value.is_cuda for value in weights["params_ema"].values())
