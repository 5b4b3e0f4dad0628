"""What training and testing need to be there, because BasicSR reads it without asking."""

from __future__ import annotations

from usrda_plugin.options.ground_truth import check_ground_truth
from usrda_plugin.options.loggers import check_loggers
from usrda_plugin.options.models import check_model_needs
from usrda_plugin.options.names import check_names
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.signals import check_signals
from usrda_plugin.options.validation import Options, Review


def check_phases(review: Review) -> None:
    """Check that every block and key is there that this phase reads, and none that it would stumble over."""
    for key in ("name", "model_type", "network_g", "datasets"):
        review.need((key,), "it is read by every run")
    check_names(review)
    if review.is_train:
        _check_training(review)
    else:
        _check_testing(review)
    for phase, dataset in review.datasets():
        _check_dataset(review, phase, dataset)
    _check_set_names(review)
    check_ground_truth(review)


def _check_training(review: Review) -> None:
    for phase in review.block("datasets"):
        if phase.startswith("test"):
            keys = ("datasets", phase)
            review.fault(
                keys,
                "training takes data sets called train and val*",
                f"call it {phase.replace('test', 'val', 1)}, or remove it",
            )
    review.need(("datasets", "train"), "training needs images to train on")
    for key in ("total_iter", "optim_g", "scheduler"):
        review.need(("train", key), "training reads it")
    for key in ("print_freq", "save_checkpoint_freq"):
        review.need(("logger", key), "BasicSR reads it in every iteration")
    if review.at("val") is not None:
        review.need(("val", "val_freq"), "validation needs to know when")
    check_loggers(review)
    check_model_needs(review)
    check_signals(review)


def _check_testing(review: Review) -> None:
    if "train" in review.block("datasets"):
        review.fault(
            ("datasets", "train"),
            "testing would run over the training set too",
            "remove it, or set it to null: `train: ~`",
        )
    phases = [phase for phase, _ in review.datasets() if phase != "train"]
    if review.at("datasets") is not None and not phases:
        review.fault(("datasets",), "there is no data set to test on", "add one, e.g. test_1")
    review.need(("val",), "testing reads from it what to save and to measure")


def _check_dataset(review: Review, phase: str, dataset: Options) -> None:
    model, keys = dataset_model(dataset.get("type")), ("datasets", phase)
    needed: tuple[str, ...] = ("name", *model.needed)
    if phase == "train":
        needed += ("batch_size_per_gpu", "num_worker_per_gpu", *model.needed_in_training)
    for key in needed:
        review.need((*keys, key), f"{dataset.get('type') or 'the data set'} reads it")
    if model.__name__ == "RealESRGANDataset" and not _lmdb(dataset):
        review.need((*keys, "meta_info"), "RealESRGANDataset takes from it which images there are")


def _check_set_names(review: Review) -> None:
    """Metrics and saved images go by the name of the data set, so each needs one of its own."""
    owners: dict[str, str] = {}
    for phase, dataset in review.datasets():
        name = dataset.get("name")
        if phase == "train" or not isinstance(name, str):
            continue
        if name in owners:
            message = f"{owners[name]} is called {name!r} too; they would share metrics and folders of images"
            review.fault(("datasets", phase, "name"), message, "give each data set a name of its own")
        owners.setdefault(name, phase)


def _lmdb(dataset: Options) -> bool:
    return (dataset.get("io_backend") or {}).get("type") == "lmdb"
