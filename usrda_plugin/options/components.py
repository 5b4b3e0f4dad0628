"""Models, data sets, networks, losses and metrics: registered names and their arguments."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.arguments import Call, call_of, misfits, takes_null
from usrda_plugin.options.faults import Keys, nearest
from usrda_plugin.options.registered import (
    DATASETS,
    LOSSES,
    METRICS,
    MODELS,
    NETWORKS,
    Kind,
    find,
    is_foreign,
    registered,
)
from usrda_plugin.options.schema_train import Train
from usrda_plugin.options.validation import Options, Review

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


def check_components(review: Review) -> None:
    """Check every registered name and its arguments; numbers written as text become numbers in ``review.opt``."""
    from usrda_plugin.models.criteria import OF_THE_TERM

    check_name(review, MODELS, ("model_type",), review.opt.get("model_type"))
    for phase, dataset in review.datasets():
        check_name(review, DATASETS, ("datasets", phase, "type"), dataset.get("type"))
    for key, network in review.networks():
        _check_component(review, NETWORKS, (key,), network)
        if not is_foreign(NETWORKS, network.get("type")):
            _check_sizes(review, key, network)
    for key, loss in review.losses():
        if "type" in loss or set(loss) - {"loss_weight", "weighted_by"} or _needs_type(key, loss):
            _check_component(review, LOSSES, ("train", key), loss, also=OF_THE_TERM.get(key, ()))
    for name, metric in review.block("val", "metrics").items():
        if isinstance(metric, dict):
            _check_component(review, METRICS, ("val", "metrics", name), metric, given=("img", "img2"), also=("better",))


def _needs_type(key: str, loss: Options) -> bool:
    """Whether a block with no more than a weight lacks its class: those of the schema, but for terms made of parts."""
    return key in Train.model_fields and key not in ("rec_opt", "cyc_opt") and loss.get("loss_weight") != 0


def check_name(review: Review, kind: Kind, keys: Keys, name: Any) -> Any:
    """The registered class of that name; reports an unknown one, with the nearest name, and returns None."""
    if name is None:
        review.fault(keys, f"expected a registered {kind.noun}, found nothing", f"add {keys[-1]}: ...")
        return None
    item = find(kind, name)
    if item is None:
        known = registered(kind)
        remedy = nearest(str(name), known) or f"known: {', '.join(sorted(known))}"
        review.fault(
            keys, f"no {kind.noun} is registered as {name!r}", f"{remedy} A plugin's classes need --plugin MODULE."
        )
    return item


def _check_component(
    review: Review, kind: Kind, keys: Keys, block: Options, given: tuple[str, ...] = (), also: tuple[str, ...] = ()
) -> None:
    item = check_name(review, kind, (*keys, "type"), block.get("type"))
    is_known = not is_foreign(kind, block.get("type"))
    call = call_of(item, given, strict=is_known) if item is not None else None
    if call is None:
        return
    if is_known:
        leave_out_nulls(call, block)
    check_call(review, call, keys, block, also)
    for name, value in block.items():
        choices = CHOICES.get((call.name, name))
        if choices is not None and value not in choices:
            listed = ", ".join(map(str, choices))
            review.fault(
                (*keys, name),
                f"expected one of {listed}; found {value!r}",
                nearest(str(value), map(str, choices)) or "choose one",
            )


def _check_sizes(review: Review, key: str, network: Options) -> None:
    """Counts by which no network can be built: channels below 1, other things below 0, layers without end."""
    for name, value in network.items():
        if not name.startswith("num_") or not isinstance(value, int | float):
            continue
        least = 1 if name in CHANNELS else 0
        if not float(value).is_integer():
            review.fault((key, name), f"expected a whole number, found {value}", f"write a whole {name}")
        elif value < least:
            review.fault((key, name), f"expected {least} or more, found {value}", f"write a {name} that there can be")
        elif name not in CHANNELS and value > MOST_LAYERS:
            review.fault((key, name), f"expected {MOST_LAYERS} or less, found {value}", f"write a smaller {name}")


def leave_out_nulls(call: Call, block: Options) -> None:
    """Take out the arguments that a file has set to null to be rid of a base's, where null is no value of theirs."""
    for name in [name for name, value in block.items() if value is None and not takes_null(call, name)]:
        del block[name]


def check_call(review: Review, call: Call, keys: Keys, block: Options, also: tuple[str, ...] = ()) -> None:
    """Report what is wrong with the arguments that ``block`` has beside its ``type``."""
    arguments = {name: value for name, value in block.items() if name != "type"}
    for misfit in misfits(call, arguments, also):
        place = (*keys, misfit.name)
        inherited = misfit.name in block and review.rank(place) > review.rank((*keys, "type"))
        hint = f"; or, as it comes from {review.origin(place)}, add `_delete_: true` to {keys[-1]}" if inherited else ""
        review.fault(place, misfit.message, misfit.remedy + hint)
    block.update(arguments)
