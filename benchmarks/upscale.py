"""`usrda upscale` beside the ways in which others upscale: output pixels per second and peak memory.

Every candidate runs in a process of its own; they take turns, image by image, so that a busy machine is busy for all.
Ratios are of the same round; their median and extremes are told. `--tiny` takes seconds and only looks whether the
results are equal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from upscale_candidates import CANDIDATES, NETWORKS, TILE

SERVER = Path(__file__).with_name("upscale_candidates.py")
REFERENCE = "untiled"
USUAL = ("untiled", "tile loop", "spandrel", "spandrel, tile loop", "ours")
ON_GPU = (*USUAL, "ours, bf16", "ours, fp16", "ours, fp16, compiled")
PRECISE = ("untiled", "spandrel", "ours, full overlap")
EQUAL = 1e-5  # what other orders of summing may change, of values about 1
ROOM = 0.5  # of free memory; an image that would take more is not tried untiled
IMAGE_BYTES = 16 * 3 * 4  # of the result, for each pixel of the image, on the CPU
UNTILED_BYTES = 16_000  # a pixel of a network of 64 channels, generously


class Pixels(NamedTuple):
    """Those of a result: how many, and the bytes of them that are in the peak memory of whoever makes them."""

    count: int
    counted_bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0, or 1 where results differ that should not."""
    chosen = parser().parse_args(arguments)
    if chosen.tiny:
        chosen.network, chosen.sizes, chosen.rounds, chosen.tile = "tiny", [230], 1, 120
        chosen.candidates = [*PRECISE, "tile loop"]
    elif not chosen.candidates:
        chosen.candidates = ON_GPU if chosen.device.startswith("cuda") else USUAL
    console = Console(width=max(Console().width, 130))  # where there is no terminal, a table is not to be folded
    with TemporaryDirectory() as folder:
        report = {str(size): measure(chosen, size, Path(folder)) for size in chosen.sizes}
    for size, figures in report.items():
        console.print(table(chosen, size, figures))
    if chosen.json:
        chosen.json.write_text(json.dumps({"setting": setting(chosen), "sizes": report}, indent=1) + "\n")
    wrong = [name for figures in report.values() for name in PRECISE if figures.get(name, {}).get("differs", 0) > EQUAL]
    console.print(f"[red]differ from {REFERENCE}: {wrong}[/]" if wrong else "[green]results are equal[/]")
    return 1 if wrong else 0


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:NUMBER")
    made.add_argument("--network", choices=NETWORKS, default="small", help="RRDB blocks, channels: " + str(NETWORKS))
    made.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024], help="sides of the images")
    made.add_argument("--candidates", nargs="+", choices=CANDIDATES, metavar="NAME", help=", ".join(CANDIDATES))
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--threads", type=int, default=0, help="of the CPU; default: torch's")
    made.add_argument("--tile", type=int, default=TILE, help="of the tile loop, and of ours unless it is the default")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    made.add_argument("--tiny", action="store_true", help="seconds only: are the results equal?")
    return made


def measure(chosen: argparse.Namespace, size: int, folder: Path) -> dict[str, Any]:
    """Figures of each candidate at one image size."""
    servers = {name: start(chosen, name) for name in chosen.candidates if fits(chosen, name, size)}
    try:
        for server in servers.values():
            read(server)  # it is ready
        # the first round warms up and leaves its result to be compared
        for number, server in enumerate(servers.values()):
            ask(server, f"{size} {size} {folder / str(number)}")
        rounds = [turn(servers, size, number) for number in range(chosen.rounds)]
    finally:
        for server in servers.values():
            server.stdin.close()
            server.wait()
    results = {
        # spandrel clamps, so all are clamped before they are compared
        name: torch.load(folder / str(number), weights_only=True).clamp(0, 1)
        for number, name in enumerate(servers)
    }
    image = 0 if chosen.device.startswith("cuda") else IMAGE_BYTES * size**2
    return {name: summary(name, rounds, results, Pixels(16 * size**2, image)) for name in servers}


