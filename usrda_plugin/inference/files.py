"""``upscale``: photographs through a network from Python, as ``usrda upscale`` does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from usrda_plugin.archs.opening import open_network
from usrda_plugin.choices import AlphaBy, Extension, Precision
from usrda_plugin.inference.batch_runner import Failure, upscale_files
from usrda_plugin.inference.inputs import list_images
from usrda_plugin.inference.outputs import Existing, Naming, exclude_outputs, plan_jobs
from usrda_plugin.inference.tiles import Tiling
from usrda_plugin.inference.upscaler import DEFAULT, Upscaler

Place = str | Path


class Upscaled(NamedTuple):
    """The files that were written; those skipped as their results were there; what failed, and why."""

    written: list[Path]
    skipped: list[Path]
    failures: list[Failure]


def upscale(
    network: Place | nn.Module,
    photographs: Place | Sequence[Place],
    output: Place,
    *,
    recursive: bool = False,
    suffix: str = "",
    extension: Extension = "auto",
    existing: Existing = "refuse",
    quality: int | None = None,
    alpha_by: AlphaBy = "network",
    tiling: Tiling = DEFAULT,
    device: str = "auto",
    precision: Precision = "auto",
) -> Upscaled:
    """Super-resolve images into a folder, or one image into a file, with all that they carry.

    Args:
        network: file of weights, or a network such as ``open_network`` gives, which is taken over.
        photographs: image, folder, or pattern such as "photos/**/*.jpg"; or several.
        output: folder of results; for one image also a file.
        recursive: images of subfolders too.
        suffix: added to the names of results.
        extension: format of results; "auto": the input's, or PNG.
        existing: what becomes of results that are there: "refuse", "skip" or "overwrite". Inputs are never replaced.
        quality: of JPEG and WebP, 1 to 100.
        alpha_by: what enlarges alpha.
        tiling: how images are cut.
        device: "auto", "cpu", "cuda" or "cuda:NUMBER".
        precision: "auto" (fp16 on a GPU, fp32 on a CPU), "fp32", "exact", "bf16" or "fp16".

    Raises:
        ValueError: images, network or places do not fit; nothing has been written then.
        FileNotFoundError: there is no such network or no such image.
    """
    places = [photographs] if isinstance(photographs, str | Path) else photographs
    naming = Naming(suffix, extension, existing)
    listing = list_images([str(place) for place in places], recursive=recursive)
    plan = plan_jobs(exclude_outputs(listing.images, Path(output), naming), Path(output), naming)
    if listing.faults:
        raise ValueError("\n".join(listing.faults.values()))
    skipped = [job.target for job in plan.skipped]
    if not plan.jobs:
        return Upscaled([], skipped, [])
    opened = network if isinstance(network, nn.Module) else open_network(network)
    upscaler = Upscaler(opened, tiling, device=device, precision=precision)
    report = upscale_files(plan.jobs, upscaler, alpha_by=alpha_by, quality=quality)
    missing = {failure.job for failure in report.failures} | set(report.not_begun)
    return Upscaled([job.target for job in plan.jobs if job not in missing], skipped, report.failures)
