"""All that changes BasicSR's behaviour: functions under ``@patch``, which says their name and the fault they mend.

Importing this package imports BasicSR and declares the patches; ``apply_patches`` installs them.
"""

import usrda_plugin.before_basicsr
import usrda_plugin.before_mmengine  # noqa: F401
from usrda_plugin.compat import (  # noqa: F401
    distributed,
    files,
    loading,
    logs,
    models,
    options,
    reading,
    realesrgan,
)
from usrda_plugin.patch import PATCHES, Patch

__all__ = ["PATCHES", "Patch", "apply_patches", "patch_states"]

_needed: dict[str, bool] = {}


def apply_patches() -> None:
    """Install every patch; a second call does nothing."""
    for patch in PATCHES:
        if patch.name not in _needed:
            _needed[patch.name] = patch.apply()


def patch_states() -> list[tuple[Patch, str]]:
    """Each patch with ``applied``, ``not needed`` (by this BasicSR) or ``not installed``."""
    words = {True: "applied", False: "not needed", None: "not installed"}
    return [(patch, words[_needed.get(patch.name)]) for patch in PATCHES]
