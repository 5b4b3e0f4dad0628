"""One command: from a folder of photographs to a network adapted to their camera, and its report."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.adaptation.adapt import Adapted, adapt

__all__ = ["Adapted", "adapt"]
