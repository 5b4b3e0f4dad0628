"""Where compiled code lies."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from usrda_plugin.compiling import keep_compiled_code_private
from usrda_plugin.inference.engine import Engine, choose_device
from usrda_plugin.models.performance import PerformanceOptions

PRINTING = """
import os
from usrda_plugin.compiling import keep_compiled_code_private
keep_compiled_code_private()
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("how", ["upscale", "train"])
def test_compiled_code_lies_where_nobody_else_may_write(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if how == "upscale":
        Engine(nn.Conv2d(3, 3, 3), choose_device("cpu"), "fp32").compile()
    else:
        PerformanceOptions(compile=True).compile_blocks(nn.Conv2d(3, 3, 3))
    folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()


def test_a_place_of_the_users_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    keep_compiled_code_private()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path)


def test_the_folder_goes_with_its_process() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, text=True, check=True, env=environment)
    assert not Path(done.stdout.strip()).exists()
