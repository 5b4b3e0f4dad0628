"""Looking up classes in BasicSR's registries without their side effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SUFFIX = "_basicsr"
OURS = ("basicsr", "usrda_plugin")


class Kind(NamedTuple):
    """A registry of BasicSR: the name of its variable, and what it holds, for messages."""

    registry: str
    noun: str


MODELS = Kind("MODEL_REGISTRY", "model")
NETWORKS = Kind("ARCH_REGISTRY", "network")
LOSSES = Kind("LOSS_REGISTRY", "loss")
DATASETS = Kind("DATASET_REGISTRY", "data set")
METRICS = Kind("METRIC_REGISTRY", "metric")


def registered(kind: Kind) -> Mapping[str, Any]:
    """All classes or functions of a registry by the names that an option file may use.

    BasicSR registers some of its own under a suffix and finds them without it; its ``get`` prints, so it is not asked.
    """
    # imported here because importing BasicSR registers its classes and needs the patches in place
    from basicsr.utils import registry

    found = dict(iter(vars(registry)[kind.registry]))
    return {**{name.removesuffix(SUFFIX): item for name, item in found.items() if name.endswith(SUFFIX)}, **found}


def find(kind: Kind, name: object) -> Any:
    """The registered class or function of that name, or None."""
    return registered(kind).get(name) if isinstance(name, str) else None


def is_foreign(kind: Kind, name: object) -> bool:
    """Whether ``name`` is registered by somebody else than BasicSR and this package."""
    item = find(kind, name)
    return item is not None and item.__module__.partition(".")[0] not in OURS
