"""What the signals warn of: functions of the measurements so far, the newest last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

from usrda_plugin.monitoring.measurement import Measurement

SATURATED = 0.97
RUNNING = 3
"""Measurements in a row that make what critics and G_t do to each other a state and no accident."""
NOISE_FREE = 0.25
"""Share of the camera's noise below which G_t counts as noise-free."""
NOISY_CAMERA = 2.0
"""Levels of noise from which a camera has any to be drawn: rounding, compression and fine texture make less."""
DRIFT = 2.0
COLLAPSE = 8.0
GRID = 3.0

Measurements = Sequence[Measurement]
Alarm = Callable[[Measurements], str | None]
"""Returns what to tell the user, or None where all is well."""


def d_t_saturated(measurements: Measurements) -> str | None:
    """Warn where D_t knows nearly every rendering, three times running."""
    if not _always_right(measurements, "d_t_accuracy"):
        return None
    return (
        f"D_t is saturated: right in {_last(measurements, 'd_t_accuracy'):.0%} of its answers, {RUNNING} measurements "
        "running, so sty no longer teaches. Try a lower lr in optim_d, spectral_norm: true or fewer num_feat in "
        "network_d_t, r1_weight (USRDARelativisticLoss in sty_opt), or a narrower view (luma_high)"
    )


def d_f_saturated(measurements: Measurements) -> str | None:
    """Warn where D_f knows nearly every feature's domain, three times running."""
    if not _always_right(measurements, "d_f_accuracy"):
        return None
    return (
        f"D_f is saturated: right in {_last(measurements, 'd_f_accuracy'):.0%} of its answers, {RUNNING} measurements "
        "running, so align no longer teaches. Try a lower lr in optim_d, spectral_norm: true or fewer num_feat in "
        "network_d_f, or do without align_opt"
    )


def noise_free(measurements: Measurements) -> str | None:
    """Warn where G_t draws less than a quarter of the camera's noise, three times running where D_t could teach it."""
    if len(measurements) < RUNNING or not all(_is_noise_free(measurement) for measurement in measurements[-RUNNING:]):
        return None
    drawn, there = _last(measurements, "noise"), _last(measurements, "target_noise")
    return (
        f"G_t is noise-free: it draws {drawn:.1f} levels of noise, the camera has {there:.1f}. Try a larger "
        "loss_weight of sty_opt, a smaller one of idt_opt, more noise_ch in network_g, or view: luma_high in "
        "network_d_t"
    )


def colour_drifting(measurements: Measurements) -> str | None:
    """Warn where SR images have another mean colour than their photographs."""
    drift = _last(measurements, "colour_drift")
    if not drift > DRIFT:
        return None
    return (
        f"colours are drifting: {drift:.1f} levels from the photographs. Try a larger loss_weight of rec_opt or "
        "cyc_opt, a view of the high band (luma_high, rgb_high) in network_d_t, or a lower lr"
    )


def collapse(measurements: Measurements) -> str | None:
    """Warn where SR images are no longer those of their photographs."""
    found = _last(measurements, "lr_consistency", absent=0.0)
    if found <= COLLAPSE:
        return None
    seen = f"SR images are {found:.1f} levels from their photographs" if isfinite(found) else "the network yields nan"
    return (
        f"the network has collapsed: {seen}. Go back to an earlier state (resume_state), with a lower lr, "
        "clip_grad_norm, and smaller weights of the adversarial terms; with amp: fp16 try bf16 or false"
    )


def grid_pattern(measurements: Measurements) -> str | None:
    """Warn where SR images have the upscaling grid on them."""
    found = _last(measurements, "grid")
    if not found > GRID:
        return None
    return (
        f"SR images have a grid: {found:.1f} times the power beside it. Try a smaller loss_weight of gan_opt or "
        "perceptual_opt, a larger one of pixel_opt, or a longer psnr_iter"
    )


ALARMS: dict[str, Alarm] = {
    "d_t_saturated": d_t_saturated,
    "d_f_saturated": d_f_saturated,
    "noise_free": noise_free,
    "colour_drifting": colour_drifting,
    "collapse": collapse,
    "grid": grid_pattern,
}


def active_alarms(measurements: Measurements) -> dict[str, str]:
    """Return the messages of the alarms that ring after the last measurement, by name."""
    messages = {name: alarm(measurements) for name, alarm in ALARMS.items()}
    return {name: message for name, message in messages.items() if message is not None}


def _last(measurements: Measurements, name: str, absent: float = float("nan")) -> float:
    return measurements[-1].get(name, absent) if measurements else absent


def _is_noise_free(measurement: Measurement) -> bool:
    drawn, there = (measurement.get(name, float("nan")) for name in ("noise", "target_noise"))
    # before D_t judges, nobody has told G_t how much there is; nan is no alarm
    return "d_t_accuracy" in measurement and there >= NOISY_CAMERA and drawn < NOISE_FREE * there


def _always_right(measurements: Measurements, name: str) -> bool:
    recent = [measurement.get(name, 0.0) for measurement in measurements[-RUNNING:]]
    return len(recent) == RUNNING and all(value > SATURATED for value in recent)  # nan is not
