"""A training that can be stopped at any moment: one process a folder, whole checkpoints, all that goes on with them."""

from usrda_plugin.runner.training.claim import Claim
from usrda_plugin.runner.training.setting import Training
from usrda_plugin.runner.training.stopping import Stopped, StopWish

__all__ = ["Claim", "StopWish", "Stopped", "Training"]
