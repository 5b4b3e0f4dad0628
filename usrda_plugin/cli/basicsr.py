"""``basicsr train`` and ``basicsr test``: BasicSR's own runner, with plugins, checked options and mended faults."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from typing import get_args

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.choices import Launcher
from usrda_plugin.cli.exits import run_command

_EXAMPLES = {
    "train": """Examples:
  basicsr train -opt options/train_usrda.yml
  basicsr train -opt options/train_usrda.yml --auto_resume --time_limit 11:55:00
  basicsr train -opt options/train_usrda.yml --force_yml train:total_iter=1000 train:optim_g:lr=5e-5
  torchrun --nproc_per_node 2 -m usrda_plugin train --launcher pytorch -opt options/train_usrda.yml""",
    "test": """Examples:
  basicsr test -opt options/test_usrda.yml
  basicsr test -opt options/test_usrda.yml --force_yml path:pretrain_network_g=net_g_latest.pth""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code: 0, 2 where options or files are at fault, 1 where training cannot go on.

    A training that is asked to stop saves and gives 0; 130 where the user has broken off at once.
    """
    return run_command("basicsr", build_parser, _start, arguments)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="basicsr",
        description="Train and test restoration networks with BasicSR and its plugins, below the current directory.",
        epilog="basicsr train --help and basicsr test --help list the options of each.",
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"usrda_plugin {__version__}, basicsr {_version_of_basicsr()}"
    )
    _add_local_rank(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{train,test}")
    train = _add_command(commands, "train", "train a network, validate and save it: experiments/NAME, tb_logger/NAME")
    train.add_argument(
        "--auto_resume", "--auto-resume", action="store_true", help="go on from the newest whole checkpoint"
    )
    train.add_argument(
        "--time_limit", "--time-limit", type=_seconds, metavar="TIME",
        help="save and end after so long: seconds, MINUTES:SECONDS or HOURS:MINUTES:SECONDS",
    )  # fmt: skip
    train.add_argument(
        "--no_live", "--no-live", action="store_true",
        help="plain lines of log on a terminal too, no live display (also USRDA_LIVE=0)",
    )  # fmt: skip
    _add_command(commands, "test", "run a trained network on test images and measure: results/NAME")
    return parser


def _version_of_basicsr() -> str:
    try:
        return version("basicsr")
    except PackageNotFoundError:
        return "not installed"


def _add_command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_EXAMPLES[name],
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-opt", "--opt", required=True, metavar="FILE", help="option file (YAML; _base_ names a file to inherit)"
    )
    parser.add_argument("--launcher", choices=get_args(Launcher), default="none", help="how processes are started")
    parser.add_argument("--debug", action="store_true", help="validate and save every 8 iterations; show tracebacks")
    parser.add_argument(
        "--force_yml",
        "--force-yml",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY:KEY=VALUE",
        help="options that replace those of the file",
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="module (or .py file) that registers more classes; may be repeated",
    )
    _add_local_rank(parser)
    return parser


def _add_local_rank(parser: argparse.ArgumentParser) -> None:
    # torch.distributed.launch writes it before the sub-command; the rank itself comes by the environment
    parser.add_argument("--local_rank", "--local-rank", type=int, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _start(chosen: argparse.Namespace) -> None:
    # it imports torch and BasicSR, which help and faults in arguments do without
    from usrda_plugin.training import launch

    if chosen.command == "test":
        launch.test(
            chosen.opt,
            overrides=chosen.force_yml,
            plugins=chosen.plugin,
            launcher=chosen.launcher,
            debug=chosen.debug,
        )
    else:
        launch.train(
            chosen.opt,
            overrides=chosen.force_yml,
            plugins=chosen.plugin,
            launcher=chosen.launcher,
            auto_resume=chosen.auto_resume,
            debug=chosen.debug,
            time_limit=chosen.time_limit,
            live=not chosen.no_live,
        )


def _seconds(text: str) -> float:
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(isfinite(part) and part >= 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected seconds, MINUTES:SECONDS or HOURS:MINUTES:SECONDS, found {text!r}")
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


if __name__ == "__main__":
    sys.exit(main())
