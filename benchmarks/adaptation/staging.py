"""Lays out the images that training and evaluation read, once.

    source_SOURCE/hr, list.txt        source photographs and their names
    DOMAIN/target_lr                  the target's photographs, no HR beside them
    DOMAIN/val_hr, val_lr, fold*.txt  validation pairs, and the names that each fold trains on
    DOMAIN/corner                     a corner of a target photograph, for runs that must validate on something
    DOMAIN/oracle_lr                  true partners of the source photographs (synthetic domains)

Photographs come from a folder laid out as README.md says; those of the bundled domain from scikit-image. Real ones are
linked, synthetic ones written. The target of a synthetic domain is the half of the photographs that its source is not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage
from degradations import CAMERAS, photograph
from domains import DOMAINS, FOLDS, Domain, fold_names

BENCHMARKS = ("Set5", "Set14", "B100_20")
# three groups of scikit-image without a scene in common
BUNDLED_SOURCE = ("coffee.png", "rocket.jpg", "motorcycle_left.png", "camera.png", "brick.png")
BUNDLED_TARGET = ("coins.png", "gravel.png", "ihc.png", "retina.jpg", "moon.png")
BUNDLED_VALIDATION = ("astronaut.png", "chelsea.png", "hubble_deep_field.jpg")
BUNDLED_CROP = slice(50, 290)  # rows and columns of a validation photograph: enough to see that everything runs

CORNER = 32  # LR pixels a side


def stage(name: str, folder: Path, photographs: Path | None) -> None:
    """Make the source photographs and the images of a domain below ``folder``, unless they are there already.

    Raises ValueError where photographs are needed and not found.
    """
    domain = DOMAINS[name]
    camera = CAMERAS[domain.camera]._asdict() if domain.camera else None
    _once(folder / f"source_{domain.source}", None, lambda place: _make_source(domain, place, photographs))
    source = folder / f"source_{domain.source}/hr"
    _once(folder / name, camera, lambda place: _make_domain(name, source, place, photographs))


def _once(place: Path, camera: dict[str, float] | None, make: Callable[[Path], None]) -> None:
    """Make a folder whole or not at all, and again only for another camera."""
    made_by, note = json.dumps(camera), place / "camera.json"
    if note.is_file() and note.read_text() == made_by:
        return
    unfinished = place.with_name(f".{place.name}.unfinished")
    for old in (unfinished, place):
        shutil.rmtree(old, ignore_errors=True)
    unfinished.mkdir(parents=True)
    make(unfinished)
    (unfinished / note.name).write_text(made_by)
    unfinished.rename(place)


def _make_source(domain: Domain, place: Path, photographs: Path | None) -> None:
    if domain.source == "skimage":
        files = _bundled(BUNDLED_SOURCE)
    else:
        bsds = _images(_found(photographs) / "train_hr/bsds")
        half = bsds[: len(bsds) // 2] if domain.camera else bsds
        files = [*half, *_images(_found(photographs) / "train_hr/urban")]
    for file in files:
        _write(place / "hr", file.stem, scene_of(file, domain.factor))
    (place / "list.txt").write_text("".join(f"{file.stem}.png\n" for file in files))


def _make_domain(name: str, source: Path, place: Path, photographs: Path | None) -> None:
    if DOMAINS[name].camera:
        _render(DOMAINS[name], source, place, photographs)
    else:
        found = _found(photographs)
        _link(_images(found / "target_lr" / f"city100_{name}" / "LRx2"), place / "target_lr")
        for side, original in {"val_hr": "HR", "val_lr": "LRx2"}.items():
            _link(_images(found / "val_pairs" / f"city100_{name}" / original), place / side)
    corner = scene_of(_images(place / "target_lr")[0], 1)[:CORNER, :CORNER]
    _write(place / "corner", "corner", corner)
    names = [file.name for file in _images(place / "val_hr")]
    for fold in range(FOLDS):
        (place / f"fold{fold}.txt").write_text("".join(f"{name}\n" for name in fold_names(names, fold)[0]))


def _render(domain: Domain, source: Path, place: Path, photographs: Path | None) -> None:
    """Let the domain's synthetic camera take the target, the validation and the source's partners."""
    assert domain.camera is not None
    camera, factor = CAMERAS[domain.camera], domain.factor
    validation = _bundled_validation(factor) if domain.source == "skimage" else _benchmarks(_found(photographs), factor)
    target = _bundled(BUNDLED_TARGET) if domain.source == "skimage" else _second_half(_found(photographs))
    for name, scene in validation.items():
        _write(place / "val_hr", name, scene)
        _write(place / "val_lr", name, photograph(scene, camera, factor, name))
    for folder, files in {"target_lr": target, "oracle_lr": _images(source)}.items():
        for file in files:
            _write(place / folder, file.stem, photograph(scene_of(file, factor), camera, factor, file.stem))


def _found(photographs: Path | None) -> Path:
    if photographs is None or not (photographs / "train_hr/bsds").is_dir():
        raise ValueError(
            f"expected a folder with train_hr/bsds and more in it, found {photographs}; give it by --data or"
            " $USRDA_SHARED_DATA (benchmarks/adaptation/README.md says what must be in it), or take --domains bundled"
        )
    return photographs.resolve()


def _second_half(photographs: Path) -> list[Path]:
    bsds = _images(photographs / "train_hr/bsds")
    return bsds[len(bsds) // 2 :]


def _benchmarks(photographs: Path, factor: int) -> dict[str, np.ndarray]:
    files = [file for name in BENCHMARKS for file in _images(photographs / "bench_x4" / name, "*_HR.png")]
    return {f"{file.parent.name}_{file.stem.split('_SRF_')[0]}": scene_of(file, factor) for file in files}


def _bundled(names: Sequence[str]) -> list[Path]:
    return [Path(skimage.__file__).parent / "data" / name for name in names]


def _bundled_validation(factor: int) -> dict[str, np.ndarray]:
    return {file.stem: scene_of(file, factor)[BUNDLED_CROP, BUNDLED_CROP] for file in _bundled(BUNDLED_VALIDATION)}


def scene_of(file: Path, factor: int) -> np.ndarray:
    """A photograph, HWC BGR uint8, gray ones too, cut to a multiple of the factor. Raises ValueError for none."""
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"expected a photograph, found nothing readable in {file}")
    height, width = (side - side % factor for side in image.shape[:2])
    return image[:height, :width]


def _write(folder: Path, stem: str, image: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    if not cv2.imwrite(str(folder / f"{stem}.png"), image):
        raise OSError(f"cannot write {folder / stem}.png")


def _link(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file)


def _images(folder: Path, pattern: str = "*") -> list[Path]:
    files = sorted(file for file in folder.glob(pattern) if file.suffix.lower() in (".png", ".jpg"))
    if not files:
        raise ValueError(f"expected images {pattern}, found none in {folder}")
    return files
