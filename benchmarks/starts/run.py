"""Makes the networks from which ``usrda adapt`` starts: trains, measures and writes them into usrda_plugin/pretrained/.

    python benchmarks/starts/run.py train --set cc0 --scales 2 4    # what is shipped; an hour a scale
    python benchmarks/starts/run.py train --set more --scales 2 4   # the same on more photographs
    python benchmarks/starts/run.py measure                         # results.json
    python benchmarks/starts/run.py ship                            # the files, each with its card
    python benchmarks/starts/run.py adapt                           # `usrda adapt` on three cameras: adapted.json

Photographs come from --data or $USRDA_SHARED_DATA, laid out as benchmarks/adaptation/README.md says, with train_hr/gb82
and train_hr/cid22 beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import skimage
import torch
import yaml

import usrda_plugin

usrda_plugin.register()  # before BasicSR, which it mends

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "adaptation"))
from evaluation import Pair, Values, means, measure  # noqa: E402

from usrda_plugin.adaptation import adapt  # noqa: E402
from usrda_plugin.adaptation.starts import find_start  # noqa: E402
from usrda_plugin.archs import USRDABicubic  # noqa: E402
from usrda_plugin.archs.opening import open_network  # noqa: E402
from usrda_plugin.data.pictures import read_picture  # noqa: E402
from usrda_plugin.training.launch import train  # noqa: E402
from usrda_plugin.weights import NETWORK, read_tensors  # noqa: E402
from usrda_plugin.weights.writing import write  # noqa: E402

PUBLIC_DOMAIN = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "camera.png",
                 "brick.png", "grass.png", "gravel.png")  # fmt: skip
"""Of the photographs installed with scikit-image those that are CC0 or in the public domain, as it says."""
SETS = {"cc0": ("gb82",), "more": ("bsds", "urban", "cid22", "gb82")}
SCALES = (2, 4)
DATASETS = {2: ("city100_nikon", "city100_iphone", "Set5"), 4: ("drealsr_olympus_x4", "drealsr_panasonic_x4", "Set5")}
CAMERAS = {2: ("city100_nikon", "city100_iphone"), 4: ("drealsr_olympus_x4",)}
RESULTS, ADAPTED = HERE / "results.json", HERE / "adapted.json"
METRICS = ("psnr", "ssim", "lpips")


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "measure", "ship", "adapt"))
    parser.add_argument("--set", choices=SETS, default="cc0")
    parser.add_argument("--scales", type=int, nargs="+", choices=SCALES, default=SCALES)
    parser.add_argument("--data", type=Path, default=os.environ.get("USRDA_SHARED_DATA"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/out/starts")
    chosen = parser.parse_args(arguments)
    for scale in chosen.scales:
        if chosen.what == "train":
            train_start(chosen.set, scale, chosen.data, chosen.out)
        elif chosen.what == "measure":
            measure_starts(scale, chosen.data, chosen.out)
        elif chosen.what == "ship":
            ship(scale, chosen.out)
        else:
            adapt_cameras(scale, chosen.data, chosen.out)
    return 0


def train_start(kind: str, scale: int, data: Path, out: Path) -> None:
    """Train a network on a set of photographs, or go on."""
    folder = out / kind
    folder.mkdir(parents=True, exist_ok=True)
    for link, file in photographs(kind, data):
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(file)
    opt = yaml.safe_load((HERE / "start.yml").read_text())
    opt |= {"name": name_of(kind, scale), "scale": scale}
    opt["datasets"]["train"]["dataroot_gt"] = str(folder)
    opt["network_g"]["scale"] = scale
    file = out / f"{opt['name']}.yml"
    file.write_text(yaml.safe_dump(opt, sort_keys=False))
    train(file, root=out, auto_resume=True)


def photographs(kind: str, data: Path) -> Iterator[tuple[str, Path]]:
    """The photographs of a set, and the names that they have there."""
    for part in SETS[kind]:
        for file in sorted((data / "train_hr" / part).iterdir()):
            yield (file.name if len(SETS[kind]) == 1 else f"{part}_{file.name}"), file.resolve()
    for name in PUBLIC_DOMAIN:
        yield f"ski_{name}" if len(SETS[kind]) == 1 else name, Path(skimage.__file__).parent / "data" / name


def name_of(kind: str, scale: int) -> str:
    """The name of a training."""
    return f"start_{kind}_x{scale}"


def trained(kind: str, scale: int, out: Path) -> Path:
    """The network of a training."""
    return out / "experiments" / name_of(kind, scale) / "models/net_g_latest.pth"


def measure_starts(scale: int, data: Path, out: Path) -> None:
    """Measure bicubic and every set's network on validation pairs, into results.json."""
    networks = {"bicubic": USRDABicubic(scale=scale)}
    networks |= {kind: open_network(trained(kind, scale, out)) for kind in SETS if trained(kind, scale, out).exists()}
    found: dict[str, dict[str, Values]] = {
        dataset: {
            kind: means(measure(network, pairs(data, dataset, scale), scale, METRICS))
            for kind, network in networks.items()
        }
        for dataset in DATASETS[scale]
    }
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[f"x{scale}"] = found
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def pairs(data: Path, dataset: str, scale: int) -> Iterator[Pair]:
    """The validation pairs of a data set."""
    if dataset == "Set5":
        for hr in sorted((data / f"bench_x{scale}/Set5").glob("*_HR.png")):
            yield Pair(hr.stem, levels(hr.with_name(hr.name.replace("_HR", "_LR"))), levels(hr))
        return
    folder = data / "val_pairs" / dataset
    for lr in sorted((folder / f"LRx{scale}").iterdir()):
        yield Pair(lr.stem, levels(lr), levels(folder / "HR" / lr.name))


