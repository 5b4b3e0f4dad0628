"""What photographs tell of the camera that took them, without ground truth: how it blurs, and how much noise it has.

Estimating a kernel and injecting noise is RealSR's way to a source domain like the target (Ji et al., CVPRW 2020,
https://arxiv.org/abs/2004.12137); here both come from power spectra. Photographs of different things have nearly the
same mean spectrum, so the ratio of the target's to that of antialiased bicubic LR images is the camera's blur (or
sharpening), squared; near the Nyquist frequency, where a lens passes little, what is left is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.data import camera_file
from usrda_plugin.weights.writing import write_text

PATCH = 32
"""Side, in LR pixels, of the patches whose spectra are taken."""
PHOTOGRAPHS, PATCHES_OF_EACH = 256, 32
"""How many photographs are looked at, evenly spaced in the order of their names, and at how many places."""
REACH = camera_file.SIDE // 2
"""LR pixels that the kernel looks to each side."""
BANDS = PATCH // 2 + 1
"""Radial frequency bands, from 0 to the Nyquist frequency; what lies in the corners beyond belongs to the last."""
CONTENT = slice(2, 4)
"""Bands (periods of 16 to 8 LR pixels) that every camera passes: where the two domains are set equal."""
FALLING = slice(6, 11)
"""Bands (periods of 5.3 to 3.2 LR pixels) where a lens's response falls and content is still far above noise."""
TOP = slice(12, 15)
"""Bands (periods of 2.7 to 2.3 LR pixels) where noise is looked for; the last two hold too little of anything."""
FLAT = 0.1
"""The quantile of patches that counts as flat: what they have in the top bands beyond the source's is noise."""
SHARPEST = 3.0
"""How much a frequency is raised at most; where the source has little, more would raise its rounding to levels."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Drawer = Callable[[np.random.Generator, int], Sequence[np.ndarray]]
"""From a random generator and a photograph's number to patches of it, (32, 32, 3) RGB in [0, 1]."""


class Origin(NamedTuple):
    """What a camera was estimated from: at which scale, and how many photographs of each domain were looked at.

    None: that is not known, as of a camera whose file was written by hand.
    """

    scale: int | None = None
    photographs: int | None = None
    source_photographs: int | None = None


