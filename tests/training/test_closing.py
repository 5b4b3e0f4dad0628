"""What a training says last."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from usrda_plugin.cli import basicsr
from usrda_plugin.training.closing import closing_words, command_to_go_on, use
from usrda_plugin.training.stopping import Stopped


def options(folder: Path, network: str = "USRDANet") -> dict[str, Any]:
    path = {"models": str(folder / "experiments/a b/models"), "experiments_root": str(folder / "experiments/a b")}
    return {"path": path, "network_g": {"type": network}}


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "experiments/a b/models/net_g_latest.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "experiments/a b/mine.yml").touch()
    return file


def words_after(stopped: Stopped | None, opt: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(
        "usrda_plugin.training.closing.get_root_logger", lambda: type("Log", (), {"info": lines.append})
    )
    go_on = "go on with --auto_resume: basicsr train -opt mine.yml --auto_resume"
    with closing_words(lambda: opt, go_on, lambda: lines.append("cleared")):
        if stopped:
            raise stopped
    return lines


def test_a_whole_run_names_its_network_and_the_command_that_uses_it(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words_after(None, options(tmp_path), monkeypatch) == [
        "cleared",
        "The network is experiments/a b/models/net_g_latest.pth; it is used by: usrda upscale --weights "
        "'experiments/a b/models/net_g_latest.pth' --input PHOTOGRAPHS --output UPSCALED",
    ]


def test_a_run_that_was_stopped_says_first_how_it_goes_on(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = words_after(Stopped("stopped by SIGTERM after iteration 7"), options(tmp_path), monkeypatch)
    assert lines[:2] == [
        "cleared",
        "Training stopped by SIGTERM after iteration 7; go on with --auto_resume: "
        "basicsr train -opt mine.yml --auto_resume",
    ]
    assert lines[2].startswith("The network so far is experiments/a b/models/net_g_latest.pth; it is used by: usrda")
    network.unlink()
    assert len(words_after(Stopped("stopped"), options(tmp_path), monkeypatch)) == 2, "no network, no word of it"


def test_a_network_that_its_weights_alone_do_not_tell_has_its_option_file(network: Path, tmp_path: Path) -> None:
    command = shlex.split(use(network, options(tmp_path, "EDSR")))
    assert command[command.index("--opt") + 1] == "experiments/a b/mine.yml"
    assert "--opt" not in use(network, options(tmp_path, "RRDBNet"))


def test_the_command_that_goes_on_is_the_one_that_began() -> None:
    command = command_to_go_on(Path("my options.yml"), ["val=null", "train:total_iter=5"], ["one", "two"], "none")
    _, *words = shlex.split(command)
    chosen = basicsr.build_parser().parse_args(words)
    assert (chosen.opt, chosen.force_yml) == ("my options.yml", ["val=null", "train:total_iter=5"])
    assert (chosen.plugin, chosen.auto_resume, chosen.command) == (["one", "two"], True, "train")
    assert "torchrun" not in command_to_go_on(Path("a.yml"), [], [], "pytorch")
