"""Folders of runs as BasicSR and ``usrda adapt`` leave them, made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.reports.made import HEAD, NASTY, OPTIONS, make_scene, step
from usrda_plugin.data.camera import Camera
from usrda_plugin.reports import Scene


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """experiments/mine: options, a log of three steps and a validation, signals with an alarm; no network."""
    folder = tmp_path / "experiments" / "mine"
    (folder / "models").mkdir(parents=True)
    (folder / "mine.yml").write_text(yaml.safe_dump(OPTIONS))
    validation = "2026-01-02 10:02:00,000 INFO: Validation held_out\n\t # psnr: 27.5000\tBest: 27.5000 @ 200 iter\n"
    steps = [step(100, 30, l_pix=0.5), step(200, 60, l_pix=0.25), validation, step(1300, 150, l_pix=0.125)]
    warning = "2026-01-02 10:02:31,000 WARNING: a <b>bold</b> warning\n"
    (folder / "train_mine_20260102_100000.log").write_text(HEAD + "".join(steps) + 2 * warning)
    drifts = [0.5, 3.0, 4.0, 0.5]
    signals = [{"iter": 100 * number, "colour_drift": drift, "style_distance": 2 / number, "niqe": None}
               for number, drift in enumerate(drifts, 1)]  # fmt: skip
    (folder / "signals.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in signals) + '{"iter": 5')
    return folder


@pytest.fixture
def adapted_folder(tmp_path: Path, run_folder: Path) -> Path:
    """What ``usrda adapt`` leaves, with a camera and a nasty name; the run lies within."""
    facts = {
        "name": "my camera", "scale": 2,
        "photographs": {"folder": "photos", "used": 3, "cameras": {"NIKON D5500": 2},
                        "left_out": [{"file": NASTY, "reason": "too small"}]},
        "source": {"images": 12}, "start": {"name": "source only", "file": "start.pth"},
        "adapted": {"file": "adapted.pth"}, "training": {"folder": "experiments/mine", "iterations": 1300},
        "gap": {"before": {"style": 1.0}, "after": {"style": 0.25}, "units": {"style": "dB"},
                "text": {"style": "what"}},
        "camera": "camera.json", "alarms": ["be careful"], "environment": {"Python": "3.11"},
        "timing": {"training": 90.0}, "commands": ["usrda upscale --weights adapted.pth"], "later": "unknown",
    }  # fmt: skip
    (tmp_path / "adapt.json").write_text(json.dumps(facts))
    kernel = np.zeros((15, 15), np.float32)
    kernel[7, 6:9] = 0.25, 0.5, 0.25
    Camera(kernel, 4 / 255).save(tmp_path / "camera.json")
    return tmp_path


@pytest.fixture
def scenes() -> list[Scene]:
    return [make_scene(number, file=file) for number, file in enumerate(["a.png", NASTY])]