class Camera(NamedTuple):
    """What makes a bicubic LR image look like the target's: its kernel, then its noise.

    ``kernel`` is (15, 15) float32 with sum 1, in LR pixels; ``noise`` the standard deviation of each colour, in [0, 1].
    """

    kernel: np.ndarray
    noise: float
    origin: Origin = Origin()

    @classmethod
    def load(cls, file: str | Path) -> Camera:
        """Read a camera from the JSON that ``save`` writes.

        Raises FileNotFoundError where there is none, CameraFileError (a ValueError) where it is no whole camera.
        """
        fields = camera_file.read(Path(file))
        origin = Origin(fields.scale, fields.photographs, fields.source_photographs)
        return cls(np.array(fields.kernel, np.float32), fields.noise, origin)

    def save(self, file: str | Path) -> None:
        """Write the camera as JSON, 3 kB, in the place of what is there; ``load`` gives it back to its last bit.

        Raises SaveError (an OSError).
        """
        write_text(Path(file), self.as_json())

    def as_json(self) -> str:
        """What ``save`` writes."""
        fields = {"about": self.describe(), **self.origin._asdict(), "noise": float(self.noise)}
        return camera_file.written(fields, self.kernel)

    def degrade(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """Blur an image, HWC RGB in [0, 1], and add noise; float32, 7 pixels less on each side, clipped to [0, 1]."""
        blurred = cv2.filter2D(image, cv2.CV_32F, self.kernel)[REACH:-REACH, REACH:-REACH]
        noisy = blurred + self.noise * rng.standard_normal(blurred.shape, dtype=np.float32)
        clipped: np.ndarray = noisy.clip(0, 1)
        return clipped

    def degrade_whole(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """As ``degrade``, but without loss at the sides: the kernel sees the mirrored image beyond them."""
        return self.degrade(rng, np.pad(image, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="symmetric"))

    def response(self, steps: int = PATCH) -> np.ndarray:
        """How much of the contrast is kept at 0, 1/steps, ... 1/2 cycles per LR pixel along a line, (steps/2 + 1,)."""
        kept: np.ndarray = np.abs(np.fft.rfft(self.kernel.sum(0), steps))
        return kept

    def describe(self) -> str:
        """Say it in a line: how much of the contrast each frequency keeps, and the noise in 8-bit levels."""
        across = self.response()
        kept = ", ".join(f"{across[band]:.2f} at {band / PATCH}" for band in (4, 8, 12))
        return f"contrast kept {kept} cycles per LR pixel; noise {255 * self.noise:.1f} levels"


def estimate_camera(target: np.ndarray, source: np.ndarray) -> Camera:
    """Estimate the camera of the target from patches (N, 32, 32, 3) of its photographs and of bicubic LR images.

    Blur is taken as the same in all directions and centred: a spectrum has no phase. RGB in [0, 1]; neither may be
    ``featureless``.
    """
    of_target, of_source = (power_spectra(patches) for patches in (target, source))
    # the target may show more or less contrast than the source: that is content
    of_source *= of_target[:, CONTENT].mean() / of_source[:, CONTENT].mean()
    power_t, same_content = of_target.mean(0), np.maximum(of_source.mean(0), _rounding_power())
    flat_t, flat_s = (float(np.quantile(spectra[:, TOP].mean(1), FLAT)) for spectra in (of_target, of_source))
    noise_power = _noise_power(power_t, same_content, flat_t, flat_s)
    response = np.sqrt((power_t - noise_power).clip(min=0) / same_content).clip(max=SHARPEST)
    response[: CONTENT.stop] = 1
    # independent noise of the colours is smaller in their weighted mean
    noise = np.sqrt(noise_power / _window_power()) / np.linalg.norm(LUMA)
    return Camera(kernel_of(response), float(noise))


def gather(drawer: Drawer, photographs: int, rng: np.random.Generator) -> np.ndarray:
    """Collect the patches of evenly spaced photographs, (N, 32, 32, 3)."""
    return np.stack([patch for index in looked_at(photographs) for patch in drawer(rng, index)])


def looked_at(photographs: int) -> list[int]:
    """The numbers of the photographs whose patches are gathered, evenly spaced among so many."""
    chosen = np.linspace(0, photographs - 1, min(photographs, PHOTOGRAPHS)).round().astype(int)
    return np.unique(chosen).tolist()


def featureless(patches: np.ndarray) -> bool:
    """Whether patches (N, 32, 32, 3) show no more than their rounding to 8 bits: even areas, which tell no blur."""
    return bool(power_spectra(patches)[:, CONTENT].mean() <= _rounding_power())


def power_spectra(patches: np.ndarray) -> np.ndarray:
    """The power of luma in each radial band, (N, 17) of patches (N, 32, 32, 3), mean removed, by Hann's window."""
    luma = patches @ LUMA
    luma -= luma.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(luma * _window())) ** 2
    return power.reshape(len(power), -1) @ _band_means()


def kernel_of(response: np.ndarray) -> np.ndarray:
    """The centred kernel (15, 15) with a radial frequency response (17,), softly cut off, sum 1."""
    wanted = np.interp(_frequencies(), np.arange(BANDS), response)
    kernel = np.fft.fftshift(np.fft.ifft2(wanted).real)
    middle, size = PATCH // 2, 2 * REACH + 1
    kernel = kernel[middle - REACH : middle + REACH + 1, middle - REACH : middle + REACH + 1]
    taper = np.sqrt(np.hanning(size + 2)[1:-1])
    kernel = kernel * np.outer(taper, taper)
    return (kernel / kernel.sum()).astype(np.float32)


def _noise_power(power_t: np.ndarray, power_s: np.ndarray, flat_t: float, flat_s: float) -> float:
    """Power of the noise in each frequency: what flat patches have, or else what the top bands hold beyond content.

    At the least, content has the share of the source's power that a Gaussian response, which the bands below continue,
    gives it; at the most, noise is all but the share that the target has of the source's power. Between the two the
    geometric mean: where a lens explains everything there is no noise. The source's spectrum is as contrasty as the
    target's; ``flat_*`` is what flat patches have in the top bands.
    """
    share = _continued(np.arange(BANDS) ** 2, np.log(np.maximum(power_t, _rounding_power()) / power_s))[TOP]
    content = float(share.mean())
    least = (power_t[TOP] - share * power_s[TOP]).mean().clip(min=0)
    most = (power_t[TOP] * (1 - power_t[TOP] / power_s[TOP]).clip(min=0)).mean()
    return max(flat_t - content * flat_s, float(np.sqrt(least * most)))


def _continued(squared: np.ndarray, log_power: np.ndarray) -> np.ndarray:
    """The share of power, at most 1, that a line through the falling bands gives each band."""
    slope, start = np.polyfit(squared[FALLING], log_power[FALLING], 1)
    return np.minimum(1, np.exp(start + slope * squared))


@cache
def _frequencies() -> np.ndarray:
    """Distance from zero frequency, in cycles per patch, of each coefficient of a patch's Fourier transform."""
    line = np.fft.fftfreq(PATCH) * PATCH
    return np.hypot(line[:, None], line[None])


@cache
def _band_means() -> np.ndarray:
    """What multiplies the coefficients of a transform, (32 * 32, 17), to give their mean in each band."""
    band_of = np.minimum(_frequencies().round().astype(int), BANDS - 1).ravel()
    members = np.eye(BANDS)[band_of]
    return members / members.sum(0)


@cache
def _window() -> np.ndarray:
    line = np.hanning(PATCH)
    return np.outer(line, line).astype(np.float32)


def _window_power() -> float:
    """The power that white noise of variance 1 has in each coefficient."""
    return float((_window() ** 2).sum())


def _rounding_power() -> float:
    """The power that rounding to 8 bits has in each coefficient."""
    return _window_power() / 12 / 255**2
