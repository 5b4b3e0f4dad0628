"""The arguments of ``usrda upscale``."""

from __future__ import annotations

import argparse
from typing import get_args

from usrda_plugin.choices import AlphaBy, Extension, Precision
from usrda_plugin.cli.commands import Command, number_or, path, percent

EXAMPLES = """Examples:
  usrda upscale --weights net_g_latest.pth --input photos --output upscaled
  usrda upscale --weights net_g_latest.pth --input 'photos/**/*.jpg' --output upscaled --ext png --skip-existing
  usrda upscale --weights net_g_latest.pth --input camera --recursive --output upscaled --quality 90
  usrda upscale --weights RealESRGAN_x4plus.pth --input photo.png --output large.png --self-ensemble"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to upscale, with what, where to, and how."""
    parser.epilog = EXAMPLES
    parser.add_argument("--weights", required=True, metavar="FILE", help="network: a .pth or .safetensors file")
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="image, folder, or pattern in quotes ('photos/**/*.png')",
    )
    parser.add_argument("--recursive", action="store_true", help="images of subfolders too; results keep the structure")
    parser.add_argument(
        "--output", required=True, type=path, metavar="PLACE", help="folder of results; for one image also a file"
    )
    network = parser.add_argument_group("network")
    network.add_argument("--opt", metavar="FILE", help="option file whose network_g it is, if the weights do not tell")
    network.add_argument("--param-key", metavar="KEY", help="weights in the file (default: the average, then params)")
    network.add_argument("--plugin", action="append", default=[], metavar="MODULE", help="module that registers more")
    network.add_argument("--self-ensemble", action="store_true", help="mean over eight flips and turns: 8 x the time")
    files = parser.add_argument_group("files")
    files.add_argument("--suffix", default="", help="added to the names of results")
    files.add_argument(
        "--ext", choices=get_args(Extension), default="auto", help="format (default: the input's, or png)"
    )
    files.add_argument(
        "--quality", type=percent, metavar="N", help="of JPEG and WebP, 1 to 100 (default: 95, lossless WebP stays so)"
    )
    files.add_argument("--alpha", choices=get_args(AlphaBy), default="network", help="what enlarges alpha")
    there = files.add_mutually_exclusive_group()
    there.add_argument("--skip-existing", action="store_true", help="leave out images whose result is there")
    there.add_argument("--overwrite", action="store_true", help="replace results that are there")
    speed = parser.add_argument_group("speed and memory")
    speed.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    speed.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="auto",
        help="default: fp16 on a GPU, fp32 on a CPU; exact: fp32, bit for bit as `basicsr test`, but slower",
    )
    speed.add_argument("--compile", action="store_true", help="compile the network: slow start, then faster")
    speed.add_argument(
        "--tile", type=number_or("auto", "none"), default="auto", metavar="N", help="side of a tile in input pixels,"
        " overlap included; auto: by free memory; none: the whole image at once"
    )  # fmt: skip
    speed.add_argument(
        "--overlap", type=number_or("auto", "full"), default="auto", metavar="N", help="input pixels around a tile"
        " that are computed twice; full: the receptive field, so that tiles are exact; auto: that, but of"
        " deep networks 16 cells of their features"
    )  # fmt: skip
    speed.add_argument("--batch", type=number_or("auto"), default="auto", metavar="N", help="tiles at a time")


COMMAND = Command("super-resolve images with a trained network", add_arguments, "upscale")
