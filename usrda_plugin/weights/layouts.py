"""What names in a file mean: which kind of network or state, and the layouts that RRDBNet's and USRDANet's have had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from usrda_plugin.weights.messages import Refusal

Weights = dict[str, Tensor]

PARTS = ("encoder", "sr_decoder", "lr_decoder")
DENSE = r"(\d{1,6})\.RDB([123])\.conv([1-5])"
# ESRGAN's first layout, but for the layers behind the trunk; then its second
FIRST: tuple[tuple[str, str], ...] = (
    (r"(?:model\.)?0\.(weight|bias)", r"conv_first.\1"),
    (rf"(?:model\.)?1\.sub\.{DENSE}\.0\.(weight|bias)", r"body.\1.rdb\2.conv\3.\4"),
    (r"(?:model\.)?1\.sub\.\d{1,6}\.(weight|bias)", r"conv_body.\1"),
)
SECOND: tuple[tuple[str, str], ...] = (
    (rf"RRDB_trunk\.{DENSE}\.(weight|bias)", r"body.\1.rdb\2.conv\3.\4"),
    (r"trunk_conv\.(weight|bias)", r"conv_body.\1"),
    (r"upconv(\d)\.(weight|bias)", r"conv_up\1.\2"),
    (r"HRconv\.(weight|bias)", r"conv_hr.\1"),
    (r"(conv_first|conv_last)\.(weight|bias)", r"\1.\2"),
)
TRUNK = ("conv_first.", "body.", "conv_body.")
VARIANTS: tuple[tuple[str, str], ...] = (
    (r"\.conv1x1\.", "ESRGAN+ (nESRGAN+), whose blocks have 1x1 convolutions"),
    (r"f_HR_conv|b_fea_conv|conv_w\.", "SPSR, whose network has a branch of gradients"),
)

GIVE_GENERATOR = "give the generator's file, net_g_*.pth, which stands beside it"
STATE = Refusal(
    "a training state, which holds no weights",
    "give the network that was saved with it, models/net_g_*.pth; to go on with that run: path: resume_state",
)
OPTIMIZER = Refusal("the state of an optimizer, which holds no weights", "give the file of the network, net_g_*.pth")
CRITIC = Refusal("the weights of a critic (discriminator)", GIVE_GENERATOR)
CLASSIFIER = Refusal(
    "the weights of a classifier such as VGG or AlexNet, which losses and metrics read",
    "give the file of a super-resolution network",
)
HEADS = Refusal("the heads of LPIPS, which a metric reads", "give the file of a super-resolution network")

# keys at the top of a file
_TOPS: tuple[tuple[set[str], Refusal], ...] = (
    ({"optimizers", "schedulers", "iter"}, STATE),
    ({"position", "random"}, STATE),
    ({"position", "best_metrics"}, STATE),
    ({"state", "param_groups"}, OPTIMIZER),
)
# a name that all weights of a kind have, and what all names are like
_NAMES: tuple[tuple[str, str, Refusal], ...] = (
    (r"conv0_0\.weight", r"(conv\d_\d|bn\d_\d|linear[12])\..*", CRITIC),
    (r"conv9\.weight", r"conv\d\..*", CRITIC),
    (r"layers\.0\.(weight|parametrizations\.weight\.original)", r"layers\.\d+\..*", CRITIC),
    (r"features\.0\.0?\.?weight", r"(features\.\d+\.\d|classifier)\..*", CRITIC),
    (r"features\.0\.weight", r"(features|classifier)\..*", CLASSIFIER),
    (r"lin0\.model\.1\.weight", r"lin\d\..*", HEADS),
)


def kind_of_content(content: Mapping[str, Any]) -> Refusal | None:
    """The kind of a file that holds no weights of a network at its top; None where it may."""
    return next((kind for keys, kind in _TOPS if keys <= content.keys()), None)


def kind_of_names(names: Iterable[str]) -> Refusal | None:
    """The kind of network that weights of such names belong to, where it is none from LR to SR images."""
    listed = list(names)
    for sign, shape, kind in _NAMES:
        if any(re.fullmatch(sign, name) for name in listed) and all(re.fullmatch(shape, name) for name in listed):
            return kind
    return None


def unsupported(weights: Mapping[str, Tensor]) -> str | None:
    """The name of a relative of RRDBNet that BasicSR's cannot be; None where it is none."""
    if not any(re.search(r"rdb[123]\.conv[1-5]", name, re.IGNORECASE) for name in weights):
        return None
    variant = next((message for sign, message in VARIANTS if any(re.search(sign, name) for name in weights)), None)
    if variant is not None:
        return variant
    if _is_first(weights) and _tail(weights) is None:
        return "an ESRGAN that enlarges by pixel shuffle"
    steps = count_steps(in_basicsr_names(weights))
    return f"an RRDBNet of scale {2**steps}, which enlarges {steps} times by 2" if steps > 2 else None


