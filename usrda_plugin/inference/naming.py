"""How results are named: as their inputs, and apart where two would meet."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple

from usrda_plugin.choices import Extension
from usrda_plugin.data.pictures import WRITTEN
from usrda_plugin.inference.places import Found

Existing = Literal["refuse", "skip", "overwrite"]


class Naming(NamedTuple):
    """How results are named: the input's name, ``suffix``, and ``extension`` ("auto": the input's, or PNG).

    ``existing``: what becomes of results that are there already.
    """

    suffix: str = ""
    extension: Extension = "auto"
    existing: Existing = "refuse"


def name_results(images: Sequence[Found], output: Path, naming: Naming) -> list[Path]:
    """The file for each image's result, no two the same, not even where case or composed letters do not count.

    Where names would meet, as of a.png and a.tif, the image that has the format already keeps its name, and the others
    keep their format in it: a.tif.png. Where that does not tell them apart, they are numbered in order: a-2.png.
    Raises ValueError for a suffix that is no part of a name.
    """
    if "/" in naming.suffix or os.sep in naming.suffix:
        raise ValueError(f"expected a part of a name as --suffix, found {naming.suffix!r}; give folders by --output")
    plain = [_result(image, image.file.stem, output, naming) for image in images]
    number = Counter(map(_key, plain))
    taken = set(number)
    kept: set[str] = set()
    names = []
    for image, target in zip(images, plain, strict=True):
        key = _key(target)
        native = target.suffix.lower() == image.file.suffix.lower()
        if number[key] > 1 and (not native or key in kept):
            target = next(name for name in _other_names(image, output, naming) if _key(name) not in taken)
            taken.add(_key(target))
        else:
            kept.add(key)
        names.append(target)
    return names


def _other_names(image: Found, output: Path, naming: Naming) -> Iterator[Path]:
    yield _result(image, image.file.name, output, naming)
    for number in count(2):
        yield _result(image, f"{image.file.stem}-{number}", output, naming)


def _result(image: Found, stem: str, output: Path, naming: Naming) -> Path:
    own = image.file.suffix if image.file.suffix.lower() in WRITTEN else ".png"
    extension = own if naming.extension == "auto" else f".{naming.extension}"
    return output / image.below.with_name(f"{stem}{naming.suffix}{extension}")


def _key(file: Path) -> str:
    # some file systems tell neither case nor ways to write an accent apart
    return unicodedata.normalize("NFC", str(file.absolute()).casefold())
