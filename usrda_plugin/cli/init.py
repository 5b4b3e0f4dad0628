"""``usrda init``: commented option files of a recipe in a folder of the user's, and what to do next."""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from usrda_plugin.cli.commands.init import ABOUT, EXAMPLES
from usrda_plugin.cli.exits import printable
from usrda_plugin.errors import SetupError
from usrda_plugin.recipe_files import RECIPES, Wanted


def run(chosen: argparse.Namespace) -> None:
    """Write the files and say what comes next. Raises SetupError, with nothing written."""
    if chosen.folder is None:
        raise SetupError(f"expected a folder for the option files, found none; give one\n\n{ABOUT}\n\n{EXAMPLES}")
    wanted = Wanted(chosen.recipe, chosen.scale)
    texts = wanted.texts()
    new = place(texts, chosen.folder)
    there = f" ({len(texts) - new} of them there before)" if new < len(texts) else ""
    files = f"{len(texts)} files of the recipe {wanted.recipe} at scale {wanted.scale}{there}"
    print(printable(f"{chosen.folder}: {files}. Next:"))
    for step in next_steps(wanted, chosen.folder):
        print(printable(f"  {step}"))


def next_steps(wanted: Wanted, folder: Path) -> list[str]:
    """Three lines: where photographs go, and the next two commands."""
    commands = [
        (f"basicsr train -opt {shlex.quote(str(folder / name))}", why)
        for name, why in (
            (wanted.start, "makes the start; another: path: pretrain_network_g"),
            (wanted.train, "trains, from that start" if wanted.start else "trains"),
        )
        if name
    ]
    if len(commands) == 1:
        commands.append((f"basicsr test -opt {shlex.quote(str(folder / wanted.test))}", "enlarges and measures"))
    width = max(len(command) for command, _ in commands)
    return [_photographs(wanted), *(f"{command:<{width}}  # {why}" for command, why in commands)]


def _photographs(wanted: Wanted) -> str:
    contents = RECIPES[wanted.recipe]
    places = ["HR photographs of anything go to datasets/source/HR"]
    if wanted.recipe == "realesrgan":
        places.append("their names, one a line, to datasets/source/meta_info.txt")
    if wanted.recipe in ("adapt", "usrda", "plus", "camera"):
        places.append("those of your camera to datasets/target/LR")
    if contents.pairs:
        places.append("pairs to measure on to datasets/val/HR and datasets/val/LR")
    return ", ".join(places)


def place(texts: Mapping[str, str], folder: Path) -> int:
    """Write texts below a folder, all or none, and count the new files; one that says the same already is left alone.

    Raises SetupError that names the files which are there and say something else, or why none can be written.
    """
    try:
        new = _not_yet_there(texts, folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".usrda-init-", dir=folder.parent) as beside:
            staged = Path(beside, "files")
            for name in new:
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_text(texts[name], encoding="utf-8")
            if folder.is_dir():
                _move(staged, folder, new)
            else:
                staged.rename(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "nothing was written: give another folder"
        raise SetupError(
            f"expected a folder that option files can be written to, found {folder}: {reason}; {remedy}"
        ) from None
    return len(new)


def _not_yet_there(texts: Mapping[str, str], folder: Path) -> list[str]:
    """The names of files to be written."""
    there = [name for name in texts if os.path.lexists(folder / name)]
    other = [name for name in there if not _says(folder / name, texts[name])]
    if other:
        raise SetupError(
            f"expected no option files of these names in {folder}, found {', '.join(sorted(other))} with another"
            " content; nothing was written: give another folder, or move them away"
        )
    return [name for name in texts if name not in there]


def _says(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes() == text.encode()


def _move(staged: Path, folder: Path, names: list[str]) -> None:
    """Give files their names below ``folder``, where there are none; undo it where one cannot have its name."""
    made: list[Path] = []
    try:
        for name in names:
            if not (folder / name).parent.is_dir():
                (folder / name).parent.mkdir()
                made.append((folder / name).parent)
            with (folder / name).open("xb") as file:  # never one that has come meanwhile
                made.append(folder / name)
                file.write((staged / name).read_bytes())
    except BaseException:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise
