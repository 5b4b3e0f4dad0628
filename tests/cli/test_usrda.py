"""The command line of ``usrda`` and its doctor."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from usrda_plugin import __version__
from usrda_plugin.cli import doctor, usrda
from usrda_plugin.compat import PATCHES, plugins
from usrda_plugin.errors import SetupError
from usrda_plugin.shipped import recipes_folder


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
    assert told.splitlines()[-1].startswith(
        "not ready: basicsr train and basicsr test refuse to start with this plugin"
    )


def test_the_doctor_ends_in_ready_and_tells_before_what_cannot_be_used_without_what_is_optional(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("USRDA_VGG_WEIGHTS", "USRDA_ALEXNET_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / "none.pth"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(doctor, "describe_environment", lambda: [("Python", "3")])
    assert usrda.main(["doctor"]) == 0
    *_, gpu, vgg, alexnet, last = capsys.readouterr().out.splitlines()
    assert last.startswith("ready: ")
    assert gpu.startswith("without a GPU, ")
    assert vgg.startswith("without VGG-19 weights, perceptual_opt cannot be used: ")
    assert alexnet.startswith("without AlexNet weights, calculate_usrda_lpips cannot be used ")


def test_the_files_that_the_doctor_calls_useless_without_vgg_are_those_with_a_perceptual_loss() -> None:
    with_vgg = {
        file.name
        for file in recipes_folder().glob("train_*.yml")
        if (yaml.safe_load(file.read_text()).get("train") or {}).get("perceptual_opt")
    }
    assert with_vgg == {"train_usrda.yml", "train_esrgan.yml", "train_realesrgan.yml"}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (("basicsr",), 'no BasicSR; pip install "setuptools<81" wheel && pip install --no-build-isolation'),
        (("cv2", "torch"), "no torch, opencv-python; pip install torch opencv-python\n"),
        (("torch", "basicsr"), "no torch, BasicSR; pip install torch, then pip install"),
    ],
    ids=str,
)
def test_without_what_all_commands_need_the_doctor_ends_with_the_command_that_installs_it(
    missing: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in missing else find_spec(name))
    assert usrda.main(["doctor"]) == 2
    found = capsys.readouterr()
    assert found.err.startswith(f"usrda: not ready: {told}")
    assert found.err.count("\n") == 1
    assert "Packages" in found.out


def test_what_is_installed_but_does_not_load_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise OSError("libcudart.so: wrong ELF class")

    monkeypatch.setattr(doctor, "_load_torch", load)
    assert usrda.main(["doctor"]) == 2
    assert "usrda: not ready: torch does not load: OSError: libcudart.so: wrong" in capsys.readouterr().err


def test_the_doctor_looks_for_all_that_the_package_needs() -> None:
    setup = (Path(__file__).parents[2] / "setup.py").read_text()
    block = re.search(r"install_requires=\[(.*?)\]", setup, re.DOTALL)
    assert block
    needed = set(re.findall(r'"([\w-]+)[><=]', block[1]))
    # without rich no line is printed at all; SciPy is brought by BasicSR
    assert needed | {"scipy"} == set(doctor.NEEDED.values()) | {"rich"}
    assert all(find_spec(module) for module in doctor.NEEDED)


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
