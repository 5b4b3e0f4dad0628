"""Import this before BasicSR, whose own import fails without it: today's torchvision and SciPy lack what it imports.

Every package of ours that imports BasicSR imports this first.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from usrda_plugin.patch import patch

FUNCTIONAL_TENSOR = "torchvision.transforms.functional_tensor"
FILTERS = "scipy.ndimage.filters"

# torch forgets an operator as soon as the library object that defined it is collected
_libraries: list[torch.library.Library] = []


@patch(
    "torchvision_operators", "CPU torch beside a torchvision built for CUDA: operator torchvision::nms does not exist"
)
def define_torchvision_operators() -> bool:
    """Define the operators that torchvision expects from its compiled library, where that library does not load."""
    if _libraries:
        return True
    try:
        import_module("torchvision")
        return False
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)
    import_module("torchvision")
    return True


@patch("functional_tensor", "import fails: torchvision 0.17 and newer have no transforms.functional_tensor")
def restore_functional_tensor() -> bool:
    """Offer ``rgb_to_grayscale`` under the module name that torchvision 0.17 removed."""
    if FUNCTIONAL_TENSOR in sys.modules:
        return sys.modules[FUNCTIONAL_TENSOR].__spec__ is None
    if find_spec(FUNCTIONAL_TENSOR) is not None:
        return False
    module = ModuleType(FUNCTIONAL_TENSOR, "The one function that BasicSR imports from here.")
    module.rgb_to_grayscale = import_module("torchvision.transforms.functional").rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[FUNCTIONAL_TENSOR] = module
    return True


@patch("scipy_filters", "import warns, and fails from SciPy 2.0 on: scipy.ndimage.filters is gone there")
def restore_scipy_filters() -> bool:
    """Offer ``scipy.ndimage`` under the module name that SciPy deprecates and that SciPy 2.0 removes."""
    if FILTERS in sys.modules and sys.modules[FILTERS].__spec__ is None:
        return True
    if _filters_are_current():
        return False
    ndimage = import_module("scipy.ndimage")
    module = ModuleType(FILTERS, "The functions of scipy.ndimage.")
    vars(module).update({name: getattr(ndimage, name) for name in ndimage.__all__})
    sys.modules[FILTERS] = module
    vars(ndimage)["filters"] = module  # for `from scipy.ndimage import filters`
    return True


def _filters_are_current() -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            return callable(import_module(FILTERS).convolve)
    except (ImportError, AttributeError, DeprecationWarning):
        return False


define_torchvision_operators()
restore_functional_tensor()
restore_scipy_filters()
