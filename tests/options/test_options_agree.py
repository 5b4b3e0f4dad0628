"""The check of data sets against the data sets themselves: one is refused if and only if it does not load."""

from __future__ import annotations

import random
from importlib import import_module
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image

import usrda_plugin  # noqa: F401 - makes BasicSR importable
from usrda_plugin.data import verify_lmdb
from usrda_plugin.options.consistency import check_consistency
from usrda_plugin.options.images import check_images
from usrda_plugin.options.validation import Source, Validation

Options = dict[str, Any]
SCALE = 2
SIDES = {"gt": 16, "lq": 8, "target": 8}
STEMS = ("a", "b", "a_s001", "b.c", "sub/a", "sub/d", "na me", "ü", "a x2")
ENDINGS = (".png", ".png", ".png", ".jpg", ".PNG", ".txt")
TEMPLATES = ("{}", "{}", "{}x2", "{}x2", "{}.x2", "x2_{}", "sub/{}")
ODD_TEMPLATES = ("a", "", "{", "{1}", "{b}", "{0.nothing}", "{:d}")
KINDS = {
    "PairedImageDataset": "meta_info_file",
    "RealESRGANPairedDataset": "meta_info",
    "SingleImageDataset": "meta_info_file",
    "USRDASourceDataset": "meta_info",
    "USRDADataset": "meta_info",
}


def encoded(side: int, folder: Path) -> bytes:
    """An image, made once."""
    file = folder / f"{side}.bmp"
    if not file.exists():
        Image.fromarray(np.full((side, side, 3), 99, np.uint8)).save(file)
    return file.read_bytes()


class Draw:
    """A set-up drawn at random: roots, their images, template and list, most of them nearly right."""

    def __init__(self, seed: int, place: Path) -> None:
        self.rng = random.Random(seed)
        self.place = place
        self.kind = self.rng.choice(sorted(KINDS))
        paired = {"PairedImageDataset", "RealESRGANPairedDataset"}
        self.phase = "train" if self.kind.startswith("USRDA") or (self.kind in paired and self.often(0.5)) else "val"
        self.template = self.rng.choice(TEMPLATES if self.often(0.93) else ODD_TEMPLATES)
        self.names = [stem + self.rng.choice(ENDINGS) for stem in self.rng.sample(STEMS, self.rng.randint(1, 4))]

    def often(self, chance: float = 0.8) -> bool:
        return self.rng.random() < chance

    def options(self) -> Options:
        rng = self.rng
        dataset: Options = {"name": "drawn", "type": self.kind, "gt_size": 8, "use_hflip": False, "use_rot": False}
        is_ours = self.kind.startswith("USRDA")
        both_lmdb = self.often(0.3)
        if self.kind != "SingleImageDataset":
            dataset["dataroot_gt"] = self.root("gt", self.names, both_lmdb != self.often(0.02))
        if not is_ours or self.often(0.7):
            dataset["dataroot_lq"] = self.root("lq", self.partners(both_lmdb), both_lmdb != self.often(0.02))
            if self.template != "{}":
                dataset["filename_tmpl"] = self.template
        if self.kind == "USRDADataset" and self.often():
            dataset["dataroot_target"] = self.root("target", self.names, self.often(0.2))
            if self.often(0.3):
                dataset["meta_info_target"] = self.listing("target.txt", self.names)
        if self.often(0.5):
            dataset[KINDS[self.kind]] = self.listing("list.txt", self.names)
        if self.often(0.1):
            dataset["io_backend"] = {"type": rng.choice(("lmdb", "disk"))}
        return dataset

    def partners(self, as_keys: bool) -> list[str]:
        """The names of LQ images: most of them the partners, with some that lack and some too many."""
        names = []
        for name in self.names:
            path = Path(name)
            try:
                stem = (
                    self.template.format(path.stem)
                    if not (as_keys and not self.kind.startswith("USRDA"))
                    else path.stem
                )
            except (ValueError, LookupError, AttributeError, MemoryError):
                stem = path.stem
            parent = path.parent if self.kind.startswith("USRDA") or as_keys else Path()
            partner = str(parent / (stem + (path.suffix if self.often(0.95) else ".png")))
            names += [partner] if self.often(0.97) and stem else []
        return names + (["more.png"] if self.often(0.05) else [])

    def root(self, side: str, names: list[str], is_lmdb: bool) -> str:
        folder = self.place / (f"{side}.lmdb" if is_lmdb else side)
        content = encoded(SIDES[side], self.place)
        if self.often(0.01):
            return str(folder)
        if is_lmdb:
            keys = list(dict.fromkeys(name.split(".")[0] for name in names))
            with lmdb.open(str(folder), map_size=2**20, sync=False) as store, store.begin(write=True) as transaction:
                for key in keys:
                    if self.often(0.98):
                        transaction.put(key.encode(), content)
            lines = [f"{key}.png ({SIDES[side]},{SIDES[side]},3) 1\n" for key in keys if self.often(0.98)]
            lines += ["\n"] if self.often(0.02) else []
            (folder / "meta_info.txt").write_text("".join(lines))
        else:
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True, parents=True)
                (folder / name).write_bytes(content)
            if self.often(0.1):
                (folder / ".hidden.png").write_bytes(content)
        return str(folder) + ("/" if self.often(0.1) else "")

    def listing(self, file: str, names: list[str]) -> str:
        lines = []
        for name in names:
            if self.often(0.9):
                line = f"{name}, {Path(name).name}" if self.kind == "RealESRGANPairedDataset" else name
                after = self.rng.choice(("", "", " (16,16,3)", "  ", "\r")) if self.often(0.95) else "\t(16,16,3)"
                lines.append(("  " if self.often(0.02) else "") + line + after)
        lines += (
            [self.rng.choice(("ghost.png", "", "a.png\x0bb.png", "a.png\u2028", "../gt/a.png"))]
            if self.often(0.2)
            else []
        )
        text = "\n".join(lines) + ("\n" if self.often(0.8) else "")
        text = "\ufeff" + text if self.often(0.02) else text
        if self.often(0.99):
            (self.place / file).write_bytes(text.encode("utf-8" if self.often(0.99) else "utf-16"))
        return str(self.place / file)


