"""The command line of ``basicsr``: what it hands on, how it ends, what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from usrda_plugin import __version__
from usrda_plugin.cli.basicsr import main
from usrda_plugin.errors import SetupError
from usrda_plugin.training import launch

OptionFile = Callable[..., Path]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the launcher is called with."""
    calls: dict[str, Any] = {}
    for phase in ("train", "test"):
        monkeypatch.setattr(
            launch, phase, lambda file, phase=phase, **choices: calls.update(phase=phase, file=file, **choices)
        )
    return calls


def fail_with(fault: BaseException) -> Callable[..., None]:
    def run(*_: Any, **__: Any) -> None:
        raise fault

    return run


def test_all_of_basicsrs_flags_are_handed_on(started: dict[str, Any]) -> None:
    line = (
        "train -opt a.yml --launcher pytorch --auto_resume --debug --plugin one --plugin two.py --time_limit 1:02:03.5"
        " --force_yml a:b=1 c=2"
    )
    assert main(line.split()) == 0
    assert started == {
        "phase": "train",
        "file": "a.yml",
        "overrides": ["a:b=1", "c=2"],
        "plugins": ["one", "two.py"],
        "launcher": "pytorch",
        "auto_resume": True,
        "debug": True,
        "time_limit": 3723.5,
        "live": True,
    }


@pytest.mark.parametrize("time", ["soon", "1:2:3:4", "-5", "nan", ""])
def test_a_time_limit_is_a_time(time: str, started: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "-opt", "a.yml", f"--time_limit={time}"])
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "--time_limit" in told
    assert f"expected seconds, MINUTES:SECONDS or HOURS:MINUTES:SECONDS, found {time!r}" in told


def test_a_test_has_no_resume(started: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "-opt", "a.yml"]) == 0
    assert started["phase"] == "test"
    assert "auto_resume" not in started
    with pytest.raises(SystemExit):
        main(["test", "-opt", "a.yml", "--auto_resume"])
    assert "unrecognized arguments: --auto_resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["--local-rank=1 train -opt a.yml", "train --local_rank 1 -opt a.yml", "train -opt a.yml --local-rank=1"],
)
def test_local_rank_is_taken_wherever_it_is_put(line: str, started: dict[str, Any]) -> None:
    assert main(line.split()) == 0
    assert "local_rank" not in started


@pytest.mark.parametrize("line", ["", "train", "fly", "train -opt a.yml --launcher mpi", "train -opt a.yml --auto"])
def test_a_wrong_command_line_ends_with_2(line: str, started: dict[str, Any]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert not started


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["test", "--help"]])
def test_help_shows_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 0
    assert "basicsr t" in capsys.readouterr().out


def test_version_names_both_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith(f"usrda_plugin {__version__}, basicsr 1.")


def test_a_setup_fault_is_one_message_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "train", fail_with(SetupError("no such folder: hr")))
    assert main(["train", "-opt", "a.yml"]) == 2
    assert capsys.readouterr().err == "basicsr: no such folder: hr\n"


def test_of_several_processes_one_speaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(launch, "train", fail_with(SetupError("no such folder: hr")))
    assert main(["train", "-opt", "a.yml"]) == 2
    assert capsys.readouterr().err == ""


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "train", fail_with(SetupError("no such folder: hr")))
    with pytest.raises(SetupError):
        main(["train", "-opt", "a.yml", "--debug"])


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "train", fail_with(ValueError("in the middle of training")))
    with pytest.raises(ValueError, match="in the middle"):
        main(["train", "-opt", "a.yml"])


def test_stopping_a_run_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(launch, "train", fail_with(KeyboardInterrupt()))
    assert main(["train", "-opt", "a.yml"]) == 130
    assert capsys.readouterr().err == "basicsr: interrupted\n"


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"datasets": {"train": {"dataroot_gt": "nowhere"}}}, "nowhere"),
        ({"trian": {}}, "trian"),
        ({"model_type": "SRModell"}, "SRModel"),
        ({"path": {"pretrain_network_g": "nowhere.pth"}}, "nowhere.pth"),
        ({"num_gpu": "many"}, "num_gpu"),
    ],
)
def test_faulty_options_end_with_2_and_create_nothing(
    changes: dict[str, Any], named: str, option_file: OptionFile, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = option_file(**changes)
    before = files_below(workshop)
    assert main(["train", "-opt", str(file)]) == 2
    told = capsys.readouterr().err
    assert named in told
    assert "Traceback" not in told
    assert files_below(workshop) == before


def test_a_fault_found_by_the_dataset_leaves_nothing_behind(
    option_file: OptionFile, workshop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("image 3.png is gone")

    monkeypatch.setattr(sys.modules["basicsr.data.paired_image_dataset"], "paired_paths_from_folder", refuse)
    file = option_file()
    before = files_below(workshop)
    assert main(["train", "-opt", str(file)]) == 2
    assert capsys.readouterr().err.rstrip().endswith("basicsr: image 3.png is gone")
    assert files_below(workshop) == before


def test_a_plugin_of_the_users_own_trains(option_file: OptionFile, workshop: Path) -> None:
    (workshop / "plugin_of_mine.py").write_text(
        "from torch import nn\n"
        "from basicsr.utils.registry import ARCH_REGISTRY\n\n"
        "@ARCH_REGISTRY.register()\n"
        "class NetOfMine(nn.Sequential):\n"
        "    def __init__(self, upscale: int) -> None:\n"
        "        super().__init__(nn.Conv2d(3, 3 * upscale**2, 3, padding=1), nn.PixelShuffle(upscale))\n"
    )
    file = option_file(network_g={"type": "NetOfMine", "upscale": 2}, train={"total_iter": 2}, val={"metrics": None})
    assert main(["train", "-opt", str(file)]) == 2, "unknown without the plugin"
    assert main(["train", "-opt", str(file), "--plugin", "plugin_of_mine"]) == 0
    assert (workshop / "experiments" / "tiny" / "models" / "net_g_latest.pth").is_file()


def test_a_broken_plugin_is_named_and_ends_with_2(
    option_file: OptionFile, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop / "plugin_out_of_order.py").write_text("1 / 0\n")
    assert main(["train", "-opt", str(option_file()), "--plugin", "plugin_out_of_order"]) == 2
    told = capsys.readouterr().err
    assert "plugin plugin_out_of_order (--plugin) cannot be loaded: ZeroDivisionError" in told
    assert not (workshop / "experiments").exists()


@pytest.mark.slow
def test_two_processes_train_on_the_cpu(option_file: OptionFile, workshop: Path) -> None:
    file = option_file(train={"total_iter": 4}, datasets={"train": {"batch_size_per_gpu": 1}})
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "usrda_plugin", "train", "--launcher", "pytorch", "-opt", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    run = workshop / "experiments" / "tiny"
    assert (run / "models" / "net_g_4.pth").is_file()
    assert "World size (gpu number): 2" in next(run.glob("train_*.log")).read_text()
