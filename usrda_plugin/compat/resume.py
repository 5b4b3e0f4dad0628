"""Seams for going on with an interrupted run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from usrda_plugin.compat.record import mentions, replace
from usrda_plugin.weights import read_tensors


def resume_below_root_on_any_device() -> bool:
    """Find the newest whole checkpoint where this run keeps its states, and read it without a GPU."""
    train = import_module("basicsr.train")
    if not mentions(train.load_resume_state, "current_device") and not mentions(train.load_resume_state, "experiments"):
        return False
    return replace(train, "load_resume_state", lambda original: _load_resume_state)


def _load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    file = _newest_state(opt) if opt["auto_resume"] else _asked_state(opt)
    if not file:
        return None
    opt["path"]["resume_state"] = str(file)
    # optimizers move what they load to the device of their parameters, so the CPU is right for every run
    state: dict[str, Any] = read_tensors(file)
    import_module("basicsr.utils").check_resume(opt, state["iter"])
    return state


def _newest_state(opt: dict[str, Any]) -> Path | None:
    store = import_module("usrda_plugin.models.checkpoint_store").CheckpointStore.of(opt)
    found = store.newest()
    if opt["rank"] == 0:
        for line in found.passed:
            print(f"Passed by: {line}", flush=True)  # the log has no file yet
    if found.iteration is not None:
        return store.state(found.iteration)
    if found.passed:
        raise ValueError(
            f"--auto_resume: expected a whole checkpoint in {store.states}, found none: {'; '.join(found.passed)}. "
            "Move the folder of the run away to begin anew"
        )
    return None


def _asked_state(opt: dict[str, Any]) -> Path | None:
    asked = opt["path"].get("resume_state")
    if not asked:
        return None
    file, states = Path(asked), Path(opt["path"]["training_states"])
    if file.resolve().parent != states.resolve():
        raise ValueError(
            f"path: resume_state: {file}: expected a state of this run, in {states}, whose networks stand beside it;"
            " give the run that name, or begin a new run from those networks (path: pretrain_network_g, ...)"
        )
    store = import_module("usrda_plugin.models.checkpoint_store").CheckpointStore.of(opt)
    kept = store.iterations()
    if file.stem.isdigit() and kept:
        fault = store.fault(int(file.stem), expects_manifest=int(file.stem) > kept[0])
        if fault:
            raise ValueError(f"path: resume_state: {file}: expected a whole checkpoint, but {fault}; take another")
    return file
