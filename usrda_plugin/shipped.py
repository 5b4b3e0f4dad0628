"""Where the files lie that are installed with the package and are no code. Imports nothing heavy."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("usrda_plugin")))


def recipes_folder() -> Path:
    """The folder of the option files: ``usrda_plugin/recipes`` as installed, ``options`` beside it in a checkout.

    setup.py puts ``options`` into the package; an editable install has them where they are edited.
    """
    installed = _PACKAGE / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "options"


def pretrained_folder() -> Path:
    """The folder of the networks that are installed with the package, each a ``.pth`` with its card ``.md``."""
    return _PACKAGE / "pretrained"
