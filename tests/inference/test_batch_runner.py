"""Many images at once: each comes out, a fault in a thread reaches the user, an interruption leaves no half file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.inference import (
    Job,
    Picture,
    ProgressCallbacks,
    Report,
    Upscaler,
    batch_runner,
    memory,
    read_picture,
    upscale_files,
    upscale_picture,
    write_picture,
)


class Doubler(nn.Module):
    """Nearest-neighbour enlargement, so that what comes out is known."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest")


@pytest.fixture
def upscaler() -> Upscaler:
    return Upscaler(Doubler(), device="cpu")


def image(number: int) -> np.ndarray:
    return np.full((6, 8, 3), number, np.uint8)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    for number in range(8):
        write_picture(tmp_path / f"{number}.png", Picture(image(number)))
    return [Job(tmp_path / f"{number}.png", tmp_path / "out" / f"{number}.png") for number in range(8)]


def doubled(levels: np.ndarray) -> np.ndarray:
    return levels.repeat(2, 0).repeat(2, 1)


def test_every_image_comes_out_under_its_own_name(jobs: list[Job], upscaler: Upscaler) -> None:
    ended: list[Any] = []
    callbacks = ProgressCallbacks(begin=lambda job: None, end=lambda job, pixels: ended.append((job, pixels)))
    assert upscale_files(jobs, upscaler, callbacks=callbacks) == Report([], [])
    for number, job in enumerate(jobs):
        assert np.array_equal(read_picture(job.target).colour, doubled(image(number)))
    assert ended == [(job, 12 * 16) for job in jobs]


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16384), (".jpg", 65502), (".jpeg", 65502)])
def test_a_result_too_large_for_its_format_is_told_before_it_is_computed(
    tmp_path: Path, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, suffix: str, side: int
) -> None:
    monkeypatch.setattr(batch_runner, "upscale_picture", lambda *arguments: pytest.fail("computed"))
    write_picture(tmp_path / "wide.png", Picture(np.zeros((1, side // 2), np.uint8)))
    job = Job(tmp_path / "wide.png", tmp_path / f"wide{suffix}")
    (failure,) = upscale_files([job], upscaler).failures
    assert f"found {side}x2; write it with --ext png" in str(failure)


def test_the_largest_of_a_format_is_written(tmp_path: Path, upscaler: Upscaler) -> None:
    write_picture(tmp_path / "wide.png", Picture(np.zeros((1, 16382 // 2), np.uint8)))
    write_picture(tmp_path / "wider.png", Picture(np.zeros((1, 65500 // 2), np.uint8)))
    pairs = (("wide", ".webp"), ("wider", ".jpg"), ("wider", ".png"))
    jobs = [Job(tmp_path / f"{name}.png", tmp_path / "out" / f"{name}{suffix}") for name, suffix in pairs]
    assert upscale_files(jobs, upscaler) == Report([], [])


def test_a_damaged_image_among_many_is_named_and_the_others_are_done(jobs: list[Job], upscaler: Upscaler) -> None:
    jobs[2].source.write_bytes(b"no image")
    jobs[5].source.unlink()
    jobs[6].target.mkdir(parents=True)  # so that it cannot be written
    failures = upscale_files(jobs, upscaler).failures
    assert [failure.job for failure in failures] == [jobs[2], jobs[5], jobs[6]]
    assert str(failures[0]).startswith(f"{jobs[2].source}: expected an image")
    assert all(str(jobs[number].source) in str(failures[index]) for index, number in enumerate((2, 5, 6)))
    assert sorted(path.stem for path in jobs[0].target.parent.iterdir()) == list("013467")


def test_no_memory_for_an_image_is_its_failure_alone(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upscaler.levels

    def scarce(levels: np.ndarray, progress: Any = None) -> np.ndarray:
        if levels[0, 0, 0] == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return run(levels, progress)

    monkeypatch.setattr(upscaler, "levels", scarce)
    failures = upscale_files(jobs, upscaler).failures
    assert [failure.job for failure in failures] == [jobs[3]]
    assert "memory does not suffice" in failures[0].reason
    assert not jobs[3].target.exists()


@pytest.mark.parametrize("place", ["read_picture", "write_picture"])
def test_what_only_we_can_mend_is_not_hidden(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def broken(*arguments: object, **how: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(batch_runner, place, broken)
    with pytest.raises(ZeroDivisionError):
        upscale_files(jobs, upscaler)


def test_an_interruption_leaves_whole_files_only(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upscaler.levels

    def interrupted(levels: np.ndarray, progress: Any = None) -> np.ndarray:
        if levels[0, 0, 0] == 3:
            raise KeyboardInterrupt
        return run(levels, progress)

    monkeypatch.setattr(upscaler, "levels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upscale_files(jobs, upscaler)
    written = sorted(jobs[0].target.parent.iterdir())
    assert [path.name for path in written] in (["0.png", "1.png"], ["0.png", "1.png", "2.png"])
    for number, path in enumerate(written):
        assert np.array_equal(read_picture(path).colour, doubled(image(number)))


def test_few_images_are_in_memory_at_a_time(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, done = [], []
    monkeypatch.setattr(batch_runner, "read_picture", lambda file: read.append(file) or read_picture(file))
    ahead = []

    def end(job: Job, pixels: int) -> None:
        done.append(job)
        ahead.append(len(read) - len(done))

    upscale_files(jobs, upscaler, callbacks=ProgressCallbacks(end=end))
    assert max(ahead) <= batch_runner.AHEAD + batch_runner.BEHIND + 1


@pytest.mark.parametrize("alpha_by", ["network", "bicubic"])
def test_alpha_is_enlarged_with_the_colours(upscaler: Upscaler, alpha_by: Any) -> None:
    alpha = np.repeat(np.arange(0, 160, 20, dtype=np.uint8)[None], 6, 0)
    result = upscale_picture(upscaler, Picture(image(7), alpha, b"profile"), alpha_by)
    assert np.array_equal(result.colour, doubled(image(7)))
    assert result.profile == b"profile"
    assert result.alpha is not None
    assert result.alpha.shape == (12, 16)
    assert np.array_equal(result.alpha, doubled(alpha)) == (alpha_by == "network")


def test_alpha_that_is_the_same_all_over_stays_so_exactly(upscaler: Upscaler) -> None:
    result = upscale_picture(upscaler, Picture(image(7), np.full((6, 8), 255, np.uint8)))
    assert result.alpha is not None
    assert set(result.alpha.flat) == {255}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_ends_the_work_and_what_is_not_begun_is_counted(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(file: Path, picture: Picture, **how: object) -> None:
        if file.stem >= "2":
            raise OSError(number, os.strerror(number), "draft")
        write_picture(file, picture)

    monkeypatch.setattr(batch_runner, "write_picture", full)
    failures, not_begun = upscale_files(jobs, upscaler)
    assert failures[0].job == jobs[2]
    assert f"{jobs[2].source}: its result cannot be written to {jobs[2].target} ({os.strerror(number)})" in str(
        failures[0]
    )
    assert len(failures) <= 1 + batch_runner.BEHIND + 1
    assert list(not_begun) == jobs[2 + len(failures) :]


def test_without_memory_for_the_result_nothing_is_computed_and_its_need_is_said(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = batch_runner.COPIES * 12 * 16 * 3
    for free in (need, need - 1):
        monkeypatch.setattr(memory, "_free_ram", lambda *beside, free=free: free)
        monkeypatch.setattr(memory, "_kept", lambda: 0)
        report = upscale_files(jobs[:1], upscaler)
        assert len(report.failures) == (free < need)
    monkeypatch.setattr(batch_runner, "upscale_picture", lambda *arguments: pytest.fail("computed"))
    (failure,) = upscale_files(jobs[:1], upscaler).failures
    assert "of memory for its result of 16x12 pixels, found 0.0 GiB free; cut the image into parts" in failure.reason
    assert "--overlap" not in failure.reason


def test_an_image_is_read_again_where_memory_did_not_suffice_beside_others(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def scarce(file: Path) -> Picture:
        tried.append(file)
        if tried.count(file) == 1 or file == jobs[4].source:
            raise MemoryError
        return read_picture(file)

    monkeypatch.setattr(batch_runner, "read_picture", scarce)
    (failure,) = upscale_files(jobs, upscaler).failures
    assert failure.job == jobs[4]
    assert "for the image of 8x6 pixels" in failure.reason


def test_no_memory_for_writing_says_so(jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*arguments: object, **how: object) -> None:
        raise MemoryError

    monkeypatch.setattr(batch_runner, "write_picture", scarce)
    (failure,) = upscale_files(jobs[:1], upscaler).failures
    assert "to write its result of 16x12 pixels" in failure.reason


def test_alpha_in_a_jpeg_is_refused_before_it_is_computed_and_opaque_alpha_is_dropped(
    tmp_path: Path, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, least in (("clear", 0), ("opaque", 255)):
        write_picture(
            tmp_path / f"{name}.png", Picture(image(9), np.linspace(least, 255, 48).astype(np.uint8).reshape(6, 8))
        )
    jobs = [Job(tmp_path / f"{name}.png", tmp_path / f"{name}.jpg") for name in ("opaque", "clear")]
    assert upscale_files(jobs[:1], upscaler) == Report([], [])
    monkeypatch.setattr(batch_runner, "upscale_picture", lambda *arguments: pytest.fail("computed"))
    (failure,) = upscale_files(jobs[1:], upscaler).failures
    assert "expected an opaque image for a JPEG, found alpha; write it as .png or .webp" in failure.reason


def test_an_image_of_several_frames_is_told(
    jobs: list[Job], upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_runner, "read_picture", lambda file: read_picture(file)._replace(frames=int(file.stem)))
    noted: list[tuple[str, str]] = []
    upscale_files(
        jobs[:4], upscaler, callbacks=ProgressCallbacks(note=lambda job, text: noted.append((job.source.name, text)))
    )
    assert noted == [(f"{n}.png", f"it has {n} frames or pages, of which the first is upscaled") for n in (2, 3)]


def test_what_a_result_is_without_is_noted(
    jobs: list[Job], upscaler: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = bytes(16) + b"CMYK" + bytes(108)
    monkeypatch.setattr(batch_runner, "read_picture", lambda file: read_picture(file)._replace(profile=profile))
    noted: list[str] = []
    upscale_files(jobs[:1], upscaler, callbacks=ProgressCallbacks(note=lambda job, text: noted.append(text)))
    assert noted == ["its result is without its colour profile, which does not fit its channels"]


def test_quality_reaches_the_file(jobs: list[Job], upscaler: Upscaler, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    write_picture(tmp_path / "noise.png", Picture(noise))
    for name, quality in (("low", 10), ("usual", None), ("high", 100)):
        job = Job(tmp_path / "noise.png", tmp_path / f"{name}.jpg")
        assert upscale_files([job], upscaler, quality=quality) == Report([], [])
    sizes = [(tmp_path / f"{name}.jpg").stat().st_size for name in ("low", "usual", "high")]
    assert sizes[0] < sizes[1] < sizes[2]


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 251 + ".png")
    write_picture(file, Picture(image(1)))
    assert list(tmp_path.iterdir()) == [file]
