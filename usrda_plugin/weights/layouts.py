"""The names that RRDBNet's weights have had, and those that they have in BasicSR and in ``USRDANet``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from usrda_plugin.weights.choosing import PARTS, Weights

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


def unsupported(weights: Mapping[str, Tensor]) -> str | None:
    """The name of a relative of RRDBNet that BasicSR's cannot be; None where it is none."""
    if not any(re.search(r"rdb[123]\.conv[1-5]", name, re.IGNORECASE) for name in weights):
        return None
    variant = next((said for sign, said in VARIANTS if any(re.search(sign, name) for name in weights)), None)
    if variant is not None:
        return variant
    if _is_first(weights) and _tail(weights) is None:
        return "an ESRGAN that enlarges by pixel shuffle"
    steps = count_steps(in_basicsr_names(weights))
    return f"an RRDBNet of scale {2**steps}, which enlarges {steps} times by 2" if steps > 2 else None


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


def in_usrdanet_names(weights: Weights, own: Mapping[str, Tensor]) -> Weights:
    """Weights of RRDBNet under the names that they have in a ``USRDANet`` with these; others unchanged.

    With encoder "trunk" the network is RRDBNet; with "rrdb" its blocks are shared out between E and G_SR.
    """
    if "conv_first.weight" not in weights or "conv_last.weight" not in weights:
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


def of_part(weights: Weights, own: Mapping[str, Tensor], part: str) -> Iterator[Weights]:
    """The weights of one part of ``USRDANet``: of a file of its own, then out of a whole network."""
    if not any(name.startswith(PARTS) for name in weights):
        yield {f"{part}.{name}": value for name, value in weights.items()}
    whole = in_usrdanet_names(weights, own)
    cut = {name: value for name, value in whole.items() if name.startswith(f"{part}.")}
    if cut:
        yield cut
