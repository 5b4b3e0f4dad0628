"""USR-DA with several processes on the CPU, started by torchrun as the help text says: they are as one."""

from __future__ import annotations

import math
import re
import shlex
import shutil
import socket
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml

from tests.processes import CRITIC, OPTIONS, PSNR, Options, furnish, launched, noted, run, train
from tests.usrda_options import SIX_TERMS
from usrda_plugin.cli.basicsr import main
from usrda_plugin.models import USRDAModel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LOSSES = {"align", "rec_pix", "rec_gan", "res", "sty", "idt", "cyc_pix", "cyc_gan", "total"}
Logs = list[dict[str, float]]
Networks = dict[str, dict[str, torch.Tensor]]


class Run(NamedTuple):
    """A finished training: what was logged in each iteration, and the networks after it."""

    logs: Logs
    networks: Networks


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("two_processes")
    furnish(place)
    train(place, OPTIONS)
    return place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A furnished folder, which is the current one."""
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def double_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """So that rounding hides no mistake; gives the environment of processes that shall do the same."""

    def feed_data(self: USRDAModel, data: dict[str, Any]) -> None:
        original(
            self, {key: value.double() if isinstance(value, torch.Tensor) else value for key, value in data.items()}
        )

    original = USRDAModel.feed_data
    monkeypatch.setattr(USRDAModel, "feed_data", feed_data)
    torch.set_default_dtype(torch.float64)
    yield {"PRECISION": "float64"}
    torch.set_default_dtype(torch.float32)


def train_alone(options: Options, monkeypatch: pytest.MonkeyPatch, *flags: str) -> Run:
    """Train in this process, in the current directory, with the whole batch of two processes."""
    data = options["datasets"]["train"]
    data = {**data, "type": "USRDADataset", "batch_size_per_gpu": 2 * data["batch_size_per_gpu"]}
    options = {**options, "name": "one", "model_type": "USRDAModel", "datasets": {**options["datasets"], "train": data}}
    Path("one.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    return alone("one", monkeypatch, "-opt", "one.yml", *flags)


def alone(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Run:
    """A training by ``basicsr train`` in this process."""
    logs: Logs = []
    original = USRDAModel.get_current_log

    def get_current_log(self: USRDAModel) -> dict[str, float]:
        logs.append(original(self))
        return dict(logs[-1])

    with monkeypatch.context() as patched:
        patched.setattr(USRDAModel, "get_current_log", get_current_log)
        assert main(["train", *arguments]) == 0
    return Run(logs, networks(Path("experiments", name)))


def of_two(place: Path, name: str = "two") -> Run:
    """What two processes have made."""
    return Run(noted(place, "log")[0], networks(place / "experiments" / name))


def networks(experiment: Path) -> Networks:
    """The last networks of a run, their averages too."""
    files = {file.stem: torch.load(file, weights_only=True) for file in experiment.glob("models/*_latest.pth")}
    return {
        f"{name} {kind}": weights
        for name, content in files.items()
        for kind, weights in content.items()
        if kind.startswith("params")
    }


def assert_same(found: Run, expected: Run, *, tolerance: float, but: str = "no name") -> None:
    """All that was logged, but for names that begin with ``but``, relatively, and all weights, absolutely."""
    assert len(expected.logs) >= 5
    for values, others in zip(found.logs, expected.logs, strict=True):
        assert values.keys() == others.keys()
        compared = {name: value for name, value in others.items() if not name.startswith(but)}
        assert {name: values[name] for name in compared} == pytest.approx(compared, rel=max(tolerance, 1e-6), abs=1e-7)
    assert found.networks.keys() == expected.networks.keys()
    for name, weights in expected.networks.items():
        torch.testing.assert_close(
            found.networks[name], weights, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_all_terms_are_trained_validated_and_saved(trained: Path) -> None:
    log = newest_log(trained)
    assert "World size (gpu number): 2" in log
    losses = noted(trained, "log")[0]
    assert len(losses) == 6
    assert {f"l_g_{name}" for name in LOSSES} | {"l_d_f", "l_d_t", "l_d_y"} <= set(losses[-1])
    assert all(math.isfinite(value) for values in losses for value in values.values())
    assert re.search(r"# psnr: \d+\.\d+", log)
    models = {file.name for file in (trained / "experiments" / "two" / "models").iterdir()}
    assert {f"net_{name}_6.pth" for name in ("g", "d_f", "d_t", "d_y")} <= models


def newest_log(place: Path) -> str:
    files = (place / "experiments" / "two").glob("train_*.log")
    return max(files, key=lambda file: file.stat().st_mtime_ns).read_text()


def test_no_sample_is_drawn_twice(trained: Path) -> None:
    first, second = noted(trained, "drawn")
    assert len(first) == len(second) >= 12
    assert len({*first, *second}) == len(first) + len(second)


def test_the_processes_hold_the_same_networks_and_spectral_norms_after_each_step(trained: Path) -> None:
    assert any("_u" in name for name in networks(trained / "experiments" / "two")["net_d_y_latest params"])
    one, other = noted(trained, "sums")
    assert len(one) == 6
    assert one == other
    assert all(before != after for before, after in pairwise(one))


def test_two_processes_train_as_one_with_twice_the_batch(
    trained: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expected = of_two(trained), train_alone(OPTIONS, monkeypatch)
    assert {name.split()[0] for name in found.networks} == {f"net_{name}_latest" for name in ("g", "d_f", "d_t", "d_y")}
    assert "net_g_latest params_ema" in found.networks
    assert_same(found, expected, tolerance=1e-5, but="grad_norm")


def test_switches_and_accumulated_gradients_change_nothing_in_two_processes(
    place: Path, double_precision: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "network_d_y": CRITIC}  # a spectral norm moves with each pass, of which there are more now
    switches = {"gradient_accumulation_steps": 2, "joint_batches": True, "gradient_checkpointing": "block"}
    switched = {**options, "train": {**options["train"], **switches, "clip_grad_norm": 1}}
    whole = {**options, "train": {**options["train"], "clip_grad_norm": 1}}
    train(place, switched, **double_precision)
    assert_same(of_two(place), train_alone(whole, monkeypatch), tolerance=1e-10)
    one, other = noted(place, "sums")
    assert one == other


PAIRS = {"type": "USRDARelativisticLoss", "r1_weight": 0.1, "r2_weight": 0.1, "loss_weight": 0.01}
ON_Y_TT = {
    "hr_opt": PAIRS,
    "con_opt": {"type": "L1Loss", "loss_weight": 0.1},
    "tea_opt": {"type": "L1Loss", "loss_weight": 0.1, "perturbation": 0},  # each process draws noise of its own
}
WEIGHED = {**SIX_TERMS, "gan_opt": PAIRS, "cyc_opt": {"loss_weight": 1, "weighted_by": "d_t"}}


@pytest.mark.parametrize(
    ("terms", "parts"),
    [({**WEIGHED, **ON_Y_TT}, 2), ({"rec_opt": {"loss_weight": 1}, **ON_Y_TT}, 1)],
    ids=["with the six terms", "with G_t idle"],
)
def test_extensions_train_in_two_processes_as_in_one(
    terms: Options, parts: int, place: Path, double_precision: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {key: value for key, value in OPTIONS["train"].items() if key not in SIX_TERMS} | deepcopy(terms)
    options = {**OPTIONS, "network_d_y": CRITIC, "network_d_h": {**CRITIC, "view": "luma_high"}, "train": settings}
    train(place, {**options, "train": {**settings, "gradient_accumulation_steps": parts}}, **double_precision)
    found = of_two(place)
    assert {"l_g_hr", "l_g_con", "l_g_tea", "l_d_h"} <= set(found.logs[-1])
    assert_same(found, train_alone(options, monkeypatch), tolerance=1e-10)
    one, other = noted(place, "sums")
    assert one == other


# the shipped recipe over small images, with a network and a length that a test has time for
PLUS = ["num_gpu=0", "network_g:num_feat=8", "network_g:num_block=1", "network_g:num_block_lr_decoder=1"]
PLUS += ["network_d_t:num_feat=4", "network_d_h:num_feat=4", "datasets:train:gt_size=32", "logger:print_freq=1"]
PLUS += ["datasets:train:dataroot_gt=hr", "datasets:train:dataroot_target=lr", "datasets:train:num_worker_per_gpu=0"]
PLUS += ["datasets:val:dataroot_gt=hr", "datasets:val:dataroot_lq=lr", "logger:use_tb_logger=false", "val:signals=~"]
PLUS += ["train:total_iter=6", "train:psnr_iter=2", "path:pretrain_network_g=~"]


def test_the_plus_recipe_trains_in_two_processes_as_in_one(
    tmp_path: Path, double_precision: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path, side=128)
    monkeypatch.chdir(tmp_path)
    recipe = ["-opt", str(ROOT / "options/train_usrda_x2.yml"), "--force_yml", *PLUS]
    expected = alone(
        "train_usrda_x2", monkeypatch, *recipe, "name=train_usrda_x2", "datasets:train:batch_size_per_gpu=4"
    )
    shared = [*recipe, "name=two", "model_type=NotedModel", "datasets:train:batch_size_per_gpu=2"]
    run(tmp_path, 2, "train", *shared, environment=double_precision)
    found = of_two(tmp_path)
    assert {"l_g_sty", "l_g_hr", "l_d_t", "l_d_h"} <= set(found.logs[-1])
    assert_same(found, expected, tolerance=1e-10)


def test_a_run_of_two_processes_resumes(trained: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(trained, tmp_path / "again"))
    train(place, OPTIONS, "--auto_resume", "--force_yml", "train:total_iter=8", "logger:use_tb_logger=false")
    resumed = newest_log(place)
    assert re.search(r"Resuming training from epoch: \d+, iter: 6\.", resumed)
    assert re.findall(r"iter: +(\d+), lr", resumed) == ["7", "8"]
    one, other = noted(place, "sums")
    assert len(one) == 8
    assert one == other


# the terms that are left of OPTIONS, the part of a pass that they leave out, and when
IDLE = {
    "G_t throughout": ("pixel_opt", "gan_opt", "rec_opt"),
    "G_SR in the PSNR phase, where rec has no pixel part": ("gan_opt", "rec_opt", "cyc_opt", "res_opt"),
}


@pytest.mark.parametrize("idle", IDLE)
def test_parts_of_the_network_that_no_term_asks_are_not_waited_for(idle: str, place: Path) -> None:
    settings = {key: value for key, value in OPTIONS["train"].items() if not key.endswith("_opt")}
    settings |= {key: OPTIONS["train"][key] for key in IDLE[idle]}
    unasked = ("network_d_f", "network_d_t")
    train(
        place,
        {key: value for key, value in OPTIONS.items() if key not in unasked} | {"train": {**settings, "psnr_iter": 2}},
    )
    losses = noted(place, "log")[0]
    assert len(losses) == 6
    assert set(losses[-1]) >= {"l_g_rec_gan", "l_g_total", "l_d_y"}
    one, other = noted(place, "sums")
    assert one == other


def test_two_machines_meet_by_the_command_of_the_documentation(place: Path) -> None:
    (command,) = re.findall(r"^    (torchrun --nnodes .*)$", (ROOT / "docs/distributed.md").read_text(), re.MULTILINE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    (place / "options.yml").write_text(yaml.safe_dump(OPTIONS, sort_keys=False))
    here = {
        "HOST:29500": endpoint,
        "--nproc_per_node 4": "--nproc_per_node 1",
        "options/train_usrda.yml": "options.yml",
    }
    for theirs, ours in here.items():
        assert theirs in command
        command = command.replace(theirs, ours)
    program, *arguments = shlex.split(command)
    assert program == "torchrun"
    with (
        launched(place, *arguments, "--plugin", "noting.py") as one,
        launched(place, *arguments, "--plugin", "noting.py") as other,
    ):
        told = [machine.communicate()[1] for machine in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], told
    sums, others = noted(place, "sums")
    assert len(sums) == 6
    assert sums == others


def test_two_and_three_processes_measure_what_one_measures_to_the_last_bit(
    trained: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {**PSNR, "ssim": {"type": "calculate_ssim", "crop_border": 2, "test_y_channel": True}}
    options = {name: OPTIONS[name] for name in ("scale", "num_gpu", "network_g")}
    options |= {"name": "measured", "model_type": "USRDAModel", "datasets": {"test": OPTIONS["datasets"]["val"]}}
    options["path"] = {"pretrain_network_g": str(trained / "experiments/two/models/net_g_6.pth")}
    options["val"] = {"save_img": True, "suffix": None, "metrics": metrics}
    (place / "test.yml").write_text(yaml.safe_dump(options))
    expected: list[dict[str, float]] = []
    original = USRDAModel.validation

    def validation(self: USRDAModel, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        expected.append(self.metric_results)

    monkeypatch.setattr(USRDAModel, "validation", validation)
    assert main(["test", "-opt", "test.yml"]) == 0
    pictures = {file.name: file.read_bytes() for file in place.glob("results/measured/visualization/pairs/*.png")}
    assert len(pictures) == 8
    for processes in (2, 3):
        for kind in ("metrics", "results"):
            clear(place, kind)
        run(place, processes, "test", "-opt", "test.yml", "--force_yml", "model_type=NotedModel")
        assert noted(place, "metrics", processes) == [expected] * processes
        found = {file.name: file.read_bytes() for file in place.glob("results/measured/visualization/pairs/*.png")}
        assert found == pictures
        (log,) = place.glob("results/measured/*.log")
        assert log.read_text().count("# psnr") == 1


def clear(place: Path, kind: str) -> None:
    """Remove what earlier processes have noted, or written below a folder of this name."""
    for file in place.glob(f"{kind}?.txt"):
        file.unlink()
    shutil.rmtree(place / kind, ignore_errors=True)