def turn(servers: dict[str, subprocess.Popen], size: int, number: int) -> dict[str, dict[str, float]]:
    """One run of each, beginning with another one each round."""
    names = list(servers)
    first = number % len(names)
    return {name: ask(servers[name], f"{size} {size}") for name in names[first:] + names[:first]}


def start(chosen: argparse.Namespace, name: str) -> subprocess.Popen:
    """A process that serves one candidate."""
    words = (name, chosen.network, chosen.device, str(chosen.threads), str(chosen.tile))
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(SERVER), *words], stdin=pipe, stdout=pipe, text=True)


def ask(server: subprocess.Popen, line: str) -> dict[str, float]:
    """The figures of one run."""
    server.stdin.write(line + "\n")
    server.stdin.flush()
    return read(server)


def read(server: subprocess.Popen) -> dict[str, Any]:
    """The next line of JSON; whatever libraries print besides is passed over."""
    for line in server.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"a candidate ended with {server.wait()}: {server.args}")


def fits(chosen: argparse.Namespace, name: str, size: int) -> bool:
    """Whether an image may be tried: untiled, a large one would take the machine's memory and its owner's patience."""
    from usrda_plugin.inference.memory import free_memory

    needed = size**2 * UNTILED_BYTES * NETWORKS[chosen.network][1] / 64
    return name not in ("untiled", "spandrel") or needed < ROOM * free_memory(torch.device(chosen.device))


def summary(name: str, rounds: list[Any], results: dict[str, torch.Tensor], image: Pixels) -> dict[str, Any]:
    """Speed, memory, ratios to the others (above 1: the other is slower) and the largest difference to untiled."""
    seconds = median(figures[name]["seconds"] for figures in rounds)
    ratios = {other: spread([r[other]["seconds"] / r[name]["seconds"] for r in rounds]) for other in results}
    megabytes = max(figures[name]["megabytes"] for figures in rounds)
    reference = results.get(REFERENCE)
    differs = {} if reference is None else {"differs": (results[name] - reference).abs().max().item()}
    return {
        "seconds": seconds,
        "megapixels per second": 1e-6 * image.count / seconds,
        "megabytes": megabytes,
        "megabytes beyond the image": megabytes - image.counted_bytes / 2**20,
        "faster than": ratios,
        **differs,
    }


def spread(ratios: list[float]) -> list[float]:
    """Median, least and greatest."""
    return [median(ratios), min(ratios), max(ratios)]


def setting(chosen: argparse.Namespace) -> dict[str, Any]:
    """What was measured, and on what."""
    on_gpu = chosen.device.startswith("cuda")
    where = torch.cuda.get_device_name(chosen.device) if on_gpu else "CPU"
    return {"device": where, "torch": torch.__version__, "network": chosen.network, "tile": chosen.tile,
            "threads": chosen.threads or torch.get_num_threads(), "rounds": chosen.rounds}  # fmt: skip


def table(chosen: argparse.Namespace, size: str, figures: dict[str, Any]) -> Table:
    """A row for each candidate."""
    about = setting(chosen)
    title = f"{size} x {size} to {4 * int(size)} x {4 * int(size)}, {about['network']}, {about['device']}"
    rivals = [name for name in ("tile loop", "spandrel", "spandrel, tile loop") if name in figures]
    made = Table(
        "", "Mpixel/s", "MB", "beyond image", *(f"x {rival}" for rival in rivals), "largest difference", title=title
    )
    for name, row in figures.items():
        ratios = ["{:.2f} ({:.2f} to {:.2f})".format(*row["faster than"][rival]) for rival in rivals]
        beyond = f"{row['megabytes beyond the image']:.0f}"
        differs = f"{row['differs']:.1e}" if "differs" in row else ""
        made.add_row(name, f"{row['megapixels per second']:.3f}", f"{row['megabytes']:.0f}", beyond, *ratios, differs)
    return made


if __name__ == "__main__":
    sys.exit(main())
