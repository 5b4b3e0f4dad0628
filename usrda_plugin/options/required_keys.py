"""What training and testing need: keys that BasicSR reads without asking, names of files, packages of loggers."""

from __future__ import annotations

import os
import re
import warnings
from importlib import import_module

from usrda_plugin.options.models import check_ground_truth, check_model_needs, check_signals
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Keys, Options, Validation

LONGEST = 100  # bytes; a file's name has up to 255, with those of images and times beside it
# what Windows keeps for devices, whatever ending follows, and what it has in no name
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_WINDOWS_ONLY = re.compile(r'[<>:"|?*]|[. ]$')


def check_required_keys(validation: Validation) -> None:
    """Check that every block and key is there that this phase reads, and none that it would stumble over."""
    for key in ("name", "model_type", "network_g", "datasets"):
        validation.need((key,), "it is read by every run")
    check_names(validation)
    if validation.is_train:
        _check_training(validation)
    else:
        _check_testing(validation)
    for phase, dataset in validation.datasets():
        _check_dataset(validation, phase, dataset)
    _check_set_names(validation)
    check_ground_truth(validation)


def _check_training(validation: Validation) -> None:
    for phase in validation.block("datasets"):
        if phase.startswith("test"):
            remedy = f"call it {phase.replace('test', 'val', 1)}, or remove it"
            validation.error(("datasets", phase), "training takes data sets called train and val*", remedy)
    validation.need(("datasets", "train"), "training needs images to train on")
    for key in ("total_iter", "optim_g", "scheduler"):
        validation.need(("train", key), "training reads it")
    for key in ("print_freq", "save_checkpoint_freq"):
        validation.need(("logger", key), "BasicSR reads it in every iteration")
    if validation.at("val") is not None:
        validation.need(("val", "val_freq"), "validation needs to know when")
    _check_loggers(validation)
    check_model_needs(validation)
    check_signals(validation)


def _check_testing(validation: Validation) -> None:
    if "train" in validation.block("datasets"):
        remedy = "remove it, or set it to null: `train: ~`"
        validation.error(("datasets", "train"), "testing would run over the training set too", remedy)
    phases = [phase for phase, _ in validation.datasets() if phase != "train"]
    if validation.at("datasets") is not None and not phases:
        validation.error(("datasets",), "there is no data set to test on", "add one, e.g. test_1")
    validation.need(("val",), "testing reads from it what to save and to measure")


def _check_dataset(validation: Validation, phase: str, dataset: Options) -> None:
    model, keys = dataset_model(dataset.get("type")), ("datasets", phase)
    needed: tuple[str, ...] = ("name", *model.needed)
    if phase == "train":
        needed += ("batch_size_per_gpu", "num_worker_per_gpu", *model.needed_in_training)
    for key in needed:
        validation.need((*keys, key), f"{dataset.get('type') or 'the data set'} reads it")
    on_disk = (dataset.get("io_backend") or {}).get("type") != "lmdb"
    if model.__name__ == "RealESRGANDataset" and on_disk:
        validation.need((*keys, "meta_info"), "RealESRGANDataset takes from it which images there are")


def _check_set_names(validation: Validation) -> None:
    """Metrics and saved images go by the name of the data set, so each needs one of its own."""
    owners: dict[str, str] = {}
    for phase, dataset in validation.datasets():
        name = dataset.get("name")
        if phase == "train" or not isinstance(name, str):
            continue
        if name in owners:
            message = f"{owners[name]} is called {name!r} too; they would share metrics and folders of images"
            validation.error(("datasets", phase, "name"), message, "give each data set a name of its own")
        owners.setdefault(name, phase)


def check_names(validation: Validation) -> None:
    """Check that nothing is written elsewhere than below a run's folders, or cannot be written there at all."""
    _check_name(validation, ("name",), "a folder below experiments/ or results/")
    for phase, _ in validation.datasets():
        if phase != "train":  # no file is called by it
            _check_name(validation, ("datasets", phase, "name"), "the folder of its images")
    suffix = validation.at("val", "suffix")
    if isinstance(suffix, str):
        _check_part(validation, ("val", "suffix"), suffix, _fault_of_part(suffix), "the end of an image's name")


def _check_name(validation: Validation, keys: Keys, what: str) -> None:
    name = validation.at(*keys)
    if isinstance(name, str):
        nothing = "it is empty" if not name.strip() else ""
        is_way = f"{name} is a folder's own way to call itself or the one above" if name in (".", "..") else ""
        _check_part(validation, keys, name, nothing or is_way or _fault_of_part(name), what)


def _check_part(validation: Validation, keys: Keys, text: str, fault: str, what: str) -> None:
    if fault:
        shown = repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
        message = f"expected a name for {what}, found {shown}: {fault}"
        validation.error(keys, message, f"write a plain name of {LONGEST} letters or less")


def _fault_of_part(text: str) -> str:
    """What keeps a text from being part of a file's name; "" where nothing does."""
    if set(text) & set("/\\"):
        return "a slash would lead into another folder"
    if any(ord(letter) < ord(" ") or ord(letter) == 127 for letter in text):
        return "it has control characters"
    try:
        length = len(os.fsencode(text))
    except UnicodeEncodeError:
        return "it has characters that no file's name can have"
    if length > LONGEST:
        return f"it has {len(text)} characters, and {LONGEST} bytes are the most"
    if os.name == "nt" and (_DEVICES.fullmatch(text) or _WINDOWS_ONLY.search(text)):
        return "Windows has no such names"
    return ""


def _check_loggers(validation: Validation) -> None:
    """Check that the loggers that are asked for can be imported, and that W&B has what it needs."""
    if "debug" in str(validation.at("name")):
        return  # BasicSR starts neither
    asks_board = validation.at("logger", "use_tb_logger") is True
    fault = lacking("torch.utils.tensorboard") if asks_board else ""
    if fault:
        message = f"TensorBoard cannot be used: {fault}"
        validation.error(("logger", "use_tb_logger"), message, "pip install tensorboard, or write use_tb_logger: false")
    _check_wandb(validation, asks_board=asks_board)


def _check_wandb(validation: Validation, *, asks_board: bool) -> None:
    keys = ("logger", "wandb", "project")
    if validation.at(*keys) is None:
        if validation.at("logger", "wandb", "resume_id") is not None:
            message = "project is missing, without which nothing is logged to W&B, whatever resume_id says"
            validation.error(keys, message, "add project, or remove the block wandb")
        return
    if not asks_board:
        message = "W&B takes its numbers from TensorBoard's logger, which is off"
        validation.error(("logger", "use_tb_logger"), message, "set use_tb_logger: true")
    fault = lacking("wandb")
    if fault:
        message = f"W&B cannot be used: {fault}"
        validation.error(keys, message, "pip install wandb, or write project: ~ to log without W&B")


def lacking(module: str) -> str:
    """Why a module cannot be used; "" where it can. A mere folder of its name, as W&B leaves its runs in, is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = import_module(module)
    except Exception as error:  # whatever a half-installed package stumbles over
        return str(error) or type(error).__name__
    return "" if getattr(found, "__file__", None) else f"No module named {module!r}, but a folder of this name"
