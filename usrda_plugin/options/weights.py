"""Files of weights: there, safe to open, and of the network that shall be started from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from usrda_plugin.options.faults import Keys
from usrda_plugin.options.network_trials import Built, build
from usrda_plugin.options.registered import MODELS, is_foreign
from usrda_plugin.options.validation import Review
from usrda_plugin.weights import (
    PARTS,
    MisfitError,
    UnreadableFileError,
    find_file,
    fit,
    fit_loosely,
    read_tensors,
    shown_path,
)

PREFIX = "pretrain_network_"
STATE_KEYS = ("epoch", "iter", "optimizers", "schedulers")


class Content(NamedTuple):
    """What a file should hold, in words: by name, what BasicSR saves of it, and what to do where it is damaged."""

    noun: str
    example: str
    mend: str


WEIGHTS = Content("weights", "a file of BasicSR's, with params or params_ema", "get it again")
STATE = Content(
    "a training state",
    "a *.state file of training_states/",
    "remove it, then --auto_resume goes on from the one before",
)


def check_networks(review: Review) -> Built:
    """Build each network without memory and see that the files of weights that ``path`` names fit it."""
    built = {key: build(review, key, network) for key, network in review.networks()}
    for key, network in built.items():
        _check_memory(review, key, network)
    for key, file in review.block("path").items():
        if file is None or not isinstance(file, str):
            continue
        if key == "resume_state":
            _check_state(review, ("path", key), Path(file))
        elif key.startswith(PREFIX) and _exists(review, ("path", key), Path(file)):
            name, part = _network_and_part(key.removeprefix(PREFIX))
            if f"network_{name}" not in review.opt:
                review.fault(
                    ("path", key), f"there is no network_{name} to load it into", f"remove it, or add network_{name}"
                )
            else:
                _check_file(review, key, Path(file), built.get(f"network_{name}"), name, part)
    if not review.is_train:
        _check_trained(review, built.get("network_g"))
    return built


def _check_trained(review: Review, network: nn.Module | None) -> None:
    """A test of a network with weights needs these; models of others load what they want."""
    if network is None or is_foreign(MODELS, review.opt.get("model_type")):
        return
    if any(True for _ in network.parameters()) and not review.at("path", "pretrain_network_g"):
        message = "pretrain_network_g is missing; a network with random weights would be measured"
        review.fault(("path", "pretrain_network_g"), message, "add pretrain_network_g below path: its trained weights")


def weights_fit(network: nn.Module, content: Any, param_key: str | None, part: str | None = None) -> str:
    """What keeps the content of a file from fitting a network; "" where it fits."""
    try:
        fit(network, content, param_key, part)
    except ValueError as error:
        return str(error)
    return ""


def _check_file(review: Review, key: str, file: Path, network: nn.Module | None, name: str, part: str | None) -> None:
    content = _open(review, ("path", key), file)
    if content is None or network is None:
        return
    path = review.block("path")
    param_key = path.get(f"param_key_{name}", "params")
    loosely = path.get(f"strict_load_{name}") is False and not part
    try:
        if loosely:
            fit_loosely(network, content, param_key)
        else:
            fit(network, content, param_key, part)
    except MisfitError as misfit:
        remedy = misfit.remedy or f"give a file of network_{name}, or change network_{name}"
        review.fault(("path", key), f"{shown_path(file)}: {misfit.fault}", remedy)
    except ValueError as fault:  # a network that says itself what it takes
        review.fault(("path", key), f"{shown_path(file)}: {fault}", f"give a file of network_{name}")


def _check_state(review: Review, keys: Keys, file: Path) -> None:
    content = _open(review, keys, file, STATE) if _exists(review, keys, file) else None
    lacking = [key for key in STATE_KEYS if key not in content] if content is not None else []
    if lacking:
        message = f"{file} is no training state: it has no {', '.join(lacking)}"
        remedy = f"give {STATE.example}; weights to start from go to pretrain_network_g"
        review.fault(keys, message, remedy)


def _open(review: Review, keys: Keys, file: Path, wanted: Content = WEIGHTS) -> Mapping[str, Any] | None:
    try:
        return read_tensors(file, mapped=True)  # only names and shapes are wanted
    except UnreadableFileError as fault:
        review.fault(keys, *_told(file, fault, wanted))
    return None


def _told(file: Path, fault: UnreadableFileError, wanted: Content) -> tuple[str, str]:
    """What is wrong with a file, and what to do."""
    name = shown_path(file)
    messages = {
        "code": f"{name} holds Python code or objects, which are not loaded",
        "other": f"{name} is not a file of {wanted.noun}, but {fault.found}",
        "damaged": f"{name} cannot be opened as {wanted.noun}: it is {fault.found}",
        "unnamed": f"{name} holds {fault.found}, not {wanted.noun}",
    }
    remedies = {
        "code": "save it again as plain tensors with a PyTorch that you trust it to",
        "other": fault.remedy if wanted is WEIGHTS else wanted.mend,
        "damaged": f"it may be damaged or cut off; {wanted.mend}",
        "unnamed": f"give {wanted.example}",
    }
    return messages[fault.kind], remedies[fault.kind]


def _check_memory(review: Review, key: str, network: nn.Module | None) -> None:
    """A network whose weights are larger than the memory; on a CPU Adam keeps a gradient and two means beside them."""
    copies = 4 if review.is_train and review.opt.get("num_gpu") == 0 else 1
    weights = sum(one.numel() * one.element_size() for one in network.parameters()) if network is not None else 0
    there = _memory()
    if there and weights * copies > there:
        needed, has = f"{weights * copies / 2**30:,.0f} GiB", f"{there / 2**30:,.0f} GiB"
        review.fault((key,), f"its weights need {needed} of memory, this machine has {has}", "make it smaller")


def _memory() -> int | None:
    """Bytes of memory that this machine has, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, and some systems not these names
        return None


def _network_and_part(name: str) -> tuple[str, str | None]:
    for part in PARTS:
        if name == f"g_{part}":
            return "g", part
    return name, None


def _exists(review: Review, keys: Keys, file: Path) -> bool:
    try:
        find_file(file)
    except FileNotFoundError as fault:
        instead = f", or remove {keys[-1]} to start without it" if review.is_train else ""
        review.fault(keys, str(fault), f"correct the path{instead}")
        return False
    return True
