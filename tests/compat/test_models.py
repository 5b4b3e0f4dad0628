"""Patches of models: their average, their self-ensemble, their validation and NIQE."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric
from basicsr.metrics.niqe import calculate_niqe
from basicsr.models.base_model import BaseModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.sr_model import SRModel
from torch import nn

from usrda_plugin.compat import models
from usrda_plugin.models import USRDAModel


def test_the_moving_average_takes_buffers_along() -> None:
    network, average = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    network.running_mean.fill_(3.0)
    network.weight.data.fill_(5.0)
    model = SimpleNamespace(net_g=network, net_g_ema=average, get_bare_model=lambda net: net)
    BaseModel.model_ema.__wrapped__(model, 0.5)
    assert average.running_mean[0] == 0
    assert average.weight[0] == 3
    BaseModel.model_ema(model, 0.5)
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


class Loader:
    def __init__(self, name: str) -> None:
        self.dataset = type("Set", (), {"opt": {"name": name}})()


def model_of(kind: type, **opt: Any) -> Any:
    model = object.__new__(kind)
    model.opt = {"is_train": True, "dist": False, "rank": 0, "train": {"total_iter": 8}, **opt}
    return model


class Recording(SRModel):
    def nondist_validation(self, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        vars(self).setdefault("done", []).append((dataloader.dataset.opt["name"], current_iter, self.opt["dist"]))


def test_the_validation_after_training_has_the_last_iterations_number_and_is_done_once() -> None:
    model = model_of(Recording)
    one, two = Loader("one"), Loader("two")
    for loader, number in ((one, 4), (one, 8), (one, 10), (two, 10), (two, 10), (one, 8)):
        model.validation(loader, number, None, save_img=False)
    # what the loop itself asks for is done, however often
    assert [call[:2] for call in model.done] == [("one", 4), ("one", 8), ("two", 8), ("one", 8)]
    testing = model_of(Recording, is_train=False)
    for _ in range(2):
        testing.validation(one, "run", None, save_img=False)
    assert [call[:2] for call in testing.done] == [("one", "run")] * 2


def test_of_several_processes_a_model_with_its_own_way_validates_in_the_first_alone() -> None:
    first, second = (model_of(Recording, dist=True, rank=rank) for rank in range(2))
    for model in (first, second):
        model.validation(Loader("one"), 4, None, save_img=False)
        assert model.opt["dist"] is True
    assert first.done == [("one", 4, False)], "so that it waits for no other"
    assert not hasattr(second, "done")


def test_models_that_share_the_images_are_those_that_validate_in_our_way() -> None:
    for kind in (SRModel, RealESRGANModel, USRDAModel):
        assert kind.nondist_validation.__module__ in models.SHARING
    assert Recording.nondist_validation.__module__ not in models.SHARING


@pytest.mark.parametrize(
    ("image", "unmended"),
    [
        (np.zeros((192, 192, 3), np.uint8), np.linalg.LinAlgError),
        (np.random.default_rng(0).integers(0, 256, (95, 300, 3), dtype=np.uint8), RuntimeError),
        (np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8), np.linalg.LinAlgError),
    ],
    ids=["flat", "small", "one block"],
)
def test_niqe_of_an_image_it_cannot_judge_is_nan(image: Any, unmended: type[Exception]) -> None:
    options = {"type": "calculate_niqe", "crop_border": 0}
    with pytest.warns(UserWarning, match="NIQE is not defined"):
        assert math.isnan(calculate_metric({"img": image}, options))
    original = calculate_niqe.__wrapped__
    warnings.simplefilter("ignore")  # pytest takes it back
    with pytest.raises(unmended):
        original(image, 0)


def test_niqe_of_a_judgeable_image_is_basicsrs() -> None:
    image = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    assert calculate_niqe(image, 0) == calculate_niqe.__wrapped__(image, 0)
    with pytest.raises(ValueError, match="Wrong input_order"):
        calculate_niqe(image, 0, input_order="WHC")
