"""Models, data sets, networks, losses and metrics: registered names and their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.utils.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    Registry,
)

from usrda_plugin.models.criteria import OF_THE_TERM
from usrda_plugin.options.arguments import argument_errors, call_of, takes_null
from usrda_plugin.options.schema import Train
from usrda_plugin.options.validation import Keys, Options, Validation, nearest

SUFFIX = "_basicsr"
OURS = ("basicsr", "usrda_plugin")
# arguments of networks that count channels, of which there must be one at least
CHANNELS = ("num_feat", "num_in_ch", "num_out_ch", "num_grow_ch")
# counts of layers above this take minutes to build, and nobody trains so many
MOST_LAYERS = 1000
# what BasicSR's classes accept, where neither annotation nor default tells
CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GANLoss", "gan_type"): ("vanilla", "lsgan", "wgan", "wgan_softplus", "hinge"),
    ("PerceptualLoss", "criterion"): ("l1", "fro"),
    ("RRDBNet", "scale"): (1, 2, 4),
    **{(loss, "reduction"): ("none", "mean", "sum") for loss in ("L1Loss", "MSELoss", "CharbonnierLoss")},
    ("WeightedTVLoss", "reduction"): ("mean", "sum"),
}


class Kind(NamedTuple):
    """A registry of BasicSR, what it holds, for messages, and the arguments that BasicSR gives."""

    registry: Registry
    noun: str
    given: tuple[str, ...] = ()


MODELS = Kind(MODEL_REGISTRY, "model")
NETWORKS = Kind(ARCH_REGISTRY, "network")
LOSSES = Kind(LOSS_REGISTRY, "loss")
DATASETS = Kind(DATASET_REGISTRY, "data set")
METRICS = Kind(METRIC_REGISTRY, "metric", ("img", "img2"))


def registered(kind: Kind) -> Mapping[str, Any]:
    """All classes or functions of a registry by the names that an option file may use.

    BasicSR registers some of its own under a suffix and finds them without it; its ``get`` prints, so it is not asked.
    """
    found = dict(iter(kind.registry))
    return {**{name.removesuffix(SUFFIX): item for name, item in found.items() if name.endswith(SUFFIX)}, **found}


def find(kind: Kind, name: object) -> Any:
    """The registered class or function of that name, or None."""
    return registered(kind).get(name) if isinstance(name, str) else None


def is_foreign(kind: Kind, name: object) -> bool:
    """Whether ``name`` is registered by somebody else than BasicSR and this package."""
    item = find(kind, name)
    return item is not None and item.__module__.partition(".")[0] not in OURS


def image_model(name: object) -> type | None:
    """The registered model of that name, if it is BasicSR's or ours and enlarges images, not clips; else None."""
    model = find(MODELS, name)
    if not isinstance(model, type) or is_foreign(MODELS, name) or issubclass(model, VideoBaseModel):
        return None
    return model if issubclass(model, SRModel) else None


def argument_of(network: Options, name: str) -> Any:
    """An argument of a registered network, given or by default; None where it takes none of that name."""
    item = find(NETWORKS, network.get("type"))
    parameters = inspect.signature(item).parameters if item is not None else {}
    return network.get(name, parameters[name].default) if name in parameters else None


def check_components(validation: Validation) -> None:
    """Check every registered name and its arguments; numbers written as text become numbers in ``validation.opt``."""
    _check_name(validation, MODELS, ("model_type",), validation.opt.get("model_type"))
    for phase, dataset in validation.datasets():
        _check_name(validation, DATASETS, ("datasets", phase, "type"), dataset.get("type"))
    for key, network in validation.networks():
        _check_component(validation, NETWORKS, (key,), network)
        if not is_foreign(NETWORKS, network.get("type")):
            _check_sizes(validation, key, network)
    for key, loss in validation.losses():
        if "type" in loss or set(loss) - {"loss_weight", "weighted_by"} or _needs_type(key, loss):
            _check_component(validation, LOSSES, ("train", key), loss, also=OF_THE_TERM.get(key, ()))
    for name, metric in validation.block("val", "metrics").items():
        if isinstance(metric, dict):
            _check_component(validation, METRICS, ("val", "metrics", name), metric, also=("better",))


def _needs_type(key: str, loss: Options) -> bool:
    """Whether a block with no more than a weight lacks its class: those of the schema, but for terms made of parts."""
    return key in Train.model_fields and key not in ("rec_opt", "cyc_opt") and loss.get("loss_weight") != 0


def _check_name(validation: Validation, kind: Kind, keys: Keys, name: Any) -> Any:
    """The registered class of that name; reports an unknown one, with the nearest name, and returns None."""
    if name is None:
        validation.error(keys, f"expected a registered {kind.noun}, found nothing", f"add {keys[-1]}: ...")
        return None
    item = find(kind, name)
    if item is None:
        known = registered(kind)
        remedy = nearest(str(name), known) or f"known: {', '.join(sorted(known))}"
        message = f"no {kind.noun} is registered as {name!r}"
        validation.error(keys, message, f"{remedy} A plugin's classes need --plugin MODULE.")
    return item


def _check_component(
    validation: Validation, kind: Kind, keys: Keys, block: Options, also: tuple[str, ...] = ()
) -> None:
    name = block.get("type")
    item = _check_name(validation, kind, (*keys, "type"), name)
    if item is None:
        return
    check_arguments(validation, item, keys, block, kind.given, also, is_known=not is_foreign(kind, name))
    for name, value in block.items():
        choices = CHOICES.get((item.__name__, name))
        if choices is not None and value not in choices:
            message = f"expected one of {', '.join(map(str, choices))}; found {value!r}"
            validation.error((*keys, name), message, nearest(str(value), map(str, choices)) or "choose one")


def check_arguments(
    validation: Validation,
    item: Callable[..., Any],
    keys: Keys,
    block: Options,
    given: tuple[str, ...],
    also: tuple[str, ...] = (),
    *,
    is_known: bool = True,
) -> None:
    """Report what is wrong with the arguments that ``block`` has for ``item`` beside its ``type``.

    BasicSR gives those called ``given``, and somebody else reads those called ``also``. A class or function that is
    known here takes no others, and nulls that are no value of its arguments, but there to be rid of a base's, go.
    """
    call = call_of(item, given, strict=is_known)
    if call is None:
        return
    for name in [name for name, value in block.items() if is_known and value is None and not takes_null(call, name)]:
        del block[name]
    arguments = {name: value for name, value in block.items() if name != "type"}
    for error in argument_errors(call, arguments, also):
        place, remedy = (*keys, error.name), error.remedy
        if error.name in block and validation.rank(place) > validation.rank((*keys, "type")):
            remedy += f"; or, as it comes from {validation.origin(place)}, add `_delete_: true` to {keys[-1]}"
        validation.error(place, error.message, remedy)
    block.update(arguments)


def _check_sizes(validation: Validation, key: str, network: Options) -> None:
    """Counts by which no network can be built: channels below 1, other things below 0, layers without end."""
    for name, value in network.items():
        if not name.startswith("num_") or not isinstance(value, int | float):
            continue
        least = 1 if name in CHANNELS else 0
        if not float(value).is_integer():
            validation.error((key, name), f"expected a whole number, found {value}", f"write a whole {name}")
        elif value < least:
            message = f"expected {least} or more, found {value}"
            validation.error((key, name), message, f"write a {name} that there can be")
        elif name not in CHANNELS and value > MOST_LAYERS:
            validation.error((key, name), f"expected {MOST_LAYERS} or less, found {value}", f"write a smaller {name}")
