"""From an option file to options that BasicSR can run: inheritance, overrides, checks, defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from usrda_plugin.options.batch_contract import check_feeds
from usrda_plugin.options.channels import check_channels
from usrda_plugin.options.components import check_components
from usrda_plugin.options.consistency import check_consistency
from usrda_plugin.options.dataset_dry_run import try_datasets
from usrda_plugin.options.degradations import check_degradations
from usrda_plugin.options.epochs import check_epochs
from usrda_plugin.options.faults import Fault, OptionsError
from usrda_plugin.options.images import check_images
from usrda_plugin.options.inheritance import SUFFIXES, read_chain
from usrda_plugin.options.metric_weights import check_metric_weights
from usrda_plugin.options.network_trials import try_networks
from usrda_plugin.options.optimizers import check_optimizers, check_scheduler
from usrda_plugin.options.overrides import force
from usrda_plugin.options.perceptual import check_perceptual
from usrda_plugin.options.required_keys import check_phases
from usrda_plugin.options.schema_data import OtherDataset, USRDASourceDataset, dataset_model
from usrda_plugin.options.validate import check_schema
from usrda_plugin.options.validation import Options, Review
from usrda_plugin.options.weights import check_networks


def load_options(opt_file: str | Path, *, is_train: bool, overrides: Sequence[str] = ()) -> Options:
    """The options that an option file describes, checked, complete and plain, as BasicSR itself can read them.

    ``overrides`` are ``block:key=value`` with YAML values; they may add keys. Nothing is created on disk, but for
    AlexNet's weights in torch hub's cache where LPIPS wants them.
    Raises OptionsError, whose one message lists all faults.
    """
    file = Path(opt_file)
    if file.suffix not in SUFFIXES:
        message = "expected an option file *.yml or *.yaml"
        raise OptionsError(str(file), [Fault((), str(file), message, "give a YAML file")])
    chain = read_chain(file)
    forced = force(chain.opt, overrides)
    review = Review(chain.opt, is_train, (forced, *chain.sources))
    check_schema(review)
    _drop_nulls(review.opt)
    check_components(review)
    check_phases(review)
    check_feeds(review)
    if is_train:
        check_optimizers(review)
        check_scheduler(review)
        check_perceptual(review)
    built = check_networks(review)
    check_consistency(review)
    check_channels(review)
    check_degradations(review)
    check_epochs(review, check_images(review))
    try_datasets(review)
    try_networks(review, built)
    check_metric_weights(review)
    if review.faults:
        raise OptionsError(str(file), review.faults)
    _complete(review.opt, is_train=is_train)
    return review.opt


def dump_options(opt: Options, file: str | Path) -> None:
    """Write options as plain YAML, keys in their order, to be read by stock BasicSR."""
    Path(file).write_text(yaml.safe_dump(opt, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _drop_nulls(opt: Options) -> None:
    """Take out what a file has set to null to be rid of a base's; BasicSR would stumble over it.

    These are blocks, the keys of ``train`` and of its losses, which BasicSR compares with numbers, those of data sets
    that are known here, and whether weights must fit.
    """
    metrics = opt["val"].get("metrics") if isinstance(opt.get("val"), dict) else None
    train = opt["train"] if isinstance(opt.get("train"), dict) else {}
    losses = [block for key, block in train.items() if key.endswith("_opt")]
    datasets = opt["datasets"].values() if isinstance(opt.get("datasets"), dict) else ()
    known = [one for one in datasets if isinstance(one, dict) and dataset_model(one.get("type")) is not OtherDataset]
    path = opt["path"] if isinstance(opt.get("path"), dict) else {}
    for key in [key for key, value in path.items() if key.startswith("strict_load_") and value is None]:
        del path[key]
    for blocks in (opt, opt.get("datasets"), metrics, train, *losses, *known):
        if isinstance(blocks, dict):
            # a loss whose type is null is told as one without a type
            for key in [key for key, value in blocks.items() if value is None and key != "type"]:
                del blocks[key]


def _complete(opt: Options, *, is_train: bool) -> None:
    """Fill in what BasicSR reads and users seldom write; a run without a seed becomes repeatable."""
    opt.setdefault("manual_seed", 0)
    opt.setdefault("path", {})
    for dataset in opt["datasets"].values():
        if issubclass(dataset_model(dataset.get("type")), USRDASourceDataset) and dataset.get("seed") is None:
            dataset["seed"] = opt["manual_seed"]
    if isinstance(opt.get("val"), dict):
        opt["val"].setdefault("save_img", False)
        opt["val"].setdefault("suffix", None)
    if is_train:
        opt["logger"].setdefault("use_tb_logger", False)
