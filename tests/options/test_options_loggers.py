"""TensorBoard and W&B: what is asked for and cannot be had is told before the start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from usrda_plugin.options import OptionError
from usrda_plugin.options.required_keys import lacking

Options = dict[str, Any]
WANDB = ("logger:use_tb_logger=true", "logger:wandb:project=p")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which modules are imported, and forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    yield tmp_path
    sys.modules.pop("wandb", None)


def test_wandb_is_asked_for_by_name_with_the_way_out(
    paired: Options, faults: Callable[..., list[OptionError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    [fault] = faults(paired, *WANDB)
    assert fault.key == "logger.wandb.project"
    assert fault.message.startswith("W&B cannot be used: ")
    assert fault.remedy == "pip install wandb, or write project: ~ to log without W&B"


def test_a_folder_that_wandb_has_left_is_not_the_package(
    elsewhere: Path, paired: Options, faults: Callable[..., list[OptionError]]
) -> None:
    (elsewhere / "wandb" / "run-1").mkdir(parents=True)
    [fault] = faults(paired, *WANDB)
    assert "but a folder of this name" in fault.message


def test_wandb_that_is_there_is_taken(elsewhere: Path, paired: Options, load: Callable[..., Options]) -> None:
    (elsewhere / "wandb.py").write_text("")
    assert load(paired, *WANDB)["logger"]["wandb"] == {"project": "p"}


def test_a_package_that_cannot_be_imported_is_told_with_its_reason(elsewhere: Path) -> None:
    (elsewhere / "wandb.py").write_text("raise TypeError('Descriptors cannot be created directly.')")
    assert lacking("wandb") == "Descriptors cannot be created directly."


def test_tensorboard_is_asked_for_by_name(
    paired: Options, faults: Callable[..., list[OptionError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    [fault] = faults(paired, "logger:use_tb_logger=true")
    assert fault.key == "logger.use_tb_logger"
    assert "TensorBoard cannot be used" in fault.message
    assert "pip install tensorboard" in fault.remedy


def test_a_run_for_debugging_starts_no_logger_and_the_template_of_basicsr_asks_for_none(
    paired: Options, load: Callable[..., Options]
) -> None:
    load(paired, *WANDB, "name=debug_run")
    load(paired, "logger:wandb={project: ~, resume_id: ~}")
