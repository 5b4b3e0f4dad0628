"""Which of the tensors in a file are the weights that are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from torch import Tensor

from usrda_plugin.weights.layouts import PARTS, Weights, kind_of_content
from usrda_plugin.weights.messages import MisfitError, quoted, shown

# a file that has one of the two serves where the other is asked for, as BasicSR has it
USUAL_KEYS = ("params", "params_ema")
# the public re-implementation saves its three networks side by side
PUBLIC_NAMES = {"model_Enc": "encoder", "model_Dec_SR": "sr_decoder", "model_Dec_Id": "lr_decoder"}

# how others spell where weights stand, in small letters with underscores; the average is what validation has measured
AVERAGES = (
    *("params_ema", "ema_params", "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "g_ema"),
    *("net_g_ema", "netg_ema", "generator_ema", "ema_generator", "weights_ema", "ema_weights", "averaged", "shadow"),
)
PLAIN = (
    *("params", "state_dict", "model_state_dict", "model_state", "weights", "generator", "net_g", "netg", "network_g"),
    *("g", "gen", "model_g", "generator_state_dict", "g_state_dict", "model", "net", "network", "module"),
    "online_model",
)
CRITICS = ("discriminator", "net_d", "netd", "network_d", "d", "critic", "disc", "model_d")
# containers that data parallelism and torch.compile put around networks and their parts
WRAPPERS = ("module", "_orig_mod")
# what some programs keep beside weights, and no network needs to compute
EXTRAS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged", "initted", "step", "noise")
DEEPEST, MOST = 4, 64
# in how many places one and the same container is looked at: it may serve as weights and as their average
PLACES = 4


class Chosen(NamedTuple):
    """A set of weights and where it stood in its file, "" for the top."""

    weights: Weights
    key: str


def choose(content: Mapping[str, Any], param_key: str | None = None) -> Chosen:
    """The weights below ``param_key`` exactly, or, without it, the likeliest: the average, then what is usual.

    Raises MisfitError where there are none, or several that are equally likely, naming them.
    """
    if param_key is not None:
        return _exactly(content, param_key)
    first, *others = candidates(content, None)
    rivals = [first, *(other for other in others if _order(other) == _order(first))]
    if _rank(first.key)[1] >= len(PLAIN) and len(rivals) > 1:
        keys = quoted(rival.key for rival in rivals)
        raise MisfitError(f"expected one set of weights, found several; choose one of {keys} by --param-key")
    return first


def candidates(content: Mapping[str, Any], param_key: str | None) -> list[Chosen]:
    """The sets of weights that may be meant, the likeliest first; below ``param_key`` that alone.

    The two usual keys serve for one another, and for weights that stand elsewhere. Raises MisfitError where there are
    none, naming what there is.
    """
    if param_key not in (None, *USUAL_KEYS):
        return [_exactly(content, str(param_key))]
    found = sorted(_sets(content), key=_order)
    if not found:
        raise _nothing(content)
    exact = [each for each in found if each.key == param_key]
    if exact or param_key != "params":
        return exact or found
    return [each for each in found if each.key in USUAL_KEYS] or found


def _exactly(content: Mapping[str, Any], param_key: str) -> Chosen:
    sets = list(_sets(content))
    for chosen in sets:
        if chosen.key == param_key:
            return chosen
    for weights, key in sets:
        start = f"{param_key.removeprefix(f'{key}.') if key else param_key}."
        below = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
        if below:
            return Chosen(below, param_key)
    if not sets:
        raise _nothing(content)
    found = quoted(each.key or "(top)" for each in sets)
    raise MisfitError(f"expected weights below '{shown(param_key)}', found {found}; choose one of these")


def _nothing(content: Mapping[str, Any]) -> MisfitError:
    kind = kind_of_content(content)
    if kind is not None:
        return MisfitError(f"expected weights of a network, found {kind.found}", kind.remedy)
    found = f"only {quoted(content)}" if content else "nothing"
    return MisfitError(f"expected weights below {quoted(USUAL_KEYS)}, or at the top, found {found};"
                       " give a file of a network's weights")  # fmt: skip


def _sets(content: Mapping[str, Any]) -> Iterator[Chosen]:
    if kind_of_content(content) is not None:
        return
    if all(_tensors(content.get(name)) for name in PUBLIC_NAMES):
        parts = {part: _tensors(content[name]) for name, part in PUBLIC_NAMES.items()}
        yield Chosen({f"{part}.{name}": value for part, held in parts.items() for name, value in held.items()}, "")
        return
    yield from islice(_sets_below(content, "", 0, Counter()), MOST)


def _sets_below(content: Mapping[Any, Any], key: str, depth: int, met: Counter[int]) -> Iterator[Chosen]:
    met[id(content)] += 1
    if met[id(content)] > PLACES:
        return
    tensors = _tensors(content)
    if tensors and all(_spelt(name.partition(".")[0]) in USUAL_KEYS for name in tensors):
        # safetensors has no containers: there the key is the beginning of each name
        for first in dict.fromkeys(name.partition(".")[0] for name in tensors):
            yield Chosen({name.partition(".")[2]: value for name, value in tensors.items()
                          if name.partition(".")[0] == first}, first)  # fmt: skip
    elif tensors:
        yield Chosen(tensors, key)
    if depth == DEEPEST:
        return
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Mapping) and kind_of_content(value) is None:
            yield from _sets_below(value, f"{key}.{name}" if key else name, depth + 1, met)


def _tensors(content: Any) -> Weights:
    if not isinstance(content, Mapping):
        return {}
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _spelt(name: str) -> str:
    return name.lower().replace("-", "_")


def _order(chosen: Chosen) -> tuple[bool, int, int]:
    """As the rank of its key; a network has layers, so that names without a dot are other numbers, which come last."""
    return (not any("." in name for name in chosen.weights), *_rank(chosen.key))


def _rank(key: str) -> tuple[int, int]:
    """What comes first: averages, then usual keys in their order, the top, others, and critics last."""
    spelt = [_spelt(part) for part in key.split(".")]
    if any(part in CRITICS for part in spelt):
        return 3, len(PLAIN)
    if any(part in AVERAGES for part in spelt):
        return 0, 0
    if not key:
        return 1, 0
    return (1, PLAIN.index(spelt[-1])) if spelt[-1] in PLAIN else (2, len(PLAIN))


def readings(weights: Weights) -> Iterator[Weights]:
    """The names as they may be meant, the likeliest first: as they are, without wrappers, each network's in a file."""
    return islice(_readings(weights), MOST)


def _readings(weights: Weights) -> Iterator[Weights]:
    level = [weights]
    for _ in range(DEEPEST + 1):
        below: list[Weights] = []
        for each in level:
            yield each
            bare = _without_wrappers(each)
            if bare.keys() != each.keys():
                yield bare
            below += _networks(bare)
        level = below


def _without_wrappers(weights: Weights) -> Weights:
    bare = {".".join(part for part in name.split(".") if part not in WRAPPERS): each for name, each in weights.items()}
    return bare if len(bare) == len(weights) else weights


def _networks(weights: Weights) -> list[Weights]:
    """The tensors by the first part of their names, as they would belong to several networks."""
    groups: dict[str, Weights] = {}
    for name, value in weights.items():
        first, dot, rest = name.partition(".")
        if dot and first not in PARTS:
            groups.setdefault(first, {})[rest] = value
    return [groups[first] for first in sorted(groups, key=_rank)[:MOST]]


def without_extras(weights: Weights, own: Mapping[str, object] = {}) -> Weights:
    """The weights without counters and the like that a network does not have."""
    return {name: value for name, value in weights.items() if name in own or name.rpartition(".")[2] not in EXTRAS}
