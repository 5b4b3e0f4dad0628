"""Which network is taken."""

from __future__ import annotations

from usrda_plugin.adaptation.ending import choose_end

SOUND = {"lr_consistency": 1.0, "colour_drift": 0.3, "grid": 1.1}
DRIFTING = {**SOUND, "colour_drift": 5.0}


def test_the_last_network_is_taken_where_no_alarm_of_the_output_rings() -> None:
    critics = {**SOUND, "d_t_accuracy": 1.0}
    for measurements in ([], [{"iter": 10, **SOUND}], [{"iter": 10 * n, **critics} for n in (1, 2, 3)]):
        assert choose_end(measurements, 30).iteration == 30


def test_an_alarm_that_is_over_at_the_end_does_not_matter() -> None:
    assert choose_end([{"iter": 10, **DRIFTING}, {"iter": 20, **SOUND}], 20).iteration == 20


def test_of_a_training_that_goes_wrong_the_last_sound_network_is_taken_and_the_alarm_named() -> None:
    ending = choose_end([{"iter": 10, **SOUND}, {"iter": 20, **SOUND}, {"iter": 30, **DRIFTING}], 30)
    assert ending.iteration == 20
    assert "colour_drifting" in ending.reason


def test_of_a_training_that_was_never_sound_none_is_taken() -> None:
    assert choose_end([{"iter": 10, **SOUND, "lr_consistency": float("nan")}], 10).iteration is None
