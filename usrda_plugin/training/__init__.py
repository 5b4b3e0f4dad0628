"""A training that can be stopped at any moment: one process a folder, whole checkpoints, all that goes on with them."""

from usrda_plugin.training.run_lock import Claim
from usrda_plugin.training.setting import Training
from usrda_plugin.training.stopping import Stopped, StopWish

__all__ = ["Claim", "StopWish", "Stopped", "Training"]
