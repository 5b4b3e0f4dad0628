"""Which network weights belong to, told from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isqrt
from typing import Any

from torch import Tensor

from usrda_plugin.weights.choosing import readings, without_extras
from usrda_plugin.weights.fitting import other_network
from usrda_plugin.weights.layouts import Weights, count_steps, in_basicsr_names, unsupported
from usrda_plugin.weights.messages import shown, some

Tensors = Mapping[str, Tensor]
Description = dict[str, Any]

# RRDBNet folds 4x4 or 2x2 pixels into channels at the scales 1 and 2
FOLDED = {1: 1, 4: 2, 16: 4}
RRDB_LAYERS = {"conv_first.weight", "conv_body.weight", "conv_hr.weight", "conv_last.weight"}


def recognise(weights: Weights) -> tuple[Description, Weights]:
    """The ``type`` and arguments of the USRDANet, RRDBNet or SRVGGNetCompact that has these weights, and its names.

    Names may have a prefix or be those of ESRGAN's older layouts. Raises ValueError where names and shapes do not tell.
    """
    whole = without_extras(weights)
    for reading in readings(whole):
        named = in_basicsr_names(reading)
        describe = next((describe for belongs, describe in NETWORKS if belongs(named)), None)
        if describe is not None and unsupported(reading) is None:
            return _described(named, describe), named
    kind = other_network(whole)
    if kind is not None:
        raise ValueError(f"expected weights of a network from LR to SR images, found {kind.found}; {kind.remedy}")
    raise ValueError(
        "expected weights of USRDANet, RRDBNet or SRVGGNetCompact, or a file that describes its network, found others"
        f" ({some(weights)}); name the network by an option file that has network_g: --opt FILE"
    )


def _described(weights: Tensors, describe: Callable[[Tensors], Description]) -> Description:
    with suppress(LookupError, TypeError, ZeroDivisionError):  # one of too few dimensions, or one that is missing
        if all(value.numel() for value in weights.values()):
            return describe(weights)
    raise ValueError(
        "expected weights of USRDANet, RRDBNet or SRVGGNetCompact, found their names with shapes that none of them has;"
        " is the file damaged? a network of another kind is named by an option file that has network_g: --opt FILE"
    )


def _is_usrda(weights: Tensors) -> bool:
    return "sr_decoder.conv_last.weight" in weights and any(key.startswith("encoder.") for key in weights)


def _usrda(weights: Tensors) -> Description:
    """USRDANet; without weights of G_t, which upscaling does not use, it gets one without blocks."""
    decoder = "sr_decoder.conv_last.weight"
    if "encoder.conv_featmap.0.weight" in weights:
        kind, first = "conv", weights["encoder.conv_featmap.0.weight"]
    else:
        kind, first = "rrdb", _tensor(weights, "encoder.conv_first.weight")
    kind = "trunk" if "encoder.conv_body.weight" in weights else kind
    of_encoder, of_decoder = _count(weights, "encoder.body"), _count(weights, "sr_decoder.body")
    num_out_ch = len(weights[decoder])
    in_ch = len(weights["lr_decoder.conv_last.weight"]) if "lr_decoder.conv_last.weight" in weights else num_out_ch
    noise_ch = weights["lr_decoder.conv_first.weight"].shape[1] - len(first) if _has_g_t(weights) else 0
    return {
        "type": "USRDANet",
        "scale": _usrda_scale(weights, kind, _folded(first, in_ch)),
        "encoder": kind,
        "num_in_ch": in_ch,
        "num_out_ch": num_out_ch,
        "num_feat": len(first),
        "num_block": of_encoder + of_decoder,
        "num_grow_ch": _grow(weights),
        "num_block_encoder": of_encoder,
        "num_block_lr_decoder": _count(weights, "lr_decoder.body"),
        "noise_ch": noise_ch,
    }


def _usrda_scale(weights: Tensors, kind: str, shrink: int) -> int:
    steps = sum(f"sr_decoder.conv_up{number}.weight" in weights for number in (1, 2))
    if kind == "trunk":
        # folded networks always enlarge by four; of the others only scale 3 has a single step
        return 4 // shrink if steps == 2 else 3
    if steps == 1:
        raise ValueError(
            "expected weights that tell their scale, found those of a USRDANet of scale 2 or 3, which are alike; name"
            " the network by its option file: --opt FILE"
        )
    return {0: 1, 2: 4}[steps]


def _has_g_t(weights: Tensors) -> bool:
    return "lr_decoder.conv_first.weight" in weights


def _is_rrdb(weights: Tensors) -> bool:
    return RRDB_LAYERS | {"conv_up2.weight"} <= weights.keys()


def _is_small_rrdb(weights: Tensors) -> bool:
    return weights.keys() >= RRDB_LAYERS and any(re.match(r"body\.\d+\.rdb1\.", name) for name in weights)


def _small_rrdb(weights: Tensors) -> Description:
    """ESRGAN's own network of scale 1 or 2, which folds no pixels: here USRDANet, all blocks in G_SR."""
    first, last = weights["conv_first.weight"], weights["conv_last.weight"]
    if first.shape[1] != len(last):
        raise ValueError(f"expected {len(last)} channels into the first layer, found {first.shape[1]}")
    return {
        "type": "USRDANet",
        "scale": 2 ** count_steps(weights),
        "encoder": "rrdb",
        "num_in_ch": len(last),
        "num_out_ch": len(last),
        "num_feat": len(first),
        "num_block": _count(weights, "body"),
        "num_grow_ch": _grow(weights),
        "num_block_encoder": 0,
        "num_block_lr_decoder": 0,
    }


