"""``usrda doctor``."""

from __future__ import annotations

from usrda_plugin.cli.commands import Command

COMMAND = Command(
    "say what is installed, which faults of BasicSR are mended, what is missing", lambda parser: None, "doctor"
)
