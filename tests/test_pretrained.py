"""The networks in pretrained/ are what their cards say: the file, the command, the numbers on real photographs."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
import torch
import yaml
from basicsr.metrics import calculate_metric

from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import open_network
from usrda_plugin.cli import usrda
from usrda_plugin.metrics import (
    calculate_usrda_colour_shift,
    calculate_usrda_lpips,
    calculate_usrda_niqe,
    calculate_usrda_psnr,
    calculate_usrda_ssim,
)
from usrda_plugin.options.inheritance import read_chain

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "pretrained"
CARDS = sorted(FOLDER.glob("*.md"))
CELLS = ROOT / "benchmarks/adaptation/results"
DEMO = FOLDER / "usrda_demo_x2.md"
LIMIT = 4_000_000
DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4, "niqe": 2, "colour_shift": 2}

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
every_card_of_a_cell = pytest.mark.parametrize(
    "card", [card for card in CARDS if card != DEMO], ids=lambda card: card.stem
)
only_with_the_demo = pytest.mark.skipif(not DEMO.is_file(), reason=f"no {DEMO.name}")


def front_matter(card: Path) -> dict[str, Any]:
    """What the card says to programs."""
    return yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])


def command(card: Path) -> list[str]:
    """The words of the card's command, without its program."""
    (line,) = re.findall(r"^    usrda (upscale .*)$", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return shlex.split(line)


def test_each_network_has_its_card_and_each_card_its_network() -> None:
    assert [file.stem for file in sorted(FOLDER.glob("*.pth"))] == [card.stem for card in CARDS]


@every_card
def test_the_file_is_the_one_that_the_card_was_written_for(card: Path) -> None:
    told = front_matter(card)["weights"]
    content = (FOLDER / told["file"]).read_bytes()
    assert told["file"] == f"{card.stem}.pth"
    assert len(content) == told["bytes"] < LIMIT
    assert hashlib.sha256(content).hexdigest() == told["sha256"]


@every_card_of_a_cell
def test_the_numbers_are_those_of_the_cell_that_made_it(card: Path) -> None:
    told = front_matter(card)
    training = told["training"]
    for result in told["model-index"][0]["results"]:
        domain = result["dataset"]["type"].removeprefix("city100_")
        cell = CELLS / training["scale"] / domain / training["row"] / f"seed{training['seed']}"
        measured = json.loads((cell / "metrics.json").read_text())
        assert (cell / "options.yml").is_file()
        assert [measured["commit"], measured["iterations"]] == [training["commit"], [training["iterations"]]]
        for metric in result["metrics"]:
            name = metric["type"]
            assert metric["value"] == pytest.approx(measured["mean"][name], abs=0.50001 * 10 ** -DIGITS[name]), name


@only_with_the_demo
def test_the_network_of_the_demo_is_trained_as_its_option_file_says_now() -> None:
    told = front_matter(DEMO)["training"]
    options = read_chain(ROOT / told["options"]).opt
    assert told["options"] == "options/demo_usrda.yml"
    assert [told["seed"], told["iterations"]] == [options["manual_seed"], options["train"]["total_iter"]]
    assert torch.load(DEMO.with_suffix(".pth"), weights_only=True)["network"] == options["network_g"]
    now = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
    assert told["options_sha256"] == now, (
        "make demo, then python benchmarks/adaptation/ship.py --networks usrda_demo_x2"
    )


@only_with_the_demo
def test_the_card_of_the_demo_names_the_terms_of_each_photograph_and_the_camera() -> None:
    demo, text = photographs_of_the_demo(), DEMO.read_text(encoding="utf-8")
    terms = text.partition("* scikit-image, ")[2]
    for names in (demo.SOURCE, demo.TARGET, demo.VALIDATION):
        assert [name for name in names if not re.search(rf"\b{Path(name).stem}\b", terms)] == []
    assert f"blur of {demo.BLUR} HR pixels" in text
    assert f"noise of {demo.NOISE} of" in text
    assert f"quality {demo.JPEG_QUALITY}." in text


def photographs_of_the_demo() -> ModuleType:
    """demo/photographs.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("demo_photographs", ROOT / "demo/photographs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_card
def test_weights_bear_the_terms_of_the_photographs(card: Path) -> None:
    told = front_matter(card)
    assert "BSDS500" in told["datasets"]
    assert told["license_name"] == "non-commercial-research"
    assert "for non-commercial research" in card.read_text(encoding="utf-8")


@every_card
def test_the_command_of_the_card_upscales(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pretrained").symlink_to(FOLDER)
    Path("photographs").mkdir()
    scene = cv2.imread(str(Path(skimage.__file__).parent / "data" / "astronaut.png"))[:96, 160:288]
    cv2.imwrite("photographs/a.png", cv2.resize(scene, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    words = iter(("photographs", "upscaled"))
    line = [next(words) if word == "DIR" else word for word in command(card)]
    assert usrda.main([*line, "--device", "cpu"]) == 0
    assert "USRDANet x2, as the file says" in capsys.readouterr().err
    made = cv2.imread("upscaled/a.png")
    assert made.shape == scene.shape
    # it is the scene: a wrong or untrained network has about 12 dB
    assert calculate_usrda_psnr(made, scene, crop_border=2, test_y_channel=True) > 18


@every_card
def test_the_file_is_a_start_for_a_training(card: Path) -> None:
    content = torch.load(card.with_suffix(".pth"), weights_only=True)
    arguments = {key: value for key, value in content["network"].items() if key != "type"}
    network, opened = USRDANet(**arguments), open_network(card.with_suffix(".pth"))
    weights = network.fit_weights(content)
    assert {key.partition(".")[0] for key in weights} >= {"encoder", "sr_decoder"}
    network.load_state_dict(weights, strict=False)
    x = torch.rand(1, 3, 12, 12)
    assert torch.equal(network(x), opened(x))


def test_a_start_without_g_t_fits_any_g_t() -> None:
    file = FOLDER / "usrda_source_only_x2.pth"
    if not file.is_file():
        pytest.skip(f"no {file.name}")
    content = torch.load(file, weights_only=True)
    arguments = {key: value for key, value in content["network"].items() if key != "type"}
    weights = USRDANet(**arguments | {"noise_ch": 3, "num_block_lr_decoder": 2}).fit_weights(content)
    assert not [key for key in weights if key.startswith("lr_decoder.")]


@only_with_the_demo
def test_the_photographs_of_the_demo_give_the_numbers_of_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = front_matter(DEMO)["model-index"][0]["results"]
    told = {metric["type"]: metric["value"] for metric in result["metrics"]}
    settings = read_chain(ROOT / "options/_base_/demo.yml").opt["val"]["metrics"]
    assert set(told) == set(settings)
    photographs_of_the_demo().write_photographs(tmp_path)
    monkeypatch.chdir(tmp_path)
    weights = str(DEMO.with_suffix(".pth"))
    assert (
        usrda.main(["upscale", "--weights", weights, "--input", "val_lr", "--output", "upscaled", "--device", "cpu"])
        == 0
    )
    scenes = [{"img": cv2.imread(str(file)), "img2": cv2.imread(f"val_hr/{file.name}")}
              for file in sorted(Path("upscaled").iterdir())]  # fmt: skip
    assert len(scenes) == 3
    for name, metric in settings.items():
        mean = round(float(np.mean([calculate_metric(scene, metric) for scene in scenes])), DIGITS[name])
        # as below: carried over an edge, and no more
        assert abs(mean - told[name]) < 1.5 * 10 ** -DIGITS[name], name


RESULTS = [
    pytest.param(card, result, id=f"{card.stem}-{result['dataset']['type']}")
    for card in CARDS
    if card != DEMO
    for result in front_matter(card)["model-index"][0]["results"]
]


@pytest.mark.slow
@pytest.mark.parametrize(("card", "result"), RESULTS)
def test_real_photographs_give_the_numbers_of_the_card(
    card: Path, result: Mapping[str, Any], shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert set(told) == set(DIGITS)
    pairs = shared_data / "val_pairs" / result["dataset"]["type"]
    if not pairs.is_dir():
        pytest.skip(f"no {pairs}")
    alexnet = find_alexnet(shared_data)
    monkeypatch.chdir(tmp_path)
    weights = str(card.with_suffix(".pth"))
    arguments = ["--weights", weights, "--input", str(pairs / "LRx2"), "--output", "upscaled", "--device", "cpu"]
    assert usrda.main(["upscale", *arguments]) == 0
    scenes = [(cv2.imread(str(file)), cv2.imread(str(pairs / "HR" / file.name)))
              for file in sorted(Path("upscaled").iterdir())]  # fmt: skip
    assert len(scenes) == 8
    values = [measured(made, truth, alexnet) for made, truth in scenes]
    for name, digits in DIGITS.items():
        mean = round(float(np.mean([value[name] for value in values])), digits)
        # sums are taken in another order elsewhere, which may carry a value over the edge where it is rounded
        assert abs(mean - told[name]) < 1.5 * 10**-digits, name


def find_alexnet(shared_data: Path) -> str:
    beside = shared_data.parent / "weights" / "alexnet_features.pth"
    file = Path(os.environ.get("USRDA_ALEXNET_WEIGHTS", beside))
    if not file.is_file():
        pytest.skip(f"no {file}; set USRDA_ALEXNET_WEIGHTS")
    return str(file)


def measured(made: np.ndarray, truth: np.ndarray, alexnet: str) -> dict[str, float]:
    """The metrics of the card, of pictures as files have them."""
    return {
        "psnr": calculate_usrda_psnr(made, truth, 2, test_y_channel=True),
        "ssim": calculate_usrda_ssim(made, truth, 2, test_y_channel=True),
        "lpips": calculate_usrda_lpips(made, truth, 2, weights=alexnet),
        "niqe": calculate_usrda_niqe(made, 2),
        "colour_shift": calculate_usrda_colour_shift(made, truth, 2),
    }
