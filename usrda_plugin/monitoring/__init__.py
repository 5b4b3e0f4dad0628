"""What can be said of a training without ground truth: signals, alarms, and the choice of the best network."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.monitoring.monitor import Monitor

__all__ = ["Monitor"]
