"""Perceptual losses: the VGG layers they name, and the VGG weights they need."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.faults import Keys, nearest
from usrda_plugin.options.registered import LOSSES, find
from usrda_plugin.options.validation import Options, Review


def check_perceptual(review: Review) -> None:
    """See that perceptual losses name layers that there are, and that there are VGG weights for those that weigh.

    BasicSR would go and download them in the middle of the start.
    """
    from basicsr.losses.basic_loss import PerceptualLoss

    for key, block in review.losses():
        loss = find(LOSSES, block.get("type"))
        if isinstance(loss, type) and issubclass(loss, PerceptualLoss):
            _check_layers(review, ("train", key), block)
            if _above_0(block.get("perceptual_weight", 1.0)) or _above_0(block.get("style_weight", 0.0)):
                _check_weights(review, ("train", key), block)


def _check_layers(review: Review, keys: Keys, block: Options) -> None:
    from basicsr.archs.vgg_arch import NAMES

    vgg_type = str(block.get("vgg_type", "vgg19"))
    layers = NAMES.get(vgg_type.replace("_bn", ""))
    if layers is None:
        remedy = nearest(vgg_type, NAMES) or f"known: {', '.join(NAMES)}"
        review.fault((*keys, "vgg_type"), f"no VGG network is called {vgg_type!r}", remedy)
        return
    weights = block.get("layer_weights")
    if weights == {}:
        review.fault((*keys, "layer_weights"), "there is no layer to compare", "write e.g. conv5_4: 1 below it")
    for layer in weights if isinstance(weights, dict) else {}:
        if layer not in layers:
            remedy = nearest(layer, layers) or f"known: {', '.join(layers)}"
            review.fault((*keys, "layer_weights", layer), f"{vgg_type} has no layer {layer!r}", remedy)


def _check_weights(review: Review, keys: Keys, block: Options) -> None:
    from usrda_plugin.losses.vgg import find_vgg_weights, load_vgg

    vgg_type = str(block.get("vgg_type", "vgg19"))
    if any(fault.keys == (*keys, "vgg_type") for fault in review.faults):
        return
    try:
        load_vgg(vgg_type, find_vgg_weights(vgg_type, block.get("vgg_path")))
    except ValueError as error:
        review.fault(keys, str(error), f"give torchvision's weights of {vgg_type}, full or features only")
    except FileNotFoundError as error:
        message, _, remedy = str(error).partition("\n  give")
        review.fault(keys, message, f"give{remedy}" if remedy else "put the file there")


def _above_0(weight: Any) -> bool:
    return isinstance(weight, int | float) and weight > 0
