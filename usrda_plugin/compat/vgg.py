"""Seam for the perceptual loss."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import nn


class VggOnDisk:
    """Stands for ``torchvision.models.vgg`` in BasicSR: builds a VGG from a file instead of downloading it."""

    def __init__(self, vgg: Any) -> None:
        self.__wrapped__ = vgg

    def __getattr__(self, vgg_type: str) -> Callable[..., nn.Module]:
        def build(pretrained: bool = True) -> nn.Module:
            if not pretrained:
                network: nn.Module = getattr(self.__wrapped__, vgg_type)(weights=None)
                return network
            losses = import_module("usrda_plugin.losses.vgg")
            loaded: nn.Module = losses.load_vgg(vgg_type, losses.find_vgg_weights(vgg_type))
            return loaded

        return build


def find_vgg_on_disk() -> bool:
    """Look for the weights of VGG, full or features only, before the training starts; never download them."""
    vgg_arch: Any = import_module("basicsr.archs.vgg_arch")
    if not isinstance(vgg_arch.vgg, VggOnDisk):
        vgg_arch.vgg = VggOnDisk(vgg_arch.vgg)
        # a full file at BasicSR's own place is found by the search above, under the name of each VGG
        vgg_arch.VGG_PRETRAIN_PATH = ""
    return True
