"""The card beside an adapted network: what it is for, where it comes from, and whose terms it inherits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from usrda_plugin import __version__
from usrda_plugin.adaptation.option_file import environment
from usrda_plugin.adaptation.starts import Start
from usrda_plugin.weights.reading import sha256_of
from usrda_plugin.weights.writing import write_text

TEMPLATE = "card.md.j2"


def write_card(
    file: Path, network: Path, start: Start, record: Mapping[str, Any], camera: str, alarms: Sequence[str]
) -> None:
    """Write the card of ``network`` from the record of its adaptation; ``camera`` is its description in a line.

    Raises SaveError.
    """
    front = {
        "license": "other",
        "library_name": "usrda_plugin",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "unsupervised-domain-adaptation", "basicsr", "pytorch"],
        "weights": {"file": network.name, "bytes": network.stat().st_size, "sha256": sha256_of(network)},
        "usrda_plugin": __version__,
    }
    text = environment().get_template(TEMPLATE).render(
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        network=network,
        start=start,
        start_card=_card_of(start),
        record=record,
        camera=camera,
        alarms=alarms,
    )  # fmt: skip
    write_text(file, text)


def _card_of(start: Start) -> str:
    """The licence of a start that comes with the package, as its card says it; of others nothing is known."""
    card = start.file.with_suffix(".md")
    if not card.is_file():
        return "unknown"
    front = next(yaml.safe_load_all(card.read_text(encoding="utf-8")), None)
    return str(front.get("license", "unknown")) if isinstance(front, dict) else "unknown"
