"""``usrda lmdb``: make an LMDB of a folder's images, and verify one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from lmdb import Error as LmdbError
from rich.console import Console
from rich.progress import track

from usrda_plugin.cli.terminal import plain_console
from usrda_plugin.data import TilingSpec, make_lmdb, verify_lmdb
from usrda_plugin.data.backends import LmdbStore
from usrda_plugin.data.lmdb import CHECKSUMS, read_checksums
from usrda_plugin.data.unfinished import clear_unfinished
from usrda_plugin.errors import SetupError


def run(chosen: argparse.Namespace) -> None:
    """Do what the user chose. Raises SetupError where there is a fault."""
    {"make": make, "verify": verify}[chosen.action](chosen)


def make(chosen: argparse.Namespace) -> None:
    """Write an LMDB and say what it holds. Raises SetupError that says what was not as expected."""
    try:
        tiling = TilingSpec(chosen.crop, chosen.step, chosen.multiple)
        _clear(chosen.output)
        count = make_lmdb(
            chosen.input,
            chosen.output,
            tiling=tiling,
            encoding=chosen.encoding,
            meta_info=chosen.meta_info,
            progress=_bar("images"),
        )
    except (ValueError, OSError, LmdbError) as fault:
        raise SetupError(str(fault)) from fault
    _print(f"{chosen.output}: {count} {'entries' if tiling.crop else 'images'}, {_size(chosen.output)}")
    if tiling.crop:
        _print(f"every patch of up to {tiling.largest_patch} pixels a side lies whole in one of the tiles")


def _clear(output: Path) -> None:
    left = clear_unfinished(output)
    for folder in left.removed:
        _print(f"{folder}: removed; a run that was killed had left it unfinished")
    for folder in left.unknown:
        _print(
            f"{folder}: unfinished, and this file system cannot tell by whom; remove it where no other run is at work"
        )


def verify(chosen: argparse.Namespace) -> None:
    """Print each fault of an LMDB, or what it holds. Raises SetupError where there are faults."""
    faults = verify_lmdb(chosen.lmdb, progress=_bar("entries"))
    for fault in faults:
        _print(fault)
    if faults:
        number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SetupError(f"{number} in {chosen.lmdb}; make it again from its images: usrda lmdb make --help")
    if read_checksums(chosen.lmdb) is None:
        _print(
            f"{chosen.lmdb} has no {CHECKSUMS}: bits that have flipped among pixels are seen in its PNG entries alone"
        )
    _print(f"{chosen.lmdb}: {len(LmdbStore(chosen.lmdb).entries())} images, {_size(chosen.lmdb)}, no fault")


def _bar(description: str) -> Callable[[range], Iterable[int]]:
    return lambda numbers: track(numbers, description=description, console=Console(stderr=True))


def _print(line: str) -> None:
    plain_console().print(line)


def _size(path: Path) -> str:
    size = (path / "data.mdb").stat().st_size
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
