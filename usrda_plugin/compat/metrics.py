"""Seam for NIQE."""

from __future__ import annotations

from importlib import import_module

from usrda_plugin.compat.record import replace_everywhere


def survive_niqe() -> bool:
    """Let ``calculate_niqe`` answer nan, with a warning, for an image that it cannot judge."""
    niqe = import_module("basicsr.metrics.niqe")
    guard = import_module("usrda_plugin.metrics.niqe").nan_where_undefined
    replace_everywhere(niqe, "calculate_niqe", guard)
    import_module("basicsr.utils.registry").METRIC_REGISTRY._obj_map["calculate_niqe"] = niqe.calculate_niqe
    return True
