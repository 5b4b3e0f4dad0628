"""The network that an adaptation starts from: one that comes with the package, or the user's own file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from usrda_plugin.archs.opening import Identified, identify
from usrda_plugin.errors import SetupError
from usrda_plugin.shipped import pretrained_folder

BUNDLED = {scale: pretrained_folder() / f"usrda_start_x{scale}.pth" for scale in (2, 4)}
"""By scale: networks trained on bicubic pairs of photographs in the public domain; a card stands beside each."""


class Start(NamedTuple):
    """Where an adaptation starts: a file of weights, and the ``network_g`` block of the network that takes them.

    ``parameters``: numbers that are trained. ``bundled``: whether it comes with the package.
    """

    file: Path
    network: dict[str, Any]
    parameters: int
    bundled: bool

    @property
    def scale(self) -> int:
        """HR size over LR size."""
        return int(self.network["scale"])


def find_start(file: Path | None, scale: int | None) -> Start:
    """The user's start, or the one that comes with the package for a scale (2 where none is said).

    Raises SetupError where there is none for the scale, or the file is none of a network with an encoder.
    """
    if file is None:
        return _bundled(scale or 2)
    try:
        identified = identify(file)
    except (ValueError, OSError) as error:
        raise SetupError(f"--from: {error}") from error
    start = Start(Path(file).resolve(), _as_usrdanet(identified), _count(identified), bundled=False)
    if scale is not None and start.scale != scale:
        raise SetupError(
            f"--from: expected a network of scale {scale}, as --scale says, found scale {start.scale} in {file}; "
            f"leave --scale out, or give another start"
        )
    return start


def _bundled(scale: int) -> Start:
    file = BUNDLED.get(scale)
    if file is None:
        known = " and ".join(map(str, BUNDLED))
        raise SetupError(
            f"--scale: networks that come with usrda are of scale {known}, found {scale}; for another give a start of "
            "your own: --from NETWORK.pth"
        )
    identified = identify(file)
    return Start(file, _as_usrdanet(identified), _count(identified), bundled=True)


def _count(identified: Identified) -> int:
    return sum(value.numel() for name, value in identified.weights.items() if not name.startswith("lr_decoder."))


def _as_usrdanet(identified: Identified) -> dict[str, Any]:
    """The ``network_g`` block of the USRDANet that takes these weights: RRDBNet's is one with encoder "trunk"."""
    found: Mapping[str, Any] = identified.description
    if found["type"] == "USRDANet":
        return {"scale": 4, **found}
    if found["type"] == "RRDBNet":
        size = {key: found[key] for key in ("num_feat", "num_block", "num_grow_ch") if key in found}
        return {
            "type": "USRDANet",
            "scale": found.get("scale", 4),
            "encoder": "trunk",
            **size,
            "num_block_lr_decoder": 1,
        }
    raise SetupError(
        f"--from: expected a USRDANet or an RRDBNet (ESRGAN's, Real-ESRGAN's), which have an encoder to adapt, found "
        f"{found['type']} in {identified.file}; give another start, or leave --from out"
    )
