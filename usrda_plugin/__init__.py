"""USR-DA, unsupervised real-world super-resolution by domain adaptation (ICCV 2021), as a plugin of BasicSR.

Importing this package imports nothing and changes nothing. ``register()`` mends BasicSR and makes it know our classes;
call it before ``import basicsr``. A public name asked for here does so too. ``usrda_plugin.method`` needs torch alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that editors know what comes when it is asked for
    from usrda_plugin.adaptation.adapt import adapt
    from usrda_plugin.archs import USRDABicubic, USRDADiscriminator, USRDANet
    from usrda_plugin.archs.opening import open_network
    from usrda_plugin.data import Camera, USRDADataset, USRDASourceDataset
    from usrda_plugin.inference import upscale
    from usrda_plugin.losses import USRDAAlignLoss, USRDAPerceptualLoss, USRDARelativisticLoss
    from usrda_plugin.models import USRDAModel

__version__ = "0.2.0"

_PUBLIC = {
    "adapt": "adaptation",
    "open_network": "archs.opening",
    "upscale": "inference",
    "USRDANet": "archs",
    "USRDADiscriminator": "archs",
    "USRDABicubic": "archs",
    "Camera": "data",
    "USRDADataset": "data",
    "USRDASourceDataset": "data",
    "USRDAAlignLoss": "losses",
    "USRDAPerceptualLoss": "losses",
    "USRDARelativisticLoss": "losses",
    "USRDAModel": "models",
}
__all__ = [
    "Camera",
    "USRDAAlignLoss",
    "USRDABicubic",
    "USRDADataset",
    "USRDADiscriminator",
    "USRDAModel",
    "USRDANet",
    "USRDAPerceptualLoss",
    "USRDARelativisticLoss",
    "USRDASourceDataset",
    "__version__",
    "adapt",
    "open_network",
    "register",
    "upscale",
]


def register() -> None:
    """Mend BasicSR for today's libraries and register our classes with it; a second call does nothing.

    Raises ImportError where BasicSR cannot be imported.
    """
    from usrda_plugin.compat.plugins import register_ours

    register_ours()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    register()
    return vars(import_module(f"usrda_plugin.{_PUBLIC[name]}"))[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
