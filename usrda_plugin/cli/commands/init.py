"""The arguments of ``usrda init``."""

from __future__ import annotations

import argparse
from typing import get_args

from usrda_plugin.choices import Recipe
from usrda_plugin.cli.commands import Command, path

ABOUT = """Recipes:
  adapt       a network for photographs of your camera without HR partners, which show its blur and noise (default)
  usrda       the paper: six terms, three critics; needs VGG weights
  plus        what measured best beside a camera's blur and noise: two weak critics
  camera      plus without its critics, in a quarter of the time
  psnr        a network trained on clean pairs by L1, which the others start from
  esrgan, realesrgan    baselines, by BasicSR's own models; need VGG weights
Each comes with the files that it builds on, with its test, and with the file that makes its start."""
EXAMPLES = """Examples:
  usrda init options
  usrda init options_x2 --scale 2
  usrda init paper --recipe usrda"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the files go, of which recipe they are, and for which scale."""
    parser.epilog = f"{ABOUT}\n\n{EXAMPLES}"
    parser.add_argument(
        "folder", nargs="?", type=path, metavar="DIR", help="folder that gets them; what lies there is left alone"
    )
    parser.add_argument("--recipe", choices=get_args(Recipe), default="adapt", help="what they train (default: adapt)")
    parser.add_argument(
        "--scale", type=int, default=4, metavar="N", help="HR size over LR size: 1, 2, 4, of usrda also 3 (default: 4)"
    )


COMMAND = Command("copy commented option files into a folder, to be edited", add_arguments, "init")
