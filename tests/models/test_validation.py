"""Validation by tensors and threads: SRModel's numbers, pictures and bookkeeping, and what goes wrong is told."""

from __future__ import annotations

import copy
import logging
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import tensor2img
from basicsr.utils.registry import METRIC_REGISTRY
from scipy.ndimage import gaussian_filter
from torch.utils.data import DataLoader, Dataset

from usrda_plugin.models import USRDAModel, pictures
from usrda_plugin.models.pictures import PictureWriter
from usrda_plugin.models.validation import watch_images

STOCK = SRModel.nondist_validation.__wrapped__
"""SRModel's own validation, as BasicSR has it."""
SIZES = ((100, 100), (100, 60), (51, 101))
METRICS = {
    "psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True},
    "ssim": {"type": "calculate_ssim", "crop_border": 2, "test_y_channel": False, "better": "higher"},
    "niqe": {"type": "calculate_niqe", "crop_border": 0, "better": "lower"},
}
# relative; of NIQE, as these images have two to four blocks and the rounding of BasicSR shows
TOLERANCE = {"psnr": 1e-9, "ssim": 1e-9, "niqe": 1e-2}


class Pairs(Dataset):
    """Clouds and what is left of them at half the size, in the form of BasicSR's paired data sets."""

    def __init__(self, sizes: tuple[tuple[int, int], ...] = SIZES, with_gt: bool = True) -> None:
        self.opt = {"name": "clouds"}
        self.sizes = sizes
        self.with_gt = with_gt

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        height, width = self.sizes[index]
        noise = np.random.default_rng(index).normal(size=(3, 2 * height, 2 * width))
        gt = torch.from_numpy((0.5 + 1.5 * gaussian_filter(noise, (0, 1.5, 1.5))).clip(0, 1).astype(np.float32))
        sample = {"lq": torch.nn.functional.avg_pool2d(gt, 2), "lq_path": f"somewhere/cloud.{index}.png"}
        return {**sample, "gt": gt} if self.with_gt else sample


def loader(dataset: Dataset | None = None) -> DataLoader:
    return DataLoader(dataset or Pairs(), batch_size=1)


def options(folder: Path, *, is_train: bool, metrics: dict[str, Any] | None, **val: Any) -> dict[str, Any]:
    val = {"suffix": None, **val} if metrics is None else {"suffix": None, "metrics": metrics, **val}
    return {
        "name": "run", "scale": 2, "num_gpu": 0, "is_train": is_train, "dist": False, "rank": 0, "val": val,
        "path": {"visualization": str(folder)}, "network_g": {"type": "USRDABicubic", "scale": 2}, "logger": {},
    }  # fmt: skip


def build(folder: Path, *, is_train: bool = False, metrics: dict[str, Any] | None = METRICS, **val: Any) -> USRDAModel:
    model = USRDAModel(copy.deepcopy(options(folder, is_train=False, metrics=metrics, **val)))
    model.opt["is_train"] = is_train  # which decides about names of files alone; there is nothing to train here
    return model


class Board:
    """A TensorBoard writer that remembers."""

    def __init__(self) -> None:
        self.scalars: dict[str, tuple[float, int]] = {}

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag] = value, step