def _rrdb(weights: Tensors) -> Description:
    first, last = weights["conv_first.weight"], weights["conv_last.weight"]
    return {
        "type": "RRDBNet",
        "num_in_ch": len(last),
        "num_out_ch": len(last),
        "scale": 4 // _folded(first, len(last)),
        "num_feat": len(first),
        "num_block": _count(weights, "body"),
        "num_grow_ch": _grow(weights),
    }


def _is_compact(weights: Tensors) -> bool:
    return bool(weights) and all(re.fullmatch(r"body\.\d+\.(weight|bias)", key) for key in weights)


def _compact(weights: Tensors) -> Description:
    if "body.1.weight" not in weights:
        raise ValueError(
            "expected PReLU's weights, found a SRVGGNetCompact with another activation, which its weights do not"
            " tell; name the network by its option file: --opt FILE"
        )
    first, last = _tensor(weights, "body.0.weight"), weights[f"body.{_count(weights, 'body') - 1}.weight"]
    num_in_ch = first.shape[1]
    upscale = isqrt(len(last) // num_in_ch)
    if upscale**2 * num_in_ch != len(last):
        raise ValueError(f"expected {num_in_ch} x scale² channels from the last layer, found {len(last)}")
    return {
        "type": "SRVGGNetCompact",
        "num_in_ch": num_in_ch,
        "num_out_ch": num_in_ch,
        "num_feat": len(first),
        "num_conv": (_count(weights, "body") - 3) // 2,
        "upscale": upscale,
        "act_type": "prelu",
    }


def _folded(first: Tensor, num_in_ch: int) -> int:
    """How many pixels a side are folded into the channels of the first layer."""
    ratio, rest = divmod(first.shape[1], num_in_ch)
    if rest or ratio not in FOLDED:
        raise ValueError(f"expected {num_in_ch}, {4 * num_in_ch} or {16 * num_in_ch} channels into the first layer,"
                         f" found {first.shape[1]}; name the network by its option file: --opt FILE")  # fmt: skip
    return FOLDED[ratio]


def _grow(weights: Tensors) -> int:
    # a network without a block has the usual value, which then changes nothing
    return next((len(value) for key, value in weights.items() if key.endswith("body.0.rdb1.conv1.weight")), 32)


def _count(weights: Tensors, prefix: str) -> int:
    """How many numbered layers there are, which must be all up to the last."""
    found = {match[1] for name in weights if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))}
    missing = next((number for number in range(len(found)) if str(number) not in found), None)
    if missing is not None:
        strange = max(found, key=len)
        raise ValueError(
            f"expected the layers {prefix}.0 to {prefix}.{len(found) - 1}, found no {prefix}.{missing}, but"
            f" {shown(f'{prefix}.{strange}')}; is the file damaged?"
        )
    return len(found)


def _tensor(weights: Tensors, name: str) -> Tensor:
    if name not in weights:
        raise ValueError(f"expected the weight {name}, found none; is the file complete?")
    return weights[name]


NETWORKS: tuple[tuple[Callable[[Tensors], bool], Callable[[Tensors], Description]], ...] = (
    (_is_usrda, _usrda),
    (_is_rrdb, _rrdb),
    (_is_small_rrdb, _small_rrdb),
    (_is_compact, _compact),
)
