"""``usrda upscale``: images through a trained network."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usrda_plugin.inference import (
    Job,
    Naming,
    Precision,
    Tiling,
    Upscaler,
    Watcher,
    keep_freed_memory,
    list_images,
    plan_jobs,
    upscale_files,
    without_results,
)
from usrda_plugin.inference.jobs import Existing, Extension
from usrda_plugin.inference.workshop import AlphaBy
from usrda_plugin.interop import Identified, build, identify
from usrda_plugin.runner.launch import SetupError
from usrda_plugin.runner.options.inheritance import read_chain
from usrda_plugin.runner.plugins import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to upscale, with what, where to, and how."""
    parser.epilog = """Examples:
  usrda upscale --weights net_g_latest.pth --input photos --output upscaled
  usrda upscale --weights net_g_latest.pth --input 'photos/**/*.jpg' --output upscaled --ext png --skip-existing
  usrda upscale --weights RealESRGAN_x4plus.pth --input photo.png --output upscaled --self-ensemble"""
    parser.add_argument("--weights", required=True, metavar="FILE", help="network: a .pth or .safetensors file")
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="image, folder, or pattern in quotes ('photos/**/*.png')",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where results go")
    network = parser.add_argument_group("network")
    network.add_argument("--opt", metavar="FILE", help="option file whose network_g it is, if the weights do not tell")
    network.add_argument("--param-key", metavar="KEY", help="weights in the file (default: params_ema, then params)")
    network.add_argument("--plugin", action="append", default=[], metavar="MODULE", help="module that registers more")
    network.add_argument("--self-ensemble", action="store_true", help="mean over eight flips and turns: 8 x the time")
    files = parser.add_argument_group("files")
    files.add_argument("--suffix", default="", help="added to the names of results")
    files.add_argument(
        "--ext", choices=get_args(Extension), default="auto", help="format (default: the input's, or png)"
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
        "--tile", type=_number_or("auto", "none"), default="auto", metavar="N", help="side of a tile in input pixels,"
        " overlap included; auto: by free memory; none: the whole image at once"
    )  # fmt: skip
    speed.add_argument(
        "--overlap", type=_number_or("auto", "full"), default="auto", metavar="N", help="input pixels around a tile"
        " that are computed twice; full: the receptive field, so that tiles are exact; auto: that, but of"
        " deep networks 16 cells of their features"
    )  # fmt: skip
    speed.add_argument("--batch", type=_number_or("auto"), default="auto", metavar="N", help="tiles at a time")


def run(chosen: argparse.Namespace) -> None:
    """Upscale the images. Raises SetupError for what the user can mend, at the end for images that failed."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    Image.MAX_IMAGE_PIXELS = None  # the user's own images are as large as they are
    keep_freed_memory()
    try:
        jobs = _jobs(chosen, console)
        if not jobs:
            console.print("nothing to do: all results are there")
            return
        identified, upscaler = _open(chosen)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    console.print(_spelt(identified, upscaler), markup=False)
    begun = time.perf_counter()
    with _progress(console, jobs) as watcher:
        failures = upscale_files(jobs, upscaler, alpha_by=chosen.alpha, watcher=watcher)
    seconds = time.perf_counter() - begun
    done = len(jobs) - len(failures)
    console.print(f"{_count(done)} upscaled into {chosen.output}, in {seconds:.1f} s", markup=False)
    if failures:
        listed = "".join(f"\n  {failure}" for failure in failures)
        raise SetupError(f"{len(failures)} of {_count(len(jobs))} failed:{listed}")


def _jobs(chosen: argparse.Namespace, console: Console) -> list[Job]:
    existing: Existing = "skip" if chosen.skip_existing else "overwrite" if chosen.overwrite else "refuse"
    if chosen.output.exists() and not chosen.output.is_dir():
        raise ValueError(f"{chosen.output}: expected a folder for results, found a file")
    naming = Naming(chosen.suffix, chosen.ext, existing)
    found = list_images(chosen.input)
    images = without_results(found, chosen.output, naming)
    if len(images) < len(found):
        console.print(f"{_count(len(found) - len(images))} left out: results, by name or place", markup=False)
    return plan_jobs(images, chosen.output, naming)


def _open(chosen: argparse.Namespace) -> tuple[Identified, Upscaler]:
    load_plugins(chosen.plugin)
    identified = identify(chosen.weights, description=_network_g(chosen.opt), param_key=chosen.param_key)
    tiling = Tiling(chosen.tile or "none", chosen.overlap, chosen.batch)
    upscaler = Upscaler(build(identified), tiling, device=chosen.device, precision=chosen.precision)
    if chosen.compile:
        upscaler.engine.compile()
    if chosen.self_ensemble:
        upscaler.engine.ensemble()
    return identified, upscaler


def _network_g(opt_file: str | None) -> dict[str, Any] | None:
    if opt_file is None:
        return None
    network = read_chain(Path(opt_file)).opt.get("network_g")
    if not isinstance(network, dict):
        raise ValueError(
            f"{opt_file}: expected a block network_g, found {network!r}; give the option file of a training"
        )
    return network


def _spelt(identified: Identified, upscaler: Upscaler) -> str:
    told = {
        "option file": "as the option file says",
        "file": "as the file says",
        "weights": "recognised by its weights",
    }
    below = f" below {identified.key!r}" if identified.key else ""
    engine, tiled = upscaler.engine, upscaler.tiled
    return (
        f"{identified.file}{below}: {identified.description['type']} x{upscaler.scale}, {told[identified.told_by]};"
        f" {engine.device}, {engine.precision}, overlap {tiled.overlap}"
    )


@contextmanager
def _progress(console: Console, jobs: list[Job]) -> Iterator[Watcher]:
    """Two bars where there is a terminal: images, and the tiles of the one at work."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        images = bars.add_task("images", total=len(jobs))
        tiles = bars.add_task("tiles", total=None)
        yield Watcher(
            begin=lambda job: bars.reset(tiles, description=job.source.name, total=None),
            tiles=lambda done, count: bars.update(tiles, completed=done, total=count),
            end=lambda job, pixels: bars.advance(images),
        )


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"


def _number_or(*words: str) -> Callable[[str], Any]:
    """An argument that is a number of 0 or more, or one of these words."""

    def parse(text: str) -> int | str:
        if text in words:
            return text
        if not text.isdigit():
            raise argparse.ArgumentTypeError(f"expected a number or {' or '.join(words)}, found {text!r}")
        return int(text)

    return parse
