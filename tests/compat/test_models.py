"""Seams of models, weights and training states."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from usrda_plugin.compat import apply_seams, models

apply_seams()


class RunsCode:
    """Whose unpickling makes a folder."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.witness),)


def model_options(tmp_path: Path) -> dict[str, Any]:
    return {
        "name": "model",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 0,
        "dist": False,
        "is_train": True,
        "rank": 0,
        "world_size": 1,
        "network_g": {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2},
        "path": {"models": str(tmp_path), "training_states": str(tmp_path)},
        "train": {
            "ema_decay": 0.5,
            "optim_g": {"type": "Adam", "lr": 1e-4},
            "scheduler": {"type": "MultiStepLR", "milestones": [10], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss"},
        },
    }


def resume_options(tmp_path: Path, auto_resume: bool) -> dict[str, Any]:
    states = tmp_path / "elsewhere" / "training_states"
    states.mkdir(parents=True)
    for iteration in (8, 16, 100):
        torch.save({"iter": iteration, "epoch": 1}, states / f"{iteration}.state")
        torch.save({"params": {}}, states / f"net_g_{iteration}.pth")
    path = {"training_states": str(states), "models": str(states), "experiments_root": str(states.parent)}
    path["resume_state"] = str(states / "16.state")
    return {"name": "run", "auto_resume": auto_resume, "path": path, "network_g": {}, "rank": 0}


def test_auto_resume_looks_where_the_run_keeps_its_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load = import_module("basicsr.train").load_resume_state
    options = resume_options(tmp_path, auto_resume=True)
    assert load.__wrapped__(options) is None, "BasicSR finds nothing and would start again at 0"
    assert load(options)["iter"] == 100
    assert options["path"]["pretrain_network_g"] == str(tmp_path / "elsewhere/training_states/net_g_100.pth")


def test_a_run_resumes_without_a_gpu(tmp_path: Path) -> None:
    load = import_module("basicsr.train").load_resume_state
    options = resume_options(tmp_path, auto_resume=False)
    assert load(options)["iter"] == 16
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            load.__wrapped__(options)


def test_a_run_without_states_starts_afresh(tmp_path: Path) -> None:
    path = dict.fromkeys(("training_states", "models", "experiments_root"), str(tmp_path / "none"))
    options = {"auto_resume": True, "rank": 0, "path": path}
    assert import_module("basicsr.train").load_resume_state(options) is None


def test_a_training_state_cannot_run_code(tmp_path: Path) -> None:
    options = resume_options(tmp_path, auto_resume=False)
    witness = tmp_path / "witness"
    torch.save({"iter": 16, "epoch": RunsCode(witness)}, options["path"]["resume_state"])
    with pytest.raises(ValueError, match=r"16\.state: expected tensors, .* could run code"):
        import_module("basicsr.train").load_resume_state(options)
    assert not witness.exists()


@pytest.fixture
def loader() -> Any:
    """A model that can load networks and do nothing else."""
    base = import_module("basicsr.models.base_model").BaseModel
    return base({"num_gpu": 0, "is_train": False, "dist": False})


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ({"params": {"weight": torch.zeros(2, 3)}}, r"missing: bias"),
        (
            {"params": {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "x": torch.zeros(1)}},
            r"unexpected: x",
        ),
        ({"params": {"weight": torch.zeros(5, 3), "bias": torch.zeros(2)}}, r"weight \(5, 3\) for \(2, 3\)"),
        ({"state_dict": {}}, r"below 'params', 'params_ema', or at the top, found only 'state_dict'"),
    ],
)
def test_weights_that_do_not_fit_are_explained(held: Any, match: str, loader: Any, tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save(held, file)
    with pytest.raises(ValueError, match=match) as caught:
        loader.load_network(nn.Linear(3, 2), str(file))
    assert str(file) in str(caught.value)
    with pytest.raises((RuntimeError, KeyError)):
        type(loader).load_network.__wrapped__(loader, nn.Linear(3, 2), str(file))


def test_weights_cannot_run_code_even_where_torch_would_let_them(
    loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, witness = tmp_path / "net.pth", tmp_path / "witness"
    torch.save({"params": RunsCode(witness)}, file)
    # the default of torch before 2.6, or the wish of some other package
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    warnings.simplefilter("ignore")  # torch names the variable; pytest takes the filter back
    with pytest.raises((TypeError, AttributeError)):
        type(loader).load_network.__wrapped__(loader, nn.Linear(3, 2), str(file))
    assert witness.exists(), "BasicSR's own load is meant to run it"
    witness.rmdir()
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(ValueError, match="could run code"):
        loader.load_network(nn.Linear(3, 2), str(file))
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"], ids=["empty", "damaged"])
def test_a_damaged_file_is_named(content: bytes, loader: Any, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.pth: "):
        loader.load_network(nn.Linear(3, 2), str(tmp_path / "net.pth"))


def test_a_missing_file_is_named(loader: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth: expected a file of weights.*no such file"):
        loader.load_network(nn.Linear(3, 2), "nowhere.pth")


@pytest.mark.parametrize(
    ("param_key", "held"),
    [
        ("params", lambda weights: {"params": weights}),
        ("params_ema", lambda weights: {"params": weights}),
        ("params", lambda weights: {"params_ema": weights}),
        ("params", lambda weights: {"state_dict": weights}),
        ("params", lambda weights: weights),
        (None, lambda weights: {"params": weights}),
        ("params", lambda weights: {"params": {f"module.{name}": value for name, value in weights.items()}}),
        (None, lambda weights: weights),
    ],
)
def test_weights_that_fit_are_loaded(param_key: str | None, held: Any, loader: Any, tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save(held(source.state_dict()), tmp_path / "net.pth")
    loader.load_network(target, str(tmp_path / "net.pth"), True, param_key)
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


def test_what_fits_is_loaded_where_strictness_is_off(loader: Any, tmp_path: Path) -> None:
    target = nn.Linear(3, 2)
    torch.save({"params": {"weight": torch.ones(2, 3), "bias": torch.zeros(7)}}, tmp_path / "net.pth")
    loader.load_network(target, str(tmp_path / "net.pth"), False)
    assert torch.equal(target.weight, torch.ones(2, 3))
    assert target.bias.shape == (2,)


def test_the_same_options_build_a_model_twice(tmp_path: Path) -> None:
    base = import_module("basicsr.models.base_model").BaseModel
    model = import_module("basicsr.models.sr_model").SRModel
    options = model_options(tmp_path)
    model(options)
    model(options)
    assert options["train"]["optim_g"]["type"] == "Adam"
    unmended = object.__new__(model)
    base.__init__.__wrapped__(unmended, options)
    assert unmended.opt is options, "so what the model pops is gone for its caller"


def test_the_moving_average_takes_buffers_along() -> None:
    base = import_module("basicsr.models.base_model").BaseModel
    network, average = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    network.running_mean.fill_(3.0)
    network.weight.data.fill_(5.0)
    model = SimpleNamespace(net_g=network, net_g_ema=average, get_bare_model=lambda net: net)
    base.model_ema.__wrapped__(model, 0.5)
    assert average.running_mean[0] == 0
    assert average.weight[0] == 3
    base.model_ema(model, 0.5)
    assert average.running_mean[0] == 3
    assert average.weight[0] == 4


def test_self_ensemble_runs_a_network_without_average() -> None:
    class Model:
        def __init__(self) -> None:
            self.net_g = nn.Identity()

        def test_selfensemble(self) -> None:
            # as BasicSR's master has it, in the branch for networks without average
            self.output = self.net_g_ema(torch.ones(1))

    with pytest.raises(AttributeError, match="net_g_ema"):
        Model().test_selfensemble()
    model = Model()
    models._with_net_g_for_average(Model.test_selfensemble)(model)
    assert model.output == 1
    assert not hasattr(model, "net_g_ema")
    assert model.net_g.training


@pytest.mark.parametrize("name", ["realesrgan", "realesrnet"])
def test_real_esrgan_keeps_its_tools_on_the_device_of_the_run(name: str, tmp_path: Path) -> None:
    module = import_module(f"basicsr.models.{name}_model")
    model = {"realesrgan": "RealESRGANModel", "realesrnet": "RealESRNetModel"}[name]
    cls = vars(module)[model]
    options = {**model_options(tmp_path), "is_train": False, "queue_size": 4}
    built = cls(options)
    assert built.usm_sharpener.kernel.device.type == "cpu"
    built.lq, built.gt = torch.full((2, 3, 4, 4), 0.25), torch.full((2, 3, 8, 8), 0.75)
    built._dequeue_and_enqueue()
    assert built.queue_lr.shape == (4, 3, 4, 4)
    assert built.queue_gt.shape == (4, 3, 8, 8)
    assert built.queue_lr[:2].eq(0.25).all()
    assert built.queue_gt[:2].eq(0.75).all()
    assert built.queue_ptr == 2
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            cls.__init__.__wrapped__(object.__new__(cls), options)


def test_a_pool_that_does_not_divide_into_batches_is_refused(tmp_path: Path) -> None:
    cls = import_module("basicsr.models.realesrnet_model").RealESRNetModel
    model = cls({**model_options(tmp_path), "is_train": False, "queue_size": 5})
    model.lq = model.gt = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match="queue_size: expected a multiple of the batch size 2, found 5"):
        model._dequeue_and_enqueue()


def pooled(tmp_path: Path, seed: int, **options: Any) -> Any:
    cls = import_module("basicsr.models.realesrgan_model").RealESRGANModel
    model = cls({**model_options(tmp_path), "is_train": False, "queue_size": 4, **options})
    feed(model, seed)
    return model


def feed(model: Any, seed: int, batch: int = 2) -> None:
    levels = torch.randint(256, (batch, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    model.gt, model.lq = levels / 255, torch.nn.functional.avg_pool2d(levels / 255, 2)


def test_the_pool_of_pairs_goes_on_as_it_was(tmp_path: Path) -> None:
    model, resumed = pooled(tmp_path, 0), pooled(tmp_path, 1)
    assert model.pool_state() is None
    for seed in (0, 1):
        feed(model, seed)
        model._dequeue_and_enqueue()
    file = tmp_path / "pool"
    torch.save(model.pool_state(), file)
    state = torch.load(file, weights_only=True)
    assert (state["gt"].dtype, state["lr"].dtype) == (torch.uint8, torch.float32), "as small as the last bit allows"
    resumed.restore_pool(state)
    assert resumed.pool_state() is state, "a checkpoint that comes before the next pair has it too"
    for one in (model, resumed):
        torch.manual_seed(0)
        feed(one, 2)
        one._dequeue_and_enqueue()
    for name in ("lq", "gt", "queue_lr", "queue_gt"):
        assert torch.equal(getattr(model, name), getattr(resumed, name))
    assert resumed.queue_ptr == 4


@pytest.mark.parametrize(("options", "batch"), [({"queue_size": 8}, 2), ({}, 4)])
def test_a_pool_that_does_not_fit_begins_anew(tmp_path: Path, options: dict[str, Any], batch: int) -> None:
    model, resumed = pooled(tmp_path, 0), pooled(tmp_path, 1, **options)
    model._dequeue_and_enqueue()
    resumed.restore_pool(model.pool_state())
    feed(resumed, 2, batch)
    resumed._dequeue_and_enqueue()
    assert resumed.queue_ptr == batch


def test_a_sinc_kernel_is_made_without_a_warning() -> None:
    kernel = import_module("basicsr.data.realesrgan_dataset").circular_lowpass_kernel
    # numpy's state in any thread but the one that imported BasicSR, which silences divisions there and no further
    with np.errstate(invalid="warn", divide="warn"):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            unmended = kernel.__wrapped__(1.0, 7)
        made = kernel(1.0, 7)
    assert (made == unmended).all()
    assert made.sum() == pytest.approx(1)


def test_filter2d_takes_any_memory_layout() -> None:
    filter2d = import_module("basicsr.models.realesrgan_model").filter2D
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 8, 8, generator=generator)
    kernel = torch.rand(2, 3, 3, generator=generator)
    last = image.to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view"):
        filter2d.__wrapped__(last, kernel)
    assert torch.equal(filter2d(last, kernel), filter2d.__wrapped__(image, kernel))


@pytest.mark.parametrize("size", [(3, 4), (1, 9), (4, 5)])
def test_filter2d_takes_images_of_any_size(size: tuple[int, int]) -> None:
    filter2d = import_module("basicsr.models.realesrgan_model").filter2D
    image, kernel = np.random.default_rng(0).random((1, 1, *size)), np.random.default_rng(1).random((1, 9, 9))
    if min(size) < 5:
        with pytest.raises(RuntimeError, match="Padding size should be less"):
            filter2d.__wrapped__(torch.from_numpy(image), torch.from_numpy(kernel))
    seen = sliding_window_view(np.pad(image[0, 0], 4, mode="reflect"), (9, 9))
    found = filter2d(torch.from_numpy(image), torch.from_numpy(kernel))[0, 0].numpy()
    assert np.allclose(found, (seen * kernel[0]).sum(axis=(2, 3)))


def test_the_perceptual_loss_reads_vgg_from_disk_and_never_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = import_module("basicsr.archs.vgg_arch")
    downloads: list[bool] = []

    class Torchvision:
        @staticmethod
        def vgg11(pretrained: bool = False) -> nn.Module:
            downloads.append(pretrained)
            raise OSError("no network")

    torchvision_vgg = import_module("torchvision.models.vgg")
    asked = torchvision_vgg.make_layers(torchvision_vgg.cfgs["A"])
    torch.save({f"features.{name}": value for name, value in asked.state_dict().items()}, tmp_path / "vgg.pth")
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(tmp_path / "vgg.pth"))
    extractor = arch.VGGFeatureExtractor(["conv1_1"], vgg_type="vgg11")
    assert torch.equal(extractor.vgg_net.conv1_1.weight, asked[0].weight)
    monkeypatch.setattr(arch, "vgg", Torchvision)
    with pytest.raises(OSError, match="no network"):
        arch.VGGFeatureExtractor(["conv1_1"], vgg_type="vgg11")
    assert downloads == [True], "BasicSR's own way is the download"


def test_a_perceptual_loss_without_weights_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(tmp_path / "none.pth"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        import_module("basicsr.archs.vgg_arch").VGGFeatureExtractor(["conv1_1"], vgg_type="vgg19")
