"""Camera adaptation on real photographs through ``basicsr``: train, validate, resume, test; from folders and LMDBs."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from usrda_plugin.cli.basicsr import main
from usrda_plugin.data import make_lmdb

pytestmark = pytest.mark.slow

OPTIONS = Path(__file__).resolve().parents[1] / "options"
PAIRS = ("061.png", "065.png")
WIDTH = ["num_feat=8", "num_block=1", "num_grow_ch=4", "num_block_lr_decoder=1"]
SMALL = [f"network_g:{argument}" for argument in WIDTH] + [
    "network_d_t:num_feat=8",
    "network_d_h:num_feat=8",
    "num_gpu=0",
]
SHORT = [
    "datasets:train:num_worker_per_gpu=0",
    "datasets:train:batch_size_per_gpu=2",
    "datasets:train:gt_size=64",
    "train:total_iter=20",
    "train:psnr_iter=5",
    "train:ema_decay=0.9",
    "val:val_freq=1000",  # once, at the end
    "logger:print_freq=1",
    "logger:save_checkpoint_freq=10",
    "path:pretrain_network_g=~",
]
# the terms that train_usrda_x2.yml leaves on
TERMS = {"l_g_rec_pix", "l_g_res", "l_g_sty", "l_g_cyc_pix", "l_g_hr", "l_g_total", "l_d_t", "l_d_h"}
LOSS = re.compile(r"(l_[gd]_\w+): (\S+)")


class Roots(NamedTuple):
    """Where the images of each role are: folders or LMDBs."""

    source: Path
    target: Path
    val_hr: Path
    val_lr: Path

    def options(self, meta_info: Path | None) -> list[str]:
        """Overrides that name these roots; ``meta_info`` lists the validation pairs of folders."""
        backend = "lmdb" if self.val_hr.suffix == ".lmdb" else "disk"
        listed = [f"datasets:val:meta_info_file={meta_info}"] if meta_info else []
        return [
            f"datasets:train:dataroot_gt={self.source}",
            f"datasets:train:dataroot_target={self.target}",
            f"datasets:val:dataroot_gt={self.val_hr}",
            f"datasets:val:dataroot_lq={self.val_lr}",
            f"datasets:val:io_backend:type={backend}",
            *listed,
        ]


class Run(NamedTuple):
    """A finished training: its folder, its roots as overrides, and the log that it wrote."""

    folder: Path
    data: list[str]
    log: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current directory of all runs of this file."""
    folder = tmp_path_factory.mktemp("city100")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def folders(shared_data: Path) -> Roots:
    pairs = shared_data / "val_pairs" / "city100_nikon"
    target = shared_data / "target_lr" / "city100_nikon" / "LRx2"
    return Roots(shared_data / "train_hr" / "urban", target, pairs / "HR", pairs / "LRx2")


@pytest.fixture(scope="module")
def listed(place: Path) -> Path:
    """A list of the validation pairs, few because NIQE of a photograph takes a second."""
    file = place / "pairs.txt"
    file.write_text("".join(f"{name}\n" for name in PAIRS))
    return file


@pytest.fixture(scope="module")
def lmdbs(folders: Roots, listed: Path, place: Path) -> Roots:
    """The same images in LMDBs."""
    made = Roots(*(place / f"{role}.lmdb" for role in Roots._fields))
    for role, folder in folders._asdict().items():
        make_lmdb(folder, getattr(made, role), meta_info=listed if role.startswith("val") else None)
    return made


@pytest.fixture(scope="module")
def train(place: Path) -> Callable[..., Run]:
    """Train by train_usrda_x2.yml, scaled down."""

    def start(name: str, data: Sequence[str], *changes: str, flags: Sequence[str] = ()) -> Run:
        overrides = [f"name={name}", *SMALL, *SHORT, *data, *changes]
        file = str(OPTIONS / "train_usrda_x2.yml")
        assert main(["train", "-opt", file, *flags, "--force_yml", *overrides]) == 0
        folder = place / "experiments" / name
        logs = sorted(folder.glob("train_*.log"), key=lambda log: log.stat().st_mtime_ns)
        return Run(folder, list(data), logs[-1].read_text())

    return start


@pytest.fixture(scope="module")
def trained(train: Callable[..., Run], folders: Roots, listed: Path) -> Run:
    return train("camera", folders.options(listed))


def iterations(log: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"iter: +([\d,]+), lr", log)]


def measured(log: str) -> dict[str, str]:
    """The last value of each metric, as it is printed."""
    return dict(re.findall(r"# (\w+): (\S+)", log))


