"""A cell of the matrix, and the option files of the trainings behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from domains import DOMAINS, FOLDS
from rows import ROWS
from scales import SCALES, Scale

from usrda_plugin.losses import find_vgg_weights
from usrda_plugin.options.inheritance import read_chain

OPTIONS = Path(__file__).parent / "options"
ITERATIONS = ("total_iter", "psnr_iter", "warmup_iter", "net_d_init_iters")
Options = dict[str, Any]


class Cell(NamedTuple):
    """One row on one domain with one seed, at one scale."""

    scale: str
    domain: str
    row: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where its results stand below the folder of all results."""
        return Path(self.scale) / self.domain / self.row / f"seed{self.seed}"


class Training(NamedTuple):
    """One run of BasicSR: the name of its folder below experiments/, its options, and which images it is tested on.

    ``fold``: None for all images, else those that this fold leaves out of its training.
    """

    name: str
    options: Options
    fold: int | None = None


def trainings_of(cell: Cell) -> list[Training]:
    """The trainings whose networks the cell measures: none for bicubic, one for each fold of a cross-validation."""
    if cell.row == "bicubic":
        return []
    if cell.row == "source_only":
        return [source_training(cell)]
    name = "-".join((cell.scale, cell.domain, cell.row, f"seed{cell.seed}"))
    if cell.row == "oracle" and DOMAINS[cell.domain].camera is None:
        names = [f"{name}-fold{fold}" for fold in range(FOLDS)]
        return [Training(each, options_of(cell, each, fold), fold) for fold, each in enumerate(names)]
    return [Training(name, options_of(cell, name))]


def source_training(cell: Cell) -> Training:
    """The training of the network that the seed's rows start from, on all domains of the same source photographs."""
    return Training(source_name(cell), options_of(cell._replace(row="source_only"), source_name(cell)))


def options_of(cell: Cell, name: str, fold: int | None = None) -> Options:
    """The options of a training: its row's file, at the cell's scale, with the domain's images and the seed."""
    scale, factor = SCALES[cell.scale], DOMAINS[cell.domain].factor
    options = _without_nulls(read_chain(OPTIONS / f"{cell.row}.yml").opt)
    options = {"name": name, "manual_seed": cell.seed, "scale": factor, **options}
    _stretch(options, scale, ROWS[cell.row].measurements or scale.measurements)
    _size(options, scale, factor)
    _place(options, cell, fold)
    if ROWS[cell.row].start == "source_only":
        _start_from(options, f"experiments/{source_name(cell)}/models/net_g_latest.pth")
    return options


def source_name(cell: Cell) -> str:
    """The name of the training that the cell's rows start from."""
    return "-".join((cell.scale, DOMAINS[cell.domain].source, "source_only", f"seed{cell.seed}"))


def _without_nulls(options: Any) -> Any:
    """Options without the blocks that a row has put out of its base."""
    if not isinstance(options, dict):
        return options
    return {key: _without_nulls(value) for key, value in options.items() if value is not None}


def _stretch(options: Options, scale: Scale, measurements: int) -> None:
    """Make all counts of iterations as much longer as the scale says; save and measure so many times."""

    def longer(count: int) -> int:
        return max(round(count * scale.stretch), 1) if count > 0 else count

    train = options["train"]
    for key in ITERATIONS:
        if train.get(key):
            train[key] = longer(train[key])
    for key in ("milestones", "periods", "restarts"):
        if key in train["scheduler"]:
            train["scheduler"][key] = [longer(count) for count in train["scheduler"][key]]
    options["logger"]["save_checkpoint_freq"] = train["total_iter"] // measurements
    if "val" in options:
        options["val"]["val_freq"] = options["logger"]["save_checkpoint_freq"]


def _size(options: Options, scale: Scale, factor: int) -> None:
    """Set the sizes of networks, patches and batches, and the rates that go with them."""
    options["network_g"] |= {"scale": factor, **scale.network}
    for optimizer in (options["train"][key] for key in ("optim_g", "optim_d") if key in options["train"]):
        optimizer["lr"] = round(optimizer["lr"] * scale.rate, 9)
    for key in ("network_d", "network_d_f", "network_d_t", "network_d_y", "network_d_h"):
        if options.get(key):
            options[key]["num_feat"] = scale.critic_feat
    if "network_d_f" in options:
        options["network_d_f"]["num_in_ch"] = options["network_g"]["num_feat"]
    if not (scale.perceptual and _vgg_is_there()):
        options["train"].pop("perceptual_opt", None)
    patch = scale.lr_patch[factor] * factor
    loading = {"gt_size": patch, "batch_size_per_gpu": scale.batch, "num_worker_per_gpu": scale.workers}
    options["datasets"]["train"] |= loading
    if "queue_size" in options:  # Real-ESRGAN's model cuts patches itself, and mixes them in a queue
        options["datasets"]["train"]["batch_size_per_gpu"] = scale.degraded_batch
        options |= {"gt_size": patch, "queue_size": 4 * scale.degraded_batch}


def _vgg_is_there() -> bool:
    try:
        find_vgg_weights()
    except FileNotFoundError:
        return False
    return True


def _place(options: Options, cell: Cell, fold: int | None) -> None:
    """Name the folders of images, as seen from where training runs."""
    domain, data, dataset = DOMAINS[cell.domain], f"data/{cell.domain}", options["datasets"]["train"]
    dataset["dataroot_gt"] = f"data/source_{domain.source}/hr"
    if fold is not None:
        pairs = {"dataroot_gt": f"{data}/val_hr", "dataroot_lq": f"{data}/val_lr"}
        dataset |= {**pairs, "meta_info": f"{data}/fold{fold}.txt"}
    elif cell.row == "oracle":
        dataset["dataroot_lq"] = f"{data}/oracle_lr"
    elif dataset["type"] == "USRDADataset":
        dataset["dataroot_target"] = f"{data}/target_lr"
    elif dataset["type"] == "RealESRGANDataset":
        dataset["meta_info"] = f"data/source_{domain.source}/list.txt"
    if "val" in options["datasets"]:
        options["datasets"]["val"]["dataroot_lq"] = f"{data}/corner"


def _start_from(options: Options, file: str) -> None:
    """Start from a source-only network: from its E and G_SR, since its G_t has learnt nothing."""
    path = options["path"]
    path["param_key_g"] = "params_ema"
    if options["model_type"] == "USRDAModel":
        path |= {"pretrain_network_g_encoder": file, "pretrain_network_g_sr_decoder": file}
    else:
        path["pretrain_network_g"] = file