def files(folder: Path) -> dict[str, np.ndarray]:
    return {str(path.relative_to(folder)): cv2.imread(str(path)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("is_train", "suffix"), [(True, None), (False, None), (False, "x2")], ids=["training", "testing", "with suffix"]
)
def test_numbers_pictures_and_records_are_srmodels(tmp_path: Path, is_train: bool, suffix: str | None) -> None:
    boards, models = (Board(), Board()), []
    for board, validation in zip(boards, (STOCK, USRDAModel.nondist_validation), strict=True):
        model = build(tmp_path / validation.__module__, is_train=is_train, suffix=suffix)
        for current_iter in (100, 200):
            validation(model, loader(), current_iter, board, save_img=True)
        models.append(model)
    for name, expected in models[0].metric_results.items():
        assert models[1].metric_results[name] == pytest.approx(expected, rel=TOLERANCE[name]), name
        best, expected_best = (model.best_metric_results["clouds"][name] for model in models)
        assert best["val"] == pytest.approx(expected_best["val"], rel=TOLERANCE[name])
        assert {**best, "val": 0} == {**expected_best, "val": 0, "iter": 200}
    assert list(models[1].metric_results) == list(METRICS)
    assert [(tag, step) for tag, (_, step) in boards[0].scalars.items()] == [
        (tag, step) for tag, (_, step) in boards[1].scalars.items()
    ]
    expected_files, found_files = (files(Path(model.opt["path"]["visualization"])) for model in models)
    if is_train:  # BasicSR has no folder for each set, so that sets would overwrite each other's
        expected_files = {f"clouds/{name}": picture for name, picture in expected_files.items()}
    assert set(found_files) == set(expected_files)
    assert len(found_files) == (6 if is_train else 3)
    for name, picture in expected_files.items():
        assert np.array_equal(found_files[name], picture), name


def test_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    build(tmp_path).validation(loader(), "run", None, save_img=False)
    assert files(tmp_path) == {}


def test_without_metrics_pictures_are_written_all_the_same(tmp_path: Path) -> None:
    model = build(tmp_path, metrics=None)
    model.validation(loader(), "run", None, save_img=True)
    assert len(files(tmp_path)) == len(SIZES)
    assert not hasattr(model, "metric_results")


def test_images_without_ground_truth_have_niqe(tmp_path: Path) -> None:
    model = build(tmp_path, metrics={"niqe": METRICS["niqe"]})
    model.validation(loader(Pairs(with_gt=False)), "run", None, save_img=False)
    found = model.metric_results
    STOCK(model, loader(Pairs(with_gt=False)), "run", None, save_img=False)
    assert found == pytest.approx(model.metric_results, rel=TOLERANCE["niqe"])


def test_metrics_that_need_ground_truth_are_left_out_where_there_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("basicsr"), "propagate", True)
    model = build(tmp_path)
    with caplog.at_level(logging.INFO, "basicsr"):
        model.validation(loader(Pairs(with_gt=False)), "run", None, save_img=True)
    assert list(model.metric_results) == ["niqe"]
    assert len(files(tmp_path)) == len(SIZES)
    assert "without ground truth, so without psnr, ssim" in caplog.text
    model.validation(loader(), "run", None, save_img=False)
    assert list(model.metric_results) == list(METRICS)


def test_a_set_of_which_only_some_images_have_ground_truth_is_refused_by_name(tmp_path: Path) -> None:
    class Mixed(Pairs):
        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = super().__getitem__(index)
            return {name: value for name, value in sample.items() if name != "gt" or index != 1}

    with pytest.raises(ValueError, match=r"val: metrics: psnr: cloud\.1 of data set clouds: expected ground truth"):
        build(tmp_path).validation(loader(Mixed()), "run", None, save_img=False)


def test_ground_truth_of_another_size_is_named(tmp_path: Path) -> None:
    model = build(tmp_path)
    model.test = lambda: setattr(model, "output", model.lq)
    with pytest.raises(ValueError, match=r"psnr: cloud\.0 of data set clouds: .*3x100x100 and 3x200x200") as told:
        model.validation(loader(), "run", None, save_img=False)
    assert told.traceback, "what is held by a traceback has stopped all the same"
    assert idle_threads() == []


def test_ground_truth_of_one_data_set_is_not_taken_for_the_nexts(tmp_path: Path) -> None:
    model = build(tmp_path, metrics={"niqe": METRICS["niqe"]})
    model.validation(loader(), "run", None, save_img=False)
    assert not {"lq", "gt", "output"} & set(vars(model))


def test_ground_truth_of_the_last_training_step_is_no_images(tmp_path: Path) -> None:
    model = build(tmp_path)
    model.feed_data({"lq": torch.zeros(1, 3, 8, 8), "gt": torch.zeros(1, 3, 16, 16)})
    model.validation(loader(Pairs(with_gt=False)), 4, None, save_img=False)
    assert list(model.metric_results) == ["niqe"]


def test_a_model_that_shows_something_of_its_own_is_measured_by_that(tmp_path: Path) -> None:
    class Showing(USRDAModel):
        def get_current_visuals(self) -> dict[str, torch.Tensor]:
            return {"result": self.gt, "gt": self.gt}

    model = build(tmp_path, metrics={"psnr": METRICS["psnr"]})
    model.__class__ = Showing
    model.validation(loader(), "run", None, save_img=False)
    assert model.metric_results == {"psnr": math.inf}


