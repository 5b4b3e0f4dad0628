"""Channels of networks against those of the images that they are given."""

from __future__ import annotations

import inspect
from typing import Any

from usrda_plugin.options.registered import MODELS, NETWORKS, find, is_foreign
from usrda_plugin.options.schema_data import VideoDataset, dataset_model
from usrda_plugin.options.validation import Options, Review

RGB = 3
ARGUMENTS = {"network_g": ("num_in_ch", "num_out_ch"), "network_d": ("num_in_ch",)}


def check_channels(review: Review) -> None:
    """Check that networks of BasicSR's and our models take and make RGB images, or luma where the data sets give it."""
    from basicsr.models.sr_model import SRModel

    model: Any = find(MODELS, review.opt.get("model_type"))
    sets = [dataset for _, dataset in review.datasets()]
    if not (isinstance(model, type) and issubclass(model, SRModel)) or is_foreign(MODELS, model.__name__):
        return
    if not sets or not all(_gives_images(dataset) for dataset in sets):
        return
    channels = {1 if dataset.get("color") == "y" else RGB for dataset in sets}
    if len(channels) > 1:
        luma = next(phase for phase, dataset in review.datasets() if dataset.get("color") == "y")
        message = "luma alone here and RGB in another data set; a network takes one or the other"
        review.fault(("datasets", luma, "color"), message, "write color: y for all data sets, or for none")
        return
    trained = [key for key in ARGUMENTS if key == "network_g" or review.at("train", "gan_opt")]
    for key, names in ((key, ARGUMENTS[key]) for key in trained):
        for name in names:
            _check(review, key, name, *channels)


def _check(review: Review, key: str, name: str, channels: int) -> None:
    network = review.block(key)
    item = find(NETWORKS, network.get("type"))
    parameters = inspect.signature(item).parameters if item is not None else {}
    if name not in parameters or is_foreign(NETWORKS, network.get("type")):
        return
    value = network.get(name, parameters[name].default)
    if isinstance(value, int) and value >= 1 and value != channels:
        given = "" if name in network else ", its default"
        message = f"{name} is {value}{given}, but the data sets give images of {channels} channels"
        review.fault((key, name), message, f"write {name}: {channels}")


def _gives_images(dataset: Options) -> bool:
    model = dataset_model(dataset.get("type"))
    return bool(model.roots) and not issubclass(model, VideoDataset)
