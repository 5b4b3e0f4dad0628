"""The plugin mends BasicSR before a test imports it, and registers its classes."""

import logging
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


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG-19's convolutions, features only, with random weights."""
    from torchvision.models import vgg19  # after the plugin, which mends torchvision too

    with torch.device("meta"):
        shapes = {key: value.shape for key, value in vgg19().features.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    weights = {
        f"features.{key}": torch.randn(shape, generator=generator).mul_((2 / max(shape[1:].numel(), 1)) ** 0.5).half()
        for key, shape in shapes.items()
    }
    file = tmp_path_factory.mktemp("vgg") / "vgg19_features.pth"
    torch.save(weights, file)
    return file


@pytest.fixture
def warned_in_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that BasicSR's log has got since the test began."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(record.getMessage()))
    logger = logging.getLogger("basicsr")
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, handler])
    return lines
