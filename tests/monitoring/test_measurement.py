"""One measurement of networks whose outputs are known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from basicsr.losses.gan_loss import GANLoss
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.method import Needs, Networks, Pass, forward_pass
from usrda_plugin.monitoring.measurement import Crops, TrainedCritic, measure

LEVEL = 1 / 255


class Known(nn.Module):
    """E passes images on, G_SR enlarges and brightens them by ``bias`` levels, G_t adds noise of ``noise`` levels."""

    scale = 2

    def __init__(self, bias: float = 0.0, noise: float = 0.0, noise_ch: int = 1) -> None:
        super().__init__()
        self.bias, self.noise = bias, noise
        self.encoder = SimpleNamespace(shrink=1)
        self.lr_decoder = SimpleNamespace(noise_ch=noise_ch)
        self.networks = Networks(lambda x: x, self.enlarge, self.render, self.render)

    def enlarge(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bicubic", antialias=True) + self.bias * LEVEL

    def render(self, x: Tensor) -> Tensor:
        return x + self.noise * LEVEL * torch.randn_like(x[:, :1])

    def forward(self, x_s: Tensor, x_t: Tensor, needs: Needs) -> Pass:
        return forward_pass(self.networks, x_s, x_t, needs)


class Mean(nn.Module):
    """A critic that answers with the mean of what it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3))


def scenes(seed: int, noise: float = 0.0, level: float = 0.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = F.interpolate(torch.randn(4, 3, 16, 16, generator=generator), scale_factor=8, mode="bicubic")
    return level + 0.05 * coarse + noise * LEVEL * torch.randn(4, 1, 128, 128, generator=generator)


def test_noise_and_style_are_those_of_renderings_of_the_source() -> None:
    crops = Crops(scenes(0), scenes(1, noise=4))
    clean, alike = (measure(Known(noise=noise), crops, {}) for noise in (0.0, 4.0))
    assert (clean["noise"], alike["noise"]) == (0, pytest.approx(4, rel=0.03))
    assert alike["target_noise"] == clean["target_noise"] == pytest.approx(4, rel=0.1)
    assert clean["style_distance"] > 1.8
    assert alike["style_distance"] < 0.5
    assert clean["spectrum_gap"] > 5 * alike["spectrum_gap"]
    assert "noise" not in measure(Known(noise=4.0, noise_ch=0), crops, {})


def test_renderings_are_seen_rounded_as_photographs_are() -> None:
    """The same images before and after rounding, with next to nothing else in them."""
    faint = scenes(0) * 0.02 + 0.5
    rounded = (faint * 255).round() / 255
    assert measure(Known(), Crops(faint, rounded), {})["style_distance"] == 0


def test_a_drift_is_of_the_output_for_the_target() -> None:
    signals = measure(Known(bias=6.0), Crops(scenes(0), scenes(1)), {}, renders=False)
    assert signals["colour_drift"] == pytest.approx(6, abs=0.2)
    assert signals["lr_consistency"] == pytest.approx(6, abs=0.3)
    assert signals["niqe"] > 0
    assert "style_distance" not in signals


def test_for_d_f_the_source_is_real_and_for_d_t_the_target() -> None:
    trained = TrainedCritic(Mean(), GANLoss("lsgan"))
    signals = measure(Known(), Crops(scenes(0, level=0.8), scenes(1, level=0.2)), {"f": trained, "t": trained})
    assert (signals["d_f_accuracy"], signals["d_t_accuracy"]) == (1, 0)


def test_each_measurement_draws_the_same_noise_and_none_of_the_trainings() -> None:
    crops, measured = Crops(scenes(0), scenes(1)), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        measured.append(measure(Known(noise=3.0), crops, {}))
        assert torch.equal(before, torch.get_rng_state())
    assert measured[0] == measured[1]
