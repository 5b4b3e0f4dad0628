"""What is shipped of the demo, and what the card says of it: all of it from the files that `make demo` has left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from averages import average_of
from card import Comparison, Subject

NAME = "usrda_demo_x2"
RESULTS = Path("demo/out/results.json")
METRICS = ("psnr", "ssim", "niqe")
REMEDY = "it is made by make demo"


def subject_of(root: Path) -> Subject:
    """The adapted network of the demo that was run in ``root``.

    Raises ValueError where it has not been run, or where the network is not the one that it measured.
    """
    if not (root / RESULTS).is_file():
        raise ValueError(f"expected {root / RESULTS}, found no such file; {REMEDY}")
    results = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    return Subject(
        content=average_of(_measured(results, root), results["options"]["network_g"]),
        metrics=METRICS,
        comparisons=[_comparison(results)],
        training=_training(results),
        seen=("BSDS500", "Urban100", "scikit-image"),
        texts=("demo.md", "common.md"),
        words=_words(results),
    )


def _measured(results: Mapping[str, Any], root: Path) -> Path:
    file = root / results["weights"]["file"]
    if not file.is_file():
        raise ValueError(f"expected {file}, found no such file; {REMEDY}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != results["weights"]["sha256"]:
        raise ValueError(f"expected {file} as {RESULTS} has measured it, found another network; {REMEDY}")
    return file


def _comparison(results: Mapping[str, Any]) -> Comparison:
    networks, names = results["networks"], ", ".join(results["photographs"]["validation"])
    return Comparison(
        dataset="demo",
        photographs=f"scikit-image's {names}, by the demo's camera",
        title=f"scikit-image's {names}, by the demo's camera, of which training has seen none",
        means={title: networks[title]["metrics"] for title in ("bicubic", "source-only")},
        own=networks["adapted"]["metrics"],
    )


def _training(results: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "options": results["option_file"],
        "options_sha256": options_sha256(results["options"]),
        "seed": results["options"]["manual_seed"],
        **{key: results["networks"]["adapted"][key] for key in ("iterations", "seconds")},
        **{key: results[key] for key in ("threads", "versions", "commit")},
    }


def options_sha256(options: Mapping[str, Any]) -> str:
    """What tells whether the option files say something else now than when the network was trained."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


def _words(results: Mapping[str, Any]) -> dict[str, Any]:
    """What the texts leave open."""
    counts = {group: len(names) for group, names in results["photographs"].items()}
    return {
        **results["camera"],
        **counts,
        "border": results["options"]["val"]["metrics"]["psnr"]["crop_border"],
        "option_file": results["option_file"],
        "ship": f"python benchmarks/adaptation/ship.py --networks {NAME}",
    }
