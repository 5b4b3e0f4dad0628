"""Options that have changed when a run goes on: the one table of what is applied, reported or refused.

docs/reliability.md shows the same table; ``markdown`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

Effect = Literal["applied", "reported", "refused"]
Options = dict[str, Any]
"""Options by their place, such as ``train:optim_g:lr``, with plain values."""

TERMS = "train:*_opt"
SAME_SAMPLES = "samples go on at the same number, and are others"
SAME_IMAGES = "samples go on at the same number; they are the same if the images are, in the same order"


class Row(NamedTuple):
    """What becomes of a change at the places that ``pattern`` matches, and what follows from it.

    ``applied``: from the next iteration on the run is as the new options say. ``reported``: so it is too, and what was
    before does not fit it any more. ``refused``: the checkpoint does not fit the new options.
    """

    pattern: str
    effect: Effect
    follows: str


TABLE = (
    Row("model_type", "refused", "each model has states of its own"),
    Row("scale", "refused", "the networks are of the old scale"),
    Row("network_*", "refused", "the checkpoint has the weights and moments of the old networks"),
    Row("train:optim_*:type", "refused", "each optimizer has moments of its own"),
    Row("train:optim_*:amsgrad", "refused", "its largest moments were kept from the beginning, or not at all"),
    Row("train:optim_*:lr", "applied", "the rate is what it would be by the schedule from the first iteration on"),
    Row("train:scheduler:*", "applied", "the rate is what it would be by the new schedule from the first iteration on"),
    Row("train:warmup_iter", "applied", "the rate is what it would be by the new warm-up from the first iteration on"),
    Row("train:optim_*", "applied", "betas, weight decay and the like hold from the next step on; moments go on"),
    Row("train:total_iter", "applied", "the run ends there; an iteration that is past already is refused"),
    Row("train:ema_decay", "applied", "an average that was not kept begins at the network of the checkpoint"),
    Row(TERMS, "applied", "the loss is another from the next step on; a critic's last term is refused"),
    Row("train:amp", "reported", "steps are computed in another precision"),
    Row("train:*", "applied", "it holds from the next iteration on"),
    Row("datasets:train:num_worker_per_gpu", "applied", "samples stay the same"),
    Row("datasets:train:prefetch_mode", "applied", "samples stay the same"),
    Row("datasets:train:num_prefetch_queue", "applied", "samples stay the same"),
    Row("datasets:train:persistent_workers", "applied", "samples stay the same"),
    Row("datasets:train:pin_memory", "applied", "samples stay the same"),
    Row("datasets:train:cache_in_memory", "applied", "samples stay the same"),
    Row("datasets:train:name", "applied", "nothing else changes"),
    Row("datasets:train:batch_size_per_gpu", "reported", "the stream goes on at the next sample that was not used"),
    Row("datasets:train:seed", "reported", SAME_SAMPLES),
    Row("datasets:train:dataroot*", "reported", SAME_IMAGES),
    Row("datasets:train:io_backend", "reported", SAME_IMAGES),
    Row("datasets:train:meta_info*", "reported", SAME_IMAGES),
    Row("datasets:train:*", "reported", SAME_SAMPLES),
    Row("datasets:*", "applied", "validation is by the new images; best metrics go on under a name that stays"),
    Row("val:metrics:*", "applied", "best metrics begin anew"),
    Row("val:*", "applied", "it holds from the next validation on"),
    Row("logger:*", "applied", "it holds from the next line or checkpoint on"),
    Row("manual_seed", "reported", "random generators go on from the checkpoint; samples drawn by the seed are others"),
    Row("num_gpu", "reported", "another device adds up in another order"),
    Row("threads", "reported", "a CPU adds up in another order; OMP_NUM_THREADS sets the number"),
    Row("*", "reported", "it holds from the next iteration on"),
)

_NOT_KEPT = Row("network_*", "reported", "the checkpoint has no such network")

WARMUP = "train:warmup_iter"
METRICS = "val:metrics"
OF_THE_STEP = ("train:optim_", "train:scheduler", WARMUP)
"""Where the options say what a state keeps too: optimizers and their rates."""
# where the run is, and what resuming itself writes
_NOT_COMPARED = ("path", "root_path", "name", "dist", "rank", "world_size", "auto_resume", "is_train", "launcher")


# of effects, the one that counts for a block
_STRONGEST_FIRST = ("refused", "reported", "applied")
# more of a value is not shown
_LENGTH = 200


class Change(NamedTuple):
    """An option, or a whole block, that is not what it was; None: it was not there, or is no longer."""

    place: str
    old: Any
    new: Any
    row: Row

    def __str__(self) -> str:
        return f"{self.place}: was {_short(self.old)}, is {_short(self.new)}"


def flatten(opt: Mapping[str, Any], place: str = "") -> Options:
    """The options by place, as tensors files may keep them: numbers, text, None and lists of these."""
    found: Options = {}
    for key, value in opt.items():
        if not place and key in _NOT_COMPARED:
            continue
        if isinstance(value, Mapping):
            found |= flatten(value, f"{place}{key}:")
        else:
            found[f"{place}{key}"] = _plain(value)
    return found


def changes(old: Options, new: Options) -> list[Change]:
    """What has changed, in the order of the new options, with its row of the table.

    A block that has come or gone as a whole is one change; of its options' rows the one with the strongest effect
    counts.
    """
    rows: dict[str, list[Row]] = {}
    for place in [*new, *(place for place in old if place not in new)]:
        if old.get(place) != new.get(place):
            other = new if place not in new else old
            rows.setdefault(place if place in other else _block_of(place, other), []).append(row_of(place))
    return [
        Change(place, _at(place, old), _at(place, new), min(found, key=lambda row: _STRONGEST_FIRST.index(row.effect)))
        for place, found in rows.items()
    ]


def _block_of(place: str, other: Options) -> str:
    """The outermost block around a place, or itself, of which the other options have nothing."""
    return next(block for block in _around(place) if _at(block, other) is None and block not in other)


def _at(place: str, options: Options) -> Any:
    """The option at a place, or the block with its options; None where there is neither."""
    inner = {name.removeprefix(f"{place}:"): value for name, value in options.items() if name.startswith(f"{place}:")}
    return options.get(place) if place in options else inner or None


def _around(place: str) -> list[str]:
    """The blocks around a place, outermost first, and the place itself."""
    keys = place.split(":")
    return [":".join(keys[:length]) for length in range(1, len(keys) + 1)]


def allow_missing_networks(found: list[Change], kept: set[str]) -> list[Change]:
    """The changes, of which those of a network count as refused only if the checkpoint has it.

    ``kept`` names its networks as options do, such as ``network_g``. What the checkpoint lacks and the run needs is
    refused where the model is built.
    """
    return [
        change._replace(row=_NOT_KEPT)
        if change.row.pattern == _NOT_KEPT.pattern and change.place.split(":")[0] not in kept
        else change
        for change in found
    ]


def row_of(place: str) -> Row:
    """The first row that a place, or a block around it, matches."""
    return next(row for row in TABLE if any(fnmatchcase(one, row.pattern) for one in _around(place)))


def refuse(found: list[Change], iteration: int, network: str) -> None:
    """Raise ValueError that names what has changed so that checkpoint ``iteration`` does not fit any more.

    ``network`` is the file of its generator, from which a new run may begin.
    """
    refused = [change for change in found if change.row.effect == "refused"]
    if refused:
        listed = "".join(f"\n  {change}; {change.row.follows}" for change in refused)
        raise ValueError(
            f"expected the options with which checkpoint {iteration} was trained, found others:{listed}\n"
            f"{advice(network)}"
        )


def advice(network: str) -> str:
    """Say what to do about options that a checkpoint does not fit; ``network`` is the file of its generator."""
    return (
        "Write them back to go on, or begin a new run from its networks, as far as they fit: give it another name, and"
        f" path: pretrain_network_g: {network}"
    )


def changed_terms(found: list[Change] | None) -> str:
    """The terms that have changed, a line each."""
    return "".join(f"\n  {change}" for change in found or () if row_of(change.place).pattern == TERMS)


def log_line(change: Change) -> str:
    """One line for the log."""
    return f"Going on with other options: {change} ({change.row.effect}: {change.row.follows})."


def markdown() -> str:
    """The table for people."""
    head = "| option | changed on resume | what follows |\n|---|---|---|\n"
    return head + "".join(f"| `{row.pattern}` | {row.effect} | {row.follows} |\n" for row in TABLE)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _short(value: Any) -> str:
    if value is None:
        return "not given"
    whole = repr(value)
    return whole if len(whole) <= _LENGTH else f"{whole[:_LENGTH]}... ({len(whole)} characters)"