def levels(file: Path) -> torch.Tensor:
    """8-bit levels (1, 3, H, W), RGB."""
    pixels = torch.from_numpy(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB))
    assert read_picture(file).colour.shape[:2] == pixels.shape[:2]
    return pixels.permute(2, 0, 1)[None]


def adapt_cameras(scale: int, data: Path, out: Path) -> None:
    """Adapt the start to each camera with nothing but the photographs given, and measure both, into adapted.json."""
    found = json.loads(ADAPTED.read_text()) if ADAPTED.exists() else {}
    for camera in CAMERAS[scale]:
        folder = data / "target_lr" / (f"{camera}/LRx2" if scale == 2 else camera)
        done = adapt(folder, scale=scale, output=out / "adapted" / camera)
        assert done.network is not None
        record = json.loads((done.folder / "adapt.json").read_text())
        networks = {"bicubic": USRDABicubic(scale=scale), "start": open_network(find_start(None, scale).file),
                    "adapted": open_network(done.network)}  # fmt: skip
        found[camera] = {
            "scale": scale,
            "photographs": record["photographs"]["used"],
            "iterations": record["iterations"],
            "seconds": round(sum(record["timing"].values())),
            "environment": record["environment"],
            **{
                name: means(measure(network, pairs(data, camera, scale), scale, METRICS))
                for name, network in networks.items()
            },
        }
        ADAPTED.write_text(json.dumps(found, indent=2) + "\n")
        print(json.dumps(found[camera], indent=2))


def ship(scale: int, out: Path) -> None:
    """Write the averaged weights of the set cc0, and the card."""
    content: dict[str, Any] = read_tensors(trained("cc0", scale, out))
    opt = yaml.safe_load((out / f"{name_of('cc0', scale)}.yml").read_text())
    file = ROOT / "usrda_plugin/pretrained" / f"usrda_start_x{scale}.pth"
    file.parent.mkdir(exist_ok=True)
    write({"params": content["params_ema"], NETWORK: opt["network_g"]}, file)
    results = json.loads(RESULTS.read_text())[f"x{scale}"]
    file.with_suffix(".md").write_text(card(file, scale, opt, results), encoding="utf-8")
    print(f"{file}: {file.stat().st_size} bytes, and its card")


def card(file: Path, scale: int, opt: dict[str, Any], results: dict[str, dict[str, Values]]) -> str:
    """What the network is for, whose photographs it saw, and what it is worth."""
    front = {
        "license": "cc0-1.0",
        "library_name": "usrda_plugin",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "basicsr", "pytorch"],
        "weights": {"file": file.name, "bytes": file.stat().st_size,
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        "training": {"iterations": opt["train"]["total_iter"], "seed": opt["manual_seed"],
                     "command": f"python benchmarks/starts/run.py train --set cc0 --scales {scale}"},
        "results": results,
    }  # fmt: skip
    text = (HERE / "card.md").read_text(encoding="utf-8")
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + text.format(
        name=file.stem, scale=scale, table=table(results), iterations=opt["train"]["total_iter"]
    )


def table(results: dict[str, dict[str, Values]]) -> str:
    """The results as Markdown."""
    titles = {"bicubic": "bicubic", "cc0": "this network", "more": "the same, trained on more photographs"}
    lines = ["| photographs | network | PSNR-Y, dB ↑ | SSIM ↑ | LPIPS ↓ |", "| --- | --- | ---: | ---: | ---: |"]
    for dataset, networks in results.items():
        for kind, values in networks.items():
            numbers = " | ".join("–" if values[name] is None else f"{values[name]:.{digits}f}"
                                 for name, digits in {"psnr": 2, "ssim": 4, "lpips": 4}.items())  # fmt: skip
            lines.append(f"| {dataset} | {titles[kind]} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
