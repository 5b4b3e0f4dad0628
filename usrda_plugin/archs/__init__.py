"""The registered networks: ``USRDANet`` = E + G_SR + G_t, the critic, and the bicubic baseline."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.archs.bicubic import USRDABicubic
from usrda_plugin.archs.networks import USRDADiscriminator, USRDANet

__all__ = ["USRDABicubic", "USRDADiscriminator", "USRDANet"]
