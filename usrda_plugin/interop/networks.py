"""From a file of weights to the network that has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from usrda_plugin.archs.warm_start import describe_misfit
from usrda_plugin.interop.recognition import Description, recognise
from usrda_plugin.interop.weights_file import read_weights

ToldBy = Literal["option file", "file", "weights"]
PLAIN = (bool, int, float, str, type(None))


class Identified(NamedTuple):
    """Weights and the network they belong to, not yet built.

    ``told_by``: what said so, an option file, the file's own description, or the names and shapes of the weights.
    ``key``: where the weights stood in the file.
    """

    file: Path
    description: Description
    told_by: ToldBy
    weights: dict[str, Tensor]
    key: str


def open_network(
    file: str | Path, *, description: Mapping[str, Any] | None = None, param_key: str | None = None
) -> nn.Module:
    """The network that a file of weights belongs to, with these weights, on the CPU, ready for inference.

    ``description`` is a ``network_g`` block of an option file; without it the file's own description counts, then its
    weights' names and shapes. Raises FileNotFoundError, and ValueError where file, network and weights do not fit.
    """
    return build(identify(file, description=description, param_key=param_key))


def identify(
    file: str | Path, *, description: Mapping[str, Any] | None = None, param_key: str | None = None
) -> Identified:
    """Read a file of weights and say which network they belong to; arguments and errors as of ``open_network``."""
    path = Path(file)
    weights, own, key = read_weights(path, param_key)
    if description is not None:
        return Identified(path, dict(description), "option file", weights, key)
    if own is not None:
        return Identified(path, own, "file", weights, key)
    try:
        return Identified(path, recognise(weights), "weights", weights, key)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def build(identified: Identified) -> nn.Module:
    """The network with its weights in float32, in evaluation mode. Raises ValueError where they do not fit."""
    path, description, told_by, weights, _ = identified
    network_class = _find(path, description.get("type"))
    arguments = {name: deepcopy(value) for name, value in description.items() if name != "type"}
    _check_arguments(path, network_class, arguments)
    network = _construct(path, network_class, arguments)
    own, needed = network.state_dict(), dict(weights)
    if not any(name.startswith("lr_decoder.") for name in weights):
        # G_t has no part in the way from LR to SR image
        own = {name: value for name, value in own.items() if not name.startswith("lr_decoder.")}
    misfit = describe_misfit(own, needed)
    if misfit:
        remedy = "name the right network by --opt FILE" if told_by != "option file" else "give its own option file"
        raise ValueError(f"{path}: expected weights of {_spelt(description)}, found others; {misfit}; {remedy}")
    network.load_state_dict({name: value.float() for name, value in needed.items()}, strict=False)
    return network.eval().requires_grad_(False)


def _find(path: Path, name: object) -> Callable[..., nn.Module]:
    registered: dict[str, Callable[..., nn.Module]] = dict(iter(ARCH_REGISTRY))
    for candidate in (name, f"{name}_basicsr"):
        if isinstance(candidate, str) and candidate in registered:
            return registered[candidate]
    near = get_close_matches(str(name), registered, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "load the plugin that has it: --plugin MODULE"
    raise ValueError(f"{path}: expected a registered network, found type {name!r}; {remedy}")


def _check_arguments(path: Path, network_class: Callable[..., nn.Module], arguments: dict[str, Any]) -> None:
    parameters = inspect.signature(network_class).parameters
    name = network_class.__name__
    faults = [f"it takes no {key!r}" for key in arguments if key not in parameters]
    faults += [
        f"{key!r} is missing" for key, p in parameters.items()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and key not in arguments
    ]  # fmt: skip
    faults += [
        f"{key}: {value!r} is no plain value of the kind of {parameters[key].default!r}"
        for key, value in arguments.items()
        if key in parameters and not _fits(value, parameters[key].default)
    ]
    if faults:
        raise ValueError(f"{path}: expected arguments of {name}, found others: {'; '.join(faults)}")


def _fits(value: object, default: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_fits(inner, inspect.Parameter.empty) for inner in value)
    if not isinstance(value, PLAIN):
        return False
    if default is inspect.Parameter.empty or default is None or value is None:
        return True
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default) or not isinstance(default, PLAIN)


def _construct(path: Path, network_class: Callable[..., nn.Module], arguments: dict[str, Any]) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):  # opening a file is no random event
            return network_class(**arguments)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AssertionError) as error:
        spelt = _spelt({"type": network_class.__name__, **arguments})
        raise ValueError(f"{path}: {spelt} cannot be built: {error}") from None


def _spelt(description: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name}: {value}" for name, value in description.items() if name != "type")
    return f"{description.get('type')} ({listed})"
