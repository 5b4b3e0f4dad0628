"""Pages that people look at: of a run, and of networks side by side. Each is one file that needs nothing else."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.reports.comparing import Comparison, LeftOut, NetworkFile, compare_on
from usrda_plugin.reports.page import write_comparison
from usrda_plugin.reports.regions import Region
from usrda_plugin.reports.report import compare_run, write_report
from usrda_plugin.reports.scene import Scene, View

__all__ = [
    "Comparison",
    "LeftOut",
    "NetworkFile",
    "Region",
    "Scene",
    "View",
    "compare_on",
    "compare_run",
    "write_comparison",
    "write_report",
]
