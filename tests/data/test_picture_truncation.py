"""Files that are whole though they look odd are read by all; those that only a library's words betray are refused."""

from __future__ import annotations

import multiprocessing
import os
import struct
import threading
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from basicsr.utils import imfrombytes
from PIL import Image, ImageOps

from tests.data.planted import ORIENTATION, chunk, saved, smooth
from usrda_plugin.data.pictures import UnreadableError, decode_colour, decode_picture, upright_size
from usrda_plugin.data.pictures.decoders import captured_stderr

LEVELS = smooth(48, 64)
PHOTOGRAPH = Image.fromarray(LEVELS)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("mode", "packing"), [("RGB", "jpeg"), ("L", "jpeg"), ("1", "group3"), ("1", "group4")])
def test_a_tiff_that_libtiff_unpacks_is_upright(mode: str, packing: str, orientation: int) -> None:
    content = saved(PHOTOGRAPH.convert(mode), "TIFF", compression=packing, exif=turned(orientation))
    with Image.open(BytesIO(content)) as image:
        seen = np.asarray(ImageOps.exif_transpose(image).convert("L" if mode == "1" else mode))
    assert np.array_equal(decode_picture(content, "image").colour, seen)
    assert upright_size(BytesIO(content), "image") == seen.shape[:2]


def test_a_jpeg_whose_last_pixel_is_middle_gray_is_whole_in_either_order_of_channels() -> None:
    levels = LEVELS.copy()
    levels[-16:, -16:] = 128
    content = saved(Image.fromarray(levels), "JPEG", quality=100, subsampling=0)
    found = decode_colour(content, "image")
    assert (found[-1, -1] == 128).all()
    assert np.array_equal(imfrombytes(content), found[..., ::-1])


@pytest.mark.parametrize("behind", [bytes(500), b"film" * 100, saved(PHOTOGRAPH, "PNG")])
def test_a_gif_may_have_more_behind_its_end(behind: bytes) -> None:
    for content in (saved(PHOTOGRAPH, "GIF"), saved(PHOTOGRAPH, "GIF", save_all=True, append_images=[PHOTOGRAPH])):
        assert np.array_equal(decode_colour(content + behind, "image"), decode_colour(content, "image"))


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "WEBP", "PNG", "JPEG"])
def test_zeros_may_follow_the_end(kind: str) -> None:
    content = saved(PHOTOGRAPH, kind)
    assert np.array_equal(decode_colour(content + bytes(500), "image"), decode_colour(content, "image"))


@pytest.mark.parametrize("exif", [bytes(300), b"II", b"II*\0" + bytes(300), bytes(range(256))])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_that_is_damaged_or_ends_in_zeros_is_no_reason_to_refuse_a_picture(kind: str, exif: bytes) -> None:
    content = saved(PHOTOGRAPH, kind, exif=b"Exif\0\0" + exif)
    assert decode_picture(content, "image").colour.shape == LEVELS.shape


