"""The signals: what is measured without ground truth. Each is a function of tensors that returns one number.

Images are RGB in [0, 1]; the number is a tensor of no dimensions on their device.
"""

from __future__ import annotations

import torch
from basicsr.losses.gan_loss import GANLoss
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.losses import USRDAAlignLoss
from usrda_plugin.method import Adversarial, Relativistic, bicubic_downsample, high_band, local_mean, luma

LEVELS = 255
"""8-bit levels of the range [0, 1]."""
CELL = 8
"""Side of a cell of features in LR pixels, and of a cell of noise in blocks of 2x2 pixels."""
FLAT = 4
"""One cell in so many counts as flat."""
CLIPPED = 8 / LEVELS
"""A cell whose mean is so near to black or white has lost part of its noise."""
OF_NORMAL = 0.6745
"""Median of a standard normal's magnitude."""
QUANTISATION = 1 / LEVELS**2 / 12
"""Power of rounding to 8-bit levels: what lies below it is not seen."""
SEGMENT = 32
"""Side of the windowed squares whose spectra are averaged; a band is 1 / 32 cycles a pixel wide."""
LOW = slice(1, 4)
"""Bands that blur and noise hardly move (up to 1/8 cycles a pixel), by which renderings and photographs are matched."""
HIGH = slice(4, None)
NEIGHBOURS = (3, 4, 5, 6)
"""Bins to either side of a grid's; nearer ones have what the window spreads."""
SQUARE = 16
"""Side of a square of style, in LR pixels."""
STYLE = slice(1, None)
"""Rings of a square's spectrum that tell its style: above 1/16 cycles a pixel."""
RIDGE = 1e-2
TINY = 1e-9


def accuracy(real: Tensor, fake: Tensor, criterion: Adversarial) -> Tensor:
    """Return the share of a critic's answers that are right by the criterion that trains it, in [0, 1].

    Both domains count alike. Right is the label's side of ``undecided``, or, where answers have no label, real above
    the fake beside it. An answer in the middle is half right; nan stays nan.
    """
    if isinstance(criterion, Relativistic):
        return (_sign(real - fake).mean() + 1) / 2
    middle = undecided(criterion)
    return (_sign(real - middle).mean() + _sign(middle - fake).mean() + 2) / 4


def undecided(criterion: Adversarial) -> float:
    """Return the answer halfway between a criterion's labels; 0 if it has none, such as logits and hinge."""
    if isinstance(criterion, USRDAAlignLoss):
        criterion = criterion.labelled
    if isinstance(criterion, GANLoss) and criterion.gan_type == "lsgan":
        return (criterion.real_label_val + criterion.fake_label_val) / 2
    return 0.0


def lr_consistency(y_tt: Tensor, x_t: Tensor) -> Tensor:
    """Return the mean |low band of down(y_tt) - low band of x_t| in 8-bit levels.

    The low band is the 7x7 mean, in which the camera's blur and noise no longer show. ``y_tt`` (B, 3, H, W) is the SR
    image of ``x_t`` (B, 3, h, w).
    """
    return (local_mean(bicubic_downsample(y_tt, x_t)) - local_mean(x_t)).abs().mean() * LEVELS


def colour_drift(y_tt: Tensor, x_t: Tensor) -> Tensor:
    """Return how far the mean of each colour has moved, |mean(down(y_tt)) - mean(x_t)| in 8-bit levels.

    Averaged over photographs and colours, so that drifts of opposite sign do not cancel. Shapes as ``lr_consistency``.
    """
    moved = bicubic_downsample(y_tt, x_t).mean(dim=(-2, -1)) - x_t.mean(dim=(-2, -1))
    return moved.abs().mean() * LEVELS


