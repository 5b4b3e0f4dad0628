"""``usrda``: the commands that are ours. Nothing heavy is imported, so that help comes at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.cli.commands import add_parser, camera, compare, doctor, gap, lmdb, report, upscale
from usrda_plugin.cli.exits import run_command

COMMANDS = {
    "camera": camera.COMMAND,
    "compare": compare.COMMAND,
    "doctor": doctor.COMMAND,
    "gap": gap.COMMAND,
    "lmdb": lmdb.COMMAND,
    "report": report.COMMAND,
    "upscale": upscale.COMMAND,
}
