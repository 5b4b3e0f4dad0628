"""Whether the content of a file fits a network, and as what: the one rule of training, its checks and upscaling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.weights.choosing import PARTS, Chosen, Weights, candidates, readings, without_extras
from usrda_plugin.weights.kinds import Kind, kind_of_content, kind_of_names
from usrda_plugin.weights.layouts import in_basicsr_names, in_usrdanet_names, of_part, unsupported
from usrda_plugin.weights.reading import read_tensors, shown_path
from usrda_plugin.weights.wording import shown, some

__all__ = ["PARTS", "Fit", "MisfitError", "differences", "fit", "fit_parts", "load"]

Own = Mapping[str, Tensor]
Renaming = Callable[[Weights], Iterable[Weights]]


class MisfitError(ValueError):
    """Weights that a network cannot be given; ``remedy`` is "" where it depends on where the file was named."""

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(f"{fault}; {remedy}" if remedy else fault)
        self.fault, self.remedy = fault, remedy


class Fit(NamedTuple):
    """The weights of a file that a network can be given, the key they stood below, and what keeps others from it."""

    weights: Weights
    key: str
    misfit: str


def fit(network: nn.Module, content: Mapping[str, Any], param_key: str | None, part: str | None = None) -> Weights:
    """The weights in a file's content under the names of ``network``: what ``load_state_dict`` can be given.

    A network with ``fit_weights`` is asked itself. ``param_key`` is BasicSR's: "params" and "params_ema" serve for one
    another, others are taken exactly. Raises MisfitError where they do not fit.
    """
    own_way: Any = getattr(network, "fit_weights", None)
    if own_way is not None:
        weights: Weights = own_way(content, param_key, part)
        return weights
    own = network.state_dict()
    return _strictly(_best(content, param_key, own, _as_rrdbnet), own, type(network).__name__)


def fit_parts(own: Own, content: Mapping[str, Any], param_key: str | None, part: str | None, what: str) -> Weights:
    """As ``fit``, for the weights ``own`` of a ``USRDANet`` or one ``part`` of it, called ``what`` in messages."""
    if part is None:
        return _strictly(_best(content, param_key, own, lambda weights: _as_usrdanet(weights, own)), own, what)
    of_it = {name: value for name, value in own.items() if name.startswith(f"{part}.")}

    def as_part(weights: Weights) -> Iterator[Weights]:
        for named in _as_rrdbnet(weights):
            yield from of_part(named, own, part)

    return _strictly(_best(content, param_key, of_it, as_part), own, what)


def fit_loosely(network: nn.Module, content: Mapping[str, Any], param_key: str | None) -> Fit:
    """Those of the weights that fit, by name and shape. Raises MisfitError where none does."""
    own = network.state_dict()
    is_usrda = hasattr(network, "fit_weights")
    found, misfit = _best(content, param_key, own, (lambda w: _as_usrdanet(w, own)) if is_usrda else _as_rrdbnet)
    fitting = {name: value for name, value in found.weights.items() if name in own and _fits(own[name], value)}
    if not fitting:
        raise MisfitError(f"expected weights of {type(network).__name__}, found none that fits; {misfit}")
    return Fit(fitting, found.key, misfit)


def load(network: nn.Module, file: str | Path, param_key: str | None, *, strict: bool = True,
         part: str | None = None) -> str:  # fmt: skip
    """Give a network the weights in a file and say in a line what was done.

    Without ``strict`` what fits is taken, and what was left out is counted in the line. Raises FileNotFoundError, and
    ValueError for what is in the file; the network is as it was then.
    """
    content = read_tensors(file)
    name = part or type(network).__name__
    try:
        if strict or part:
            weights, left_out = fit(network, content, param_key, part), ""
        else:
            weights, _, left_out = fit_loosely(network, content, param_key)
    except MisfitError as misfit:
        remedy = misfit.remedy or (
            "give the file of a network with the same options, or set path: strict_load_*: false to load what fits"
        )
        raise MisfitError(f"{shown_path(file)}: {misfit.fault}", remedy) from None
    except ValueError as fault:
        raise ValueError(f"{shown_path(file)}: {fault}") from None
    network.load_state_dict(weights, strict=False)
    line = f"Loaded {name} from {shown_path(file)} [{param_key}]: {len(weights)} tensors."
    return f"{line} Left out: {left_out}." if left_out else line


def _as_rrdbnet(weights: Weights) -> Iterator[Weights]:
    yield weights
    renamed = in_basicsr_names(weights)
    if renamed.keys() != weights.keys():
        yield renamed


def _as_usrdanet(weights: Weights, own: Own) -> Iterator[Weights]:
    for named in _as_rrdbnet(weights):
        yield in_usrdanet_names(named, own)


def _best(content: Mapping[str, Any], param_key: str | None, own: Own, renamed: Renaming) -> tuple[Chosen, str]:
    """The weights in a file that fit, or fit best, and what keeps them from it, "" for nothing."""
    best: tuple[int, Chosen, str] | None = None
    for weights, key in _found(content, param_key):
        for reading in readings(weights):
            for named in map(lambda each: without_extras(each, own), renamed(reading)):  # noqa: C417
                misfit = differences(_needed(own, named), named)
                if not misfit:
                    return Chosen(named, key), ""
                score = sum(name in own and _fits(own[name], value) for name, value in named.items())
                if best is None or score > best[0]:
                    best = score, Chosen(named, key), misfit
    if best is None:
        raise MisfitError("expected weights, found none")
    return best[1], best[2]


def _found(content: Mapping[str, Any], param_key: str | None) -> list[Chosen]:
    try:
        return candidates(content, param_key)
    except ValueError as fault:
        kind = kind_of_content(content)
        if kind is not None:
            raise MisfitError(f"expected weights of a network, found {kind.found}", kind.remedy) from None
        raise MisfitError(str(fault)) from None


def _needed(own: Own, weights: Weights) -> Own:
    """All of a network, or, where weights have nothing of USRDANet's G_t, what is not G_t: it learns on the target."""
    if any(name.startswith("lr_decoder.") for name in weights) or not any(
        name.startswith("sr_decoder.") for name in own
    ):
        return own
    return {name: value for name, value in own.items() if not name.startswith("lr_decoder.")}


def _strictly(best: tuple[Chosen, str], own: Own, what: str) -> Weights:
    (weights, _), misfit = best
    if misfit:
        kind = told_apart(weights)
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


def told_apart(weights: Weights) -> Kind | None:
    """What weights belong to, below whatever prefix, where it is known and can be no network of ours."""
    for reading in readings(weights):
        variant = unsupported(reading)
        if variant is not None:
            return Kind(variant, "BasicSR's RRDBNet cannot be that: take the weights of an RRDBNet of scale 1, 2 or 4")
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
