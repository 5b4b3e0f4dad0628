"""What options leave out that their writer may have meant to ask for: legal, and worth a line before the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from usrda_plugin.options.ground_truth import ground_truth_notes


def notes_on(opt: Mapping[str, Any]) -> list[str]:
    """A line for each thing that a run by these options, as BasicSR has parsed them, will not do."""
    return [*(_on_training(opt) if opt["is_train"] else ()), *_on_validation(opt), *ground_truth_notes(opt)]


def _on_training(opt: Mapping[str, Any]) -> Iterator[str]:
    total, logger = opt["train"]["total_iter"], opt["logger"]
    if logger["print_freq"] > total:
        yield f"No losses will be logged: logger: print_freq is {logger['print_freq']}, total_iter {total}."
    if logger["save_checkpoint_freq"] > total:
        yield (
            "No checkpoint will be saved that training could go on from, the last networks alone: logger:"
            f" save_checkpoint_freq is {logger['save_checkpoint_freq']}, total_iter {total}."
        )


def _on_validation(opt: Mapping[str, Any]) -> Iterator[str]:
    sets = [phase for phase in opt["datasets"] if phase != "train"]
    val = opt.get("val")
    if not sets or val is None:
        if sets:
            yield f"No validation: the option file has {', '.join(sets)} below datasets, but no block val."
        elif val is not None:
            yield "No validation: the option file has a block val, but no data set val below datasets."
        return
    if opt["is_train"] and val["val_freq"] > opt["train"]["total_iter"]:
        total = opt["train"]["total_iter"]
        yield f"The only validation will be after the training: val: val_freq is {val['val_freq']}, total_iter {total}."
    if not any(val.get(key) for key in ("metrics", "save_img", "signals")):
        yield "Images will be enlarged, and neither measured nor saved: val has no metrics, and save_img is false."
