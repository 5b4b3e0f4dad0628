"""The registered networks: ``USRDANet`` = E + G_SR + G_t, and the critic."""

from usrda_plugin.archs.critic import USRDADiscriminator
from usrda_plugin.archs.networks import USRDANet

__all__ = ["USRDADiscriminator", "USRDANet"]
