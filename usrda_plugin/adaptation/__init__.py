"""One command: from a folder of photographs to a network adapted to their camera, and its report."""

from usrda_plugin.adaptation.adapt import Adapted, adapt

__all__ = ["Adapted", "adapt"]
