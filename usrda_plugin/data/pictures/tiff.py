"""TIFF: strips and tiles of 1 to 16 bits, as their tags say; what only libtiff can unpack is left to it.

Pillow and OpenCV each give other levels than are stored for some of these: 16 bits as 8, alpha multiplied in or lost,
white as black.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np

from usrda_plugin.data.pictures.decoders import captured_stderr, decode_by_pillow, opened, planes_of
from usrda_plugin.data.pictures.picture import (
    Content,
    Header,
    Planes,
    ReadRange,
    Refusal,
    cmyk_to_rgb,
    damaged,
    truncated,
    unpremultiply,
    unsupported,
    unsupported_depth,
)
from usrda_plugin.data.pictures.tags import ORIENTATION, Directory, directories, valid_orientation

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PACKING, _MODEL, _FILL = 254, 256, 257, 258, 259, 262, 266
_STRIPS, _CHANNELS, _ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR, _MAP = 273, 277, 278, 279, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _INKS, _EXTRA, _SAMPLES = 322, 323, 324, 325, 332, 338, 339
_SUB_DIRECTORIES, _DNG = 330, 50706

_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _INK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _PALETTE: 1, _INK: 4, _YCBCR: 3}
_MODELS = {4: "a mask", 8: "Lab colours", 9: "Lab colours", 10: "Lab colours", 32803: "a camera's raw samples"}
_MODELS |= {34892: "a camera's raw samples", 32844: "logarithmic levels", 32845: "logarithmic levels"}
_PLAIN, _FAX, _OLD_JPEG, _JPEG, _DEFLATE = 1, (2, 3, 4), 6, 7, (8, 32946)
_KINDS_OF_SAMPLES = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_MULTIPLIED, _STRAIGHT = 1, 2
_NEVER_WRITTEN = 32  # zeros
_MOST_BITS = 128  # of a sample that any program writes


class Layout(NamedTuple):
    """What the tags say of the samples. ``extra``: what each channel behind the colours is."""

    bits: int
    model: int
    channels: int
    extra: tuple[int, ...]
    packing: int
    predictor: int
    is_planar: bool
    order: str
    directory: Directory

    @property
    def is_by_libtiff(self) -> bool:
        """Whether the whole picture is unpacked by libtiff, since its packing knows of colours."""
        return self.packing in (*_FAX, _JPEG) or self.model == _YCBCR


class Blocks(NamedTuple):
    """Strips or tiles: where they lie, how many bytes each has, and how many rows and columns of pixels."""

    places: tuple[int, ...]
    lengths: tuple[int, ...]
    rows: int
    columns: int
    are_tiles: bool


def read_header(read: ReadRange, length: int) -> Header:
    """Read the tags. Raises Refusal for what is cut off or of a kind that is not read."""
    try:
        directory = directories(read)[0]
    except (struct.error, ValueError, IndexError):
        raise truncated("TIFF") from None
    height, width = directory.number(_HEIGHT, 0), directory.number(_WIDTH, 0)
    if not height * width:
        raise truncated("TIFF")  # zeros where the tags should be
    layout = _layout(directory, "<" if read(0, 2) == b"II" else ">")
    _check(layout)
    places, lengths, *_ = _blocks(directory, height, width)
    if not places or max(place + size for place, size in zip(places, lengths, strict=True)) > length:
        raise truncated("TIFF")
    end = places[-1] + lengths[-1]
    if layout.packing != _PLAIN and lengths[-1] > _NEVER_WRITTEN and not any(read(end - _NEVER_WRITTEN, end)):
        raise truncated("TIFF")  # no packing ends with so many zeros
    header = Header("TIFF", height, width, valid_orientation(directory.number(ORIENTATION, 1)), detail=layout)
    if not layout.is_by_libtiff:
        return header
    upright_height, upright_width = header.upright_size  # Pillow gives it upright
    return header._replace(height=upright_height, width=upright_width, orientation=1)


def decode(content: Content, header: Header) -> Planes:
    """Decode all channels. Raises Refusal for what is damaged."""
    layout: Layout = header.detail
    if layout.is_by_libtiff:
        return _by_libtiff(content)
    return _as_planes(_samples(content, header, layout), layout)


def _by_libtiff(content: Content) -> Planes:
    """Decode what libtiff unpacks; it goes on where codes make no sense, and tells it only to the screen."""
    with captured_stderr() as captured, opened(BytesIO(content), "TIFF") as image:
        image.info.pop("xmp", None)  # where Pillow looks for an orientation if no tag says one
        found = planes_of(image)
    if found is None or captured.text:
        raise damaged("TIFF", "its pixels cannot be unpacked")
    return found


def _layout(directory: Directory, order: str) -> Layout:
    model, channels = directory.number(_MODEL, -1), directory.number(_CHANNELS, 1)
    bits = set(directory.numbers(_BITS)) or {1}
    kinds = set(directory.numbers(_SAMPLES)) - {1, 4}
    if directory.numbers(_DNG) or (directory.number(_SUBFILE, 0) & 1 and directory.numbers(_SUB_DIRECTORIES)):
        raise unsupported("a camera's raw file", "export it as PNG, JPEG or TIFF")
    if model < 0 or max(bits) > _MOST_BITS:
        raise damaged("TIFF", "its tags")
    if kinds or max(bits) > 16:
        raise unsupported_depth(f"{max(bits)} bit {_KINDS_OF_SAMPLES.get(next(iter(kinds), 0), 'integer')} ones")
    if model not in _COLOURS:
        raise unsupported(f"a TIFF of {_MODELS.get(model, f'the colour model {model}')}")
    if len(bits) > 1:
        raise unsupported("a TIFF whose channels have different numbers of bits")
    extra = directory.numbers(_EXTRA)
    missing = channels - _COLOURS[model] - len(extra)
    if missing == 1 and not extra:  # written without the tag: alpha, as all programs take it
        extra, missing = (_STRAIGHT,), 0
    if missing:
        raise unsupported(f"a TIFF of {channels} channels for the colour model {model}")
    packing, predictor = directory.number(_PACKING, 1), directory.number(_PREDICTOR, 1)
    is_planar = directory.number(_PLANAR, 1) == 2 and channels > 1
    return Layout(max(bits), model, channels, extra, packing, predictor, is_planar, order, directory)


def _check(layout: Layout) -> None:
    """Raise Refusal for combinations that are not read, most since programs do not agree on them."""
    depths = (8, 16) if layout.channels > 1 or layout.model in (_RGB, _INK) else (1, 2, 4, 8, 16)
    if layout.bits not in depths:
        raise unsupported_depth(f"{layout.bits} bit ones")
    why = next((why for holds, why in _UNREAD if holds(layout)), None)
    if why is not None:
        raise unsupported(f"a TIFF {why}")


_UNREAD: tuple[tuple[Callable[[Layout], bool], str], ...] = (
    (lambda tiff: tiff.packing == _OLD_JPEG, "of the old JPEG kind"),
    (lambda tiff: tiff.predictor not in (1, 2) or (tiff.predictor == 2 and tiff.bits < 8), "of an unknown predictor"),
    (lambda tiff: tiff.model == _PALETTE and bool(tiff.extra or tiff.bits > 8), "of a palette with alpha or 16 bits"),
    (lambda tiff: tiff.model == _INK and tiff.directory.number(_INKS, 1) != 1, "of other inks than CMYK"),
    (lambda tiff: tiff.model == _INK and _MULTIPLIED in tiff.extra, "of inks multiplied by alpha"),
    (lambda tiff: tiff.model == _YCBCR and tiff.packing != _JPEG, "of YCbCr without JPEG"),
    (lambda tiff: tiff.is_by_libtiff and bool(tiff.extra or tiff.bits > 8), "of JPEG or fax with alpha or 16 bits"),
    (
        lambda tiff: tiff.packing == _JPEG and tiff.model not in (_BLACK_IS_0, _RGB, _YCBCR),
        "of JPEG in inks or inverted",
    ),
    (lambda tiff: tiff.packing in _FAX and (tiff.bits, tiff.channels) != (1, 1), "of fax with more than one bit"),
)


def _blocks(directory: Directory, height: int, width: int) -> Blocks:
    tiled = bool(directory.numbers(_TILES))
    places = directory.numbers(_TILES if tiled else _STRIPS)
    lengths = directory.numbers(_TILE_BYTES if tiled else _STRIP_BYTES)
    if len(lengths) != len(places):
        raise damaged("TIFF", "its tags")
    if tiled:
        return Blocks(
            places, lengths, directory.number(_TILE_HEIGHT, 0), directory.number(_TILE_WIDTH, 0), are_tiles=True
        )
    return Blocks(places, lengths, min(directory.number(_ROWS, height), height), width, are_tiles=False)


def _samples(content: Content, header: Header, layout: Layout) -> np.ndarray:
    """All channels (h, w, C) as they are stored, uint8 or uint16 of this machine; fewer bits than 8 are not spread."""
    height, width = header.height, header.width
    blocks = _blocks(layout.directory, height, width)
    if not blocks.rows or not blocks.columns:
        raise damaged("TIFF", "its tags")
    across = -(-width // blocks.columns)
    in_plane = -(-height // blocks.rows) * across
    planes, in_pixel = (layout.channels, 1) if layout.is_planar else (1, layout.channels)
    if len(blocks.places) < planes * in_plane:
        raise truncated("TIFF")
    made = np.empty((height, width, layout.channels), np.uint16 if layout.bits == 16 else np.uint8)
    for number in range(planes * in_plane):
        plane, place = divmod(number, in_plane)
        top, left = blocks.rows * (place // across), blocks.columns * (place % across)
        target = made[top : top + blocks.rows, left : left + blocks.columns]
        target = target[..., plane : plane + 1] if layout.is_planar else target
        # tiles are whole, but the last strip ends with the picture
        shape = (blocks.rows if blocks.are_tiles else len(target), blocks.columns, in_pixel)
        packed = bytes(content[blocks.places[number] : blocks.places[number] + blocks.lengths[number]])
        target[...] = _unpacked(packed, shape, layout)[: target.shape[0], : target.shape[1]]
    return made


def _unpacked(packed: bytes, shape: tuple[int, int, int], layout: Layout) -> np.ndarray:
    """A strip or tile of ``shape`` (rows, columns, channels in it), without packing and predictor."""
    rows, columns, in_pixel = shape
    row_bytes = (columns * in_pixel * layout.bits + 7) // 8
    raw = _unpack(packed, rows, row_bytes, layout)[: rows * row_bytes]
    if len(raw) < rows * row_bytes:
        raise damaged("TIFF", "pixels are missing")
    if layout.bits < 8:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(rows, -1), axis=1)
        bits = bits[:, : columns * layout.bits].reshape(rows, columns, 1, layout.bits)
        return np.asarray(bits.dot(1 << np.arange(layout.bits)[::-1])).astype(np.uint8)
    stored = np.dtype(np.uint8 if layout.bits == 8 else f"{layout.order}u2")
    samples = np.frombuffer(raw, stored).reshape(shape)
    samples = samples.astype(stored.newbyteorder("="), copy=False)
    if layout.predictor == 2:  # each sample is stored as its difference to the one on its left
        return np.cumsum(samples, axis=1, dtype=samples.dtype)
    return samples


def _unpack(packed: bytes, rows: int, row_bytes: int, layout: Layout) -> bytes:
    fill = layout.directory.number(_FILL, 1)
    if layout.packing == _PLAIN and fill == 1:
        return packed
    if layout.packing in _DEFLATE and fill == 1:
        try:
            unpacker = zlib.decompressobj()
            raw = unpacker.decompress(packed, rows * row_bytes)
            unpacker.decompress(unpacker.unconsumed_tail, 1)  # looks at the checksum
            return raw
        except zlib.error:
            raise damaged("TIFF", "its pixels cannot be unpacked") from None
    # libtiff unpacks it as bytes of gray, so that it leaves samples alone
    file = BytesIO(_gray_tiff(packed, rows, row_bytes, layout.packing, fill))
    try:
        with captured_stderr():
            return decode_by_pillow(file, "TIFF").colour.tobytes()
    except Refusal:
        why = f"its pixels cannot be unpacked; they are packed in the way {layout.packing}"
        raise damaged("TIFF", why) from None


def _gray_tiff(packed: bytes, rows: int, row_bytes: int, packing: int, fill: int) -> bytes:
    """A TIFF of one strip of 8 bit gray around bytes that are packed."""
    tags = {_WIDTH: row_bytes, _HEIGHT: rows, _BITS: 8, _PACKING: packing, _MODEL: _BLACK_IS_0, _FILL: fill}
    tags |= {_STRIPS: 8, _CHANNELS: 1, _ROWS: rows, _STRIP_BYTES: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    padding = b"\0" * (len(packed) % 2)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(packed) + len(padding))
    return start + packed + padding + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def _as_planes(samples: np.ndarray, layout: Layout) -> Planes:
    top = int(np.iinfo(samples.dtype).max)
    colours = _COLOURS[layout.model]
    colour = samples[..., :colours]
    if layout.bits < 8 and layout.model != _PALETTE:
        colour = colour * np.uint8(255 // (2**layout.bits - 1))
    if layout.model == _WHITE_IS_0:
        colour = top - colour
    if layout.model == _INK:
        colour = cmyk_to_rgb(colour)
    if layout.model == _PALETTE:
        colour = _palette(layout)[colour[..., 0]]
    colour = np.ascontiguousarray(colour[..., 0] if colour.shape[2] == 1 else colour)
    kind, channel = next(((kind, at) for at, kind in enumerate(layout.extra) if kind in (1, 2)), (0, 0))
    if not kind:
        return Planes(colour)
    alpha = np.ascontiguousarray(samples[..., colours + channel])
    return Planes(unpremultiply(colour, alpha) if kind == _MULTIPLIED else colour, alpha)


def _palette(layout: Layout) -> np.ndarray:
    colours = np.array(layout.directory.numbers(_MAP), np.uint16)
    if len(colours) != 3 * 2**layout.bits:
        raise damaged("TIFF", "its palette")
    colours = colours.reshape(3, -1).T
    # 16 bits; some programs write 8, which libtiff takes for what they are
    return (colours if colours.max() < 256 else colours >> 8).astype(np.uint8)
