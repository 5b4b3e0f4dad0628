"""Whether the content of a file fits a network, and as what: the one rule of training, its checks and upscaling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from usrda_plugin.weights.choosing import Chosen, candidates, readings, without_extras
from usrda_plugin.weights.layouts import Weights, is_usrdanet, kind_of_names, renamings, unsupported
from usrda_plugin.weights.messages import MisfitError, Refusal, shown, shown_path, some
from usrda_plugin.weights.reading import read_tensors

Own = Mapping[str, Tensor]


class Fit(NamedTuple):
    """What ``load_state_dict`` of a network can be given, and what of a file is not among it, "" for nothing."""

    weights: Weights
    left_out: str


@runtime_checkable
class FitsWeights(Protocol):
    """A network that says itself which weights it takes."""

    def fit_weights(self, content: Mapping[str, Any], param_key: str | None, part: str | None) -> Weights:
        """The weights in a file's content under the network's names. Raises ValueError where they do not fit."""
        ...


def fit(
    network: nn.Module,
    content: Mapping[str, Any],
    param_key: str | None,
    part: str | None = None,
    *,
    strict: bool = True,
) -> Fit:
    """The weights in a file's content under the names of ``network``.

    ``param_key`` is BasicSR's: "params" and "params_ema" serve for one another, others are taken exactly. ``part``: of
    USRDANet that part alone. Without ``strict``, where no part is asked for, those that fit by name and shape.
    Raises MisfitError where they do not fit, or none does; ValueError where the network itself refuses them.
    """
    if not strict and part is None:
        return _fit_loosely(network, content, param_key)
    if isinstance(network, FitsWeights):
        return Fit(network.fit_weights(content, param_key, part), "")
    return Fit(fit_parts(network.state_dict(), content, param_key, None, type(network).__name__), "")


def fit_parts(own: Own, content: Mapping[str, Any], param_key: str | None, part: str | None, what: str) -> Weights:
    """As ``fit``, for a network or a ``part`` of it that has the weights ``own``, called ``what`` in messages."""
    return _strictly(_best(content, param_key, own, part), own, what)


def _fit_loosely(network: nn.Module, content: Mapping[str, Any], param_key: str | None) -> Fit:
    """Those of the weights that fit, by name and shape. Raises MisfitError where none does."""
    own = network.state_dict()
    found, misfit = _best(content, param_key, own, None)
    fitting = {name: value for name, value in found.weights.items() if name in own and _fits(own[name], value)}
    if not fitting:
        raise MisfitError(f"expected weights of {type(network).__name__}, found none that fits; {misfit}")
    return Fit(fitting, misfit)


def load(network: nn.Module, file: str | Path, param_key: str | None, *, strict: bool = True,
         part: str | None = None) -> str:  # fmt: skip
    """Give a network the weights in a file, as ``fit`` finds them; return a line that says what was done.

    Raises FileNotFoundError, and ValueError for what is in the file; the network is as it was then.
    """
    content = read_tensors(file)
    try:
        weights, left_out = fit(network, content, param_key, part, strict=strict)
    except MisfitError as misfit:
        remedy = misfit.remedy or (
            "give the file of a network with the same options, or set path: strict_load_*: false to load what fits"
        )
        raise MisfitError(f"{shown_path(file)}: {misfit.fault}", remedy) from None
    except ValueError as fault:
        raise ValueError(f"{shown_path(file)}: {fault}") from None
    network.load_state_dict(weights, strict=False)
    name = part or type(network).__name__
    line = f"Loaded {name} from {shown_path(file)} [{param_key}]: {len(weights)} tensors."
    return f"{line} Left out: {left_out}." if left_out else line


def _best(content: Mapping[str, Any], param_key: str | None, own: Own, part: str | None) -> tuple[Chosen, str]:
    """The weights in a file that fit, or fit best, and what keeps them from it, "" for nothing."""
    wanted = own if part is None else {name: value for name, value in own.items() if name.startswith(f"{part}.")}
    best: tuple[int, Chosen, str] | None = None
    for weights, key in candidates(content, param_key):
        for renamed in (renamed for reading in readings(weights) for renamed in renamings(reading, own, part)):
            named = without_extras(renamed, wanted)
            misfit = differences(_needed(wanted, named), named)
            if not misfit:
                return Chosen(named, key), ""
            score = sum(name in wanted and _fits(wanted[name], value) for name, value in named.items())
            if best is None or score > best[0]:
                best = score, Chosen(named, key), misfit
    if best is None:
        raise MisfitError("expected weights, found none")
    return best[1], best[2]


def _needed(own: Own, weights: Weights) -> Own:
    """All of a network, or, where weights have nothing of USRDANet's G_t, what is not G_t: it learns on the target."""
    if any(name.startswith("lr_decoder.") for name in weights) or not is_usrdanet(own):
        return own
    return {name: value for name, value in own.items() if not name.startswith("lr_decoder.")}


