"""From an option file to options that BasicSR can run: inheritance, overrides, checks, defaults; and notes on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from usrda_plugin.metrics import needs_reference
from usrda_plugin.options.components import METRICS, check_components, find
from usrda_plugin.options.consistency import check_consistency
from usrda_plugin.options.images import check_images, dry_run_datasets
from usrda_plugin.options.inheritance import SUFFIXES, force, read_chain
from usrda_plugin.options.models import ALONE, check_batch_contract
from usrda_plugin.options.networks import check_channels, try_networks
from usrda_plugin.options.required_keys import check_required_keys
from usrda_plugin.options.schedule import check_epochs, check_optimizers, check_scheduler
from usrda_plugin.options.schema_check import check_schema
from usrda_plugin.options.schema_data import OtherDataset, USRDASourceDataset, dataset_model
from usrda_plugin.options.validation import OptionError, Options, OptionsError, Validation
from usrda_plugin.options.weights import check_metric_weights, check_networks, check_perceptual


def load_options(opt_file: str | Path, *, is_train: bool, overrides: Sequence[str] = ()) -> Options:
    """The options that an option file describes, checked, complete and plain, as BasicSR itself can read them.

    ``overrides`` are ``block:key=value`` with YAML values; they may add keys. Nothing is created on disk, but for
    AlexNet's weights in torch hub's cache where LPIPS wants them.
    Raises OptionsError, whose one message lists all errors.
    """
    file = Path(opt_file)
    if file.suffix not in SUFFIXES:
        message = "expected an option file *.yml or *.yaml"
        raise OptionsError(str(file), [OptionError((), str(file), message, "give a YAML file")])
    chain = read_chain(file)
    forced = force(chain.opt, overrides)
    validation = Validation(chain.opt, is_train, (forced, *chain.sources))
    check_schema(validation)
    _drop_nulls(validation)
    check_components(validation)
    check_required_keys(validation)
    check_batch_contract(validation)
    if is_train:
        check_optimizers(validation)
        check_scheduler(validation)
        check_perceptual(validation)
    built = check_networks(validation)
    check_consistency(validation)
    check_channels(validation)
    check_epochs(validation, check_images(validation))
    dry_run_datasets(validation)
    try_networks(validation, built)
    check_metric_weights(validation)
    if validation.errors:
        raise OptionsError(str(file), validation.errors)
    _complete(validation.opt, is_train=is_train)
    return validation.opt


def dump_options(opt: Options, file: str | Path) -> None:
    """Write options as plain YAML, keys in their order, to be read by stock BasicSR."""
    Path(file).write_text(yaml.safe_dump(opt, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _drop_nulls(validation: Validation) -> None:
    """Take out what a file has set to null to be rid of a base's; BasicSR would stumble over it.

    These are blocks, the keys of ``train`` and of its losses, which BasicSR compares with numbers, those of data sets
    that are known here, and whether weights must fit.
    """
    losses = [block for _, block in validation.losses()]
    known = [one for _, one in validation.datasets() if dataset_model(one.get("type")) is not OtherDataset]
    datasets, metrics, train = (validation.block(*keys) for keys in (("datasets",), ("val", "metrics"), ("train",)))
    for block in (validation.opt, datasets, metrics, train, *losses, *known):
        # a loss whose type is null is told as one without a type
        for key in [key for key, value in block.items() if value is None and key != "type"]:
            del block[key]
    path = validation.block("path")
    for key in [key for key, value in path.items() if key.startswith("strict_load_") and value is None]:
        del path[key]


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


def notes_on(opt: Mapping[str, Any]) -> list[str]:
    """A line for each thing that a run by these options, as BasicSR has parsed them, will not do."""
    on_training = [*_on_start(opt), *_on_training(opt)] if opt["is_train"] else []
    return [*on_training, *_on_validation(opt), *_on_ground_truth(opt)]


def _on_start(opt: Mapping[str, Any]) -> Iterator[str]:
    """A line where a run adapts, and there is no network to be adapted."""
    path, train = opt.get("path") or {}, opt["datasets"].get("train") or {}
    whole, parts = path.get("pretrain_network_g"), ("pretrain_network_g_encoder", "pretrain_network_g_sr_decoder")
    started = whole or all(path.get(part) for part in parts) or path.get("resume_state")
    if started or opt.get("model_type") != "USRDAModel" or not train.get("dataroot_target"):
        return
    first = opt["train"].get("psnr_iter")
    meanwhile = f" but for what its first {first} iterations on pairs alone (psnr_iter) will have taught it" * bool(
        first
    )
    yield (
        "THIS RUN ADAPTS A NETWORK OF RANDOM WEIGHTS: it has target photographs, and no path: pretrain_network_g. Terms"
        f" of the target teach nothing to a network that cannot super-resolve yet{meanwhile}. Give it a start: path:"
        " pretrain_network_g: FILE, where FILE is what options/train_psnr.yml makes at the same scale"
        f" (basicsr train -opt options/train_psnr.yml, here with scale: {opt.get('scale')}), or any RRDBNet's weights,"
        " such as ESRGAN's or Real-ESRGAN's (network_g: encoder: trunk, num_feat, num_block and num_grow_ch as theirs)."
    )


def _on_training(opt: Mapping[str, Any]) -> Iterator[str]:
    total, logger = opt["train"]["total_iter"], opt["logger"]
    if logger["print_freq"] > total:
        yield f"No losses will be logged: logger: print_freq is {logger['print_freq']}, total_iter {total}."
    if logger["save_checkpoint_freq"] > total:
        yield (
            "No checkpoint will be saved that training could go on from, the last networks alone: logger:"
            f" save_checkpoint_freq is {logger['save_checkpoint_freq']}, total_iter {total}."
        )


def _on_validation(opt: Mapping[str, Any]) -> Iterator[str]:
    sets = [phase for phase in opt["datasets"] if phase != "train"]
    val = opt.get("val")
    if not sets or val is None:
        if sets:
            yield f"No validation: the option file has {', '.join(sets)} below datasets, but no block val."
        elif val is not None:
            yield "No validation: the option file has a block val, but no data set val below datasets."
        return
    if opt["is_train"] and val["val_freq"] > opt["train"]["total_iter"]:
        total = opt["train"]["total_iter"]
        yield f"The only validation will be after the training: val: val_freq is {val['val_freq']}, total_iter {total}."
    if not any(val.get(key) for key in ("metrics", "save_img", "signals")):
        yield "Images will be enlarged, and neither measured nor saved: val has no metrics, and save_img is false."


def _on_ground_truth(opt: Mapping[str, Any]) -> Iterator[str]:
    """A line for each data set for which metrics are left out, as it has no ground truth and others have."""
    metrics = (opt.get("val") or {}).get("metrics") or {}
    functions = {name: find(METRICS, metric.get("type")) for name, metric in metrics.items()}
    comparing = [name for name, function in functions.items() if function and needs_reference(function)]
    for phase, dataset in opt["datasets"].items() if comparing else ():
        if phase != "train" and dataset.get("type") == ALONE:
            yield f"Data set {dataset['name']} has no ground truth, so no {', '.join(comparing)} ({phase}: {ALONE})."