def test_a_metric_of_a_plugin_gets_basicsrs_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def calculate_mine(img: np.ndarray, img2: np.ndarray, offset: float, **kwargs: object) -> float:
        seen.append((img, img2))
        return float(img.mean()) + offset

    monkeypatch.setattr(METRIC_REGISTRY, "_obj_map", {**METRIC_REGISTRY._obj_map, "calculate_mine": calculate_mine})
    model = build(tmp_path, metrics={"mine": {"type": "calculate_mine", "offset": 3, "better": "lower"}, **METRICS})
    model.validation(loader(), "run", None, save_img=False)
    expected = []
    for sample, (img, img2) in zip(Pairs(), seen, strict=True):
        picture = tensor2img([model.net_g(sample["lq"][None])])
        assert np.array_equal(img, picture)
        assert np.array_equal(img2, tensor2img([sample["gt"][None].clone()]))
        expected.append(picture.mean() + 3)
    assert model.metric_results["mine"] == pytest.approx(np.mean(expected))
    assert list(model.metric_results) == ["mine", *METRICS]


def test_a_metric_that_is_not_defined_is_nan_with_one_line_in_the_log(tmp_path: Path, warned_in_log: list[str]) -> None:
    model = build(tmp_path)
    model.validation(loader(Pairs(((100, 100), (20, 20)))), "run", None, save_img=False)
    (line,) = warned_in_log
    assert re.match(r"NIQE is not defined here.* 1 of 2 images of data set clouds.*cloud\.1", line)
    assert math.isnan(model.metric_results["niqe"])
    assert math.isfinite(model.metric_results["psnr"])


def test_the_device_is_waited_for_once_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(tmp_path)
    model.validation(loader(), "run", None, save_img=False)  # what is made once is made
    waits: list[str] = []
    for wait in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__", "__int__"):
        original = getattr(torch.Tensor, wait)
        monkeypatch.setattr(torch.Tensor, wait, lambda *args, w=wait, f=original: (waits.append(w), f(*args))[1])
    samples = [dict(sample) for sample in loader()]
    waits.clear()

    class Ready(list):
        dataset = Pairs()

    model.validation(Ready(samples), "run", None, save_img=False)
    assert waits == ["tolist"] * len(METRICS)


def test_a_models_own_test_is_what_is_validated(tmp_path: Path) -> None:
    class Brighter(USRDAModel):
        def test(self) -> None:
            super().test()
            self.output = self.output + 0.25

    means = {}
    for kind in (USRDAModel, Brighter):
        model = build(tmp_path)
        model.__class__ = kind
        model.validation(loader(), "run", None, save_img=False)
        means[kind] = model.metric_results["psnr"]
    assert means[Brighter] < means[USRDAModel] - 3


def test_random_numbers_go_on_as_after_srmodels(tmp_path: Path) -> None:
    drawn = []
    for validation in (STOCK, USRDAModel.nondist_validation):
        torch.manual_seed(3)
        validation(build(tmp_path), loader(), "run", None, save_img=False)
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1]