def events(name: str) -> Any:
    """What TensorBoard shows of a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        shown = EventAccumulator(str(Path("tb_logger", name)))
        shown.Reload()
    return shown


def scalars(name: str) -> dict[str, list[tuple[int, float]]]:
    shown = events(name)
    return {tag: [(event.step, event.value) for event in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_it_trains_and_validates_on_real_pairs(trained: Run) -> None:
    assert iterations(trained.log) == list(range(1, 21))
    lines = [dict(LOSS.findall(line)) for line in trained.log.splitlines() if ", lr:(" in line]
    assert set(lines[0]) == {"l_g_rec_pix", "l_g_res", "l_g_total"}, "the phase before the critics begin"
    assert set(lines[-1]) == TERMS
    assert all(math.isfinite(float(value)) for line in lines for value in line.values())
    metrics = {name: float(value) for name, value in measured(trained.log).items()}
    assert set(metrics) == {"psnr", "ssim", "niqe"}
    assert 3 < metrics["psnr"] < 40
    assert 0 < metrics["ssim"] < 1
    assert math.isfinite(metrics["niqe"])


def test_it_saves_networks_and_states(trained: Run) -> None:
    models = {file.name for file in (trained.folder / "models").iterdir()}
    # none is the best: after so few iterations from nothing the output counts as collapsed
    networks = ("net_g", "net_d_t", "net_d_h")
    assert models == {f"{network}_{when}.pth" for network in networks for when in (10, 20, "latest")}
    expected = {f"{number}.{kind}" for number in (10, 20) for kind in ("state", "more", "json")}
    assert {file.name for file in (trained.folder / "training_states").iterdir()} == expected


def test_tensorboard_shows_losses_and_strips(trained: Run) -> None:
    curves = scalars("camera")
    assert {f"losses/{term}" for term in TERMS} <= set(curves)
    assert [step for step, _ in curves["losses/l_g_total"]] == list(range(1, 21))
    assert curves["metrics/pairs/psnr"][-1][1] == pytest.approx(float(measured(trained.log)["psnr"]), abs=1e-3)
    shown = events("camera")
    strips = {tag for tag in shown.Tags()["images"] if tag.startswith("strips/")}
    assert strips == {"strips/target: x_t, x_tt, y_tt", "strips/source: x_s, x_st, y_sts, y_s"}
    for tag in strips:
        (picture,) = shown.Images(tag)
        columns = tag.count(",") + 1
        assert (picture.width, picture.height) == (64 * columns, 64 * 2)


def test_lmdbs_give_the_same_run_bit_by_bit(trained: Run, train: Callable[..., Run], lmdbs: Roots) -> None:
    again = train("from_lmdb", lmdbs.options(None))
    expected = torch.load(trained.folder / "models" / "net_g_20.pth", weights_only=True)
    found = torch.load(again.folder / "models" / "net_g_20.pth", weights_only=True)
    for kind in ("params", "params_ema"):
        assert [key for key, value in expected[kind].items() if not torch.equal(found[kind][key], value)] == []
    curves, expected_curves = scalars("from_lmdb"), scalars("camera")
    for tag in [tag for tag in expected_curves if tag.startswith(("losses/", "metrics/"))]:
        assert curves[tag] == expected_curves[tag], tag
    assert measured(again.log) == measured(trained.log)


def test_a_resumed_run_goes_on_and_its_network_tests_as_it_was_validated(
    trained: Run, train: Callable[..., Run], place: Path
) -> None:
    # a copy, so that the tests of this file do not depend on their order
    (place / "experiments" / "resumed").mkdir()
    for kind in ("models", "training_states"):
        target = place / "experiments" / "resumed" / kind
        target.mkdir()
        for file in (trained.folder / kind).iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    resumed = train("resumed", trained.data, "train:total_iter=26", flags=["--auto_resume"])
    assert re.search(r"Resuming training from epoch: \d+, iter: 20\.", resumed.log)
    assert iterations(resumed.log) == list(range(21, 27))
    weights = resumed.folder / "models" / "net_g_latest.pth"
    start = trained.folder / "models" / "net_g_latest.pth"
    before, after = (torch.load(file, weights_only=True)["params"] for file in (start, weights))
    assert any(not torch.equal(before[key], after[key]) for key in before)
    network = [f"network_g:{argument}" for argument in (*WIDTH, "scale=2")]
    data = [change for change in trained.data if not change.startswith("datasets:train")]
    overrides = ["scale=2", "num_gpu=0", *network, *data, f"path:pretrain_network_g={weights}", "val:save_img=false"]
    assert main(["test", "-opt", str(OPTIONS / "test_usrda.yml"), "--force_yml", *overrides]) == 0
    (log,) = (place / "results" / "test_usrda").glob("*.log")
    assert measured(log.read_text()) == measured(resumed.log)