def is_usrdanet(own: Mapping[str, Tensor]) -> bool:
    """Whether a network that has these weights is a ``USRDANet``, or its G_SR."""
    return any(name.startswith("sr_decoder.") for name in own)


def renamings(weights: Weights, own: Mapping[str, Tensor], part: str | None) -> Iterator[Weights]:
    """Weights under the names that they may have in a network with ``own`` or a ``part`` of it, the likeliest first."""
    yield from _in_network(weights, own, part)
    renamed = in_basicsr_names(weights)
    if renamed.keys() != weights.keys():
        yield from _in_network(renamed, own, part)


def in_basicsr_names(weights: Weights | Mapping[str, Tensor]) -> Weights:
    """Weights of ESRGAN's first or second layout under the names of BasicSR's RRDBNet; others unchanged."""
    weights = dict(weights)
    if _is_first(weights):
        tail = _tail(weights)
        if tail is None:
            return weights
        renamed = _renamed(weights, FIRST, tail)
    elif any(re.match(r"RRDB_trunk\.", name, re.IGNORECASE) for name in weights):
        renamed = _renamed(weights, SECOND, {})
    else:
        return weights
    return renamed if len(renamed) == len(weights) else weights


def count_steps(weights: Mapping[str, Tensor]) -> int:
    """How often a network of BasicSR's names enlarges."""
    return sum(bool(re.fullmatch(r"conv_up\d\.weight", name)) for name in weights)


def _is_first(weights: Mapping[str, Tensor]) -> bool:
    return any(re.match(r"(?:model\.)?1\.sub\.\d+\.RDB1\.conv1\.0\.weight", name) for name in weights)


def _tail(weights: Mapping[str, Tensor]) -> dict[str, str] | None:
    """The layers behind the trunk by their numbers; None where they are not those of enlargement by neighbours."""
    found = [re.fullmatch(r"(?:model\.)?(\d{1,3})\.weight", name) for name in weights]
    numbers = sorted({int(match[1]) for match in found if match} - {0})
    steps = len(numbers) - 2
    # each step is an enlargement, a convolution and an activation; then come two convolutions
    expected = [*(3 * step for step in range(1, steps + 1)), 3 * steps + 2, 3 * steps + 4]
    if steps < 0 or numbers != expected:
        return None
    names = [*(f"conv_up{step}" for step in range(1, steps + 1)), "conv_hr", "conv_last"]
    return {str(number): name for number, name in zip(numbers, names, strict=True)}


def _renamed(weights: Weights, table: tuple[tuple[str, str], ...], tail: Mapping[str, str]) -> Weights:
    renamed: Weights = {}
    for name, value in weights.items():
        behind = re.fullmatch(r"(?:model\.)?(\d{1,3})\.(weight|bias)", name)
        if behind and behind[1] in tail:
            renamed[f"{tail[behind[1]]}.{behind[2]}"] = value
            continue
        new = next((match.expand(to) for pattern, to in table
                    if (match := re.fullmatch(pattern, name, re.IGNORECASE))), name)  # fmt: skip
        renamed[new.lower() if new != name else name] = value
    return renamed


def _in_usrdanet_names(weights: Weights, own: Mapping[str, Tensor]) -> Weights:
    """Weights of RRDBNet under the names that they have in a ``USRDANet`` with these; others unchanged.

    With encoder "trunk" the network is RRDBNet; with "rrdb" its blocks are shared out between E and G_SR.
    """
    if not is_usrdanet(own) or not {"conv_first.weight", "conv_last.weight"} <= weights.keys():
        return weights
    return {_in_usrdanet(name, own): value for name, value in weights.items()}


def _in_usrdanet(name: str, own: Mapping[str, Tensor]) -> str:
    block = re.match(r"body\.(\d{1,6})\.", name)
    is_rrdb = "encoder.conv_body.weight" not in own
    if block and is_rrdb:
        of_encoder = len({each.split(".")[2] for each in own if each.startswith("encoder.body.")})
        number = int(block[1])
        if number >= of_encoder:
            return f"sr_decoder.body.{number - of_encoder}.{name[block.end() :]}"
        return f"encoder.{name}"
    of_trunk = name.startswith(TRUNK) and not (is_rrdb and name.startswith("conv_body."))
    return f"{'encoder' if of_trunk else 'sr_decoder'}.{name}"


def _in_network(weights: Weights, own: Mapping[str, Tensor], part: str | None) -> Iterator[Weights]:
    whole = _in_usrdanet_names(weights, own)
    if part is None:
        yield whole
        return
    if not any(name.startswith(PARTS) for name in weights):  # a file of the part alone
        yield {f"{part}.{name}": value for name, value in weights.items()}
    cut = {name: value for name, value in whole.items() if name.startswith(f"{part}.")}
    if cut:
        yield cut
