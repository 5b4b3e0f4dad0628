"""What an image file carries is read, and comes out again: bits, gray, alpha, upright, colour profile."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from usrda_plugin.data.pictures import Picture, read_picture, write_picture

COLOUR = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (12, 20, 3), dtype=np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_images_are_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"image{suffix}"
    Image.fromarray(COLOUR).save(file, exif=exif)
    # heeds the tag, but drops alpha and makes colour of gray
    upright = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    assert np.array_equal(read_picture(file).colour, upright[..., ::-1])


@pytest.mark.parametrize(
    "picture",
    [
        Picture(COLOUR),
        Picture(COLOUR[..., 0]),
        Picture(DEEP),
        Picture(DEEP[..., 0]),
        Picture(COLOUR, COLOUR[..., 0]),
        Picture(DEEP, DEEP[..., 0]),
        Picture(COLOUR, None, PROFILE),
        Picture(COLOUR[:1, :1]),
    ],
)
def test_png_holds_all_of_it(tmp_path: Path, picture: Picture) -> None:
    file = tmp_path / "new folder" / "naïve 名.png"
    write_picture(file, picture)
    found = read_picture(file)
    assert np.array_equal(found.colour, picture.colour)
    assert found.colour.dtype == picture.colour.dtype
    assert (found.alpha is None) == (picture.alpha is None)
    assert picture.alpha is None or np.array_equal(found.alpha, picture.alpha)
    assert found.profile == picture.profile
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_palette_bilevel_and_gray_with_alpha_are_read(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "palette.png")
    Image.fromarray(COLOUR).convert("1").save(tmp_path / "bilevel.png")
    planes = [Image.fromarray(np.ascontiguousarray(COLOUR[..., number])) for number in (0, 1)]
    Image.merge("LA", planes).save(tmp_path / "gray_alpha.png")
    palette = np.asarray(Image.open(tmp_path / "palette.png").convert("RGB"))
    assert np.array_equal(read_picture(tmp_path / "palette.png").colour, palette)
    assert set(read_picture(tmp_path / "bilevel.png").colour.flat) == {0, 255}
    found = read_picture(tmp_path / "gray_alpha.png")
    assert found.alpha is not None
    assert np.array_equal(found.alpha, COLOUR[..., 1])


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_have_8_bits_and_the_profile(tmp_path: Path, suffix: str) -> None:
    smooth = cv2.resize(DEEP[:3, :3], (64, 64), interpolation=cv2.INTER_CUBIC)
    file = tmp_path / f"image{suffix}"
    write_picture(file, Picture(smooth, None, PROFILE))
    found = read_picture(file)
    assert found.colour.dtype == np.uint8
    assert np.abs(found.colour - smooth / 257).mean() < 3
    assert found.profile == PROFILE


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize("with_alpha", [True, False])
@pytest.mark.parametrize("space", [b"RGB ", b"GRAY", b"CMYK"])
def test_a_profile_goes_with_channels_of_its_own_colour_space_only(
    tmp_path: Path, suffix: str, gray: bool, with_alpha: bool, space: bytes
) -> None:
    if suffix == ".jpg" and with_alpha:
        pytest.skip("a JPEG has no alpha")
    file, profile = tmp_path / f"image{suffix}", PROFILE[:16] + space + PROFILE[20:]
    picture = Picture(COLOUR[..., 0] if gray else COLOUR, COLOUR[..., 1] if with_alpha else None, profile)
    write_picture(file, picture)
    with Image.open(file) as image:
        channels = {b"RGB ": ("RGB", "RGBA"), b"GRAY": ("L",), b"CMYK": ()}[space]
        assert image.info.get("icc_profile") == (profile if image.mode in channels else None)


def test_alpha_goes_into_webp_and_not_into_jpeg(tmp_path: Path) -> None:
    alpha = np.repeat(np.arange(20, dtype=np.uint8)[None], 12, 0)
    write_picture(tmp_path / "image.webp", Picture(COLOUR, alpha))
    found = read_picture(tmp_path / "image.webp").alpha
    assert found is not None
    assert np.array_equal(found, alpha)
    with pytest.raises(ValueError, match="expected no alpha for a JPEG"):
        write_picture(tmp_path / "image.jpg", Picture(COLOUR, alpha))
    with pytest.raises(ValueError, match=r"found \.bmp"):
        write_picture(tmp_path / "image.bmp", Picture(COLOUR))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.95])
def test_a_file_cut_short_is_told(tmp_path: Path, suffix: str, kept: float) -> None:
    file = tmp_path / f"image{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(ValueError, match="expected an image, found") as fault:
        read_picture(file)
    assert str(file) in str(fault.value)


def test_float_images_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.tif"), COLOUR.astype(np.float32))
    with pytest.raises(ValueError, match="expected 8 or 16 bits per channel, found 32 bit floating-point ones"):
        read_picture(tmp_path / "image.tif")


def test_a_result_takes_its_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, content: written.append(self) or write(self, content))
    write_picture(tmp_path / "image.png", Picture(COLOUR))
    assert written
    assert tmp_path / "image.png" not in written


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "image.png"
    write_picture(file, Picture(COLOUR))

    def interrupted(self: Path, content: bytes) -> int:
        with self.open("wb") as draft:
            draft.write(content[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    monkeypatch.setattr(Path, "replace", lambda self, other: pytest.fail("half a file took its place"))
    with pytest.raises(KeyboardInterrupt):
        write_picture(file, Picture(255 - COLOUR))
    assert np.array_equal(read_picture(file).colour, COLOUR)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]
