"""Networks built and tried without memory for their weights, so that what cannot work is told before the start.

What fails so is tried again in earnest, on the CPU: nothing is refused because of the way in which it was tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from functools import partial
from io import StringIO
from typing import Any

import torch
from torch import nn

from usrda_plugin.archs.sides import candidates, try_sides
from usrda_plugin.options.components import NETWORKS, argument_of, find, image_model, is_foreign
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Keys, Options, Validation

RGB = 3
# the networks that meet images, and their arguments that count these images' channels
CHANNELS = {"network_g": ("num_in_ch", "num_out_ch"), "network_d": ("num_in_ch",)}
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


def build(validation: Validation, key: str, network: Options) -> nn.Module | None:
    """The network without memory for its weights; None where it does not build, a fault where it says why."""
    item = find(NETWORKS, network.get("type"))
    if item is None or any(error.keys[:1] == (key,) for error in validation.errors):
        return None
    for device in ("meta", "cpu"):
        try:
            built = _built(item, network, device)
        except Exception as error:
            reason = error
        else:
            return built.to("meta") if isinstance(built, nn.Module) else None
    if _is_of_options(reason, network):
        validation.error((key,), f"{network['type']} refuses these options: {_told(reason)}", _remedy(network))
    return None


def check_channels(validation: Validation) -> None:
    """Check that networks of BasicSR's and our models take and make RGB images, or luma where the data sets give it."""
    sets = [dataset for _, dataset in validation.datasets()]
    gives_images = all(dataset_model(dataset.get("type")).roots for dataset in sets)
    if not sets or not gives_images or image_model(validation.opt.get("model_type")) is None:
        return
    channels = {1 if dataset.get("color") == "y" else RGB for dataset in sets}
    if len(channels) > 1:
        luma = next(phase for phase, dataset in validation.datasets() if dataset.get("color") == "y")
        message = "luma alone here and RGB in another data set; a network takes one or the other"
        validation.error(("datasets", luma, "color"), message, "write color: y for all data sets, or for none")
        return
    for key, names in CHANNELS.items():
        if _is_used(validation, key):
            for name in names:
                _check_channel_count(validation, key, name, *channels)


def _is_used(validation: Validation, key: str) -> bool:
    """Whether the network is BasicSR's or ours and works in a run: a model without GAN loss leaves its critic alone."""
    is_theirs = is_foreign(NETWORKS, validation.at(key, "type"))
    return not is_theirs and (key == "network_g" or bool(validation.at("train", "gan_opt")))


def _check_channel_count(validation: Validation, key: str, name: str, channels: int) -> None:
    network = validation.block(key)
    value = argument_of(network, name)
    if isinstance(value, int) and value >= 1 and value != channels:
        given = "" if name in network else ", its default"
        message = f"{name} is {value}{given}, but the data sets give images of {channels} channels"
        validation.error((key, name), message, f"write {name}: {channels}")


def try_networks(validation: Validation, built: Built) -> None:
    """Check that BasicSR's networks take the images of their models, and make images ``scale`` times as large of them.

    USRDAModel tries a whole step of its own.
    """
    scale, name = validation.opt.get("scale"), validation.opt.get("model_type")
    model = image_model(name)
    wrong = {part for error in validation.errors for part in error.keys}
    if not isinstance(scale, int) or model is None or model.__name__ == "USRDAModel":
        return
    if wrong & {"scale", "gt_size", "color", "path"}:
        return
    channels = 1 if any(dataset.get("color") == "y" for _, dataset in validation.datasets()) else RGB
    # Real-ESRGAN's models cut patches by the one at the top
    keys = ("gt_size",) if validation.at("gt_size") else ("datasets", "train", "gt_size")
    side = validation.at(*keys)
    for key in [key for key in CHANNELS if key not in wrong and built.get(key) and _is_used(validation, key)]:
        if not validation.is_train and key == "network_g":
            _try_images(validation, built, channels, scale)
        elif validation.is_train and isinstance(side, int):
            works = partial(_makes, channels, scale) if key == "network_g" else partial(_judges, channels)
            _try_patches(validation, built, key, keys, side, scale, works)


def _try_images(validation: Validation, built: Built, channels: int, scale: int) -> None:
    """Let ``network_g`` enlarge images of whatever size it takes."""

    def work(network: nn.Module, device: str) -> None:
        found = try_sides(network.eval(), torch.zeros(1, channels, 1, 1, device=device)).scale
        if found != scale:
            raise ValueError(f"expected images {scale} times as large (scale), found that it makes them {found} times")

    options = validation.block("network_g")
    _report(validation, "network_g", "images", _failure(built["network_g"], options, work))


def _try_patches(
    validation: Validation, built: Built, key: str, keys: Keys, side: int, scale: int, works: Callable[..., None]
) -> None:
    """Let a network work on training patches; where it takes others, ``gt_size`` at ``keys`` is wrong, else it is."""
    network, options = built[key], validation.block(key)
    error = _failure(network, options, partial(works, side))
    if error is None or network is None:
        return
    multiples = {number * scale for number in candidates(network)}
    sides = {max(side // number, 1) * number for number in multiples} | {getattr(network, "input_size", side)}
    for other in sorted(sides - {side}, key=lambda other: abs(other - side)):
        if _failure(network, options, partial(works, other), devices=("meta",)) is None:
            message = (
                f"{key} ({options['type']}) takes patches of {other}x{other}, not of {side}x{side}: {_told(error)}"
            )
            validation.error(keys, message, f"write gt_size: {other}")
            return
    seen = side // scale if key == "network_g" else side
    _report(validation, key, f"patches of {seen}x{seen}", error)


def _report(validation: Validation, key: str, what: str, error: Exception | None) -> None:
    options = validation.block(key)
    if error is not None and _is_of_options(error, options):
        message = f"{options['type']} does not work on {what} by these options: {_told(error)}"
        validation.error((key,), message, _remedy(options))


def _failure(
    network: nn.Module | None, options: Options, work: Callable[..., None], devices: tuple[str, ...] = ("meta", "cpu")
) -> Exception | None:
    """What a network fails with at ``work`` in earnest too; None where it works, and where there is none."""
    reason: Exception | None = None
    for device in devices if network is not None else ():
        try:
            tried = network if device == "meta" else _built(find(NETWORKS, options.get("type")), options, device)
            with _quiet(device), torch.no_grad():
                work(tried, device)
        except Exception as error:
            reason = error
        else:
            return None
    return reason


def _makes(channels: int, scale: int, side: int, network: nn.Module, device: str) -> None:
    low, high = (2, channels, side // scale, side // scale), (2, channels, side, side)
    made = tuple(network(torch.zeros(low, device=device)).shape)
    if made != high:
        wanted, found = ("x".join(map(str, shape[1:])) for shape in (high, made))
        raise ValueError(f"expected patches of {wanted}, found that it makes {found}")


def _judges(channels: int, side: int, network: nn.Module, device: str) -> None:
    network(torch.zeros((2, channels, side, side), device=device))


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
    """An error with its kind, where its text is not meant to be read alone, and without PyTorch's own stack."""
    text = str(error).partition("\nException raised from")[0]
    return text if text and isinstance(error, ValueError) else f"{type(error).__name__}: {text}".removesuffix(": ")
