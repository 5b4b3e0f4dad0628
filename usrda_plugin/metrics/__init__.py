"""Metrics registered with BasicSR."""

from usrda_plugin.metrics.niqe import calculate_usrda_niqe

__all__ = ["calculate_usrda_niqe"]
