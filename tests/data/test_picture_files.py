"""What a picture's file says beside its levels goes into its result's, as it holds for that; and how it is coded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.data.planted import smooth
from usrda_plugin.data.pictures import Metadata, Picture, left_out, read_picture, write_picture

SMALL, LARGE = smooth(20, 30), smooth(60, 40)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph_exif() -> Image.Exif:
    """As a camera set to Adobe RGB writes it, held on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "camera"
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    inside[ExifTags.Base.ColorSpace] = 0xFFFF
    inside[ExifTags.Base.ExifImageWidth], inside[ExifTags.Base.ExifImageHeight] = 30, 20
    inside[ExifTags.IFD.Interop] = {1: "R03"}
    return exif


@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".avif"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp"])
def test_exif_is_kept_upright_and_with_the_new_size(source: str, target: str, tmp_path: Path) -> None:
    Image.fromarray(SMALL).save(tmp_path / f"a{source}", exif=photograph_exif())
    picture = read_picture(tmp_path / f"a{source}")
    assert picture.colour.shape == (30, 20, 3)
    write_picture(tmp_path / f"b{target}", picture._replace(colour=LARGE))
    with Image.open(tmp_path / f"b{target}") as image:
        exif = image.getexif()
        inside = exif.get_ifd(ExifTags.IFD.Exif)
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert exif[ExifTags.Base.Make] == "camera"
        assert (inside[ExifTags.Base.ExifImageWidth], inside[ExifTags.Base.ExifImageHeight]) == (40, 60)
        assert inside[ExifTags.Base.ColorSpace] == 0xFFFF
        assert exif.get_ifd(ExifTags.IFD.Interop)[1] == "R03"
    assert read_picture(tmp_path / f"b{target}").colour.shape == LARGE.shape


def test_a_png_keeps_resolution_texts_and_gamma(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Author", "someone")
    info.add_itxt("Title", "名前")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    Image.fromarray(SMALL).save(tmp_path / "a.png", pnginfo=info, dpi=(300, 300))
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png")._replace(colour=LARGE))
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.text == {"Author": "someone", "Title": "名前"}
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".bmp"])
def test_resolution_goes_into_a_jpeg(source: str, tmp_path: Path) -> None:
    Image.fromarray(SMALL).save(tmp_path / f"a{source}", dpi=(300, 300))
    write_picture(tmp_path / "b.jpg", read_picture(tmp_path / f"a{source}"))
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["dpi"] == (300, 300)


def test_a_tiff_gives_its_description_and_its_profile_and_not_its_layout(tmp_path: Path) -> None:
    Image.fromarray(SMALL).save(tmp_path / "a.tif", description="a hill", icc_profile=SRGB)
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.tif"))
    with Image.open(tmp_path / "b.png") as image:
        assert dict(image.getexif()) == {ExifTags.Base.ImageDescription: "a hill"}
        assert image.info["icc_profile"] == SRGB


def test_a_webp_without_loss_stays_one_unless_a_quality_is_asked_for(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.webp", lossless=True, exact=True)
    picture = read_picture(tmp_path / "a.webp")
    assert picture.lossless
    write_picture(tmp_path / "b.webp", picture)
    again = read_picture(tmp_path / "b.webp")
    assert again.lossless
    assert np.array_equal(again.colour, noise[..., :3])
    write_picture(tmp_path / "c.webp", picture, quality=80)
    assert not read_picture(tmp_path / "c.webp").lossless


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_lower_quality_is_a_smaller_file(suffix: str, tmp_path: Path) -> None:
    noise = Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for name, quality in (("low", 30), ("usual", None), ("same", 95)):
        write_picture(tmp_path / f"{name}{suffix}", noise, quality=quality)
    low, usual, same = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("low", "usual", "same"))
    assert len(low) < len(usual)
    assert usual == same


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_frames_are_counted_and_the_first_is_read(kind: str, tmp_path: Path) -> None:
    first, others = Image.fromarray(SMALL), [Image.fromarray(255 - SMALL), Image.fromarray(SMALL // 2)]
    first.save(tmp_path / "a", kind, save_all=True, append_images=others)
    picture = read_picture(tmp_path / "a")
    assert picture.frames == 3
    assert np.abs(picture.colour.astype(int) - SMALL).mean() < 20
    first.save(tmp_path / "b", kind)
    assert read_picture(tmp_path / "b").frames == 1


@pytest.mark.parametrize(
    ("picture", "lost"),
    [
        (Picture(SMALL), {}),
        (Picture(SMALL, profile=SRGB), {}),
        (Picture(SMALL, metadata=Metadata(gamma=45455)), {}),
        (Picture(SMALL, metadata=Metadata(gamma=100_000, intent=0)), {}),
        (Picture(SMALL.astype(np.uint16)), {".jpg": "16 bits", ".webp": "16 bits"}),
        (Picture(SMALL, metadata=Metadata(gamma=100_000)), {".jpg": "gamma", ".webp": "gamma"}),
        (Picture(SMALL, metadata=Metadata(text=(("Title", "sea"),))), {".jpg": "texts", ".webp": "texts"}),
        (Picture(SMALL, metadata=Metadata(text=(("Comment", "sea"),))), {".webp": "texts"}),
        (Picture(SMALL[..., 0], profile=SRGB), {".png": "colour profile", ".jpg": "colour profile"}),
        (Picture(SMALL, profile=bytes(16) + b"CMYK" + bytes(108)), dict.fromkeys((".png", ".jpg", ".webp"), "profile")),
    ],
)
def test_what_a_format_does_not_hold_is_listed(picture: Picture, lost: dict[str, str]) -> None:
    for suffix in (".png", ".jpg", ".webp"):
        found = left_out(Path(f"a{suffix}"), picture)
        assert len(found) == (suffix in lost)
        assert lost.get(suffix, "") in "".join(found)
