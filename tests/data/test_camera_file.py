"""The JSON of a camera: back to its last bit, and refused in one message where it is none."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usrda_plugin.data import Camera
from usrda_plugin.data.camera import Origin, kernel_of
from usrda_plugin.data.camera_file import LARGEST, CameraFileError

DELTA = np.pad(np.ones((1, 1), np.float32), 7)


def some_kernel(seed: int) -> np.ndarray:
    """A kernel whose weights have all their bits, sum 1."""
    return kernel_of(np.random.default_rng(seed).random(17) + 0.2)


@pytest.fixture
def fields() -> dict[str, Any]:
    """What a right file has."""
    camera: dict[str, Any] = json.loads(Camera(some_kernel(0), 0.0123, Origin(2, 40, 6)).as_json())
    return camera


def refused(file: Path, content: Any) -> str:
    """The one message about a file with this content."""
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(CameraFileError) as caught:
        Camera.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    assert message == f"{caught.value.message}; {caught.value.remedy}"
    return message.removeprefix(f"{file}: ")


# back to its last bit


@pytest.mark.parametrize("seed", range(20))
def test_a_camera_comes_back_bit_for_bit(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    camera = Camera(some_kernel(seed), float(rng.random() / 50), Origin(4, 256, 6))
    camera.save(tmp_path / "camera.json")
    found = Camera.load(tmp_path / "camera.json")
    assert found.kernel.dtype == np.float32
    assert found.kernel.shape == (15, 15)
    assert found.kernel.tobytes() == camera.kernel.tobytes()
    assert type(found.noise) is float
    assert np.float64(found.noise).tobytes() == np.float64(camera.noise).tobytes()
    assert found.origin == camera.origin
    again = tmp_path / "again.json"
    found.save(again)
    assert again.read_bytes() == (tmp_path / "camera.json").read_bytes()


def test_weights_of_any_size_come_back_bit_for_bit(tmp_path: Path) -> None:
    """Signs, powers and the last bits of all kinds, minus zero and numbers below the normal ones among them."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        kernel = (rng.standard_normal((15, 15)) * 10.0 ** rng.integers(-44, -3, (15, 15))).astype(np.float32)
        kernel[0, :2] = -0.0, np.float32(1e-45)
        kernel[7, 7] += np.float32(1 - kernel.sum(dtype=float))
        Camera(kernel, 0.0).save(tmp_path / "camera.json")
        assert Camera.load(tmp_path / "camera.json").kernel.tobytes() == kernel.tobytes()


def test_the_file_is_small_and_says_what_it_is_to_people_and_programs(fields: dict[str, Any]) -> None:
    camera = Camera(some_kernel(0), 0.0123, Origin(2, 40, 6))
    assert len(camera.as_json()) < 4096
    assert list(fields) == [
        *("format", "version", "about", "scale", "photographs", "source_photographs", "noise", "kernel")
    ]
    assert (fields["format"], fields["version"]) == ("usrda-camera", 1)
    assert fields["about"] == camera.describe()
    assert (fields["scale"], fields["photographs"], fields["source_photographs"]) == (2, 40, 6)
    assert fields["noise"] == 0.0123
    assert len(fields["kernel"]) == 15
    # one row a line, so that people see the kernel
    assert len([line for line in camera.as_json().splitlines() if line.startswith("    [")]) == 15


def test_a_file_written_by_hand_need_not_say_where_it_is_from(tmp_path: Path) -> None:
    kernel = np.zeros((15, 15), int)
    kernel[7, 7] = 1
    content = {"format": "usrda-camera", "version": 1, "noise": 0, "kernel": kernel.tolist()}
    (tmp_path / "camera.json").write_text(json.dumps(content))
    found = Camera.load(str(tmp_path / "camera.json"))
    np.testing.assert_array_equal(found.kernel, DELTA)
    assert found.origin == Origin()
    found.save(tmp_path / "camera.json")
    assert Camera.load(tmp_path / "camera.json").origin == Origin()


def test_what_is_told_to_people_is_not_read(fields: dict[str, Any], tmp_path: Path) -> None:
    fields["about"] = "noise 99 levels"
    (tmp_path / "camera.json").write_text(json.dumps(fields))
    assert Camera.load(tmp_path / "camera.json").noise == 0.0123


def test_a_camera_goes_to_worker_processes() -> None:
    camera = Camera(some_kernel(0), 0.01, Origin(2, 3, 4))
    found = pickle.loads(pickle.dumps(camera))
    assert np.array_equal(found.kernel, camera.kernel)
    assert found[1:] == camera[1:]