def _strictly(best: tuple[Chosen, str], own: Own, what: str) -> Weights:
    (weights, _), misfit = best
    if misfit:
        kind = other_network(weights)
        kind = None if kind == kind_of_names(own) else kind  # a critic may want the file of another critic
        found = "others" if kind is None else kind.found
        raise MisfitError(f"expected weights of {what}, found {found}; {misfit}", "" if kind is None else kind.remedy)
    broken = [name for name, value in weights.items() if not is_finite(value)]
    if broken:
        raise MisfitError(
            "expected numbers in the range of float32, found NaN or infinity in"
            f" {len(broken)} of {len(weights)} tensors ({some(broken)})",
            "a training that diverged has saved it: take an earlier file",
        )
    return weights


def other_network(weights: Weights) -> Refusal | None:
    """What weights belong to, below whatever prefix, where that is known and no network that can be built here."""
    for reading in readings(weights):
        variant = unsupported(reading)
        if variant is not None:
            return Refusal(
                variant, "BasicSR's RRDBNet cannot be that: take the weights of an RRDBNet of scale 1, 2 or 4"
            )
        kind = kind_of_names(reading)
        if kind is not None and len(reading) == len(weights):  # else it stands beside a network that is not known
            return kind
    return None


def is_finite(value: Tensor) -> bool:
    """Whether there is neither NaN nor infinity in a tensor, nor what becomes so in float32."""
    if not value.is_floating_point() or not value.numel():
        return True
    most = torch.finfo(torch.float32).max
    # NaN is the least and the greatest of numbers with NaN: one pass where isfinite needs several
    least, greatest = torch.aminmax(value.detach() if value.element_size() > 1 else value.float())
    return -most <= least.item() and greatest.item() <= most


def differences(expected: Own, weights: Own) -> str:
    """What keeps weights from fitting: missing, unexpected and other-shaped keys, a few of each; "" where they fit."""
    shared = [name for name in expected if name in weights]
    reshaped = [f"{shown(name)} {tuple(weights[name].shape)} for {tuple(expected[name].shape)}" for name in shared
                if weights[name].shape != expected[name].shape]  # fmt: skip
    retyped = [f"{shown(name)} {weights[name].dtype} for {expected[name].dtype}" for name in shared
               if not _same_kind(expected[name], weights[name])]  # fmt: skip
    kinds: dict[str, list[str]] = {
        "missing": [name for name in expected if name not in weights],
        "unexpected": [name for name in weights if name not in expected],
        "other shape": reshaped,
        "other type": retyped,
    }
    return "; ".join(f"{kind}: {some(names)}" for kind, names in kinds.items() if names)


def _fits(expected: Tensor, value: Tensor) -> bool:
    return value.shape == expected.shape and _same_kind(expected, value)


def _same_kind(expected: Tensor, value: Tensor) -> bool:
    # whole numbers in the place of fractions are quantised, by a scale that is not known
    return value.is_floating_point() == expected.is_floating_point() and value.is_complex() == expected.is_complex()
