"""Shipping networks: the averaged weights, the same bytes each time, a card with the numbers that were measured."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import open_network

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "adaptation"
NAMES = ["usrda_source_only_x2", "usrda_nikon_x2", "usrda_iphone_x2"]
DEMO = "usrda_demo_x2"
NETWORK: dict[str, Any] = {"scale": 2, "encoder": "rrdb", "num_feat": 8, "num_block": 1, "num_grow_ch": 4,
                           "num_block_encoder": 1, "num_block_lr_decoder": 1}  # fmt: skip
MEAN = {"psnr": 28.504, "ssim": 0.80396, "lpips": 0.41004, "niqe": 7.0, "colour_shift": 0.104}


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, found as its command finds it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = [file.stem for file in FOLDER.glob("*.py")]
    earlier = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield import_module("ship")
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(earlier)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """out/ and results/ as the benchmark leaves them when all cells that are shipped have been run, and a demo."""
    for domain in ("nikon", "iphone"):
        write_cell(tmp_path, domain, "bicubic", iterations=[], published=[], published_iter=[], seconds=[], threads=[])
        write_cell(tmp_path, domain, "source_only")
        write_cell(tmp_path, domain, "plus", mean=MEAN | {"psnr": 29.0})
        write_network(tmp_path / "out/experiments", f"small-{domain}-plus-seed0", seed=len(domain), noise_ch=1)
        (tmp_path / "out/data" / domain / "target_lr").mkdir(parents=True)
        for name in ("a.png", "b.png"):
            (tmp_path / "out/data" / domain / "target_lr" / name).touch()
    write_network(tmp_path / "out/experiments", "small-x2-source_only-seed0", seed=0)
    (tmp_path / "out/data/source_x2").mkdir()
    (tmp_path / "out/data/source_x2/list.txt").write_text("1.png\n2.png\n3.png\n")
    write_demo(tmp_path)
    return tmp_path


def write_demo(place: Path) -> None:
    """What `make demo` leaves: its results, and a network below experiments/."""
    network = write_network(place / "experiments", "demo_usrda", seed=9, noise_ch=2)
    metrics = {"psnr": 30.5706, "ssim": 0.8104, "niqe": 6.8124}
    names = {"bicubic": {**metrics, "psnr": 29.0}, "source-only": {**metrics, "psnr": 27.0}, "adapted": metrics}
    results = {
        "networks": {name: {"metrics": told, "iterations": 600, "seconds": 66.0} for name, told in names.items()},
        "weights": {"file": network.relative_to(place).as_posix(),
                    "sha256": hashlib.sha256(network.read_bytes()).hexdigest()},
        "option_file": "options/demo_usrda.yml",
        "options": {"manual_seed": 7, "network_g": {"type": "USRDANet", **NETWORK, "noise_ch": 2},
                    "val": {"metrics": {"psnr": {"crop_border": 3}}}},
        "photographs": {"source": ["a", "b", "c", "d"], "target": ["e"], "validation": ["cat", "dog"]},
        "camera": {"blur": 0.8, "noise": 0.05, "jpeg_quality": 90},
        "threads": 2, "versions": {"torch": "2"}, "commit": None,
    }  # fmt: skip
    (place / "demo/out").mkdir(parents=True)
    (place / "demo/out/results.json").write_text(json.dumps(results))


def write_cell(place: Path, domain: str, row: str, **changes: Any) -> None:
    folder = place / "results/small" / domain / row / "seed0"
    folder.mkdir(parents=True)
    metrics: dict[str, Any] = {"scale": "small", "domain": domain, "row": row, "seed": 0, "mean": MEAN}
    metrics |= {"images": {"061": MEAN, "068": MEAN}, "published": ["net_g_latest.pth"], "published_iter": [600]}
    metrics |= {"iterations": [600], "seconds": [90.0], "threads": [1], "versions": {"torch": "2"}, "commit": "abc+"}
    (folder / "metrics.json").write_text(json.dumps(metrics | changes))
    noise = {"noise_ch": 1} if row == "plus" else {}
    (folder / "options.yml").write_text(yaml.safe_dump({"network_g": {"type": "USRDANet", **NETWORK, **noise}}))


def write_network(experiments: Path, name: str, seed: int, **arguments: int) -> Path:
    """A file as training saves it: the network, and another that is its average."""
    torch.manual_seed(seed)
    weights = {key: USRDANet(**NETWORK | arguments).state_dict() for key in ("params", "params_ema")}
    file = experiments / name / "models/net_g_latest.pth"
    file.parent.mkdir(parents=True)
    torch.save(weights, file)
    return file


def run(ship: ModuleType, place: Path, folder: str = "pretrained", *arguments: str) -> int:
    places = ["--out", str(place / "out"), "--results", str(place / "results"), "--demo", str(place)]
    return ship.main([*places, "--write", str(place / folder), *arguments])


def front_matter(card: Path) -> dict[str, Any]:
    return yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])


def test_the_average_is_shipped_and_opens_by_itself(ship: ModuleType, trained: Path) -> None:
    assert run(ship, trained) == 0
    runs = ["small-x2-source_only-seed0", "small-nikon-plus-seed0", "small-iphone-plus-seed0"]
    origins = [trained / "out/experiments" / origin for origin in runs] + [trained / "experiments/demo_usrda"]
    for name, origin, noise in zip([*NAMES, DEMO], origins, (0, 1, 1, 2), strict=True):
        file = trained / "pretrained" / f"{name}.pth"
        saved = torch.load(origin / "models/net_g_latest.pth", weights_only=True)
        expected = USRDANet(**NETWORK | {"noise_ch": noise})
        expected.load_state_dict(saved["params_ema"])
        x = torch.rand(1, 3, 8, 8)
        assert torch.equal(open_network(file)(x), expected.eval()(x))


def test_g_t_is_shipped_where_it_has_learnt_something(ship: ModuleType, trained: Path) -> None:
    run(ship, trained)
    for name in (*NAMES, DEMO):
        weights = torch.load(trained / "pretrained" / f"{name}.pth", weights_only=True)["params"]
        assert any(key.startswith("lr_decoder.") for key in weights) == ("source_only" not in name)


def test_the_same_cells_and_the_same_demo_give_the_same_bytes(ship: ModuleType, trained: Path) -> None:
    files = []
    for folder in ("one", "two"):
        assert run(ship, trained, folder) == 0
        files.append({file.name: file.read_bytes() for file in (trained / folder).iterdir()})
    assert files[0] == files[1]
    assert sorted(files[0]) == sorted(f"{name}{ending}" for name in (*NAMES, DEMO) for ending in (".md", ".pth"))


def test_a_card_tells_programs_its_file_and_its_numbers(ship: ModuleType, trained: Path) -> None:
    run(ship, trained)
    for name in NAMES:
        told, file = front_matter(trained / "pretrained" / f"{name}.md"), trained / "pretrained" / f"{name}.pth"
        assert told["weights"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        results = {result["dataset"]["type"]: result["metrics"] for result in told["model-index"][0]["results"]}
        adapted = "source_only" not in name
        assert list(results) == ([f"city100_{name.split('_')[1]}"] if adapted else ["city100_nikon", "city100_iphone"])
        for metrics in results.values():
            values = {metric["type"]: metric["value"] for metric in metrics}
            expected = {"psnr": 29.0 if adapted else 28.5, "ssim": 0.804, "lpips": 0.41, "niqe": 7.0}
            assert values == {**expected, "colour_shift": 0.1}
        assert ("City100" in told["datasets"]) == adapted


def test_a_card_tells_people_what_was_compared_and_seen(ship: ModuleType, trained: Path) -> None:
    run(ship, trained)
    text = (trained / "pretrained/usrda_nikon_x2.md").read_text(encoding="utf-8")
    assert "| bicubic | 28.50 | 0.8040 | 0.4100 | 7.00 | 0.10 |" in text
    assert "| source-only | 28.50 |" in text
    assert "| **usrda_nikon_x2** | 29.00 |" in text
    assert "3 of BSDS500 and Urban100" in text
    assert "adapted to 2\n" in text
    assert "python benchmarks/adaptation/run.py --scale small --domains nikon --rows source_only plus --seeds 0" in text
    assert "commit abc, with changes" in text
    assert "{" not in text
    assert str(trained) not in text


def test_a_card_says_where_a_kill_has_lost_the_minutes(ship: ModuleType, trained: Path) -> None:
    (file,) = trained.glob("results/small/nikon/plus/seed0/metrics.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": [None]}))
    assert run(ship, trained) == 0
    text = (trained / "pretrained/usrda_nikon_x2.md").read_text(encoding="utf-8")
    assert "an unknown number of minutes on 1 CPU thread;" in text


def test_the_card_of_the_demo_has_what_the_demo_measured(ship: ModuleType, trained: Path) -> None:
    run(ship, trained)
    card = trained / "pretrained" / f"{DEMO}.md"
    told, text = front_matter(card), card.read_text(encoding="utf-8")
    assert told["weights"]["sha256"] == hashlib.sha256(card.with_suffix(".pth").read_bytes()).hexdigest()
    assert told["datasets"] == ["BSDS500", "Urban100", "scikit-image"]
    (result,) = told["model-index"][0]["results"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {"psnr": 30.57, "ssim": 0.8104, "niqe": 6.81}
    assert [told["training"][key] for key in ("seed", "iterations", "seconds", "threads")] == [7, 600, 66.0, 2]
    assert "| network | PSNR-Y, dB ↑ | SSIM ↑ | NIQE ↓ |" in text
    assert "| bicubic | 29.00 | 0.8104 | 6.81 |\n| source-only | 27.00 |" in text
    assert f"| **{DEMO}** | 30.57 |" in text
    assert "blur of 0.8 HR pixels" in text
    assert "4 source photographs and 1 others" in text
    assert "Means over 2 photographs" in text
    assert "a border of 3 pixels" in text
    assert "Command: `make demo`" in text
    assert "1.1 minutes on 2 CPU threads" in text
    assert f"ship.py --networks {DEMO}`" in text
    assert "noise_ch: 2" in text
    assert "{" not in text
    assert str(trained) not in text


@pytest.mark.parametrize("lacking", ["demo/out/results.json", "experiments/demo_usrda/models/net_g_latest.pth"])
def test_without_a_demo_its_network_alone_is_left_out(
    ship: ModuleType, trained: Path, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained / lacking).unlink()
    assert run(ship, trained) == 1
    assert sorted(file.stem for file in (trained / "pretrained").glob("*.pth")) == sorted(NAMES)
    told = capsys.readouterr().err
    assert f"{DEMO}: left out; expected {trained / lacking}, found no such file; it is made by make demo" in told


def test_another_network_than_the_demo_measured_is_not_shipped(
    ship: ModuleType, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained / "experiments/demo_usrda/models/net_g_latest.pth"
    torch.save(torch.load(file, weights_only=True) | {"trained": "again"}, file)
    assert run(ship, trained, "pretrained", "--networks", DEMO) == 1
    assert "found another network; it is made by make demo" in capsys.readouterr().err
    assert not (trained / "pretrained").exists()


def test_networks_that_were_not_chosen_stay_as_they_are(ship: ModuleType, trained: Path) -> None:
    (trained / "pretrained").mkdir()
    (trained / "pretrained/usrda_nikon_x2.pth").write_bytes(b"earlier")
    assert run(ship, trained, "pretrained", "--networks", DEMO) == 0
    assert (trained / "pretrained/usrda_nikon_x2.pth").read_bytes() == b"earlier"
    names = sorted(file.name for file in (trained / "pretrained").iterdir())
    assert names == [f"{DEMO}.md", f"{DEMO}.pth", "usrda_nikon_x2.pth"]


def test_a_metric_that_was_not_measured_is_not_told(ship: ModuleType, trained: Path) -> None:
    file = trained / "results/small/nikon/plus/seed0/metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"mean": MEAN | {"lpips": None}}))
    assert run(ship, trained) == 0
    card = trained / "pretrained/usrda_nikon_x2.md"
    assert "| **usrda_nikon_x2** | 28.50 | 0.8040 | – | 7.00 |" in card.read_text(encoding="utf-8")
    (result,) = front_matter(card)["model-index"][0]["results"]
    assert [metric["type"] for metric in result["metrics"]] == ["psnr", "ssim", "niqe", "colour_shift"]


def test_what_has_not_been_measured_is_left_out_with_the_command_that_makes_it(
    ship: ModuleType, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained / "results/small/iphone/plus/seed0/metrics.json").unlink()
    assert run(ship, trained) == 1
    assert sorted(file.stem for file in (trained / "pretrained").glob("*.pth")) == sorted([*NAMES[:2], DEMO])
    told = capsys.readouterr().err
    assert "usrda_iphone_x2: left out; expected" in told
    assert "run.py --scale small --domains iphone --rows plus --seeds 0" in told
    capsys.readouterr()
    assert run(ship, trained, "pretrained", "--seed", "1") == 1
    assert capsys.readouterr().err.count("left out") == 3


def test_another_network_than_the_measured_one_is_not_shipped(
    ship: ModuleType, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = trained / "out/experiments/small-nikon-plus-seed0/models"
    (models / "net_g_best.pth").write_bytes((models / "net_g_latest.pth").read_bytes())
    assert run(ship, trained) == 1
    assert "net_g_latest.pth, found net_g_best.pth" in capsys.readouterr().err
    assert not (trained / "pretrained/usrda_nikon_x2.pth").exists()


def test_a_network_that_is_too_large_is_not_shipped(
    ship: ModuleType, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ship, "LIMIT", 1000)
    assert run(ship, trained) == 1
    assert "expected less than 1000 bytes" in capsys.readouterr().err
    assert not (trained / "pretrained").exists()