class Processes:
    """The processes of a run, as threads that exchange what they found."""

    def __init__(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = count
        self.answers: list[Any] = [None] * count
        self.here = threading.local()
        self.all_here = threading.Barrier(count, timeout=20)
        monkeypatch.setattr(torch.distributed, "all_gather_object", self.all_gather_object)

    def all_gather_object(self, answers: list[Any], mine: Any) -> None:
        self.answers[self.here.rank] = mine
        self.all_here.wait()
        answers[:] = self.answers
        self.all_here.wait()

    def validate(self, folder: Path, dataset: Dataset, **settings: Any) -> list[USRDAModel | Exception]:
        """Each process's model after its validation, or what was raised there; pictures are in folder/RANK."""

        def run(rank: int) -> USRDAModel | Exception:
            self.here.rank = rank
            model = build(folder / str(rank), **settings)
            model.opt |= {"dist": True, "rank": rank, "world_size": self.count}
            try:
                model.validation(loader(dataset), 100, None, save_img=True)
            except Exception as error:
                return error
            return model

        with ThreadPoolExecutor(self.count) as threads:
            return list(threads.map(run, range(self.count)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_processes_share_the_images_and_find_the_same_means_to_the_last_bit(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = build(tmp_path / "alone")
    alone.validation(loader(), 100, None, save_img=True)
    models = Processes(count, monkeypatch).validate(tmp_path, Pairs())
    for model in models:
        assert isinstance(model, USRDAModel), model
        assert model.metric_results == alone.metric_results
        assert model.best_metric_results == alone.best_metric_results
    made = [sorted(files(tmp_path / str(rank))) for rank in range(count)]
    assert [len(names) for names in made] == [len(range(rank, len(SIZES), count)) for rank in range(count)]
    assert sorted(name for names in made for name in names) == sorted(files(tmp_path / "alone"))


def test_the_first_process_alone_tells_of_a_metric_that_is_not_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warned_in_log: list[str]
) -> None:
    models = Processes(2, monkeypatch).validate(tmp_path, Pairs(((100, 100), (20, 20), (20, 20))))
    (line,) = warned_in_log
    assert re.match(r"NIQE .* 2 of 3 images of data set clouds.* the first cloud\.1", line)
    assert all(isinstance(model, USRDAModel) and math.isnan(model.metric_results["niqe"]) for model in models)


def test_no_process_waits_for_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Pairs):
        def __getitem__(self, index: int) -> dict[str, Any]:
            if index == 2:
                raise ValueError("somewhere/cloud.2.png: no image")
            return super().__getitem__(index)

    first, second, third = Processes(3, monkeypatch).validate(tmp_path, Broken())
    assert isinstance(third, ValueError)
    for other in (first, second):
        assert isinstance(other, RuntimeError)
        assert str(other) == "the validation failed in process 2: ValueError: somewhere/cloud.2.png: no image"


def test_processes_share_also_what_has_no_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Processes(2, monkeypatch).validate(tmp_path, Pairs(), metrics=None)
    assert [len(files(tmp_path / str(rank))) for rank in range(2)] == [2, 1]


def test_the_progress_bar_names_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, pbar=True).validation(loader(), "run", None, save_img=False)
    shown = capsys.readouterr().err
    assert "Test cloud.2" in shown
    assert "3/3" in shown


def test_what_reading_raises_is_raised(tmp_path: Path) -> None:
    class Broken(Pairs):
        def __getitem__(self, index: int) -> dict[str, Any]:
            if index == 2:
                raise ValueError("somewhere/cloud.2.png: no image")
            return super().__getitem__(index)

    with pytest.raises(ValueError, match=r"cloud\.2\.png: no image"):
        build(tmp_path).validation(loader(Broken()), "run", None, save_img=True)
    assert len(files(tmp_path)) == 2, "what was done before is there"
    assert idle_threads() == []


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "clouds").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"clouds/cloud\.0_run\.png: the picture could not be written"):
        build(tmp_path).validation(loader(), "run", None, save_img=True)
    assert idle_threads() == []


def test_a_picture_has_its_name_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures.Path, "write_bytes", disk_full)
    with (
        pytest.raises(OSError, match=r"a\.png: the picture could not be written.*No space left"),
        PictureWriter() as writer,
    ):
        writer.write(tmp_path / "a.png", torch.zeros(3, 4, 4, dtype=torch.uint8))
    assert list(tmp_path.iterdir()) == []


def test_of_two_pictures_with_one_name_the_later_stays(tmp_path: Path) -> None:
    with PictureWriter() as writer:
        for level in range(30):
            writer.write(tmp_path / "a.png", torch.full((1, 200, 200), level, dtype=torch.uint8))
    assert cv2.imread(str(tmp_path / "a.png")).max() == 29


def test_no_more_pictures_wait_than_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, begun = threading.Event(), []
    monkeypatch.setattr(pictures, "write_png", lambda path, levels: (begun.append(path), gate.wait(10)))
    with PictureWriter() as writer:
        for number in range(pictures.WAITING):
            writer.write(tmp_path / f"{number}.png", torch.zeros(3, 1, 1))
        another = threading.Thread(target=writer.write, args=(tmp_path / "another.png", torch.zeros(3, 1, 1)))
        another.start()
        another.join(0.2)
        assert another.is_alive(), "whoever brings one more waits"
        gate.set()
        another.join(10)
        assert not another.is_alive()
    assert len(begun) == pictures.WAITING + 1


def idle_threads() -> list[str]:
    names = ("picture-writer", "validation-reader")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def test_who_watches_is_told_each_image_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, told = build(tmp_path), []
    test = model.test
    monkeypatch.setattr(model, "test", lambda: (told.append("made"), test())[1])
    watch_images(model, lambda number, total: told.append((number, total)))
    model.nondist_validation(loader(), 100, None, save_img=False)
    assert told == [(1, 3), "made", (2, 3), "made", (3, 3), "made"]
