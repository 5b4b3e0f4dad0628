"""Which photographs of a folder an adaptation uses, and why it leaves out the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

from PIL import Image

from usrda_plugin.adaptation.copies import find_copies
from usrda_plugin.adaptation.found import Kind, LeftOut, Photograph, Survey
from usrda_plugin.adaptation.sighting import Sighting, same_bytes, sight
from usrda_plugin.adaptation.workspace import RECORD
from usrda_plugin.data.pictures import UnreadableError, upright_size
from usrda_plugin.errors import SetupError
from usrda_plugin.inference import Listing, look_into

Progress = Callable[[Sequence[Path]], Iterable[Path]]
"""Gives the files one by one as they are decoded, and may show how far that is, as ``rich.progress.track`` does."""

THREADS = 4
"""Decoding takes turns; reading, hashing and spectra go on beside it. Each holds one decoded photograph."""
RAW = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw"),
    *(".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f", ".heic", ".heif", ".hif", ".jxl"),
}
FILMS = {".3gp", ".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv"}
THUMBNAILS = {"@eadir", "__macosx"}
"""Folders that programs make beside photographs, in small letters; those that begin with a dot are hidden anyway."""


def survey(
    places: Path | Sequence[Path], *, least_side: int, source: Path | None = None, progress: Progress = iter
) -> Survey:
    """Look at every photograph of a folder and its subfolders, or of several, or at files.

    Used are those that can be decoded whole, with sides of ``least_side`` pixels or more, that show something, were not
    enlarged, are no copy of another one, and are by the camera that took most of them, or do not say by which. Folders
    below with results of an adaptation are none of photographs, nor is ``source``, of HR photographs.
    Raises SetupError where there is no such place, and where no photograph can be used.
    """
    Image.MAX_IMAGE_PIXELS = None  # the user's own photographs are as large as they are
    given = [places] if isinstance(places, Path) else list(places)
    listing = _listing(given)
    apart = _set_apart(listing, given, source)
    left_out = _not_photographs(listing) | apart
    sizes = _check_headers([image.file for image in listing.images], least_side, left_out)
    for file, first in same_bytes([*sizes]).items():
        left_out[file] = LeftOut(file, "copy", f"the same file as {first.name}")
    seen = _look([file for file in sizes if file not in left_out], progress, left_out)
    _leave_out_copies(seen, left_out)
    cameras = Counter(one.taken.camera or "" for file, one in seen.items() if file not in left_out)
    _leave_out_cameras(seen, cameras, left_out)
    used = [
        Photograph(file, one.height, one.width, *one.taken, one.size)
        for file, one in seen.items()
        if file not in left_out
    ]
    folder = given[0] if len(given) == 1 and given[0].is_dir() else Path(os.path.commonpath([p.parent for p in given]))
    found = Survey(folder, used, [left_out[path] for path in sorted(left_out)], cameras)
    if not used:
        raise SetupError(f"{', '.join(map(str, given))}: {found.refusal()}")
    return found


def _listing(places: Sequence[Path]) -> Listing:
    """What all places hold, each file once. Raises SetupError where there is no such place."""
    whole = Listing()
    if not places:
        raise SetupError("expected a folder of photographs, found none; name one")
    for place in places:
        try:
            one = look_into(str(place), recursive=True)
        except (OSError, ValueError) as error:
            raise SetupError(
                f"{place}: expected a folder of photographs, found none ({error}); check the name"
            ) from None
        known = {os.path.realpath(image.file) for image in whole.images}
        whole.images += [image for image in one.images if os.path.realpath(image.file) not in known]
        whole.left_out |= one.left_out
        whole.faults |= one.faults
    whole.images.sort()
    return whole


def _set_apart(listing: Listing, places: Sequence[Path], source: Path | None) -> dict[Path, LeftOut]:
    """Take out of a listing what lies in folders that are none of photographs; each such folder is left out once."""
    apart: dict[Path, LeftOut | None] = {}

    def is_kept(file: Path) -> bool:
        for folder in takewhile(lambda above: above not in places, file.parents):
            if folder not in apart:
                apart[folder] = _none_of_photographs(folder, source)
            if apart[folder]:
                return False
        return True

    listing.images = [image for image in listing.images if is_kept(image.file)]
    listing.left_out = {file: why for file, why in listing.left_out.items() if is_kept(file)}
    listing.faults = {file: text for file, text in listing.faults.items() if is_kept(file)}
    return {folder: found for folder, found in apart.items() if found}


def _none_of_photographs(folder: Path, source: Path | None) -> LeftOut | None:
    if (folder / RECORD).is_file():
        return LeftOut(folder, "results", f"it has the {RECORD} of an adaptation")
    if source is not None and folder.resolve() == source.resolve():
        return LeftOut(folder, "source", "its photographs are learnt from")
    return None


def _not_photographs(listing: Listing) -> dict[Path, LeftOut]:
    """Sort out, by their names, what is not opened; links to folders that are looked at anyway are no loss."""
    left_out = {path: LeftOut(path, "unreadable", _after(path, text)) for path, text in listing.faults.items()}
    for path, why in listing.left_out.items():
        if why != "link":
            left_out[path] = _by_suffix(path) if why == "format" else LeftOut(path, "hidden", "hidden")
    for image in listing.images:
        if any(part.lower() in THUMBNAILS for part in image.below.parts[:-1]):
            left_out[image.file] = LeftOut(image.file, "hidden", "a thumbnail that a program has made")
    return left_out


def _by_suffix(path: Path) -> LeftOut:
    suffix = path.suffix.lower()
    kind: Kind = "raw" if suffix in RAW else "film" if suffix in FILMS else "format"
    return LeftOut(path, kind, f"a file of the format {suffix}" if suffix else "a file without suffix")


def _check_headers(
    files: Sequence[Path], least_side: int, left_out: dict[Path, LeftOut]
) -> dict[Path, tuple[int, int]]:
    """Read the size, (height, width), of each file that is not left out yet, and leave out what is too small."""
    sizes = {}
    for file in files:
        if file in left_out:
            continue
        try:
            with file.open("rb") as stream:
                height, width = upright_size(stream, str(file))
        except (OSError, UnreadableError) as error:
            left_out[file] = _unreadable(file, error)
            continue
        sizes[file] = height, width
        if min(height, width) < least_side:
            reason = f"{width}x{height} pixels, where sides of {least_side} or more are needed"
            left_out[file] = LeftOut(file, "small", reason)
    return {file: size for file, size in sizes.items() if file not in left_out}


def _look(files: Sequence[Path], progress: Progress, left_out: dict[Path, LeftOut]) -> dict[Path, Sighting]:
    """Decode each file; leave out what cannot be, what shows nothing and what was enlarged."""
    seen = {}
    pool = ThreadPoolExecutor(THREADS)
    try:
        found = pool.map(_sight_or_error, files)
        for file, one in zip(progress(files), found, strict=True):
            if isinstance(one, Exception):
                left_out[file] = _unreadable(file, one)
            elif one.is_even:
                left_out[file] = LeftOut(file, "even", "the same level all over")
            elif one.period is not None:
                left_out[file] = LeftOut(
                    file, "enlarged", f"it repeats a pattern after {one.period:g} pixels and lacks fine detail"
                )
            else:
                seen[file] = one
    finally:
        pool.shutdown(cancel_futures=True)
    return seen


def _sight_or_error(file: Path) -> Sighting | OSError | UnreadableError:
    try:
        return sight(file)
    except (OSError, UnreadableError) as error:
        return error


def _unreadable(file: Path, error: OSError | UnreadableError) -> LeftOut:
    reason = error.reason if isinstance(error, UnreadableError) else error.strerror or str(error)
    return LeftOut(file, "unreadable", reason)


def _leave_out_copies(seen: dict[Path, Sighting], left_out: dict[Path, LeftOut]) -> None:
    files = list(seen)
    for copy in find_copies(list(seen.values())):
        same = "the same pixels as" if copy.is_exact else "the same picture, saved anew, as"
        left_out[files[copy.number]] = LeftOut(files[copy.number], "copy", f"{same} {files[copy.of].name}")


def _leave_out_cameras(seen: dict[Path, Sighting], cameras: Counter[str], left_out: dict[Path, LeftOut]) -> None:
    """Leave out what other cameras took than the one that took most; photographs that do not say stay."""
    stated = [camera for camera, _ in cameras.most_common() if camera]
    for file, one in seen.items():
        camera = one.taken.camera
        if file not in left_out and camera and camera != stated[0]:
            left_out[file] = LeftOut(file, "camera", f"by {camera}, where most are by {stated[0]}")


def _after(path: Path, text: str) -> str:
    """A listing's message without the path that it begins with."""
    return text.removeprefix(f"{path}: ")
