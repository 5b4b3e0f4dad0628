"""``usrda upscale`` on unusual and damaged files: read as what they show, or named; the search for them ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.planted import DAMAGED, UNUSUAL, alpha_of, saved, smooth
from usrda_plugin.inference import Naming, list_images, plan_jobs, read_picture


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_file_is_read_as_what_it_shows(kind: str, tmp_path: Path) -> None:
    content, expected = UNUSUAL[kind][0](smooth(32, 48))
    (tmp_path / "image.png").write_bytes(content)
    colour, alpha, *_ = read_picture(tmp_path / "image.png")
    colour = np.dstack([colour] * 3) if colour.ndim == 2 else colour
    assert colour.dtype == expected.dtype
    assert np.abs(colour.astype(int) - expected).max() <= UNUSUAL[kind][1]
    if kind.startswith("alpha"):
        assert alpha is not None
        np.testing.assert_array_equal(alpha, alpha_of(expected))


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_named(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    file.write_bytes(DAMAGED[kind][0])
    with pytest.raises(ValueError, match=r"image\.png"):
        read_picture(file)


def test_a_pattern_that_would_go_round_in_links_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "image.png").write_bytes(saved_image())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "image.png").write_bytes(saved_image())
    (tmp_path / "photos" / "beside").symlink_to(tmp_path / "elsewhere")
    assert len(list_images([f"{tmp_path}/photos/**/*.png"]).images) == 3
    (tmp_path / "photos" / "one" / "across").symlink_to("../two")
    (tmp_path / "photos" / "two" / "across").symlink_to("../one")
    with pytest.raises(ValueError, match=r"across: .* a link to a folder above it; remove the link"):
        list_images([f"{tmp_path}/photos/**/*.png"])
    assert len(list_images([f"{tmp_path}/photos/*/*.png"]).images) == 3
    assert len(list_images([f"{tmp_path}/photos/one"]).images) == 1


@pytest.mark.parametrize("target", ["loop.png", "nowhere.png"])
def test_a_link_that_leads_nowhere_fails_for_itself_alone(target: str, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(saved_image())
    (tmp_path / "loop.png").symlink_to(target)
    jobs = plan_jobs(list_images([str(tmp_path)]).images, tmp_path / "out", Naming()).jobs
    assert [job.source.name for job in jobs] == ["image.png", "loop.png"]
    assert read_picture(jobs[0].source).colour.shape == (8, 8, 3)
    with pytest.raises(OSError, match=r"loop\.png"):
        read_picture(jobs[1].source)


def saved_image() -> bytes:
    """A small whole file."""
    return saved(Image.fromarray(smooth(8, 8)), "PNG")
