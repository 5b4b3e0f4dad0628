"""The arguments of ``usrda camera``."""

from __future__ import annotations

import argparse

from usrda_plugin.cli.commands import Command, add_action, path

SCALES = (1, 2, 3, 4, 8)

ESTIMATE = """Examples:
  usrda camera estimate photos -o camera.json --plot camera.png
  usrda camera estimate photos -o camera.json --source datasets/source/HR --scale 4

The file goes to an option file (datasets: train: degradation: camera.json), to usrda camera apply, or to another
program: docs/camera.md has it field by field."""

APPLY = """Examples:
  usrda camera apply datasets/source/HR --camera camera.json --scale 2 -o datasets/source/LRx2
  usrda camera apply photo.png --camera camera.json --scale 4 -o small --seed 7"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two things to do with a camera."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{estimate,apply}")
    _add_estimate(add_action(actions, "estimate", "find the blur and noise of a camera in its photographs", ESTIMATE))
    _add_apply(add_action(actions, "apply", "make LR images of HR ones as a camera would take them", APPLY))


def _add_estimate(estimate: argparse.ArgumentParser) -> None:
    estimate.add_argument(
        "photographs",
        nargs="+",
        metavar="PHOTOS",
        help="photographs of one camera: folders with their subfolders, images, or patterns in quotes",
    )
    estimate.add_argument("-o", "--output", required=True, type=path, metavar="FILE.json", help="the camera's file")
    estimate.add_argument(
        "--source",
        nargs="+",
        metavar="HR",
        help="sharp photographs of anything, to compare with (default: six that come with scikit-image)",
    )
    estimate.add_argument(
        "--scale", type=int, choices=SCALES, default=2, help="how far the network shall enlarge (default: 2)"
    )
    _add_seed(estimate, "start of the random choice of places in the photographs")
    estimate.add_argument("--plot", type=path, metavar="PICTURE", help="draw the camera: .png, .svg or .pdf")
    estimate.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _add_apply(apply: argparse.ArgumentParser) -> None:
    apply.add_argument("input", nargs="+", metavar="HR", help="image, folder, or pattern in quotes")
    apply.add_argument("--camera", required=True, type=path, metavar="FILE.json", help="the camera's file")
    apply.add_argument("--scale", required=True, type=int, choices=SCALES, help="HR size over LR size")
    apply.add_argument("-o", "--output", required=True, type=path, metavar="FOLDER", help="folder of results, in PNG")
    _add_seed(apply, "start of the noise, which is a function of this and of an image's name")
    apply.add_argument("--recursive", action="store_true", help="images of subfolders too; results keep the structure")
    there = apply.add_mutually_exclusive_group()
    there.add_argument("--skip-existing", action="store_true", help="leave out images whose result is there")
    there.add_argument("--overwrite", action="store_true", help="replace results that are there")


def _add_seed(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help=f"{text} (default: 0)")


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, found {text!r}")
    return int(text)


COMMAND = Command("find a camera's blur and noise in its photographs, or make images by them", add_arguments, "camera")
