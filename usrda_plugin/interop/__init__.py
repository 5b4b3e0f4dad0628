"""Weights in and out: what a file of weights holds, and which network it belongs to."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.interop.networks import Identified, build, identify, open_network
from usrda_plugin.interop.recognition import recognise
from usrda_plugin.interop.weights_file import WeightsFile, read_weights

__all__ = ["Identified", "WeightsFile", "build", "identify", "open_network", "read_weights", "recognise"]
