"""The registered model: how a USR-DA network is fed, stepped, logged and saved."""

from usrda_plugin.models.usrda_model import USRDAModel

__all__ = ["USRDAModel"]
