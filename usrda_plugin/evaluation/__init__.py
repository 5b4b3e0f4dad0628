"""How far two domains are apart, without ground truth."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.evaluation.gap import Gap, Measure, measure_gap

__all__ = ["Gap", "Measure", "measure_gap"]
