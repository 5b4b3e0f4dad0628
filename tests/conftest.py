"""The plugin mends BasicSR before a test imports it, and registers its classes."""

import os
from pathlib import Path

import pytest
import torch

import usrda_plugin

usrda_plugin.register()

# tensors here are tiny: a second thread saves nothing, and on a busy machine each step would wait for it
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photographs outside the repository: $USRDA_SHARED_DATA or a folder ``shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("USRDA_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real photographs; set USRDA_SHARED_DATA")
    return folder
