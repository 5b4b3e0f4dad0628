"""From a file of weights to the network that has them."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.interop.networks import Identified, build, identify, open_network

__all__ = ["Identified", "build", "identify", "open_network"]
