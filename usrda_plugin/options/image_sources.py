"""What lies in the roots of a data set: which images it takes from a folder, an LMDB or a list file."""

from __future__ import annotations

from pathlib import Path

from usrda_plugin.options import basicsr_roots
from usrda_plugin.options.faults import Keys
from usrda_plugin.options.image_root import ImageRoot
from usrda_plugin.options.lmdb_root import lmdb_shapes
from usrda_plugin.options.schema_data import Root
from usrda_plugin.options.validation import Options, Review

WRONG_LIST = "correct the path, or remove the key to take all images"


def open_root(review: Review, phase: str, root: Root, dataset: Options) -> ImageRoot | None:
    """List the images of a root; None, and a fault reported, where there is no such root or nothing in it."""
    keys, path = ("datasets", phase, root.key), Path(dataset[root.key])
    if not path.is_dir():
        _tell_no_folder(review, keys, path)
        return None
    shapes = None
    if path.suffix == ".lmdb":
        shapes = lmdb_shapes(review, keys, path, skips_blank_lines=is_ours(dataset))
        if shapes is None:
            return None
    found = ImageRoot(keys, root.domain, path, [], shapes)
    file = dataset.get(root.meta_info) if root.meta_info else None
    meta_info = Path(file) if isinstance(file, str) else None
    list_keys = ("datasets", phase, root.meta_info or "")
    if root.pairs_with is not None:  # what it must have depends on the other root
        found.names = sorted(shapes) if shapes is not None else basicsr_roots.list_folder(path)
        return found
    if is_ours(dataset):
        return _ask_ours(review, found, meta_info, list_keys)
    if meta_info is not None and shapes is None:  # BasicSR reads no list where there is an LMDB
        return basicsr_roots.listed_part(review, list_keys, meta_info, found, str(dataset.get("type")))
    found.names = sorted(shapes) if shapes is not None else basicsr_roots.list_folder(path)
    if not found.names:
        basicsr_roots.tell_nothing(review, found)
        return None
    return found


def is_ours(dataset: Options) -> bool:
    """Whether it is a data set of this package."""
    return str(dataset.get("type")).startswith("USRDA")


def _ask_ours(review: Review, root: ImageRoot, meta_info: Path | None, list_keys: Keys) -> ImageRoot | None:
    from usrda_plugin.data.images import ImageSource, MissingImagesError

    try:
        root.source = ImageSource.open(root.path, meta_info)
    except MissingImagesError as error:
        review.fault(list_keys, str(error), basicsr_roots.remedy_of_list(error.lines))
        return None
    except (ValueError, OSError) as error:
        if meta_info is not None:
            review.fault(list_keys, f"cannot read the list {meta_info}: {error}", WRONG_LIST)
        else:
            basicsr_roots.tell_nothing(review, root, str(error))
        return None
    root.names = list(root.source.entries)
    return root


def _tell_no_folder(review: Review, keys: Keys, path: Path) -> None:
    what = "is a file" if path.exists() else "does not exist"
    there = f"correct the path; it is looked for from {Path.cwd()}" if not path.is_absolute() else "correct the path"
    review.fault(
        keys, f"expected {'an LMDB' if path.suffix == '.lmdb' else 'a folder of images'}, but {path} {what}", there
    )
