"""The ways to upscale that `benchmarks/upscale.py` compares, each served in a process of its own.

A process of its own has a peak memory of its own, and one candidate's settings cannot help or hinder another.
Line by line: it is told what to run on standard input and answers in JSON on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

import usrda_plugin

usrda_plugin.register()  # before BasicSR, which it mends

Run = Callable[[Tensor], Tensor]

# RRDB blocks and channels; the growth is 32, the only one that spandrel opens
NETWORKS = {"full": (23, 64), "medium": (4, 64), "small": (3, 16), "tiny": (1, 8)}
TILE, PAD = 256, 10  # of the usual tile loop


class Setting(NamedTuple):
    """What all candidates share."""

    network: str
    device: str
    threads: int
    tile: int = TILE


def network(setting: Setting) -> nn.Module:
    """RRDBNet of scale 4, its weights a function of its name alone."""
    from basicsr.archs.rrdbnet_arch import RRDBNet

    blocks, channels = NETWORKS[setting.network]
    torch.manual_seed(0)
    built = RRDBNet(3, 3, 4, channels, blocks, 32)
    for name, value in built.named_parameters():
        # as drawn, what is far away hardly counts; trained networks look farther
        value.data.mul_(2.5) if name.startswith("body") and value.dim() == 4 else None
    built.conv_last.bias.data.fill_(0.5)  # spandrel clamps, and what is black all over compares with nothing
    return built.eval().requires_grad_(False)


def untiled(setting: Setting) -> Run:
    """The plain forward."""
    return plainly(network(setting).to(setting.device), setting)


def tile_loop(setting: Setting) -> Run:
    """One tile at a time in fp32 with a fixed padding."""
    return loop(plainly(network(setting).to(setting.device), setting), setting.tile)


def spandrel(setting: Setting) -> Run:
    """spandrel on the same weights, as its documentation shows."""
    from spandrel import ModelLoader

    model = ModelLoader().load_from_state_dict(network(setting).state_dict())
    return plainly(model.to(setting.device).eval(), setting)


def spandrel_tile_loop(setting: Setting) -> Run:
    """spandrel in the usual tile loop, as its users run it on large images."""
    return loop(spandrel(setting), setting.tile)


def plainly(model: Callable[[Tensor], Tensor], setting: Setting) -> Run:
    """A forward without gradients, from the CPU and back."""

    @torch.no_grad()
    def run(image: Tensor) -> Tensor:
        return model(image[None].to(setting.device))[0].cpu()

    return run


def loop(run: Run, tile: int) -> Run:
    """Tiles beside each other, each computed with PAD pixels around it where the image has them."""

    def all_tiles(image: Tensor) -> Tensor:
        height, width = image.shape[1:]
        canvas = torch.empty(3, 4 * height, 4 * width)
        for top, left in ((y, x) for y in range(0, height, tile) for x in range(0, width, tile)):
            bottom, right = min(top + tile, height), min(left + tile, width)
            up, before = max(top - PAD, 0), max(left - PAD, 0)
            result = run(image[:, up : bottom + PAD, before : right + PAD])
            rows = slice(4 * (top - up), 4 * (bottom - up))
            cols = slice(4 * (left - before), 4 * (right - before))
            canvas[:, 4 * top : 4 * bottom, 4 * left : 4 * right] = result[:, rows, cols]
        return canvas

    return all_tiles


def ours(precision: str, overlap: str = "auto", compiled: str = "") -> Callable[[Setting], Run]:
    """``usrda upscale`` as it comes, with the memory setting of its command line."""

    def candidate(setting: Setting) -> Run:
        from usrda_plugin.inference import Tiling, Upscaler, keep_freed_memory

        keep_freed_memory()
        size = "auto" if setting.tile == TILE else setting.tile
        upscaler = Upscaler(network(setting), Tiling(size, overlap), device=setting.device, precision=precision)
        if compiled:
            upscaler.engine.compile()
        return upscaler

    return candidate


CANDIDATES: dict[str, Callable[[Setting], Run]] = {
    "untiled": untiled,
    "tile loop": tile_loop,
    "spandrel": spandrel,
    "spandrel, tile loop": spandrel_tile_loop,
    "ours": ours("fp32"),
    "ours, full overlap": ours("fp32", "full"),
    "ours, bf16": ours("bf16"),
    "ours, fp16": ours("fp16"),
    "ours, compiled": ours("fp32", compiled="yes"),
    "ours, fp16, compiled": ours("fp16", compiled="yes"),
}


def serve(name: str, setting: Setting) -> None:
    """Answer each line ``HEIGHT WIDTH [FILE]`` with seconds and peak memory; a FILE gets the result."""
    if setting.threads:
        torch.set_num_threads(setting.threads)
    torch.backends.cudnn.allow_tf32 = False  # so that fp32 is compared with fp32
    run = CANDIDATES[name](setting)
    run(torch.rand(3, 16, 16))  # what is loaded at the first call is not the image's
    before = resident()
    answer({"ready": name})
    for height, width, file in requests():
        image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
        result, figures = measured(lambda image=image: run(image), setting.device, before)
        if file:
            torch.save(result, file)
        del result  # so that the next image's peak has one result in it, not two
        answer(figures)


def measured(run: Callable[[], Tensor], device: str, before: int) -> tuple[Tensor, dict[str, float]]:
    """The result, the seconds it took and the peak memory beyond what was there before the first image."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak that was
    begun = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - begun  # the result is on the CPU, so the GPU has finished
    peak = torch.cuda.max_memory_allocated() if on_gpu else resident("VmHWM") - before
    return result, {"seconds": seconds, "megabytes": peak / 2**20}


def resident(which: str = "VmRSS") -> int:
    """Bytes of RAM that this process has now, or had at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def requests() -> Iterator[tuple[int, int, str]]:
    """What is asked, until nobody asks."""
    for line in sys.stdin:
        height, width, *file = line.split(maxsplit=2)
        yield int(height), int(width), file[0].strip() if file else ""


def answer(content: dict[str, object] | dict[str, float]) -> None:
    """One line of JSON."""
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TQDM_DISABLE", "1")
    name, network_name, device, threads, tile = sys.argv[1:]
    serve(name, Setting(network_name, device, int(threads), int(tile)))
