"""Networks built and tried without memory for their weights, so that what cannot work is told before the start.

What fails so is tried again in earnest, on the CPU: nothing is refused because of the way in which it was tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from io import StringIO
from typing import Any

import torch
from torch import nn

from usrda_plugin.archs.sides import try_sides
from usrda_plugin.options.channels import RGB
from usrda_plugin.options.registered import MODELS, NETWORKS, find, is_foreign
from usrda_plugin.options.validation import Options, Review

Built = dict[str, nn.Module | None]
# in errors that are those of a device, and no fault of the options
DEVICES = ("meta", "cuda", "nvidia")
# what networks of others raise on purpose; what else they raise may come of their not being at home
REASONS = (ValueError, NotImplementedError, AssertionError, RuntimeError, ZeroDivisionError)
# where what a network says is no help
ADVICE = {
    "SwinIR": "let window_size divide img_size, each of num_heads divide embed_dim, and depths and num_heads have one"
    " length; with ape, gt_size / scale is img_size; the upsamplers are pixelshuffle, pixelshuffledirect, nearest+conv"
    " (scale 4) and '' (scale 1); resi_connection is 1conv or 3conv; leave out use_checkpoint"
}


def build(review: Review, key: str, network: Options) -> nn.Module | None:
    """The network without memory for its weights; None where it does not build, a fault where it says why."""
    item = find(NETWORKS, network.get("type"))
    if item is None or any(fault.keys[0] == key for fault in review.faults if fault.keys):
        return None
    for device in ("meta", "cpu"):
        try:
            built = _built(item, network, device)
        except Exception as error:
            reason = error
        else:
            return built.to("meta") if isinstance(built, nn.Module) else None
    if _is_of_options(reason, network):
        review.fault((key,), f"{network['type']} refuses these options: {_told(reason)}", _remedy(network))
    return None


def try_networks(review: Review, built: Built) -> None:
    """Check that BasicSR's networks take the images of their models, and make images ``scale`` times as large of them.

    USRDAModel tries a whole step of its own.
    """
    scale = review.opt.get("scale")
    if review.faults or not isinstance(scale, int) or not _takes_images(review.opt.get("model_type")):
        return
    channels = _channels(review)
    if not review.is_train:
        _try(review, "network_g", built, "images", lambda net, device: _enlarges(net, channels, scale, device))
        return
    # Real-ESRGAN's models cut patches by the one at the top
    side = review.at("gt_size") or review.at("datasets", "train", "gt_size")
    if not isinstance(side, int):
        return
    low, high = (2, channels, side // scale, side // scale), (2, channels, side, side)
    _try(
        review,
        "network_g",
        built,
        f"patches of {low[-1]}x{low[-1]}",
        lambda net, device: _makes(net, low, high, device),
    )
    if review.block("train", "gan_opt"):
        what = f"patches of {side}x{side}"
        _try(review, "network_d", built, what, lambda net, device: net(torch.zeros(high, device=device)))


def _try(review: Review, key: str, built: Built, what: str, work: Any) -> None:
    """Let a network do ``work``; report what it fails with in earnest too."""
    network, options = built.get(key), review.block(key)
    if network is None or is_foreign(NETWORKS, options.get("type")):
        return
    item = find(NETWORKS, options.get("type"))
    for device in ("meta", "cpu"):
        try:
            tried = network if device == "meta" else _built(item, options, device)
            with _quiet(device), torch.no_grad():
                work(tried, device)
        except Exception as error:
            reason = error
        else:
            return
    if _is_of_options(reason, options):
        message = f"{options['type']} does not work on {what} by these options: {_told(reason)}"
        review.fault((key,), message, _remedy(options))


def _makes(network: nn.Module, low: tuple[int, ...], high: tuple[int, ...], device: str) -> None:
    made = network(torch.zeros(low, device=device))
    if tuple(made.shape) != high:
        raise ValueError(f"expected patches of {_sides(high)}, found that it makes {_sides(tuple(made.shape))}")


def _enlarges(network: nn.Module, channels: int, scale: int, device: str) -> None:
    found = try_sides(network.eval(), torch.zeros(1, channels, 1, 1, device=device)).scale
    if found != scale:
        raise ValueError(f"expected images {scale} times as large (scale), found that it makes them {found} times")


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[1:]))


def _channels(review: Review) -> int:
    return 1 if any(dataset.get("color") == "y" for _, dataset in review.datasets()) else RGB


def _takes_images(name: Any) -> bool:
    from basicsr.models.sr_model import SRModel
    from basicsr.models.video_base_model import VideoBaseModel

    model: Any = find(MODELS, name)
    if not isinstance(model, type) or is_foreign(MODELS, name) or model.__name__ == "USRDAModel":
        return False
    return issubclass(model, SRModel) and not issubclass(model, VideoBaseModel)


def _built(item: Any, network: Options, device: str) -> Any:
    arguments = {name: value for name, value in network.items() if name != "type"}
    with _quiet(device):
        return item(**deepcopy(arguments))


@contextmanager
def _quiet(device: str) -> Iterator[None]:
    """What a network prints or warns of, it will say when it is built in earnest; its draws are no draws of the run."""
    with (
        torch.random.fork_rng(devices=[]),
        torch.device(device),
        redirect_stdout(StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _is_of_options(error: Exception, network: Options) -> bool:
    if any(device in str(error).lower() for device in DEVICES):
        return False
    return isinstance(error, REASONS) or not is_foreign(NETWORKS, network.get("type"))


def _remedy(network: Options) -> str:
    return ADVICE.get(str(network.get("type")), "correct them")


def _told(error: Exception) -> str:
    """An error with its kind, where its text is not meant to be read alone."""
    text = str(error)
    return text if text and isinstance(error, ValueError) else f"{type(error).__name__}: {text}".removesuffix(": ")
