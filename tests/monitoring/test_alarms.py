"""Each alarm rings for its own cause, at its own bound, and says what to try."""

from __future__ import annotations

import math

import pytest

from usrda_plugin.monitoring.alarms import ALARMS, active_alarms

HEALTHY = {
    "iter": 10, "niqe": 5.0, "lr_consistency": 1.0, "colour_drift": 0.3, "grid": 1.1, "d_f_accuracy": 0.7,
    "d_t_accuracy": 0.8, "domain_distance": 1.0, "style_distance": 1.0, "spectrum_gap": 2.0, "noise": 3.0,
    "target_noise": 4.0,
}  # fmt: skip

CASES = [
    ("d_t_saturated", [{"d_t_accuracy": 0.98}] * 3, [{"d_t_accuracy": 0.98}] * 2, "optim_d"),
    ("d_t_saturated", [{"d_t_accuracy": 1.0}] * 3, [{"d_t_accuracy": a} for a in (1.0, 0.97, 1.0)], "spectral_norm"),
    ("d_f_saturated", [{"d_f_accuracy": 0.98}] * 3, [{"d_f_accuracy": 0.96}] * 3, "network_d_f"),
    ("noise_free", [{"noise": 0.9}] * 3, [{"noise": noise} for noise in (0.9, 1.1, 0.9)], "noise_ch"),
    ("noise_free", [{"noise": 0.1, "target_noise": 2.1}] * 3, [{"noise": 0.1, "target_noise": 1.9}] * 3, "sty_opt"),
    ("colour_drifting", [{"colour_drift": 2.1}], [{"colour_drift": 1.9}], "luma_high"),
    ("collapse", [{"lr_consistency": 8.1}], [{"lr_consistency": 7.9}], "resume_state"),
    ("collapse", [{"lr_consistency": math.nan}], [{"niqe": math.nan}], "nan"),
    ("grid", [{"grid": 3.1}], [{"grid": 2.9}], "pixel_opt"),
]


@pytest.mark.parametrize(("name", "bad", "good", "advice"), CASES)
def test_an_alarm_rings_beyond_its_bound_alone(name: str, bad: list, good: list, advice: str) -> None:
    rings = active_alarms([{**HEALTHY, **change} for change in bad])
    assert list(rings) == [name]
    assert advice in rings[name]
    assert active_alarms([{**HEALTHY, **change} for change in good]) == {}


def test_each_alarm_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(ALARMS)


def test_nothing_rings_without_history_nor_for_what_is_not_measured() -> None:
    assert active_alarms([]) == {}
    assert active_alarms([{"iter": 10}] * 4) == {}


def test_a_silent_g_t_is_no_alarm_before_d_t_judges() -> None:
    silent = {**HEALTHY, "noise": 0.0}
    early = {name: value for name, value in silent.items() if not name.startswith("d_")}
    assert active_alarms([early] * 5) == active_alarms([early] * 5 + [silent] * 2) == {}
    assert "noise_free" in active_alarms([early] * 5 + [silent] * 3)


def test_saturation_ends_with_the_first_measurement_below() -> None:
    history = [{**HEALTHY, "d_t_accuracy": accuracy} for accuracy in (1.0, 1.0, 1.0, 0.9)]
    assert "d_t_saturated" in active_alarms(history[:3])
    assert active_alarms(history) == {}
