"""Each patch of an import against the import that fails without it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module

import numpy as np
import pytest
import torch

from usrda_plugin import before_basicsr

UNAIDED_THEN_MENDED = """
import warnings
warnings.simplefilter("error")
try:
    import torchvision
    print("torchvision imports unaided")
except RuntimeError as error:
    print("unaided:", error)
from usrda_plugin import before_basicsr
before_basicsr.define_torchvision_operators()
from torchvision.ops import nms
print("torchvision.ops", callable(nms))
"""


def test_torchvision_built_for_cuda_imports_beside_cpu_torch() -> None:
    # a second process, since this one has torchvision already
    command = [sys.executable, "-c", UNAIDED_THEN_MENDED]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "imports unaided" in told:
        pytest.skip("this torchvision belongs to this torch")
    assert "unaided: operator torchvision::nms does not exist" in told
    assert "torchvision.ops True" in told


def test_operators_are_defined_when_torchvision_misses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    defined: list[str] = []
    attempts = iter([RuntimeError("operator torchvision::nms does not exist"), None])

    def failing_first(name: str) -> None:
        if fault := next(attempts):
            raise fault

    class Library:
        def __init__(self, *names: str) -> None:
            assert names == ("torchvision", "FRAGMENT")

        def define(self, schema: str) -> None:
            defined.append(schema.split("(")[0])

    monkeypatch.setattr(before_basicsr, "_libraries", [])
    monkeypatch.setattr(before_basicsr, "import_module", failing_first)
    monkeypatch.setattr(torch.library, "Library", Library)
    # torchvision's modules are dropped before the second attempt: this process goes on with the ones it has
    monkeypatch.setattr(before_basicsr.sys, "modules", dict(sys.modules))
    assert before_basicsr.define_torchvision_operators()
    assert defined == ["nms", "qnms"]
    assert len(before_basicsr._libraries) == 1, "collected, the library takes its operators away again"


def test_any_other_fault_of_torchvision_stays_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(name: str) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(before_basicsr, "_libraries", [])
    monkeypatch.setattr(before_basicsr, "import_module", failing)
    with pytest.raises(RuntimeError, match="disk on fire"):
        before_basicsr.define_torchvision_operators()


def test_functional_tensor_is_found_under_its_old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, before_basicsr.FUNCTIONAL_TENSOR, raising=False)
    with pytest.raises(ModuleNotFoundError, match="functional_tensor"):
        import_module(before_basicsr.FUNCTIONAL_TENSOR)
    assert before_basicsr.restore_functional_tensor()
    gray = import_module(before_basicsr.FUNCTIONAL_TENSOR).rgb_to_grayscale(
        torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1)
    )
    # ITU-R BT.601 luma
    assert gray.item() == pytest.approx(0.2989 * 1.0 + 0.587 * 0.5 + 0.114 * 0.25, abs=1e-4)


def test_scipy_filters_import_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, before_basicsr.FILTERS, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((ImportError, DeprecationWarning)):
            _ = import_module(before_basicsr.FILTERS).convolve
        assert before_basicsr.restore_scipy_filters()
        filters = import_module(before_basicsr.FILTERS)
        box = filters.convolve(np.ones((5, 5)), np.ones((3, 3)), mode="constant")
        by_attribute = import_module("scipy.ndimage").filters
    assert box[2, 2] == 9
    assert box[0, 0] == 4
    assert by_attribute is filters


def test_a_current_scipy_filters_module_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, before_basicsr.FILTERS, raising=False)
    monkeypatch.setattr(before_basicsr, "_filters_are_current", lambda: True)
    assert not before_basicsr.restore_scipy_filters()
    assert before_basicsr.FILTERS not in sys.modules
