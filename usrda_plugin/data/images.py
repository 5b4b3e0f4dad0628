"""The images of one root, by number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from usrda_plugin.data.backends import ImageStore, listed_name, open_store, read_lines
from usrda_plugin.data.pictures import decode_colour, uncompressed, upright_size

_TILE = re.compile(r"_s\d{3,}$")
"""How the names of tiles end, as ``TilingSpec`` numbers them."""


class MissingImagesError(FileNotFoundError):
    """Images that a list or a template names are not there."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message, self.remedy = message, remedy


class ImageSource:
    """A list of images in a folder or an LMDB; pickles without open files, so it may go to any worker.

    With ``keep_decoded`` each process keeps what it has decoded, as 8 or 16 bit levels.
    """

    def __init__(self, store: ImageStore, entries: Sequence[str], *, keep_decoded: bool = False) -> None:
        self.store = store
        self.entries = list(entries)
        self.keep_decoded = keep_decoded
        self._decoded: dict[int, np.ndarray] = {}

    @classmethod
    def open(cls, root: str | Path, meta_info: str | Path | None = None, *, keep_decoded: bool = False) -> ImageSource:
        """List the images of ``root``: all, or those that the lines of the meta-info file begin with.

        Raises FileNotFoundError for a missing root, list or listed image; ValueError where there is no image at all.
        """
        store = open_store(root)
        entries = store.entries()
        if meta_info is not None:
            entries = [_listed_entry(store, line) for line in read_lines(meta_info)]
            # each once, as a line may come twice
            missing = [*dict.fromkeys(entry for entry in entries if not store.has(entry))]
            _refuse_missing(missing, f"that {meta_info} lists", store)
        if not entries:
            raise ValueError(f"no image in {meta_info or root}; expected files such as .png or .jpg, not in subfolders")
        return cls(store, entries, keep_decoded=keep_decoded)

    def partners(self, root: str | Path, template: str = "{}") -> ImageSource:
        """List, in the same order, the images of another root whose names follow from these by ``template``.

        The template gets the name without its suffix, as BasicSR's ``filename_tmpl``; the suffix may differ. Where
        that finds nothing for a tile, the template gets the name before the tile's number.
        Raises FileNotFoundError that names the images without a partner.
        """
        store = open_store(root)
        store.entries()  # a missing root shall be told as such, not as that many missing images
        wanted = [_partner_entries(entry, template) for entry in self.entries]
        found = [next((v for entry in one for v in store.variants(entry) if store.has(v)), None) for one in wanted]
        missing = [one[-1] for one, partner in zip(wanted, found, strict=True) if partner is None]
        _refuse_missing(missing, f"that the images of {self.store.root} need as partners", store, _remedy(template))
        return ImageSource(store, [entry for entry in found if entry is not None], keep_decoded=self.keep_decoded)

    def __len__(self) -> int:
        return len(self.entries)

    def describe(self, domain: str) -> str:
        """Say how many images of a domain there are, where, and what lies beside them that is not used."""
        others = self.store.others(self.entries)
        beside = f" ({len(others)} beside them left out: {', '.join(others[:3])}{', ...' * (len(others) > 3)})"
        return f"{len(self)} {domain} images of {self.store.root}{beside if others else ''}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_decoded": {}}

    def path(self, index: int) -> str:
        """Return the root and the name of an image, for people."""
        return str(self.store.root / self.entries[index])

    def read(self, index: int) -> np.ndarray:
        """Decode an image: HWC RGB, uint8 or uint16, not writable where it is kept.

        Raises ValueError or FileNotFoundError that names it.
        """
        if index in self._decoded:
            return self._decoded[index]
        with self.store.content(self.entries[index]) as content:
            image = decode_colour(content, self.path(index))
        if self.keep_decoded:
            image.setflags(write=False)
            self._decoded[index] = image
        return image

    @contextmanager
    def opened(self, index: int) -> Iterator[np.ndarray]:
        """Give an image, as ``read`` does, within the ``with`` alone; 16 bits may be big-endian.

        An uncompressed image is not read as a whole: a patch of it costs no more than its own pixels.
        """
        if self.keep_decoded:
            yield self.read(index)
            return
        with self.store.content(self.entries[index]) as content:
            image = uncompressed(content)
            yield decode_colour(content, self.path(index)) if image is None else image

    def size(self, index: int) -> tuple[int, int]:
        """Return (height, width) of an image, from its header where that suffices. Raises as ``read`` does."""
        with self.store.open(self.entries[index]) as file:
            return upright_size(file, self.path(index))


def _listed_entry(store: ImageStore, line: str) -> str:
    """The entry that a line of a meta-info file names: the whole line where that is an image, else its first word."""
    whole = store.entry(line.strip())
    return whole if store.has(whole) else store.entry(listed_name(line))


def partner_stems(stem: str, template: str) -> list[str]:
    """List the names that ``template`` makes of an image's, without suffixes: of the whole, then before tile numbers.

    The second pairs the tiles of images that ``template`` pairs: ``{}x2`` makes ``a_s001x2`` and ``ax2_s001`` of
    ``a_s001``.
    """
    stems, tile = [template.format(stem)], ""
    while found := _TILE.search(stem):  # tiles may have been cut into tiles
        stem, tile = stem[: found.start()], found[0] + tile
        stems.append(template.format(stem) + tile)
    return stems


def _partner_entries(entry: str, template: str) -> list[str]:
    path = PurePosixPath(entry)
    return [str(path.parent / (stem + path.suffix)) for stem in partner_stems(path.stem, template)]


def _remedy(template: str) -> str:
    return (
        f"correct filename_tmpl, now {template!r} ('{{}}x2' pairs a with ax2, and its tile a_s001 with ax2_s001), or "
        "the root; make tiles of both roots, those of LR images with crop and step divided by the scale"
    )


def _refuse_missing(missing: Sequence[str], why: str, store: ImageStore, remedy: str = "") -> None:
    if missing:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise MissingImagesError(f"{store.root} lacks {len(missing)} images {why}: {named}", remedy)
