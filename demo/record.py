"""The demo's results as a file: what was measured, of which network, and how that was made."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import cv2
import photographs
import torch
from report import Result

from usrda_plugin import __version__
from usrda_plugin.options.inheritance import read_chain

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "basicsr", "scikit-image")


def write_record(file: Path, results: Mapping[str, Result], weights: str, option_file: str) -> None:
    """Write what the networks did; ``weights`` and ``option_file`` of the adapted one, from the project's folder on."""
    record = {
        "networks": {name: {"metrics": result.metrics, "iterations": result.iterations,
                            "seconds": round(result.seconds, 1)} for name, result in results.items()},
        "weights": {"file": weights, "sha256": hashlib.sha256((ROOT / weights).read_bytes()).hexdigest()},
        "option_file": option_file,
        "options": read_chain(ROOT / option_file).opt,
        "photographs": {group: [Path(name).stem for name in names] for group, names in photographs.GROUPS.items()},
        "camera": {"blur": photographs.BLUR, "noise": photographs.NOISE, "jpeg_quality": photographs.JPEG_QUALITY},
        "threads": torch.get_num_threads(),
        "versions": {"usrda_plugin": __version__, **{name: version(name) for name in PACKAGES},
                     "opencv": cv2.__version__},
        "commit": _commit(),
    }  # fmt: skip
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _commit() -> str | None:
    """The commit of the working tree, with a plus where files have been changed since; None outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None
