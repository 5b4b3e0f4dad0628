"""``usrda doctor``: what is installed here, what is missing, and in its last line whether it is ready.

Nothing is imported before it is known to be installed, so that the answer comes also where torch or BasicSR is missing.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from rich.console import Console

from usrda_plugin.errors import SetupError

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
NEEDED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "basicsr": "basicsr",
    "mmengine": "mmengine",
    "cv2": "opencv-python",
    "lmdb": "lmdb",
    "numpy": "numpy",
    "scipy": "scipy",
    "pydantic": "pydantic",
    "PIL": "Pillow",
    "yaml": "PyYAML",
    "jinja2": "Jinja2",
    "matplotlib": "matplotlib",
    "rich_argparse": "rich-argparse",
    "safetensors": "safetensors",
    "skimage": "scikit-image",
    "torchmetrics": "torchmetrics",
}
"""Modules without which commands do not work, and what pip calls them."""
Rows = list[tuple[str, str]]


def run(chosen: argparse.Namespace) -> None:
    """Print versions, device, plugins, weights, environment and patches, and then whether all is ready.

    Raises SetupError, so that the exit code is 2, only where nothing can work: a package is missing or does not load.
    """
    # long paths and messages stay on one line each, to be copied and searched
    console = Console(soft_wrap=True, highlight=False)
    _show(console, "Packages", [(package, describe_version(package)) for package in PACKAGES])
    if missing := find_missing():
        raise SetupError(f"not ready: {missing}")
    if broken := find_broken():
        raise SetupError(f"not ready: {broken}")
    plugins = describe_plugins()
    _show(console, "Device", [("CUDA", describe_cuda())])
    _show(console, "Plugins", plugins)
    _show(console, "Perceptual loss", [("VGG-19 weights", describe_vgg())])
    _show(console, "LPIPS", [("AlexNet weights", describe_alexnet())])
    _show(console, "Environment", describe_environment())
    _show(console, "Patches: what is mended in BasicSR", describe_patches())
    for line in (*describe_limits(), verdict(plugins)):
        console.print(line, markup=False)


def _show(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    console.print(f"[bold]{title}[/bold]")
    for name, value in rows:
        console.print(f"  {name:<24}{value}", markup=False)


def find_missing() -> str:
    """The packages that are not installed, with the commands that install them; "" where all are there."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if not missing:
        return ""
    others = [package for package in missing if package != "basicsr"]
    commands = [f"pip install {' '.join(others)}"] if others else []
    if "basicsr" in missing:  # its build would download a second torch, and asks for an older setuptools
        commands.append('pip install "setuptools<81" wheel && pip install --no-build-isolation "basicsr==1.4.2"')
    shown = ", ".join({"basicsr": "BasicSR"}.get(package, package) for package in missing)
    return f"no {shown}; {', then '.join(commands)}"


def find_broken() -> str:
    """What keeps torch or BasicSR from being loaded, though they are installed; "" where they load."""
    for name, load in (("torch", _load_torch), ("BasicSR", _load_basicsr)):
        try:
            load()
        except Exception as error:  # a library that is built for another machine, or another version of it
            return f"{name} does not load: {type(error).__name__}: {error}; install it again, as README.md says"
    return ""


def _load_torch() -> None:
    import torch  # noqa: F401


def _load_basicsr() -> None:
    from usrda_plugin.compat.plugins import register_ours

    register_ours()


def verdict(plugins: Rows) -> str:
    """The last line: ready, or what to do first."""
    fault = next((text for name, text in plugins if name == "fault"), None)
    if fault:
        return (
            f"not ready: basicsr train and basicsr test refuse to start with this plugin, mend or uninstall it: {fault}"
        )
    return "ready: basicsr train, basicsr test and the commands of usrda can work here"


def describe_limits() -> list[str]:
    """A line for each thing that is not needed, but is missing here: what cannot be used without it."""
    import torch

    limits = []
    if not torch.cuda.is_available():
        limits.append(
            "without a GPU, option files of full size cannot be used in earnest: small networks train in minutes"
        )
    if describe_vgg().startswith("not found"):
        limits.append(
            "without VGG-19 weights, perceptual_opt cannot be used: train_usrda.yml, train_esrgan.yml,"
            " train_realesrgan.yml; give vgg_path, or set $USRDA_VGG_WEIGHTS"
        )
    if describe_alexnet().startswith("not "):
        limits.append(
            "without AlexNet weights, calculate_usrda_lpips cannot be used before they are downloaded or"
            " $USRDA_ALEXNET_WEIGHTS names them"
        )
    return limits


def describe_version(package: str) -> str:
    """The installed version of a package, or that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def describe_cuda() -> str:
    """The GPUs that torch sees, or why it sees none."""
    import torch

    if torch.version.cuda is None:
        return "none: this torch is built for the CPU alone"
    if not torch.cuda.is_available():
        return f"none: torch is built for CUDA {torch.version.cuda}, but finds no GPU or no driver"
    names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    return f"{torch.cuda.device_count()} ({names}), CUDA {torch.version.cuda}"


def describe_plugins() -> Rows:
    """Each installed plugin with where it comes from, or the fault that keeps plugins from loading."""
    from usrda_plugin.compat.plugins import PluginError, find_plugins, load_plugins

    rows = [(entry.name, entry.value) for entry in find_plugins()]
    try:
        load_plugins()
    except PluginError as fault:
        rows.append(("fault", str(fault)))
    return rows or [("none", "no entry point of the group basicsr.plugins is installed")]


def describe_vgg() -> str:
    """The file that perceptual losses would read, or where it was looked for."""
    from usrda_plugin.losses import find_vgg_weights

    try:
        return str(find_vgg_weights("vgg19"))
    except FileNotFoundError as fault:
        return f"not found: {fault}"


def describe_alexnet() -> str:
    """The file that LPIPS would read, or what happens where there is none."""
    from usrda_plugin.metrics.lpips import REMEDY, find_alexnet_weights, place_in_cache

    try:
        file = find_alexnet_weights()
    except ValueError as fault:
        return f"not found: {fault}"
    return str(file or f"not here: the first run with LPIPS downloads them to {place_in_cache()}; or {REMEDY}")


def describe_environment() -> Rows:
    """Python, compilers and machine, as mmengine collects them."""
    from mmengine.utils.dl_utils import collect_env

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment = collect_env()
    # torch's build log fills pages
    return [(name, str(value)) for name, value in environment.items() if "compiling details" not in name]


def describe_patches() -> Rows:
    """Each fault of BasicSR that is mended here, and whether it was there."""
    from usrda_plugin.compat import patch_states

    return [(patch.name, f"{state:<14}{patch.fault}") for patch, state in patch_states()]
