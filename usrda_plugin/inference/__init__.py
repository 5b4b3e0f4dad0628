"""Super-resolution of whole images: tiles that leave no seam, memory that does not grow with the image."""

from __future__ import annotations

from usrda_plugin.data.pictures import Picture, read_picture, write_picture
from usrda_plugin.inference.batch_runner import Failure, Report, Watcher, upscale_files, upscale_picture
from usrda_plugin.inference.engine import Precision
from usrda_plugin.inference.exclude_outputs import without_results
from usrda_plugin.inference.jobs import Job, Plan, plan_jobs
from usrda_plugin.inference.memory import keep_freed_memory
from usrda_plugin.inference.model_info import Traits, measure_traits
from usrda_plugin.inference.naming import Naming
from usrda_plugin.inference.places import Found, Listing, list_images
from usrda_plugin.inference.receptive_field import receptive_radius
from usrda_plugin.inference.tiles import Grid, Size, Tile, Tiling, plan_grid
from usrda_plugin.inference.upscaler import Upscaler, super_resolve

__all__ = [
    "Failure",
    "Found",
    "Grid",
    "Job",
    "Listing",
    "Naming",
    "Picture",
    "Plan",
    "Precision",
    "Report",
    "Size",
    "Tile",
    "Tiling",
    "Traits",
    "Upscaler",
    "Watcher",
    "keep_freed_memory",
    "list_images",
    "measure_traits",
    "plan_grid",
    "plan_jobs",
    "read_picture",
    "receptive_radius",
    "super_resolve",
    "upscale_files",
    "upscale_picture",
    "without_results",
    "write_picture",
]
