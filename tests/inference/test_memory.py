"""How much memory there is, within the limit of a container."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usrda_plugin.inference import memory

VERSIONS = [
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
]


def group(root: Path, version: tuple[str, str, str, str], limit: str, stat: str | None) -> None:
    folder = root / version[0]
    folder.mkdir(exist_ok=True)
    (folder / version[1]).write_text(f"{limit}\n")
    (folder / version[2]).write_text("700\n")
    if stat is not None:
        (folder / "memory.stat").write_text(stat)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_in_the_cache_do_not_count_as_used(tmp_path: Path, version: tuple[str, str, str, str]) -> None:
    group(tmp_path, version, "1000", f"anon 100\nfile 600\n{version[3]} 500\nactive_file 100\n")
    assert memory._free_of_limit(tmp_path) == 1000 - (700 - 500)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stat", [None, "", "anon 100\n", "no figures at all\n"])
def test_without_figures_of_the_cache_all_counts(
    tmp_path: Path, version: tuple[str, str, str, str], stat: str | None
) -> None:
    group(tmp_path, version, "1000", stat)
    assert memory._free_of_limit(tmp_path) == 300


def test_more_used_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    group(tmp_path, VERSIONS[0], "600", None)
    assert memory._free_of_limit(tmp_path) == 0


def test_without_a_limit_there_is_more_than_any_ram(tmp_path: Path) -> None:
    assert memory._free_of_limit(tmp_path) == sys.maxsize
    group(tmp_path, VERSIONS[0], "max", "inactive_file 500\n")
    assert memory._free_of_limit(tmp_path) == sys.maxsize


def test_a_limit_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory._free_of_process() == sys.maxsize
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (used + 2**40, resource.RLIM_INFINITY))
    assert 0 < memory._free_of_process() < 2**40 + 2**30


def test_memory_that_is_kept_for_the_next_image_is_free() -> None:
    blocks = [bytes(2**16) for _ in range(1000)]
    last = bytes(2**16)
    before = memory._kept()
    del blocks
    assert memory._kept() > before + 900 * 2**16
    del last


def test_an_error_of_opencv_may_be_one_of_memory() -> None:
    with pytest.raises(cv2.error) as caught:
        cv2.resize(np.zeros((8, 8), np.uint8), (0, 0))
    assert not memory.is_out_of_memory(caught.value)
    caught.value.code = cv2.Error.StsNoMem
    assert memory.is_out_of_memory(caught.value)
