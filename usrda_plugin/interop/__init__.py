"""From a file of weights to the network that has them."""

from __future__ import annotations

from usrda_plugin.interop.networks import Identified, build, identify, open_network

__all__ = ["Identified", "build", "identify", "open_network"]