def grid(images: Tensor, period: int) -> Tensor:
    """Return the power of luma's high band at the frequencies of a grid, over that beside them; 1: no grid.

    Of lines and of columns, and of 1 / period and its multiples, the largest. ``images`` (B, 3, H, W); ``period`` in
    pixels, 2 or more.
    """
    residual = high_band(luma(images))[:, 0]
    return torch.cat([_peaks(residual, period), _peaks(residual.mT, period)]).amax()


def rendered_noise(once: Tensor, again: Tensor) -> Tensor:
    """Return the noise of G_t, from two renderings (B, 3, h, w) of the same images, in 8-bit levels of luma.

    It is the standard deviation of their difference over sqrt 2.
    """
    return (luma(once) - luma(again)).square().mean().div(2).sqrt() * LEVELS


def camera_noise(x_t: Tensor) -> Tensor:
    """Return the noise of photographs (B, 3, h, w): deviation of luma in flat cells, in 8-bit levels.

    By the median magnitude of Haar's diagonal detail, which structure hardly moves.
    """
    planes = luma(x_t)[:, 0]
    height, width = (length // (2 * CELL) * 2 * CELL for length in planes.shape[-2:])
    rows = planes[..., :height, :width].unflatten(-2, (-1, 2)).unbind(-2)
    (a, b), (c, d) = (row.unflatten(-1, (-1, 2)).unbind(-1) for row in rows)
    details, means = _cells((a - b - c + d) / 2), _cells((a + b + c + d) / 4)
    level = means.mean(dim=1)
    contrast = means.std(dim=1).where((level > CLIPPED) & (level < 1 - CLIPPED), torch.inf)
    flattest = contrast.topk(max(len(contrast) // FLAT, 1), largest=False).indices
    return details[flattest].abs().median() / OF_NORMAL * LEVELS


def spectrum_gap(x_st: Tensor, x_t: Tensor) -> Tensor:
    """Return the mean |log ratio| of the power spectra of renderings and photographs (B, 3, h, w), luma, in dB.

    0: blur and noise are alike. Their ratio at low frequencies, which the content decides, is divided out.
    """
    rendered, target = (
        radial_power(luma(images)[:, 0], SEGMENT, SEGMENT // 2).mean(dim=(0, 1)) + QUANTISATION
        for images in (x_st, x_t)
    )
    decibels = 10 * (rendered / target).log10()
    return (decibels[HIGH] - decibels[LOW].mean()).abs().mean()


def domain_distance(f_s: Tensor, f_t: Tensor, shrink: int = 1) -> Tensor:
    """Return how well the features (B, C, h, w) of source and target can be told apart, in [0, 2].

    ``shrink``: LR pixels that a feature is wide.
    """
    return proxy_a_distance(*(feature_cells(features, CELL // shrink) for features in (f_s, f_t)))


def style_distance(x_st: Tensor, x_t: Tensor) -> Tensor:
    """Return how well renderings and photographs (B, 3, h, w) can be told apart by blur and noise, in [0, 2]."""
    return proxy_a_distance(style_cells(x_st), style_cells(x_t))


def proxy_a_distance(source: Tensor, target: Tensor) -> Tensor:
    """Return 2 (1 - 2 error) of a linear classifier; 0: the domains cannot be told apart, 2: always.

    ``source`` and ``target`` are (images, cells, features), as many images of each. The classifier, a ridge regression
    on the sign, learns on every other image and is tested on the rest, then the other way round. nan for one image.
    """
    if len(source) < 2:
        return source.new_full((), torch.nan)
    # (2, cells of half of the images, features)
    first, second = (
        torch.stack([domain[half::2].flatten(0, 1) for domain in (source, target)]).double() for half in (0, 1)
    )
    error = (_held_out_error(first, second) + _held_out_error(second, first)) / 2
    return (2 * (1 - 2 * error)).clamp(min=0)


def feature_cells(features: Tensor, cell: int) -> Tensor:
    """Return mean and deviation of each channel in cells: (B, C, h, w) to (B, cells, 2 C)."""
    mean = F.avg_pool2d(features, cell)
    spread = (F.avg_pool2d(features.square(), cell) - mean.square()).clamp(min=0).sqrt()
    return torch.cat([mean, spread], dim=1).flatten(2).mT


def style_cells(images: Tensor) -> Tensor:
    """Return log power of luma in rings of the spectrum, and log contrast: (B, 3, h, w) to (B, squares, 8)."""
    planes = luma(images)[:, 0]
    power = radial_power(planes, SQUARE, SQUARE)[..., STYLE]
    contrast = planes.unfold(1, SQUARE, SQUARE).unfold(2, SQUARE, SQUARE).flatten(1, 2).var(dim=(-2, -1))
    return (torch.cat([power, contrast[..., None]], dim=-1) + QUANTISATION).log()


def radial_power(planes: Tensor, side: int, step: int) -> Tensor:
    """Return the power of squares of planes (B, H, W) in rings around zero frequency: (B, squares, side / 2).

    Ring k is k + 1 cycles over the side of a square. White noise has its variance in each.
    """
    squares = planes.unfold(1, side, step).unfold(2, side, step).flatten(1, 2)
    squares = squares - squares.mean(dim=(-2, -1), keepdim=True)
    row = torch.hann_window(side, device=planes.device)
    window = torch.outer(row, row)
    power = torch.fft.fft2(squares * window / window.square().sum().sqrt()).abs().square()
    cycles = torch.fft.fftfreq(side, 1 / side, device=planes.device)
    ring = torch.hypot(cycles[:, None], cycles).round()
    rings = torch.stack([(ring == number).float().flatten() for number in range(1, side // 2 + 1)])
    return power.flatten(-2) @ (rings / rings.sum(dim=1, keepdim=True)).mT


def _sign(values: Tensor) -> Tensor:
    """-1, 0 or 1; nan stays nan, which torch's ``sign`` makes 0."""
    return values.sign().where(~values.isnan(), torch.nan)


def _peaks(planes: Tensor, period: int) -> Tensor:
    """For each multiple of 1 / period the relative power of lines (B, lines, length) there, averaged over images."""
    length = planes.shape[-1] // period * period
    window = torch.hann_window(length, device=planes.device)
    lines = planes[..., :length] * window / window.square().sum().sqrt()
    power = torch.fft.rfft(lines).abs().square().mean(dim=-2) + QUANTISATION
    peaks = []
    for multiple in range(1, period // 2 + 1):
        peak = multiple * length // period
        beside = [peak - offset for offset in NEIGHBOURS] + [peak + offset for offset in NEIGHBOURS]
        # beyond the highest frequency the spectrum is mirrored
        beside = [min(number, length - number) for number in beside]
        peaks.append((power[:, peak] / power[:, beside].mean(dim=1)).mean())
    return torch.stack(peaks)


def _cells(planes: Tensor) -> Tensor:
    return planes.unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3).flatten(0, 2)


def _held_out_error(learnt: Tensor, tested: Tensor) -> Tensor:
    """The share of cells taken for the other domain; both arguments (2, cells, features)."""
    mean, spread = learnt.mean(dim=(0, 1)), learnt.std(dim=(0, 1)) + TINY
    learnt, tested = (learnt - mean) / spread, (tested - mean) / spread
    sign = learnt.new_tensor([1.0, -1.0])[:, None]
    covariance = torch.einsum("dcf,dcg->fg", learnt, learnt) / learnt[..., 0].numel()
    slope = torch.einsum("dcf,dc->f", learnt, sign.expand(learnt.shape[:2])) / learnt[..., 0].numel()
    ridge = RIDGE * torch.eye(len(slope), dtype=slope.dtype, device=slope.device)
    # without a check of the result, for which a GPU would have to be waited for; the ridge makes it regular
    weights, _ = torch.linalg.solve_ex(covariance + ridge, slope)
    answers = tested @ weights
    # an answer of 0 is half wrong; nan must not pass for one
    return (1 - _sign(answers * sign).mean()) / 2
