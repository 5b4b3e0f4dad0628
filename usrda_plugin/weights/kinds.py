"""What a file holds that is not the weights of a network from LR to SR images, and what to do then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What was found, and the remedy."""

    found: str
    remedy: str


GIVE_GENERATOR = "give the generator's file, net_g_*.pth, which stands beside it"
STATE = Kind(
    "a training state, which holds no weights",
    "give the network that was saved with it, models/net_g_*.pth; to go on with that run: path: resume_state",
)
OPTIMIZER = Kind("the state of an optimizer, which holds no weights", "give the file of the network, net_g_*.pth")
CRITIC = Kind("the weights of a critic (discriminator)", GIVE_GENERATOR)
CLASSIFIER = Kind(
    "the weights of a classifier such as VGG or AlexNet, which losses and metrics read",
    "give the file of a super-resolution network",
)
HEADS = Kind("the heads of LPIPS, which a metric reads", "give the file of a super-resolution network")

# keys at the top of a file
_TOPS: tuple[tuple[set[str], Kind], ...] = (
    ({"optimizers", "schedulers", "iter"}, STATE),
    ({"position", "random"}, STATE),
    ({"position", "best_metrics"}, STATE),
    ({"state", "param_groups"}, OPTIMIZER),
)
# a name that all weights of a kind have, and what all names are like
_NAMES: tuple[tuple[str, str, Kind], ...] = (
    (r"conv0_0\.weight", r"(conv\d_\d|bn\d_\d|linear[12])\..*", CRITIC),
    (r"conv9\.weight", r"conv\d\..*", CRITIC),
    (r"layers\.0\.(weight|parametrizations\.weight\.original)", r"layers\.\d+\..*", CRITIC),
    (r"features\.0\.0?\.?weight", r"(features\.\d+\.\d|classifier)\..*", CRITIC),
    (r"features\.0\.weight", r"(features|classifier)\..*", CLASSIFIER),
    (r"lin0\.model\.1\.weight", r"lin\d\..*", HEADS),
)


def kind_of_content(content: Mapping[str, Any]) -> Kind | None:
    """The kind of a file that holds no weights of a network at its top; None where it may."""
    return next((kind for keys, kind in _TOPS if keys <= content.keys()), None)


def kind_of_names(names: Iterable[str]) -> Kind | None:
    """The kind of network that weights of such names belong to, where it is none from LR to SR images."""
    listed = list(names)
    for sign, shape, kind in _NAMES:
        if any(re.fullmatch(sign, name) for name in listed) and all(re.fullmatch(shape, name) for name in listed):
            return kind
    return None
