"""Super-resolution of whole images: tiles that leave no seam, memory that does not grow with the image."""

from __future__ import annotations

from usrda_plugin.choices import Precision
from usrda_plugin.data.pictures import Picture, read_picture, write_picture
from usrda_plugin.inference.batch_runner import Failure, ProgressCallbacks, Report, upscale_files
from usrda_plugin.inference.files import Upscaled, upscale
from usrda_plugin.inference.inputs import InputImage, Listing, list_images, look_into
from usrda_plugin.inference.memory import keep_freed_memory
from usrda_plugin.inference.model_info import ModelInfo, measure_model, receptive_radius
from usrda_plugin.inference.outputs import Existing, Job, Naming, Plan, exclude_outputs, plan_jobs
from usrda_plugin.inference.tiles import Grid, Size, Tile, Tiling, plan_grid
from usrda_plugin.inference.upscaler import Upscaler, super_resolve, upscale_picture

__all__ = [
    "Existing",
    "Failure",
    "Grid",
    "InputImage",
    "Job",
    "Listing",
    "ModelInfo",
    "Naming",
    "Picture",
    "Plan",
    "Precision",
    "ProgressCallbacks",
    "Report",
    "Size",
    "Tile",
    "Tiling",
    "Upscaled",
    "Upscaler",
    "exclude_outputs",
    "keep_freed_memory",
    "list_images",
    "look_into",
    "measure_model",
    "plan_grid",
    "plan_jobs",
    "read_picture",
    "receptive_radius",
    "super_resolve",
    "upscale",
    "upscale_files",
    "upscale_picture",
    "write_picture",
]
