"""One measurement: fixed crops go through the networks once, all signals follow, and the device is waited for once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor, nn

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.data import ImageSource, sample_rng
from usrda_plugin.data.patches import Corner, to_tensor
from usrda_plugin.data.pictures import as_unit
from usrda_plugin.method import Adversarial, Needs, Pass, needed
from usrda_plugin.method.modes import at_rest
from usrda_plugin.metrics import levels_of, niqe
from usrda_plugin.monitoring import signals

STEP = 8
"""Sides of crops are a multiple of it, so that every encoder and every cell fits."""
LEAST = 32
"""Smallest side that has a spectrum."""
SEED = 0
"""Start of the places of source crops and of the noise of G_t: each measurement draws the same."""

Measurement = dict[str, float]
"""The value of each signal by its name, and ``iter`` once it is part of a history; nan where it is not defined."""


class Crops(NamedTuple):
    """As many source as target LR crops of one size: RGB in [0, 1], (images, 3, side, side)."""

    x_s: Tensor
    x_t: Tensor


class TrainedCritic(NamedTuple):
    """A critic and the criterion that trains it."""

    critic: nn.Module
    criterion: Adversarial


def fixed_crops(dataset_opt: Mapping[str, Any], images: int, size: int) -> Crops:
    """Cut the centres of ``images`` target photographs, evenly spaced in their list, and as many source images.

    The side is ``size`` LR pixels, or less where a photograph is smaller. The options are those of the training data,
    whose classes read, shrink and round, and take by the camera where ``degradation`` says so.

    Raises:
        ValueError: a photograph is below 32 pixels; it is named.
    """
    opt = {**dataset_opt, "cache_in_memory": False}
    # the first is asked for sizes alone: a camera is estimated once
    dataset: Any = DATASET_REGISTRY.get(opt["type"])({**opt, "degradation": "bicubic"})
    chosen = evenly_spaced(len(dataset.target), min(images, len(dataset.target)))
    sources = evenly_spaced(len(dataset.source), len(chosen))
    side = min(
        [size, *(_side(dataset.target, index) for index in chosen)]
        + [_side(dataset.source, index, dataset.scale) for index in sources]
    )
    side -= side % STEP
    whole: Any = DATASET_REGISTRY.get(opt["type"])({**opt, "gt_size": side * dataset.scale})
    x_s = [whole.pairs.draw(sample_rng(SEED, number), index).lq for number, index in enumerate(sources)]
    x_t = [_centre(dataset.target, index, side) for index in chosen]
    return Crops(torch.stack([to_tensor(crop) for crop in x_s]), torch.stack(x_t))


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` numbers below ``count``, evenly spaced; some come again where there are fewer."""
    return [number * count // wanted for number in range(wanted)]


@torch.no_grad()
def measure(
    network: USRDANet, crops: Crops, critics: Mapping[str, TrainedCritic], *, renders: bool = True
) -> Measurement:
    """Measure all signals of a network and its critics ``f`` and ``t``; nothing of the training is moved.

    ``renders``: whether G_t is trained, so that its renderings mean something.
    """
    # seeding is on every GPU; a run on a CPU shall not wake one up
    devices = range(torch.cuda.device_count()) if crops.x_t.is_cuda else ()
    with torch.random.fork_rng(devices), at_rest([network, *(trained.critic for trained in critics.values())]):
        torch.manual_seed(SEED)
        measured = _signals(network, crops, critics, renders=renders)
    values = torch.stack([value.double() for value in measured.values()]).tolist()
    if crops.x_t.is_cuda:
        torch.cuda.empty_cache()  # blocks of these crops' sizes, which training has no use for
    return dict(zip(measured, values, strict=True))


def _signals(
    network: USRDANet, crops: Crops, critics: Mapping[str, TrainedCritic], *, renders: bool
) -> dict[str, Tensor]:
    """All signals, still on the device."""
    tensors = _forward(network, crops, Needs.of("f_s", "f_t", "y_tt", *["x_st"] * renders))
    shrink = network.encoder.shrink
    measured = of_output(needed(tensors.y_tt), crops.x_t, network.scale * shrink)
    measured |= of_critics(tensors, crops, critics)
    measured["domain_distance"] = signals.domain_distance(needed(tensors.f_s), needed(tensors.f_t), shrink)
    return measured | (of_renderings(network, tensors, crops.x_t) if renders else {})


def _forward(network: USRDANet, crops: Crops, needs: Needs) -> Pass:
    """The crops through the networks, one by one, as the memory for one is enough."""
    passes = [network(x_s, x_t, needs) for x_s, x_t in zip(crops.x_s.split(1), crops.x_t.split(1), strict=True)]
    return Pass(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*passes, strict=True)))


def of_output(y_tt: Tensor, x_t: Tensor, period: int) -> dict[str, Tensor]:
    """Measure what SR images of the target look like, and whether they are still true to it."""
    y_tt = y_tt.clamp(0, 1)
    measured = {
        "niqe": niqe(levels_of(y_tt), crop_border=0).nanmean(),
        "lr_consistency": signals.lr_consistency(y_tt, x_t),
        "colour_drift": signals.colour_drift(y_tt, x_t),
    }
    return measured | ({"grid": signals.grid(y_tt, period)} if period > 1 else {})


def of_critics(tensors: Pass, crops: Crops, critics: Mapping[str, TrainedCritic]) -> dict[str, Tensor]:
    """Measure how often the critics of features and of renderings are right."""
    shown = {"f": (tensors.f_s, tensors.f_t), "t": (crops.x_t, tensors.x_st)}
    measured = {}
    for name, (critic, criterion) in critics.items():
        real, fake = (critic(images) for images in shown[name])
        measured[f"d_{name}_accuracy"] = signals.accuracy(real, fake, criterion)
    return measured


def of_renderings(network: USRDANet, tensors: Pass, x_t: Tensor) -> dict[str, Tensor]:
    """Measure how near the renderings of G_t are to the target's photographs."""
    rendered = needed(tensors.x_st)
    x_st = levels_of(rendered) / 255  # as a file would have them, and as the photographs are
    measured = {"style_distance": signals.style_distance(x_st, x_t), "spectrum_gap": signals.spectrum_gap(x_st, x_t)}
    if network.lr_decoder.noise_ch:
        again = torch.cat([network.networks.noisy_lr_decoder(f_s) for f_s in needed(tensors.f_s).split(1)])
        measured["noise"] = signals.rendered_noise(rendered, again)
    return measured | {"target_noise": signals.camera_noise(x_t)}


def _side(images: ImageSource, index: int, scale: int = 1) -> int:
    shorter = min(images.size(index))
    if shorter < LEAST * scale:
        raise ValueError(
            f"val: signals: expected images of at least {LEAST * scale} pixels a side, found {shorter} in "
            f"{images.path(index)}; remove the image, or this block"
        )
    return shorter // scale


def _centre(images: ImageSource, index: int, side: int) -> Tensor:
    with images.opened(index) as image:
        height, width = image.shape[:2]
        return to_tensor(as_unit(Corner((height - side) // 2, (width - side) // 2).cut(image, side)))
