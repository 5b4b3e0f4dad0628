"""The registered model: how a USR-DA network is fed, stepped, logged and saved."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.models.usrda_model import USRDAModel

__all__ = ["USRDAModel"]
