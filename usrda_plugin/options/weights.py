"""Files of weights: there, safe to open, and of the network, loss or metric that shall have them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from basicsr.archs.vgg_arch import NAMES
from basicsr.losses.basic_loss import PerceptualLoss
from torch import nn

from usrda_plugin.losses.vgg import find_vgg_weights, load_vgg
from usrda_plugin.metrics.lpips import (
    REMEDY,
    calculate_usrda_lpips,
    fetch_alexnet_weights,
    find_alexnet_weights,
    read_alexnet,
)
from usrda_plugin.options.components import LOSSES, MODELS, find, is_foreign
from usrda_plugin.options.inheritance import SUFFIXES
from usrda_plugin.options.networks import Built, build
from usrda_plugin.options.validation import COMMAND_LINE, Keys, Options, Validation, nearest
from usrda_plugin.weights import (
    PARTS,
    MisfitError,
    UnreadableFileError,
    find_file,
    fit,
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


def check_networks(validation: Validation) -> Built:
    """Build each network without memory and see that the files of weights that ``path`` names fit it."""
    built = {key: build(validation, key, network) for key, network in validation.networks()}
    for key, network in built.items():
        _check_memory(validation, key, network)
    for key, file in validation.block("path").items():
        if file is None or not isinstance(file, str):
            continue
        if key == "resume_state":
            _check_state(validation, ("path", key), Path(file))
        elif key.startswith(PREFIX) and _exists(validation, ("path", key), Path(file)):
            name, part = _network_and_part(key.removeprefix(PREFIX))
            if f"network_{name}" not in validation.opt:
                message = f"there is no network_{name} to load it into"
                validation.error(("path", key), message, f"remove it, or add network_{name}")
            else:
                _check_file(validation, key, Path(file), built.get(f"network_{name}"), name, part)
    if not validation.is_train:
        _check_trained(validation, built.get("network_g"))
    return built


def _check_trained(validation: Validation, network: nn.Module | None) -> None:
    """A test of a network with weights needs these; models of others load what they want."""
    if network is None or is_foreign(MODELS, validation.opt.get("model_type")):
        return
    if any(True for _ in network.parameters()) and not validation.at("path", "pretrain_network_g"):
        message = "pretrain_network_g is missing; a network with random weights would be measured"
        remedy = "add pretrain_network_g below path: its trained weights"
        validation.error(("path", "pretrain_network_g"), message, remedy)


def _check_file(
    validation: Validation, key: str, file: Path, network: nn.Module | None, name: str, part: str | None
) -> None:
    content = _open(validation, ("path", key), file)
    if content is None or network is None:
        return
    path = validation.block("path")
    param_key = path.get(f"param_key_{name}", "params")
    try:
        fit(network, content, param_key, part, strict=path.get(f"strict_load_{name}") is not False)
    except MisfitError as misfit:
        remedy = misfit.remedy or f"give a file of network_{name}, or change network_{name}"
        validation.error(("path", key), f"{shown_path(file)}: {misfit.fault}", remedy)
    except ValueError as fault:  # a network that says itself what it takes
        validation.error(("path", key), f"{shown_path(file)}: {fault}", f"give a file of network_{name}")


def _check_state(validation: Validation, keys: Keys, file: Path) -> None:
    content = _open(validation, keys, file, STATE) if _exists(validation, keys, file) else None
    lacking = [key for key in STATE_KEYS if key not in content] if content is not None else []
    if lacking:
        message = f"{file} is no training state: it has no {', '.join(lacking)}"
        remedy = f"give {STATE.example}; weights to start from go to pretrain_network_g"
        validation.error(keys, message, remedy)


def _open(validation: Validation, keys: Keys, file: Path, wanted: Content = WEIGHTS) -> Mapping[str, Any] | None:
    try:
        return read_tensors(file, mapped=True)  # only names and shapes are wanted
    except UnreadableFileError as fault:
        validation.error(keys, *_told(file, fault, wanted))
    return None


def _told(file: Path, fault: UnreadableFileError, wanted: Content) -> tuple[str, str]:
    """What is wrong with a file, and what to do."""
    name, found = shown_path(file), fault.found
    resaved = "save it again as plain tensors with a PyTorch that you trust it to"
    told = {
        "code": (f"{name} holds Python code or objects, which are not loaded", resaved),
        "other": (f"{name} is not a file of {wanted.noun}, but {found}", wanted.mend),
        "damaged": (
            f"{name} cannot be opened as {wanted.noun}: it is {found}",
            f"it may be damaged or cut off; {wanted.mend}",
        ),
        "unnamed": (f"{name} holds {found}, not {wanted.noun}", f"give {wanted.example}"),
    }
    message, remedy = told[fault.kind]
    return message, fault.remedy if fault.kind == "other" and wanted is WEIGHTS else remedy


def _check_memory(validation: Validation, key: str, network: nn.Module | None) -> None:
    """A network whose weights are larger than the memory; on a CPU Adam keeps a gradient and two means beside them."""
    copies = 4 if validation.is_train and validation.opt.get("num_gpu") == 0 else 1
    weights = sum(one.numel() * one.element_size() for one in network.parameters()) if network is not None else 0
    there = _memory()
    if there and weights * copies > there:
        needed, has = f"{weights * copies / 2**30:,.0f} GiB", f"{there / 2**30:,.0f} GiB"
        validation.error((key,), f"its weights need {needed} of memory, this machine has {has}", "make it smaller")


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


def _exists(validation: Validation, keys: Keys, file: Path) -> bool:
    try:
        find_file(file)
    except FileNotFoundError as fault:
        maker = _option_file_of(validation, file)
        make = f"make it: basicsr train -opt {shlex.quote(str(maker))}; or " if maker else ""
        instead = f", or remove {keys[-1]} to start without it" if validation.is_train else ""
        validation.error(keys, str(fault), f"{make}correct the path{instead}")
        return False
    return True


def _option_file_of(validation: Validation, file: Path) -> Path | None:
    """The option file of the run that leaves this file of weights, where it stands beside those of this run."""
    *_, experiments, run, models, _ = (*[""] * 3, *file.parts)
    if (experiments, models) != ("experiments", "models") or file.exists():
        return None
    files = [Path(source.label) for source in validation.sources if source.label != COMMAND_LINE]
    beside = (folder / f"{run}{suffix}" for folder in dict.fromkeys(f.parent for f in files) for suffix in SUFFIXES)
    return next((maker for maker in beside if maker != files[0] and maker.is_file()), None)


def check_perceptual(validation: Validation) -> None:
    """See that perceptual losses name layers that there are, and that there are VGG weights for those that weigh.

    BasicSR would go and download them in the middle of the start.
    """
    for key, block in validation.losses():
        loss = find(LOSSES, block.get("type"))
        if isinstance(loss, type) and issubclass(loss, PerceptualLoss):
            _check_layers(validation, ("train", key), block)
            if _above_0(block.get("perceptual_weight", 1.0)) or _above_0(block.get("style_weight", 0.0)):
                _check_vgg(validation, ("train", key), block)


def _check_layers(validation: Validation, keys: Keys, block: Options) -> None:
    vgg_type = str(block.get("vgg_type", "vgg19"))
    layers = NAMES.get(vgg_type.replace("_bn", ""))
    if layers is None:
        remedy = nearest(vgg_type, NAMES) or f"known: {', '.join(NAMES)}"
        validation.error((*keys, "vgg_type"), f"no VGG network is called {vgg_type!r}", remedy)
        return
    weights = block.get("layer_weights")
    if weights == {}:
        validation.error((*keys, "layer_weights"), "there is no layer to compare", "write e.g. conv5_4: 1 below it")
    for layer in weights if isinstance(weights, dict) else {}:
        if layer not in layers:
            remedy = nearest(layer, layers) or f"known: {', '.join(layers)}"
            validation.error((*keys, "layer_weights", layer), f"{vgg_type} has no layer {layer!r}", remedy)


def _check_vgg(validation: Validation, keys: Keys, block: Options) -> None:
    vgg_type = str(block.get("vgg_type", "vgg19"))
    if any(error.keys == (*keys, "vgg_type") for error in validation.errors):
        return
    try:
        load_vgg(vgg_type, find_vgg_weights(vgg_type, block.get("vgg_path")))
    except ValueError as error:
        validation.error(keys, str(error), f"give torchvision's weights of {vgg_type}, full or features only")
    except FileNotFoundError as error:
        message, _, remedy = str(error).partition("\n  give")
        validation.error(keys, message, f"give{remedy}" if remedy else "put the file there")


def _above_0(weight: Any) -> bool:
    return isinstance(weight, int | float) and weight > 0


def check_metric_weights(validation: Validation) -> None:
    """See that there are AlexNet's weights for LPIPS, before a long training comes to its first validation.

    Those of torchvision are downloaded into torch hub's cache if the options have no other fault.
    """
    for name, metric in validation.block("val", "metrics").items():
        if isinstance(metric, dict) and metric.get("type") == calculate_usrda_lpips.__name__:
            _check_alexnet(validation, name, metric)


def _check_alexnet(validation: Validation, name: str, metric: Options) -> None:
    weights = metric.get("weights")
    try:
        file = find_alexnet_weights(weights) if validation.errors else fetch_alexnet_weights(weights)
        if file is not None:
            read_alexnet(file)
    except ValueError as error:
        place = ("val", "metrics", name, "weights") if weights else ("val", "metrics", name)
        validation.error(place, str(error).removesuffix(f"; {REMEDY}"), REMEDY)
