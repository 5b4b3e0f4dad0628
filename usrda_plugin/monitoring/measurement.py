"""One measurement: the fixed crops through the networks once, all signals from that, one wait for the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.method import Adversarial, Needs, Pass, needed
from usrda_plugin.method.modes import at_rest
from usrda_plugin.metrics import levels_of, niqe
from usrda_plugin.monitoring.accuracy import accuracy
from usrda_plugin.monitoring.agreement import colour_drift, lr_consistency
from usrda_plugin.monitoring.crops import Crops
from usrda_plugin.monitoring.distances import domain_distance, style_distance
from usrda_plugin.monitoring.noise import camera_noise, rendered_noise
from usrda_plugin.monitoring.spectra import grid, spectrum_gap

SEED = 0
"""Start of the noise of G_t: each measurement draws the same."""

Signals = dict[str, float]


class Judge(NamedTuple):
    """A critic and the criterion that trains it."""

    critic: nn.Module
    criterion: Adversarial


class Seen(NamedTuple):
    """What the networks make of the crops; ``again`` is x_st with other noise. None where G_t is not trained."""

    tensors: Pass
    again: Tensor | None = None


@torch.no_grad()
def measure(network: USRDANet, crops: Crops, judges: Mapping[str, Judge], renders: bool = True) -> Signals:
    """All signals of a network and its critics ``f`` and ``t``, as numbers; nothing of the training is moved.

    ``renders``: whether G_t is trained, so that its renderings mean something.
    """
    # seeding is on every GPU; a run on a CPU shall not wake one up
    devices = range(torch.cuda.device_count()) if crops.x_t.is_cuda else ()
    with torch.random.fork_rng(devices), at_rest([network, *(judge.critic for judge in judges.values())]):
        torch.manual_seed(SEED)
        seen = look(network, crops, renders)
        signals = of_output(needed(seen.tensors.y_tt), crops.x_t, network.scale * network.encoder.shrink)
        signals |= of_critics(seen.tensors, crops, judges)
        signals["domain_distance"] = domain_distance(
            needed(seen.tensors.f_s), needed(seen.tensors.f_t), network.encoder.shrink
        )
        signals |= of_renderings(seen, crops.x_t) if renders else {}
    values = torch.stack([value.double() for value in signals.values()]).tolist()
    del seen
    if crops.x_t.is_cuda:
        torch.cuda.empty_cache()  # blocks of these crops' sizes, which training has no use for
    return dict(zip(signals, values, strict=True))


def look(network: USRDANet, crops: Crops, renders: bool) -> Seen:
    """The crops through the networks, one by one, as the memory for one is enough."""
    needs = Needs.of("f_s", "f_t", "y_tt", *["x_st"] * renders)
    passes = [network(x_s, x_t, needs) for x_s, x_t in zip(crops.x_s.split(1), crops.x_t.split(1), strict=True)]
    tensors = Pass(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*passes, strict=True)))
    if not renders or not network.lr_decoder.noise_ch:
        return Seen(tensors)
    again = torch.cat([network.networks.noisy_lr_decoder(f_s) for f_s in needed(tensors.f_s).split(1)])
    return Seen(tensors, again)


def of_output(y_tt: Tensor, x_t: Tensor, period: int) -> dict[str, Tensor]:
    """What SR images of the target look like, and whether they are still true to it."""
    y_tt = y_tt.clamp(0, 1)
    signals = {
        "niqe": niqe(levels_of(y_tt), crop_border=0).nanmean(),
        "lr_consistency": lr_consistency(y_tt, x_t),
        "colour_drift": colour_drift(y_tt, x_t),
    }
    return signals | ({"grid": grid(y_tt, period)} if period > 1 else {})


def of_critics(tensors: Pass, crops: Crops, judges: Mapping[str, Judge]) -> dict[str, Tensor]:
    """How often the critics of features and of renderings are right."""
    shown = {"f": (tensors.f_s, tensors.f_t), "t": (crops.x_t, tensors.x_st)}
    signals = {}
    for name, (critic, criterion) in judges.items():
        real, fake = (critic(images) for images in shown[name])
        signals[f"d_{name}_accuracy"] = accuracy(real, fake, criterion)
    return signals


def of_renderings(seen: Seen, x_t: Tensor) -> dict[str, Tensor]:
    """How near the renderings of G_t are to the target's photographs."""
    # as a file would have them, and as the photographs are
    rendered = needed(seen.tensors.x_st)
    x_st = levels_of(rendered) / 255
    signals = {"style_distance": style_distance(x_st, x_t), "spectrum_gap": spectrum_gap(x_st, x_t)}
    if seen.again is not None:
        signals["noise"] = rendered_noise(rendered, seen.again)
    return signals | {"target_noise": camera_noise(x_t)}
