"""The registered losses of USR-DA: thin classes that BasicSR builds from YAML."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.losses.criteria import USRDAAlignLoss, USRDAPerceptualLoss, USRDARelativisticLoss
from usrda_plugin.losses.vgg import find_vgg_weights, load_vgg

__all__ = ["USRDAAlignLoss", "USRDAPerceptualLoss", "USRDARelativisticLoss", "find_vgg_weights", "load_vgg"]
