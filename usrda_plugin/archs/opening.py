"""From a file of weights to the network that has them, which is not much larger than the file."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from usrda_plugin.weights import (
    NETWORK,
    Description,
    MisfitError,
    choose,
    fit,
    quoted,
    read_tensors,
    recognise,
    shown,
    shown_path,
    tensors_in,
)

DescribedBy = Literal["option file", "file", "weights"]
PLAIN = (bool, int, float, str, type(None))
# what a file may describe by itself, and the arguments that are text with their values: none opens another file
DESCRIBED: dict[str, dict[str, tuple[str, ...]]] = {
    "USRDANet": {"encoder": ("conv", "rrdb", "trunk")},
    "USRDABicubic": {},
    "RRDBNet": {},
    "SRVGGNetCompact": {"act_type": ("prelu", "relu", "leakyrelu")},
}
# channels, layers and scales in a file's own description; two layers of so many channels are 300 MiB
LARGEST = 2**12
# what a network may have beyond the weights in its file: G_t, which a file for upscaling may leave out, is smaller
FREE_PARAMETERS, FREE_NUMBERS, TIMES = 2_000, 10_000_000, 2


class Identified(NamedTuple):
    """Weights and the network they belong to, not yet built.

    ``described_by``: an option file, the file's own description, or the names and shapes of the weights.
    ``key``: where the weights stood in the file.
    """

    file: Path
    description: Description
    described_by: DescribedBy
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
    content = read_tensors(path)
    own = content.pop(NETWORK, None) if not any(tensors_in([content.get(NETWORK)])) else None
    try:
        weights, key = choose(content, param_key)
        if description is not None:
            return Identified(path, dict(description), "option file", weights, key)
        if isinstance(own, dict):
            _check_own(own)
            return Identified(path, own, "file", weights, key)
        recognised, named = recognise(weights)
    except ValueError as error:
        raise ValueError(f"{shown_path(path)}: {error}") from None
    return Identified(path, recognised, "weights", named, key)


def _check_own(description: Description) -> None:
    """Refuse what a file says of itself where building it might do more than compute: open a file, or take memory."""
    kind = description.get("type")
    remedy = "name the network by an option file that has network_g: --opt FILE"
    if not isinstance(kind, str) or _registered(kind) is None:
        return  # that there is no such network, ``build`` says
    if kind not in DESCRIBED:
        raise ValueError(f"expected a description of {', '.join(DESCRIBED)}, found one of {_value(kind)}, which a file"
                         f" cannot ask for by itself; {remedy}")  # fmt: skip
    for key, value in description.items():
        expected = _expected(DESCRIBED[kind].get(key, ()), value)
        if key != "type" and expected:
            raise ValueError(f"expected {expected} for {shown(key)!r} in the file's own description, found"
                             f" {_value(value)}, no plain value there; {remedy}")  # fmt: skip


def _expected(texts: tuple[str, ...], value: object) -> str:
    """What the value of a file's own description should be instead; "" where it is harmless."""
    if isinstance(value, str) or not isinstance(value, PLAIN):
        allowed = isinstance(value, str) and value in texts
        return "" if allowed else f"one of {', '.join(texts)}" if texts else "a number"
    return f"0 to {LARGEST}" if isinstance(value, int) and not 0 <= value <= LARGEST else ""


def build(identified: Identified) -> nn.Module:
    """The network with its weights in float32, in evaluation mode. Raises ValueError where they do not fit."""
    path, description, described_by, weights, _ = identified
    network_class = _find(path, description.get("type"))
    arguments = {name: deepcopy(value) for name, value in description.items() if name != "type"}
    _check_arguments(path, network_class, arguments)
    remedy = "name the right network by --opt FILE" if described_by != "option file" else "give its own option file"
    try:
        with _limited(weights) if described_by != "option file" else nullcontext():
            network = _construct(path, network_class, arguments)
        fitting = fit(network, weights, None).weights
    except MisfitError as misfit:
        expected = f"expected weights of {_spelt(description)}, found"
        fault = re.sub(r"^expected weights of [^;]*?, found", lambda _: expected, misfit.fault)
        raise ValueError(f"{shown_path(path)}: {fault}; {misfit.remedy or remedy}") from None
    network.load_state_dict({name: value.float() for name, value in fitting.items()}, strict=False)
    return network.eval().requires_grad_(False)


def _registered(name: object) -> Callable[..., nn.Module] | None:
    """The network of a name; BasicSR lists some of its own with its name behind theirs."""
    registered: dict[object, Callable[..., nn.Module]] = dict(iter(ARCH_REGISTRY))
    return registered.get(name) or registered.get(f"{name}_basicsr") if isinstance(name, str) else None


def _find(path: Path, name: object) -> Callable[..., nn.Module]:
    found = _registered(name)
    if found is not None:
        return found
    near = get_close_matches(shown(name), dict(iter(ARCH_REGISTRY)), n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "load the plugin that has it: --plugin MODULE"
    raise ValueError(f"{shown_path(path)}: expected a registered network, found type {_value(name)}; {remedy}")


def _check_arguments(path: Path, network_class: Callable[..., nn.Module], arguments: dict[str, Any]) -> None:
    parameters = inspect.signature(network_class).parameters
    name = network_class.__name__
    strange = [key for key in arguments if key not in parameters]
    faults = [f"it takes no {quoted(strange)}"] if strange else []
    faults += [
        f"{key!r} is missing" for key, p in parameters.items()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and key not in arguments
    ]  # fmt: skip
    faults += [
        f"{key}: {_value(value)} is no plain value of the kind of {parameters[key].default!r}"
        for key, value in arguments.items()
        if key in parameters and not _fits(value, parameters[key].default)
    ]
    if faults:
        raise ValueError(f"{shown_path(path)}: expected arguments of {name}, found others: {'; '.join(faults)}")


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
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # opening a file is no random event
            warnings.simplefilter("ignore")  # of weights without numbers, which then do not fit
            return network_class(**arguments)
    except Exception as error:  # arguments that a network does not check fail wherever they first make no sense
        spelt = _spelt({"type": network_class.__name__, **arguments})
        reason = shown(str(error).partition("\n")[0], 300) or type(error).__name__
        raise ValueError(f"{shown_path(path)}: {spelt} cannot be built: {reason}") from None


@contextmanager
def _limited(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """While open, building a network raises ValueError as soon as it has far more parameters than these weights are."""
    most = FREE_PARAMETERS + TIMES * len(weights)
    most_numbers = FREE_NUMBERS + TIMES * sum(value.numel() for value in weights.values())
    count = numbers = 0

    def look(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count, numbers
        count += 1
        numbers += 0 if parameter is None else parameter.numel()
        if count > most or numbers > most_numbers:
            raise ValueError(f"it would be far larger than its {len(weights)} tensors; is the file damaged?")

    handle = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        handle.remove()


def _spelt(description: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{shown(name)}: {_value(value)}" for name, value in description.items() if name != "type")
    return f"{shown(description.get('type'))} ({listed})"


def _value(value: object) -> str:
    """A value of a description in a message."""
    if isinstance(value, str):
        return repr(shown(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value[:5]))}]"
    return str(value) if isinstance(value, float | bool) else "None" if value is None else shown(value)