# what is refused


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("format", "other-camera", 'format: expected "usrda-camera", found "other-camera"'),
        ("version", 2, "version: expected 1, found 2; update usrda_plugin"),
        ("version", "1", 'version: expected 1, found "1"'),
        ("scale", 0, "scale: expected a whole number from 1 to 64, or null, found 0"),
        ("scale", 2.5, "scale: expected a whole number"),
        ("scale", True, "scale: expected a whole number from 1 to 64, or null, found true"),
        ("photographs", -1, "photographs: expected a whole number of 0 or more, or null, found -1"),
        ("noise", -0.1, "noise: expected a number from 0 to 1, found -0.1"),
        ("noise", 3.5, "noise: expected a number from 0 to 1, found 3.5"),
        ("noise", "0.1", 'noise: expected a number from 0 to 1, found "0.1"'),
        ("noise", float("nan"), "noise: expected a number from 0 to 1, found NaN"),
        ("noise", True, "noise: expected a number from 0 to 1, found true"),
        ("noise", None, "noise: expected a number from 0 to 1, found null"),
        ("about", 7, "about: expected text, found 7"),
        ("kernel", 1, "kernel: expected 15 rows of 15 numbers from -10 to 10, found 1"),
        ("kernel", [[1.0]], "kernel[0]: expected 15 rows of 15 numbers from -10 to 10, found a list of 1"),
        ("kernel", DELTA[:14].tolist(), "kernel: expected 15 rows of 15 numbers from -10 to 10, found a list of 14"),
        ("kernel", (DELTA * 0.99).tolist(), "kernel: expected the sum 1, so that brightness stays, found 0.99"),
        ("kernel", (DELTA * 11).tolist(), "kernel[7][7]: expected 15 rows of 15 numbers from -10 to 10, found 11"),
        ("kernle", 1, "kernle: expected one of format, version, about, scale"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named_with_what_was_expected_and_found(
    key: str, value: Any, told: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    assert refused(tmp_path / "camera.json", {**fields, key: value}).startswith(told)


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), "x", None, True, [1]])
def test_a_weight_that_is_no_number_is_named_by_its_place(spoilt: Any, fields: dict[str, Any], tmp_path: Path) -> None:
    fields["kernel"][3][4] = spoilt
    assert refused(tmp_path / "camera.json", fields).startswith("kernel[3][4]: expected 15 rows of 15 numbers")


@pytest.mark.parametrize("key", ["format", "version", "noise", "kernel"])
def test_a_field_that_is_missing_is_named(key: str, fields: dict[str, Any], tmp_path: Path) -> None:
    del fields[key]
    assert f"{key}: expected " in refused(tmp_path / "camera.json", fields)
    assert "found none" in refused(tmp_path / "camera.json", fields)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe\x00", b"\x89PNG\r\n\x1a\n", b'{"format": "usrda-camera", "vers', b"[" * 5000],
    ids=["empty", "brace", "text", "bytes", "picture", "cut off", "deep"],
)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    assert refused(tmp_path / "camera.json", content).startswith("expected JSON, found other content")


@pytest.mark.parametrize("content", [[], 1, "camera", None])
def test_json_that_is_no_object_is_refused(content: Any, tmp_path: Path) -> None:
    assert refused(tmp_path / "camera.json", content).startswith("expected a JSON object, found ")


def test_of_a_huge_file_no_more_is_read_than_a_camera_may_have(tmp_path: Path) -> None:
    file = tmp_path / "camera.json"
    with file.open("wb") as handle:
        handle.truncate(1 << 40)  # of which the disk has nothing
    with pytest.raises(CameraFileError, match="expected a camera of at most 64 kB, found a larger file"):
        Camera.load(file)
    with file.open("wb") as handle:
        handle.truncate(LARGEST + 1)
    with pytest.raises(CameraFileError, match="at most 64 kB"):
        Camera.load(file)


def test_no_file_and_no_regular_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json: expected a camera's file, found nothing of that name"):
        Camera.load(tmp_path / "none.json")
    with pytest.raises(CameraFileError, match="found a folder or a device"):
        Camera.load(tmp_path)
    os.mkfifo(tmp_path / "pipe.json")  # a reader would wait for a writer
    with pytest.raises(CameraFileError, match="found a folder or a device"):
        Camera.load(tmp_path / "pipe.json")


def test_a_camera_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "camera.json"
    Camera(DELTA, 0.0).save(file)
    before = file.read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"camera\.json: cannot be written"):
        Camera(DELTA, 0.1).save(file)
    assert [entry.name for entry in tmp_path.iterdir()] == ["camera.json"]
    assert file.read_bytes() == before
