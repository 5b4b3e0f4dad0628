"""What a training says last: where its network is, the command that uses it, and the one that goes on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from usrda_plugin.archs.opening import DESCRIBED
from usrda_plugin.training.run_folder import from_here
from usrda_plugin.training.stopping import Stopped

LATEST_NETWORK = "net_g_latest.pth"


@contextmanager
def closing_words(opt: Callable[[], dict[str, Any]], go_on: str, clear_screen: Callable[[], None]) -> Iterator[None]:
    """End a training that was stopped as one that is done, and say where the network is and how it is used.

    ``opt`` gives the run's options as BasicSR has parsed them, ``go_on`` says how a stopped run goes on, and
    ``clear_screen`` is called before anything is said.
    """
    go_on_words = ""
    try:
        yield
        begun = "The network is"
    except Stopped as stopped:
        begun, go_on_words = "The network so far is", f"Training {stopped}; {go_on}"
    clear_screen()
    if go_on_words:
        get_root_logger().info(go_on_words)
    models = opt().get("path", {}).get("models")
    file = Path(models or "", LATEST_NETWORK)
    if models and file.is_file():
        get_root_logger().info(f"{begun} {from_here(file)}; it is used by: {use(file, opt())}")


def use(file: Path, opt: dict[str, Any]) -> str:
    """The command that upscales photographs by a run's network."""
    command = ["usrda", "upscale", "--weights", from_here(file)]
    if opt["network_g"]["type"] not in DESCRIBED:
        # which its weights alone do not tell
        options = sorted(Path(opt["path"]["experiments_root"]).glob("*.yml"))
        command += ["--opt", from_here(options[0]) if options else "FILE"]
    return f"{shlex.join(command)} --input PHOTOGRAPHS --output UPSCALED"


def command_to_go_on(opt_file: Path, overrides: Sequence[str], plugins: Sequence[str], launcher: str) -> str:
    """The command line by which a run that was started so goes on."""
    if launcher != "none":
        return "the command that started it, and --auto_resume"
    forced = ["--force_yml", *overrides] if overrides else []
    loaded = [word for plugin in plugins for word in ("--plugin", plugin)]
    return shlex.join(["basicsr", "train", "-opt", str(opt_file), *forced, *loaded, "--auto_resume"])
