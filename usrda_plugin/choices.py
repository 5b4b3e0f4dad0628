"""What users choose among, one definition for the command line and for the code behind it. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

Launcher = Literal["none", "pytorch", "slurm"]
"""How the processes of a run are started."""
Precision = Literal["auto", "fp32", "exact", "bf16", "fp16"]
Extension = Literal["auto", "png", "jpg", "webp"]
"""The format of results: "auto" is the input's, or PNG."""
AlphaBy = Literal["network", "bicubic"]
"""What enlarges alpha."""
Encoding = Literal["ppm", "png"]
"""``ppm``: not compressed, so a patch is cut out of the file where it lies. ``png``: compressed without loss."""
Recipe = Literal["adapt", "usrda", "plus", "camera", "psnr", "esrgan", "realesrgan"]
"""What ``usrda init`` writes option files for."""
