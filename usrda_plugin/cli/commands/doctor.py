"""The help of ``usrda doctor``."""

from __future__ import annotations

import argparse

from usrda_plugin.cli.commands import Command

ABOUT = """The last line is "ready: ..." or "not ready: ..." with what to do. What is optional (a GPU, weights of VGG-19
and AlexNet) is told before it, with what cannot be used without it. The exit code is 2 where nothing can
work, as a package is missing or does not load, and else 0."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say how the answer is to be read; there is nothing to choose."""
    parser.epilog = ABOUT


COMMAND = Command("say what is installed, which faults of BasicSR are mended, what is missing", add_arguments, "doctor")
