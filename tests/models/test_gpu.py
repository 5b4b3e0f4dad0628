"""On a GPU the model does what it does on the CPU; `make gpu-check` runs these where CUDA is."""

import copy

import pytest
import torch

from tests.models.test_usrda_model import batch, options
from usrda_plugin.models import USRDAModel

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
TOLERANCE = 2e-3  # relative; convolutions add up in another order, and ten steps amplify it


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def build(folder, num_gpu):
    torch.manual_seed(0)
    return USRDAModel(copy.deepcopy({**options(folder), "num_gpu": num_gpu}))


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


def test_the_step_does_not_wait_for_the_device(tmp_path):
    model = build(tmp_path, 1)
    losses_of(model, 3)
    model.feed_data(batch(9))
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.optimize_parameters(4)
    finally:
        torch.cuda.set_sync_debug_mode("default")
