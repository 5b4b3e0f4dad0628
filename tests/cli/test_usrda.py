"""The command line of ``usrda`` and its doctor."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from usrda_plugin import __version__
from usrda_plugin.cli import doctor, usrda
from usrda_plugin.compat import PATCHES, plugins
from usrda_plugin.errors import SetupError


def test_the_doctor_tells_versions_device_plugins_weights_and_patches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    weights = tmp_path / "vgg19_features.pth"
    weights.touch()
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(weights))
    alexnet = tmp_path / "alexnet_features.pth"
    alexnet.touch()
    monkeypatch.setenv("USRDA_ALEXNET_WEIGHTS", str(alexnet))
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("other", "json:dumps_nothing", group)])
    monkeypatch.setattr(doctor, "describe_environment", lambda: [("Python", "3")])
    assert usrda.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert all(patch.name in told for patch in PATCHES)
    for word in ("basicsr", "torch", "CUDA", "not needed", str(weights), str(alexnet), "plugin other (basicsr.plugins"):
        assert word in told


def test_the_doctor_says_where_it_looked_for_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(tmp_path / "none.pth"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert doctor.describe_vgg().startswith("not found: ")
    assert str(tmp_path / "none.pth") in doctor.describe_vgg()


def test_the_doctor_says_where_alexnet_would_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("USRDA_ALEXNET_WEIGHTS", str(tmp_path / "none.pth"))
    assert doctor.describe_alexnet().startswith("not found: ")
    assert str(tmp_path / "none.pth") in doctor.describe_alexnet()
    monkeypatch.delenv("USRDA_ALEXNET_WEIGHTS")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "downloads them to" in doctor.describe_alexnet()
    assert str(tmp_path) in doctor.describe_alexnet()


def test_a_package_that_is_missing_is_said_to_be() -> None:
    assert doctor.describe_version("no-such-package-anywhere") == "not installed"


def test_the_environment_comes_without_pages_of_compiling_details() -> None:
    environment = dict(doctor.describe_environment())
    assert environment["PyTorch"]
    assert not any("compiling details" in name for name in environment)


@pytest.mark.parametrize("line", [[], ["fly"]])
def test_a_wrong_command_ends_with_2(line: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        usrda.main(line)
    assert caught.value.code == 2


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for option, expected in (("--version", __version__), ("--help", "doctor")):
        with pytest.raises(SystemExit) as caught:
            usrda.main([option])
        assert caught.value.code == 0
        assert expected in capsys.readouterr().out


def test_a_command_of_ours_reports_faults_as_basicsr_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise SetupError("no such folder: photos")

    monkeypatch.setattr(doctor, "run", refuse)
    assert usrda.main(["doctor"]) == 2
    assert capsys.readouterr().err == "usrda: no such folder: photos\n"
