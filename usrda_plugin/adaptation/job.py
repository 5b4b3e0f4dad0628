"""An adaptation whose arguments have been checked, and the time that its steps take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from usrda_plugin.adaptation.found import Survey
from usrda_plugin.adaptation.sources import Source
from usrda_plugin.adaptation.starts import Start
from usrda_plugin.adaptation.workspace import Workspace

Tell = Callable[[str], None]
"""Called with a sentence for each thing that is found or done."""


class Job(NamedTuple):
    """What is used, where it goes, and who is told; ``budget`` in seconds."""

    photographs: Survey
    start: Start
    source: Source
    budget: float
    seed: int
    place: Workspace
    tell: Tell


@contextmanager
def timed(place: Workspace, step: str) -> Iterator[None]:
    """Add what a step takes to the record, also where it is broken off."""
    begun = time.monotonic()
    try:
        yield
    finally:
        before = place.read().get("timing", {}).get(step, 0)
        place.update(timing={step: round(before + time.monotonic() - begun, 1)})
