"""``usrda doctor``: what is installed here, and what is missing."""

from __future__ import annotations

import argparse
import warnings
from importlib.metadata import PackageNotFoundError, version

import torch
from rich.console import Console

from usrda_plugin.compat import patch_states
from usrda_plugin.compat.plugins import PluginError, find_plugins, load_plugins
from usrda_plugin.losses import find_vgg_weights
from usrda_plugin.metrics.lpips import REMEDY, find_alexnet_weights, place_in_cache

PACKAGES = (
    "usrda_plugin",
    "basicsr",
    "torch",
    "torchvision",
    "mmengine",
    "numpy",
    "scipy",
    "opencv-python",
    "lmdb",
    "tb-nightly",
    "tensorboard",
)


def run(chosen: argparse.Namespace) -> None:
    """Print versions, device, plugins, the weights of VGG and AlexNet, the environment and the patches."""
    # long paths and messages stay on one line each, to be copied and searched
    console = Console(soft_wrap=True, highlight=False)
    for title, rows in (
        ("Packages", [(package, describe_version(package)) for package in PACKAGES]),
        ("Device", [("CUDA", describe_cuda())]),
        ("Plugins", describe_plugins()),
        ("Perceptual loss", [("VGG-19 weights", describe_vgg())]),
        ("LPIPS", [("AlexNet weights", describe_alexnet())]),
        ("Environment", describe_environment()),
        (
            "Patches: what is mended in BasicSR",
            [(patch.name, f"{state:<14}{patch.fault}") for patch, state in patch_states()],
        ),
    ):
        console.print(f"[bold]{title}[/bold]")
        for name, value in rows:
            console.print(f"  {name:<24}{value}", markup=False)


def describe_version(package: str) -> str:
    """The installed version of a package, or that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def describe_cuda() -> str:
    """The GPUs that torch sees, or why it sees none."""
    if torch.version.cuda is None:
        return "none: this torch is built for the CPU alone"
    if not torch.cuda.is_available():
        return f"none: torch is built for CUDA {torch.version.cuda}, but finds no GPU or no driver"
    names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    return f"{torch.cuda.device_count()} ({names}), CUDA {torch.version.cuda}"


def describe_plugins() -> list[tuple[str, str]]:
    """Each installed plugin with where it comes from, or the fault that keeps plugins from loading."""
    rows = [(entry.name, entry.value) for entry in find_plugins()]
    try:
        load_plugins()
    except PluginError as fault:
        rows.append(("fault", str(fault)))
    return rows or [("none", "no entry point of the group basicsr.plugins is installed")]


def describe_vgg() -> str:
    """The file that perceptual losses would read, or where it was looked for."""
    try:
        return str(find_vgg_weights("vgg19"))
    except FileNotFoundError as fault:
        return f"not found: {fault}"


def describe_alexnet() -> str:
    """The file that LPIPS would read, or what happens where there is none."""
    try:
        file = find_alexnet_weights()
    except ValueError as fault:
        return f"not found: {fault}"
    return str(file or f"not here: the first run with LPIPS downloads them to {place_in_cache()}; or {REMEDY}")


def describe_environment() -> list[tuple[str, str]]:
    """Python, compilers and machine, as mmengine collects them."""
    from mmengine.utils.dl_utils import collect_env

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment = collect_env()
    # torch's build log fills pages
    return [(name, str(value)) for name, value in environment.items() if "compiling details" not in name]
