"""The option files of a recipe at a scale: the shipped texts with their comments, a few values changed in their lines.

A recipe is a train file, its test file, the file that makes its start, and what these build on by ``_base_``.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

import yaml

from usrda_plugin.choices import Recipe
from usrda_plugin.errors import SetupError
from usrda_plugin.shipped import recipes_folder

SHIPPED_SCALE = 4
SCHEMA = "schema.json"


class Contents(NamedTuple):
    """Names of option files without ``.yml``, and what a user has to know of them.

    ``start`` makes the network that ``train`` starts from. ``scales``: those at which all of it works. ``pairs``:
    whether it is validated on pairs of HR and LR images; if not, on the target's photographs, without metrics.
    """

    train: str
    test: str
    start: str | None = "train_psnr"
    scales: tuple[int, ...] = (1, 2, 4)
    pairs: bool = True


RECIPES: dict[Recipe, Contents] = {
    "adapt": Contents("train_adapt", "test_adapt", pairs=False),
    "usrda": Contents("train_usrda", "test_usrda", scales=(1, 2, 3, 4)),
    "plus": Contents("train_usrda_plus", "test_usrda_plus"),
    "camera": Contents("train_usrda_camera", "test_usrda_camera"),
    "psnr": Contents("train_psnr", "test_psnr", start=None),
    "esrgan": Contents("train_esrgan", "test_esrgan"),
    "realesrgan": Contents("train_realesrgan", "test_realesrgan"),
}


class Wanted(NamedTuple):
    """A recipe at a scale. At scale 3 there is no start: BasicSR's RRDBNet does not have it."""

    recipe: Recipe
    scale: int

    @property
    def train(self) -> str:
        """The name of the option file that trains it."""
        return _at_scale(f"{RECIPES[self.recipe].train}.yml", self.scale)

    @property
    def test(self) -> str:
        """The name of the option file that tests what was trained."""
        return _at_scale(f"{RECIPES[self.recipe].test}.yml", self.scale)

    @property
    def start(self) -> str | None:
        """The name of the option file that makes its start, if there is one."""
        name = RECIPES[self.recipe].start
        return _at_scale(f"{name}.yml", self.scale) if name and self.scale != 3 else None

    def texts(self) -> dict[str, str]:
        """The text of each file of the recipe, by its path below the folder that they will have in common.

        Raises SetupError where the recipe has not this scale.
        """
        contents = RECIPES[self.recipe]
        if self.scale not in contents.scales:
            scales = ", ".join(map(str, contents.scales[:-1])) + f" or {contents.scales[-1]}"
            others = [name for name, other in RECIPES.items() if self.scale in other.scales]
            remedy = f"; {self.scale} is a scale of the recipe {', '.join(others)}" if others else ""
            raise SetupError(f"expected a scale of the recipe {self.recipe}: {scales}, found {self.scale}{remedy}")
        starts = [contents.start] if contents.start and self.scale != 3 else []
        texts: dict[str, str] = {SCHEMA: (recipes_folder() / SCHEMA).read_text(encoding="utf-8")}
        for name in (contents.train, contents.test, *starts):
            _collect(f"{name}.yml", texts)
        return {_at_scale(name, self.scale): self._edited(name, text) for name, text in texts.items()}

    def _edited(self, name: str, text: str) -> str:
        if name == SCHEMA:
            return text
        if not RECIPES[self.recipe].pairs:
            text = without_pairs(text)
        return _at_scale(text, self.scale)


def without_pairs(text: str) -> str:
    """An option file whose validation is switched from pairs to the target's photographs: the # changes its line."""
    return re.sub(
        r"^( +)(- \S*\bvalidation\.yml .*\n +)# (- \S*\bvalidation_without_pairs\.yml )",
        r"\1# \2\3",
        text,
        flags=re.MULTILINE,
    )


def _collect(name: str, texts: dict[str, str]) -> None:
    """Add an option file and what it builds on."""
    if name in texts:
        return
    texts[name] = (recipes_folder() / name).read_text(encoding="utf-8")
    bases = yaml.safe_load(texts[name]).get("_base_", [])
    for base in [bases] if isinstance(bases, str) else bases:
        _collect(str(PurePosixPath(name).parent / base), texts)
    for base in re.findall(r"^ +# - (\S+\.yml) ", texts[name], re.MULTILINE):  # what a switch would take
        _collect(str(PurePosixPath(name).parent / base), texts)


def _at_scale(text: str, scale: int) -> str:
    """A text, or a file's name, of the shipped scale as it is at another."""
    if scale == SHIPPED_SCALE:
        return text
    for pattern, value in _CHANGES + (_UNKNOWN_TO_RRDBNET if scale == 3 else _MIDDLE_SIZE):
        text = re.sub(pattern, value.format(scale=scale), text, flags=re.MULTILINE)
    return text


_NAMES = "|".join(sorted((each.train.removeprefix("train_") for each in RECIPES.values()), key=len, reverse=True))
_CHANGES = (
    (r"^( *(?:scale|crop_border): )4\b", r"\g<1>{scale}"),
    (r"\bscale 4\b", "scale {scale}"),
    # so that runs of two scales below one folder do not take each other's names
    (rf"\b((?:train|test)_(?:{_NAMES}))\b", r"\1_x{scale}"),
)
# RRDBNet computes on images shrunk by 2 or 4 there
_MIDDLE_SIZE = ((r"^( *num_block: )23\b", r"\g<1>8"), (r"^( *num_block_lr_decoder: )10\b", r"\g<1>2"))
_UNKNOWN_TO_RRDBNET = (
    (r"^( *gt_size: )128\b", r"\g<1>96"),  # divisible by 3, and as many LR pixels
    (r"^( *pretrain_network_g: )experiments/train_psnr.*\n *param_key_g:.*",
     r"\1~  # none: RRDBNet has no scale 3, so the first psnr_iter iterations are the start"),
)  # fmt: skip
