"""What the screen says of a training: speed and time left by a clock of the test's, groups, and lines that fit."""

from __future__ import annotations

import pytest

from usrda_plugin.training.progress import LABEL, LINES, Measured, Pace, Progress, Validated, grouped, panel


def test_speed_is_that_of_late_and_the_time_left_that_of_the_whole() -> None:
    pace = Pace()
    assert pace.per_second is None
    assert pace.left(0, 100) is None
    for second in range(11):
        pace.at(100.0 + second, 1 + 4 * second)  # four a second up to iteration 41
    assert pace.per_second == pytest.approx(4)
    assert pace.left(110.0, 100) == pytest.approx(59 / 4)
    pace.pause()
    for second in range(2):
        pace.at(130.0 + second, 41 + 4 * second)  # after a validation of 20 seconds
    assert pace.per_second == pytest.approx(4), "the validation is not part of it"
    assert pace.left(131.0, 100) == pytest.approx(55 / (44 / 31)), "but of the time left"


def test_losses_begin_with_the_total_and_critics_are_apart() -> None:
    logged = {"iter": 7, "epoch": 0, "time": 0.1, "data_time": 0.0, "lrs": 1e-3, "l_g_align": 1.0, "l_g_total": 2.0}
    logged |= {"l_d_f": 3.0, "out_d_f_real": 4.0, "l_pix": 5.0, "grad_norm_g": 6.0}
    assert {label: list(numbers.items()) for label, numbers in grouped(logged).items()} == {
        "losses": [("total", 2.0), ("align", 1.0), ("pix", 5.0)],
        "critics": [("d_f", 3.0), ("out_d_f_real", 4.0)],
        "others": [("grad_norm_g", 6.0)],
    }


def full() -> Progress:
    progress = Progress(name="run", total=2000, iteration=500, doing="training", log_file="experiments/run/train.log")
    for second in range(3):
        progress.pace.at(float(second), 480 + 10 * second)
    progress.logged = Measured(500, {"l_g_total": 0.5, **{f"l_g_term_{number}": float(number) for number in range(40)}})
    progress.rates = {"g": 1e-4, "d": 2e-4}
    progress.validated = {"pairs": Validated(400, {"psnr": 30.25, "ssim": 0.5}, {"psnr": (31.5, 300)})}
    progress.signals = Measured(400, {"niqe": float("nan"), "grid": 1.5})
    progress.alarms = {"grid": "SR images have a grid: 4.0 times the power beside it. Try a smaller loss_weight"}
    return progress


def test_all_that_is_known_is_shown() -> None:
    said = panel(full(), 2.0, 100).plain
    assert said.startswith("run: training   log: experiments/run/train.log\n")
    assert "500 of 2,000   25 %   0:02:30 left   10 it/s" in said, "1,500 iterations at ten a second"
    assert "alarm       grid: SR images have a grid: 4.0 times the power beside it\n" in said
    assert "losses      total 0.5   term_0 0" in said
    assert "rate        g 0.0001   d 0.0002" in said
    assert "validation  pairs @ 400:   psnr 30.25 (best 31.5 @ 300)   ssim 0.5" in said
    assert "signals     @ 400:   niqe nan   grid 1.5" in said


def test_slow_iterations_are_told_in_seconds() -> None:
    progress = Progress(total=10, iteration=2)
    for number in range(3):
        progress.pace.at(8.0 * number, number)
    assert "2 of 10   20 %   0:01:04 left   8 s/it" in panel(progress, 16.0, 80).plain


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_group_takes_few_lines_and_no_number_is_broken(width: int) -> None:
    lines = panel(full(), 2.0, width).plain.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("losses"))
    losses = [lines[first], *[line for line in lines[first + 1 : first + LINES] if line.startswith(" " * LABEL)]]
    assert len(losses) == LINES
    assert losses[-1].endswith("..."), "the rest is in the log"
    words = " ".join(losses).removeprefix("losses").removesuffix("...").split()
    assert words[::2] == ["total", *[f"term_{number}" for number in range(len(words) // 2 - 1)]]
    assert max(len(line) for line in lines[2:]) <= width + len(" ...")


def test_the_bar_is_as_full_as_the_training_is_far_also_in_ascii() -> None:
    for done, filled in ((0, 0), (999, 14), (1000, 15), (2000, 30)):
        progress = Progress(total=2000, iteration=done)
        assert panel(progress, 0.0, 100).plain.splitlines()[1].count("\u2501") == filled
        said = panel(progress, 0.0, 100, ascii_only=True).plain
        assert said.isascii()
        assert said.count("#") == filled


def test_nothing_that_is_unknown_is_shown() -> None:
    assert panel(Progress(name="run", total=10, doing="setting up"), 0.0, 80).plain.splitlines()[0] == "run: setting up"
    assert len(panel(Progress(name="run", total=10), 0.0, 80).plain.splitlines()) == 2
