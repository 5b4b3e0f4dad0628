"""What can be said of a training without ground truth: signals, alarms, and the choice of the best network."""

from usrda_plugin.monitoring.monitor import Monitor

__all__ = ["Monitor"]
