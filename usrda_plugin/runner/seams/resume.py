"""Seams for going on with an interrupted run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from usrda_plugin.runner.seams.record import mentions, replace
from usrda_plugin.runner.seams.weights import read_tensors


def resume_below_root_on_any_device() -> bool:
    """Find the newest training state where this run keeps its states, and read it without a GPU."""
    train = import_module("basicsr.train")
    if not mentions(train.load_resume_state, "current_device") and not mentions(train.load_resume_state, "experiments"):
        return False
    return replace(train, "load_resume_state", lambda original: _load_resume_state)


def _load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    asked = opt["path"].get("resume_state")
    file = _newest_state(Path(opt["path"]["training_states"])) if opt["auto_resume"] else asked
    if not file:
        return None
    opt["path"]["resume_state"] = str(file)
    # optimizers move what they load to the device of their parameters, so the CPU is right for every run
    state: dict[str, Any] = read_tensors(file)
    import_module("basicsr.utils").check_resume(opt, state["iter"])
    return state


def _newest_state(folder: Path) -> Path | None:
    states = [file for file in folder.glob("*.state") if file.stem.isdigit()]
    return max(states, key=lambda file: int(file.stem), default=None)
