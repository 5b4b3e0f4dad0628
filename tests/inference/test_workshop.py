"""Many images at once: each comes out, a fault in a thread reaches the user, an interruption leaves no half file."""

from __future__ import annotations

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
    Report,
    Upscaler,
    Watcher,
    read_picture,
    upscale_files,
    upscale_picture,
    workshop,
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
    told: list[Any] = []
    watcher = Watcher(begin=lambda job: None, end=lambda job, pixels: told.append((job, pixels)))
    assert upscale_files(jobs, upscaler, watcher=watcher) == Report([], [])
    for number, job in enumerate(jobs):
        assert np.array_equal(read_picture(job.target).colour, doubled(image(number)))
    assert told == [(job, 12 * 16) for job in jobs]


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16384), (".jpg", 65502), (".jpeg", 65502)])
def test_a_result_too_large_for_its_format_is_told_before_it_is_computed(
    tmp_path: Path, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, suffix: str, side: int
) -> None:
    monkeypatch.setattr(workshop, "upscale_picture", lambda *arguments: pytest.fail("computed"))
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

    monkeypatch.setattr(workshop, place, broken)
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
    monkeypatch.setattr(workshop, "read_picture", lambda file: read.append(file) or read_picture(file))
    ahead = []

    def end(job: Job, pixels: int) -> None:
        done.append(job)
        ahead.append(len(read) - len(done))

    upscale_files(jobs, upscaler, watcher=Watcher(end=end))
    assert max(ahead) <= workshop.AHEAD + workshop.BEHIND + 1


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
