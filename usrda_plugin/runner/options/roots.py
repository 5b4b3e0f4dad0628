"""What lies in the roots of a data set: which images a folder, an LMDB or a list file names."""

from __future__ import annotations

import os
from pathlib import Path

from usrda_plugin.runner.options.faults import Keys, some
from usrda_plugin.runner.options.image_root import ImageRoot
from usrda_plugin.runner.options.lists import listed_part
from usrda_plugin.runner.options.lmdb_root import list_lmdb
from usrda_plugin.runner.options.review import Options, Review
from usrda_plugin.runner.options.schema_data import Root


def open_root(review: Review, phase: str, root: Root, dataset: Options) -> ImageRoot | None:
    """List the images of a root; None, and a fault reported, where there is no such root or nothing in it."""
    keys, path = ("datasets", phase, root.key), Path(dataset[root.key])
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        remedy = (
            f"correct the path; it is looked for from {Path.cwd()}" if not path.is_absolute() else "correct the path"
        )
        review.fault(
            keys, f"expected {'an LMDB' if path.suffix == '.lmdb' else 'a folder of images'}, but {path} {what}", remedy
        )
        return None
    found = list_lmdb(review, keys, path) if path.suffix == ".lmdb" else _list_folder(review, keys, path, dataset)
    if found is None:
        return None
    found.domain = root.domain
    meta_info = dataset.get(root.meta_info) if root.meta_info else None
    if isinstance(meta_info, str) and root.meta_info:
        return listed_part(review, ("datasets", phase, root.meta_info), Path(meta_info), found, ours=_is_ours(dataset))
    if not found.names:
        review.fault(keys, f"there is no image in {path}", _where_else(path))
        return None
    return found


def _list_folder(review: Review, keys: Keys, path: Path, dataset: Options) -> ImageRoot:
    from usrda_plugin.data.stores import IMAGE_SUFFIXES, is_hidden, is_listed

    # BasicSR takes every file for an image, our data sets those with an image's ending
    endings = IMAGE_SUFFIXES if _is_ours(dataset) else ("",)
    with os.scandir(path) as entries:
        names = [
            entry.name
            for entry in entries
            if not is_hidden(entry.name) and entry.name.lower().endswith(endings) and is_listed(Path(entry.path))
        ]
    return ImageRoot(keys, "", path, sorted(names))


def _is_ours(dataset: Options) -> bool:
    return str(dataset.get("type")).startswith("USRDA")


def _where_else(path: Path) -> str:
    folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    return (
        f"its subfolders are not searched; perhaps one of them: {some(folders)}"
        if folders
        else "put images there, or correct the path"
    )