@pytest.mark.parametrize("packed", [True, False])
def test_the_orientation_that_imagemagick_wrote_into_a_png_is_seen(packed: bool) -> None:
    block = b"Exif\0\0" + turned(6).tobytes().removeprefix(b"Exif\0\0")
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    body = b"Raw profile type exif\0" + (b"\0" + zlib.compress(text) if packed else text)
    plain = saved(PHOTOGRAPH, "PNG")
    picture = decode_picture(plain[:33] + chunk(b"zTXt" if packed else b"tEXt", body) + plain[33:], "image")
    assert np.array_equal(picture.colour, LEVELS.swapaxes(0, 1)[:, ::-1])
    assert picture.metadata.text == ()
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + (picture.metadata.exif or b""))
    assert exif[ORIENTATION] == 1


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_an_orientation_in_xmp_counts_only_together_with_that_of_exif(kind: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    alone = decode_picture(saved(PHOTOGRAPH, kind, xmp=xmp), "image")
    assert alone.colour.shape == LEVELS.shape
    assert b'"6"' in (alone.metadata.xmp or b"")
    assert alone.metadata.exif is None
    both = decode_picture(saved(PHOTOGRAPH, kind, xmp=xmp, exif=turned(6)), "image")
    assert both.colour.shape[:2] == LEVELS.shape[1::-1]
    assert b'"1"' in (both.metadata.xmp or b"")


def test_fax_whose_codes_make_no_sense_is_refused_without_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    content = saved(Image.fromarray(smooth(120, 160)).convert("1"), "TIFF", compression="group4")
    middle = len(content) // 2
    noise = np.random.default_rng(0).integers(0, 256, 80, np.uint8).tobytes()
    with pytest.raises(UnreadableError, match="damaged TIFF"):
        decode_picture(content[: middle - 40] + noise + content[middle + 40 :], "image")
    assert capfd.readouterr() == ("", "")


def test_a_tiff_whose_checksum_is_wrong_is_refused() -> None:
    content = bytearray(saved(PHOTOGRAPH, "TIFF", compression="tiff_adobe_deflate"))
    with Image.open(BytesIO(content)) as image:
        strip, size = image.tag_v2[273][0], image.tag_v2[279][0]
    content[strip + size - 1] ^= 1
    with pytest.raises(UnreadableError, match="damaged TIFF"):
        decode_picture(bytes(content), "image")


@pytest.mark.parametrize("less", [3, 40, 100])
def test_a_tiff_that_is_cut_off_within_its_tags_is_called_so(less: int) -> None:
    content = saved(PHOTOGRAPH, "TIFF", compression="tiff_lzw")
    start = struct.unpack_from("<I", content, 4)[0]
    content = content[: start + 2 + 12 * struct.unpack_from("<H", content, start)[0]]
    with pytest.raises(UnreadableError, match="a TIFF that is cut off"):
        decode_picture(content[:-less], "image")


def test_lines_of_other_threads_are_passed_on_while_those_of_libraries_are_heard(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with captured_stderr() as captured:
        os.write(2, b"libpng error: bad\n")
        other = threading.Thread(target=lambda: os.write(2, b"a message of ours\n"))
        other.start()
        other.join()
    assert captured.text == b"libpng error: bad\n"
    assert capfd.readouterr().err == "a message of ours\n"


forked = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked")


@forked
def test_a_process_forked_while_a_thread_decodes_can_decode() -> None:
    begun = threading.Event()

    def decode() -> None:
        with captured_stderr():
            begun.set()
            time.sleep(0.2)

    thread = threading.Thread(target=decode)
    thread.start()
    begun.wait()
    child = multiprocessing.get_context("fork").Process(target=decode)
    child.start()
    child.join(20)
    child.kill()
    thread.join()
    assert child.exitcode == 0


@forked
def test_a_forked_process_captures_for_itself() -> None:
    with captured_stderr():
        pass
    fork = multiprocessing.get_context("fork")
    both, words = fork.Barrier(2), fork.SimpleQueue()

    def capture(name: bytes) -> None:
        with captured_stderr() as captured:
            both.wait(20)
            os.write(2, b"libpng error: " + name + b"\n")
            both.wait(20)
        words.put(captured.text)

    child = fork.Process(target=capture, args=(b"child",))
    child.start()
    capture(b"parent")
    child.join()
    assert {words.get(), words.get()} == {b"libpng error: child\n", b"libpng error: parent\n"}


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "GIF", "JPEG2000", "PNG", "JPEG"])
@pytest.mark.parametrize("side", [1, 8, 900])
def test_one_colour_all_over_is_not_taken_for_zeros_that_were_never_overwritten(kind: str, side: int) -> None:
    for colour in (0, 255):
        content = saved(Image.new("RGB", (side, side), (colour,) * 3), kind)
        assert np.abs(decode_colour(content, "image").astype(int) - colour).max() <= 1


@pytest.mark.parametrize("packing", ["tiff_lzw", "packbits", "zstd", "lzma", "tiff_adobe_deflate", "group4"])
@pytest.mark.parametrize("side", [1, 8, 100])
def test_a_tiff_of_a_few_bytes_is_read(packing: str, side: int) -> None:
    image = Image.new("1" if packing == "group4" else "L", (side, side), 255)
    content = saved(image, "TIFF", compression=packing)
    assert (decode_colour(content, "image") == 255).all()
