"""What is read out of BasicSR's logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.made import HEAD, step
from usrda_plugin.reports.training_log import MOST_NAMES, MOST_WARNINGS, TrainingLog, read_logs


def read(folder: Path, *texts: str) -> TrainingLog:
    files = [folder / f"{number}.log" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return read_logs(files)


def test_curves_rates_validations_and_versions_of_a_run(run_folder: Path) -> None:
    log = read_logs(list(run_folder.glob("*.log")))
    assert log.losses["l_pix"][1:] == ((100, 200, 1300), (0.5, 0.25, 0.125))
    assert log.rates["lr 2"].y == (5e-5,) * 3
    assert log.validations["held_out: psnr"][1:] == ((200,), (27.5,))
    assert log.environment == {"BasicSR": "1.4.2", "PyTorch": "2.9"}
    assert log.images == {"Number of train images": "40"}
    assert (log.iterations, log.seconds, log.starts) == (1300, 151, 1)
    assert log.warnings == {"a <b>bold</b> warning": 2}
    assert log.speed.y == (0.25,) * 3


def test_what_a_resumed_run_repeats_counts_once_and_times_add_up(tmp_path: Path) -> None:
    first = step(100, 0, l=1.0) + step(200, 10, l=2.0) + step(300, 20, l=3.0)
    second = step(200, 40, l=20.0) + step(400, 45, l=40.0)
    log = read(tmp_path, first, second)
    assert log.losses["l"][1:] == ((100, 200, 400), (1, 20, 40))
    assert (log.seconds, log.starts) == (25, 2)


def test_values_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    text = step(1, 0, l=1.0) + step(2, 1, l=float("nan")) + step(3, 2, l=float("inf")) + step(4, 3, l=4.0)
    assert read(tmp_path, text).losses["l"].x == (1, 4)


@pytest.mark.parametrize(
    "text", ["", "\x00\xff", "2026-13-45 99:99:99,000 INFO: x\n", HEAD[:50], step(1, 0, l=1.0)[:60]]
)
def test_a_damaged_log_is_read_as_far_as_it_goes(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).iterations == 0


def test_a_log_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(step(1, 0, l=1.0).encode() + b"\xff\xfe\n" + step(2, 1, l=2.0).encode())
    assert read_logs([tmp_path / "a.log"]).losses["l"].x == (1, 2)


def test_a_log_of_endless_names_and_warnings_does_not_fill_the_page(tmp_path: Path) -> None:
    names = step(1, 0, **{f"l_{number}": 1.0 for number in range(MOST_NAMES + 50)})
    warnings = "".join(f"2026-01-02 10:00:00,000 WARNING: {number}\n" for number in range(MOST_WARNINGS + 50))
    log = read(tmp_path, names + warnings)
    assert len(log.losses) == MOST_NAMES
    assert len(log.warnings) == MOST_WARNINGS