def loads(dataset: Options, phase: str) -> str:
    """Why a data set does not load, or give each of its samples; "" where it does."""
    registry = import_module("basicsr.utils.registry").DATASET_REGISTRY
    try:
        built = registry.get(dataset["type"])({**dataset, "scale": SCALE, "phase": phase})
        if hasattr(built, "check_images"):
            built.check_images()
        else:
            for index in range(len(built)):
                built[index]
        return lacking_keys(dataset) if len(built) else "it is empty"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def lacking_keys(dataset: Options) -> str:
    """The one thing that a data set may not meet: of an LMDB damage that lies beside what it takes."""
    roots = [value for key, value in dataset.items() if key.startswith("dataroot") and value.endswith(".lmdb")]
    return "; ".join(fault for root in roots for fault in verify_lmdb(root) if "is not in the LMDB" in fault)


def disagreement(draw: Draw) -> tuple[str, bool]:
    """What the check says where the data set says something else, and whether the data set loads."""
    dataset, phase = draw.options(), draw.phase
    opt = {"scale": SCALE, "num_gpu": 0, "datasets": {phase: dataset}}
    validation = Validation(opt, phase == "train", (Source("options.yml", opt),))
    check_consistency(validation)
    check_images(validation)
    told = "; ".join(f"{fault.key}: {fault.message}" for fault in validation.errors if fault.keys[0] == "datasets")
    why = loads(dataset, phase)
    return f"refused: {told!r}; loads: {why or 'yes'!r}" if bool(told) != bool(why) else "", not why


@pytest.mark.parametrize("seed", range(4))
def test_a_data_set_is_refused_if_and_only_if_it_does_not_load(seed: int, tmp_path: Path) -> None:
    count, loaded = 100, 0
    for number in range(count):
        place = tmp_path / str(number)
        place.mkdir()
        draw = Draw(count * seed + number, place)
        wrong, is_good = disagreement(draw)
        loaded += is_good
        files = {
            str(file.relative_to(place)): file.read_bytes() if file.suffix == ".txt" else ""
            for file in sorted(place.rglob("*"))
            if file.is_file()
        }
        assert not wrong, f"{draw.kind} {draw.phase}\n{files}\n{wrong}"
    assert count / 4 < loaded < count * 3 / 4
