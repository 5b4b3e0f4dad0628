"""All combinations of format, model, bits and alpha that Pillow and tifffile write: read right, or refused by name.

Pillow and tifffile, or the levels that were written, are the second opinion.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
from basicsr.utils import imfrombytes
from PIL import Image

from tests.data.planted import chunk, saved, smooth
from usrda_plugin.data import ImageSource
from usrda_plugin.data.pictures import decode_colour, decode_picture

HIGH, WIDE = 20, 27  # neither is a multiple of 8, nor of a tile


class Case(NamedTuple):
    """A file, and the colour and alpha that it shows; ``colour`` None: it must be refused."""

    content: bytes
    colour: np.ndarray | None
    alpha: np.ndarray | None = None
    tolerance: int = 0


def levels(bits: int, channels: int) -> np.ndarray:
    """Levels (h, w, channels) that differ all over and use all bits."""
    rng = np.random.default_rng(bits * 10 + channels)
    return rng.integers(0, 2**bits, (HIGH, WIDE, channels)).astype(np.uint16 if bits > 8 else np.uint8)


def by_tifffile(samples: np.ndarray, **how: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, samples, **how)
    return buffer.getvalue()


def squeezed(colour: np.ndarray) -> np.ndarray:
    return colour[..., 0] if colour.shape[2] == 1 else colour


def plain_formula(inks: np.ndarray) -> np.ndarray:
    top = np.iinfo(inks.dtype).max
    paper = (top - inks) / top
    return np.round(paper[..., :3] * paper[..., 3:] * top).astype(inks.dtype)


def divided(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    top = np.iinfo(colour.dtype).max
    exact = colour * (top / np.maximum(alpha[..., None].astype(float), 1))
    return np.minimum(np.floor(exact + 0.5), top).astype(colour.dtype)


MODELS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4}
EXTRA = {"none": [], "straight": ["unassalpha"], "multiplied": ["assocalpha"], "unspecified": ["unspecified"]}
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 16)},
    "planar": {"planarconfig": "separate", "rowsperstrip": 7},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "deflate": {"compression": "zlib", "rowsperstrip": 7},
    "deflate and predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    "planar tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib", "predictor": True},
}


def tiff_case(model: str, bits: int, extra: str, layout: str) -> Case:
    """A TIFF that tifffile writes."""
    count = MODELS[model]
    samples = levels(bits, count + len(EXTRA[extra]))
    colour, alpha = samples[..., :count], samples[..., -1]
    if extra == "multiplied":  # a colour is never above its alpha
        colour = np.minimum(colour, alpha[..., None])
        samples = np.dstack([colour, alpha])
    how = LAYOUTS[layout]
    stored = samples if samples.shape[2] > 1 else samples[..., 0]
    if how.get("planarconfig") == "separate" and stored.ndim == 3:
        stored = np.ascontiguousarray(stored.transpose(2, 0, 1))
    elif stored.ndim == 2:
        how = {key: value for key, value in how.items() if key != "planarconfig"}
    content = by_tifffile(stored, photometric=model, extrasamples=EXTRA[extra] or None, metadata=None, **how)
    if model == "miniswhite":
        colour = np.iinfo(samples.dtype).max - colour
    if model == "separated":
        if extra == "multiplied":
            return Case(content, None)
        return Case(content, plain_formula(colour), alpha if extra == "straight" else None)
    if extra == "multiplied":
        colour = divided(colour, alpha)
    return Case(content, squeezed(colour), alpha if extra in ("straight", "multiplied") else None)


TIFFS = list(product(MODELS, (8, 16), EXTRA, LAYOUTS))


def check(case: Case, name: str = "image.bin") -> None:
    """Compare what the readers of ``usrda upscale``, of data sets and of BasicSR give."""
    if case.colour is None:
        for read in (decode_picture, decode_colour):
            with pytest.raises(ValueError, match=rf"^{name}: expected .*; "):
                read(case.content, name)
        with pytest.raises(ValueError, match=r"expected .*; "):
            imfrombytes(case.content)
        return
    picture = decode_picture(case.content, name)
    assert_near(picture.colour, case.colour, case.tolerance)
    assert (picture.alpha is None) == (case.alpha is None)
    if case.alpha is not None:
        assert_near(picture.alpha, case.alpha, case.tolerance)
    three = np.dstack([case.colour] * 3) if case.colour.ndim == 2 else case.colour
    assert_near(decode_colour(case.content, name), three, case.tolerance)
    in_8_bits = three if three.dtype == np.uint8 else np.round(three / 257).astype(np.uint8)
    assert_near(imfrombytes(case.content), in_8_bits[..., ::-1], case.tolerance)


def assert_near(found: Any, expected: np.ndarray, tolerance: int) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("extra", EXTRA)
def test_a_tiff_of_tifffile_is_read_as_it_was_written(layout: str, extra: str) -> None:
    for model, bits in product(MODELS, (8, 16)):
        check(tiff_case(model, bits, extra, layout))


@pytest.mark.parametrize("packing", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_tiff_of_pillow_is_read_as_pillow_reads_it(mode: str, packing: str | None) -> None:
    if mode == "I;16":
        image = Image.fromarray(levels(16, 1)[..., 0])
    else:
        colour = Image.fromarray(np.dstack([smooth(HIGH, WIDE), levels(8, 1)]))
        image = colour.convert("RGB").quantize(32) if mode == "P" else colour.convert(mode)
    seen = image.convert({"P": "RGB", "1": "L"}.get(mode, mode))
    found = np.asarray(seen)
    colour_ = plain_formula(found) if mode == "CMYK" else found
    alpha = found[..., -1] if mode in ("LA", "RGBA") else None
    if alpha is not None:
        colour_ = found[..., 0] if mode == "LA" else found[..., :3]
    check(Case(saved(image, "TIFF", compression=packing), colour_, alpha))


@pytest.mark.parametrize(
    ("samples", "how"),
    [
        (np.zeros((HIGH, WIDE), np.float16), {}),
        (np.zeros((HIGH, WIDE, 3), np.float32), {"photometric": "rgb"}),
        (np.zeros((HIGH, WIDE), np.int16), {}),
        (np.zeros((HIGH, WIDE), np.uint32), {}),
        (np.zeros((HIGH, WIDE), np.complex64), {}),
        (np.zeros((HIGH, WIDE, 3), np.uint8), {"photometric": "cielab"}),
        (np.zeros((HIGH, WIDE, 3), np.uint8), {"photometric": "ycbcr"}),
        (np.zeros((HIGH, WIDE), np.uint16), {"photometric": "cfa"}),
    ],
)
def test_what_programs_do_not_agree_on_is_refused(samples: np.ndarray, how: dict[str, Any]) -> None:
    check(Case(by_tifffile(samples, **how), None))


def png(model: int, depth: int, samples: np.ndarray, key: bytes = b"") -> bytes:
    """A PNG of 8 or 16 bits, by its standard."""
    rows = samples.astype(">u2" if depth == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", WIDE, HIGH, depth, model, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *([chunk(b"tRNS", key)] if key else []), chunk(b"IDAT", zlib.compress(raw))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("model", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_is_read_with_its_bits_and_its_alpha(model: int, channels: int, depth: int) -> None:
    samples = levels(depth, channels)
    alpha = samples[..., -1] if model in (4, 6) else None
    colour = squeezed(samples[..., : channels - (alpha is not None)])
    check(Case(png(model, depth, samples), colour, alpha))
    if alpha is None:
        key = samples[3, 5].astype(">u2").tobytes()
        is_key = (samples == samples[3, 5]).all(axis=2)
        shown = np.where(is_key, 0, 2**depth - 1).astype(samples.dtype)
        check(Case(png(model, depth, samples, key), colour, shown))


def test_a_bilevel_png_and_a_palette_keep_their_transparent_colour() -> None:
    bilevel = Image.fromarray(smooth(HIGH, WIDE)).convert("1")
    shown = np.asarray(bilevel).astype(np.uint8) * 255
    check(Case(saved(bilevel, "PNG", transparency=1), shown, 255 - shown))
    palette = Image.fromarray(smooth(HIGH, WIDE)).quantize(16)
    for transparency in (3, bytes(range(0, 160, 10))):
        content = saved(palette, "PNG", transparency=transparency)
        with Image.open(BytesIO(content)) as image:
            seen = np.asarray(image.convert("RGBA"))
        check(Case(content, seen[..., :3], seen[..., 3]))


OTHERS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "gray JPEG": ("JPEG", "L", {"quality": 100}, 2),
    "colour JPEG": ("JPEG", "RGB", {"quality": 100, "subsampling": 0}, 6),
    "RGB JPEG": ("JPEG", "RGB", {"quality": 100, "keep_rgb": True}, 6),
    "CMYK JPEG": ("JPEG", "CMYK", {"quality": 100}, 6),
    "progressive JPEG": ("JPEG", "RGB", {"quality": 100, "subsampling": 0, "progressive": True}, 6),
    "JPEG with restarts": ("JPEG", "RGB", {"quality": 100, "subsampling": 0, "restart_marker_blocks": 1}, 6),
    "WebP": ("WEBP", "RGB", {"lossless": True}, 0),
    "WebP with alpha": ("WEBP", "RGBA", {"lossless": True, "exact": True}, 0),
    "AVIF": ("AVIF", "RGB", {"quality": 100, "subsampling": "4:4:4"}, 6),
    "AVIF with alpha": ("AVIF", "RGBA", {"quality": 100, "subsampling": "4:4:4"}, 8),
    "gray JPEG 2000": ("JPEG2000", "L", {}, 0),
    "JPEG 2000": ("JPEG2000", "RGB", {}, 0),
    "JPEG 2000 with alpha": ("JPEG2000", "RGBA", {}, 0),
    "gray JPEG 2000 of 16 bits": ("JPEG2000", "I;16", {}, 0),
    "bilevel BMP": ("BMP", "1", {}, 0),
    "gray BMP": ("BMP", "L", {}, 0),
    "BMP": ("BMP", "RGB", {}, 0),
    "BMP with alpha": ("BMP", "RGBA", {}, 0),
    "gray GIF": ("GIF", "L", {}, 0),
    "palette GIF": ("GIF", "P", {}, 0),
    "PBM": ("PPM", "1", {}, 0),
    "PGM": ("PPM", "L", {}, 0),
    "PGM of 16 bits": ("PPM", "I;16", {}, 0),
    "PPM": ("PPM", "RGB", {}, 0),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_read_as_pillow_wrote_them(name: str) -> None:
    kind, mode, how, tolerance = OTHERS[name]
    if mode == "I;16":
        image = Image.fromarray(levels(16, 1)[..., 0])
    else:
        alpha = np.tile(np.linspace(0, 255, WIDE).astype(np.uint8), (HIGH, 1))
        whole = Image.fromarray(np.dstack([smooth(HIGH, WIDE), alpha]))
        image = whole.convert("RGB").quantize(64) if mode == "P" else whole.convert(mode)
    content = saved(image, kind, **how)
    seen = np.asarray(image.convert({"P": "RGB", "1": "L", "CMYK": "RGB"}.get(mode, mode)))
    if name == "BMP with alpha":  # Pillow writes it without saying that there is alpha
        with Image.open(BytesIO(content)) as again:
            seen = np.asarray(again)
    if seen.ndim == 3 and seen.shape[2] == 4:
        check(Case(content, seen[..., :3], seen[..., 3], tolerance))
    elif name == "gray GIF":
        check(Case(content, np.dstack([seen] * 3), None, tolerance))  # its palette may be gray, which is no model
    else:
        check(Case(content, seen, None, tolerance))


def cut_and_filled(content: bytes, filler: Callable[[int], bytes], end: bytes = b"") -> bytes:
    kept = len(content) * 6 // 10
    return content[:kept] + filler(len(content) - kept) + end


def without_middle(content: bytes) -> bytes:
    return content[: len(content) * 6 // 10] + content[len(content) * 8 // 10 :]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))
PHOTOGRAPH = Image.fromarray(smooth(120, 160) // 2 + np.asarray(NOISE) // 8)
JPEG = {"quality": 90}
TAILS: dict[str, bytes] = {
    "zeros": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), bytes),
    "zeros and an end": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), bytes, b"\xff\xd9"),
    "an end alone": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: b"", b"\xff\xd9"),
    "ones": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: b"\xff" * size),
    "another constant": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: b"\xaa" * size),
    "another constant and an end": cut_and_filled(
        saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: b"\xaa" * size, b"\xff\xd9"
    ),
    "another JPEG": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: saved(NOISE, "JPEG")),
    "text": cut_and_filled(saved(PHOTOGRAPH, "JPEG", **JPEG), lambda size: (b"text " * size)[:size]),
    **{
        f"no middle in a {mode} JPEG, {how}": without_middle(saved(PHOTOGRAPH.convert(mode), "JPEG", **how))
        for mode in ("L", "RGB", "CMYK")
        for how in ({}, {"progressive": True}, {"restart_marker_rows": 1})
    },
    **{
        f"zeros and an end in a {mode} JPEG": cut_and_filled(
            saved(PHOTOGRAPH.convert(mode), "JPEG"), bytes, b"\xff\xd9"
        )
        for mode in ("L", "CMYK")
    },
    "no middle in a PNG": without_middle(saved(PHOTOGRAPH, "PNG")),
    "another PNG in a PNG": cut_and_filled(saved(PHOTOGRAPH, "PNG"), lambda size: saved(NOISE, "PNG")),
    "zeros in a progressive JPEG": cut_and_filled(saved(PHOTOGRAPH, "JPEG", progressive=True), bytes),
    "zeros between restarts": cut_and_filled(saved(PHOTOGRAPH, "JPEG", restart_marker_rows=1), bytes),
    "zeros in a PNG": cut_and_filled(saved(PHOTOGRAPH, "PNG"), bytes),
    "zeros in a WebP": cut_and_filled(saved(PHOTOGRAPH, "WEBP"), bytes),
    "zeros in a lossless WebP": cut_and_filled(saved(PHOTOGRAPH, "WEBP", lossless=True), bytes),
    "zeros in an AVIF": cut_and_filled(saved(PHOTOGRAPH, "AVIF"), bytes),
    "zeros in a GIF": cut_and_filled(saved(PHOTOGRAPH, "GIF"), bytes),
    "zeros in a TIFF of tifffile": cut_and_filled(by_tifffile(np.asarray(PHOTOGRAPH), compression="zlib"), bytes),
    "zeros in a JPEG 2000": cut_and_filled(saved(PHOTOGRAPH, "JPEG2000"), bytes),
    **{
        f"zeros in a TIFF of {packing}": cut_and_filled(saved(PHOTOGRAPH, "TIFF", compression=packing), bytes)
        for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")
    },
}


@pytest.mark.parametrize("kind", TAILS)
def test_a_file_whose_rest_is_something_else_is_refused_by_all_readers(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"^image: expected an image, found .*(cut off|damaged)"):
        decode_picture(TAILS[kind], "image")
    (tmp_path / "image.png").write_bytes(TAILS[kind])
    with pytest.raises(ValueError, match=r"image\.png: expected an image, found"):
        ImageSource.open(tmp_path).read(0)
    with pytest.raises(ValueError, match="expected an image, found"):
        imfrombytes(TAILS[kind])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("colour", [0, 128, 255])
@pytest.mark.parametrize("how", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_flat_jpeg_is_not_taken_for_one_that_is_cut_off(colour: int, how: dict[str, Any]) -> None:
    for mode in ("L", "RGB"):
        content = saved(Image.new(mode, (400, 300), (colour,) * len(mode) if mode == "RGB" else colour), "JPEG", **how)
        assert set(decode_colour(content, "image").flat) == {colour}


FOREIGN = {
    "an empty file": b"",
    "text": b"this is no image\n",
    "zeros": bytes(3000),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256)) * 4,
    "TGA": saved(Image.fromarray(smooth(9, 9)), "TGA"),
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "Photoshop": b"8BPS\0\1" + bytes(range(200)),
    "OpenEXR": b"\x76\x2f\x31\x01\2\0\0\0" + bytes(range(200)),
    "JPEG XL": b"\xff\x0a\xfa\x7f" + bytes(range(200)),
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "AppleDouble": b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100),
    "ICO": saved(Image.fromarray(smooth(16, 16)), "ICO"),
    "PCX": saved(Image.fromarray(smooth(16, 16)), "PCX"),
    "archive": b"PK\3\4" + bytes(range(100)),
    "unknown format": bytes(range(128, 256)) * 4,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_picture_is_told_by_its_content(what: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=rf"^here/a\.png: expected an image.*, found .*{what}.*; "):
        decode_picture(FOREIGN[what], "here/a.png")
    assert capfd.readouterr() == ("", "")
