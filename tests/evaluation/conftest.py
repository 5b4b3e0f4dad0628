"""Photographs for the gap."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.tiles import cut_tiles


@pytest.fixture(scope="session")
def tiles() -> list[np.ndarray]:
    """58 tiles of 128 x 128 pixels, RGB; every other one is a domain of its own."""
    return cut_tiles()
