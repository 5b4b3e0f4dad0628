"""The arguments of ``usrda adapt``."""

from __future__ import annotations

import argparse

from usrda_plugin.cli.commands import Command, path

EXAMPLES = """Examples:
  usrda adapt photos
  usrda adapt photos --dry-run
  usrda adapt photos --scale 4 --budget 1h
  usrda adapt photos --from RealESRGAN_x4plus.pth --source hr --budget 2h --output runs/mycamera

What it leaves in runs/photos_x2: the network photos_x2.pth with its card, camera.json, the option file adapt.yml that
`basicsr train` reads too, and report.html. Broken off, the same command goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which photographs, from where, for how long, and where to."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "photographs", type=path, metavar="PHOTOS", help="folder of photographs of one camera; subfolders are taken"
    )
    parser.add_argument(
        "--scale",
        type=int,
        choices=(1, 2, 3, 4),
        help="how many times larger results are (default: that of --from, or 2)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=path,
        metavar="NETWORK",
        help="network to start from, USRDANet or RRDBNet (default: a small one that comes with usrda, scale 2 or 4)",
    )
    parser.add_argument(
        "--source",
        type=path,
        metavar="FOLDER",
        help="clean HR photographs to learn from (default: those installed with scikit-image)",
    )
    parser.add_argument(
        "--budget", default="10m", metavar="TIME", help="for all of it: 10m, 2h, 1h30m, seconds (default: 10m)"
    )
    parser.add_argument("--output", type=path, metavar="FOLDER", help="where to (default: runs/PHOTOS_xSCALE)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the training (default: 0)")
    parser.add_argument(
        "--dry-run", action="store_true", help="stop after the option file; say what would be done and for how long"
    )


COMMAND = Command("adapt a network to the camera of your photographs, without ground truth", add_arguments, "adapt")
