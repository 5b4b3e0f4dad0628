"""Spoil option files and load them: ``python -m tests.options.fuzz --files 2000 --seed 0``."""

from __future__ import annotations

import argparse
import sys
import time

import usrda_plugin

usrda_plugin.register()  # before the fuzz imports BasicSR
from tests.options.fuzz.fuzz import fuzz  # noqa: E402


def main() -> int:
    """Print the counts and every violation; 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.options.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=60, help="of these, how many go to the command too")
    chosen = parser.parse_args()
    begun = time.perf_counter()
    report = fuzz(chosen.files, chosen.seed, chosen.commands)
    print(f"{report}\n{time.perf_counter() - begun:.1f} s")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
