"""The option file from the top, as a schema that pydantic checks and editors read."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Union

from usrda_plugin.options.fields import (
    Block,
    FilePath,
    Flag,
    Gpus,
    Probability,
    Range,
    Text,
    Texts,
    Whole,
    key,
)
from usrda_plugin.options.schema_data import IMAGE_DATASETS, OtherDataset, VideoDataset
from usrda_plugin.options.schema_train import Component, Train, Validation

NETWORKS = ("g", "d", "d_f", "d_t", "d_y", "d_h")
PARTS = ("g_encoder", "g_sr_decoder", "g_lr_decoder")
AnyDataset = Union[(*IMAGE_DATASETS, VideoDataset, OtherDataset)]  # type: ignore[valid-type]


class Family(NamedTuple):
    """Keys of which a file may have any number: a pattern of names, the kind of value, a description, usual names."""

    pattern: str
    kind: Any
    description: str
    examples: tuple[str, ...]


class Datasets(Block):
    """The data sets by phase."""

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            r"^(val|test)(_\w+)?$",
            AnyDataset,
            "A data set to validate or test on; any number, by names such as val_1",
            ("val", "val_1", "test", "test_1"),
        ),
    )
    train: AnyDataset | None = key("The data set to train on")


class Paths(Block):
    """Weights to start from."""

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            r"^pretrain_network_\w+$",
            FilePath,
            "File of weights to start this network from",
            tuple(f"pretrain_network_{name}" for name in NETWORKS + PARTS),
        ),
        Family(
            r"^param_key_\w+$",
            Text,
            "Key of the weights in that file: params or params_ema; null: the file is bare weights",
            tuple(f"param_key_{name}" for name in NETWORKS),
        ),
        Family(
            r"^strict_load_\w+$",
            Flag,
            "Whether all weights must fit (default true)",
            tuple(f"strict_load_{name}" for name in NETWORKS),
        ),
    )
    resume_state: FilePath | None = key("File *.state of a run to go on with")
    ignore_resume_networks: Texts | None = key("Networks that are not loaded when a run goes on, e.g. network_d")


class Wandb(Block):
    """Logging to Weights & Biases."""

    project: Text | None = key("Project; null: no logging to W&B")
    resume_id: Text | None = key("Run to go on with")


class Logger(Block):
    """What is logged and saved, and when."""

    print_freq: Whole | None = key("Iterations from one line of the log to the next", ge=1)
    save_checkpoint_freq: Whole | None = key("Iterations from one saved checkpoint to the next", ge=1)
    keep_last: Whole | None = key("Checkpoints that are kept, the newest ones (default: all)", ge=1)
    keep_best: Flag | None = key("With keep_last: keep the checkpoints of the best metrics too (default true)")
    use_tb_logger: Flag | None = key("Write TensorBoard logs below tb_logger/ (default false)")
    wandb: Wandb | None = key("Logging to Weights & Biases")


class Distributed(Block):
    """Arguments of torch.distributed, read where the launcher is slurm."""

    backend: Text | None = key("nccl (GPU) or gloo (CPU)")
    port: Whole | None = key("TCP port of the first process", ge=1, le=65535)


class OptionFile(Block):
    """An option file of BasicSR or USR-DA."""

    families: ClassVar[tuple[Family, ...]] = (
        Family(
            r"^network_\w+$",
            Component,
            "A network: its registered class and arguments",
            tuple(f"network_{name}" for name in NETWORKS),
        ),
    )

    name: Text | None = key("Name of the run: results go to experiments/NAME (training) or results/NAME (testing)")
    model_type: Text | None = key("Registered model class, e.g. USRDAModel or SRModel")
    scale: Whole | None = key("HR size over LR size", ge=1)
    num_gpu: Gpus | None = key("GPUs to use: 0 for CPU, auto for all there are")
    manual_seed: Whole | None = key("Start of all random draws (default 0)", ge=0, lt=2**32)
    datasets: Datasets | None = key("The data sets by phase: train, val*, test*")
    path: Paths | None = key("Weights to start from")
    train: Train | None = key("How the networks are trained")
    val: Validation | None = key("How networks are validated and tested")
    logger: Logger | None = key("What is logged and saved, and when")
    dist_params: Distributed | None = key("Arguments of torch.distributed")
    find_unused_parameters: Flag | None = key(
        "Let DistributedDataParallel look for parameters without gradient (slower)"
    )

    high_order_degradation: Flag | None = key("Real-ESRGAN: make LR images by the two-step degradation (default true)")
    gt_size: Whole | None = key("Real-ESRGAN: side of the HR patch in pixels, divisible by scale", ge=1)
    queue_size: Whole | None = key(
        "Real-ESRGAN: training pairs kept to mix batches, a multiple of the batch (default 180)", ge=1
    )
    gt_usm: Flag | None = key("RealESRNetModel: sharpen the ground truth")
    l1_gt_usm: Flag | None = key("RealESRGANModel: sharpen the ground truth of the pixel loss")
    percep_gt_usm: Flag | None = key("RealESRGANModel: sharpen the ground truth of the perceptual loss")
    gan_gt_usm: Flag | None = key("RealESRGANModel: sharpen the real images of the discriminator")
    resize_prob: list[Probability] | None = key(
        "Real-ESRGAN: probabilities of up, down, keep", min_length=3, max_length=3
    )
    resize_range: Range | None = key("Real-ESRGAN: range of the resize factor")
    gaussian_noise_prob: Probability | None = key("Real-ESRGAN: probability of Gaussian rather than Poisson noise")
    noise_range: Range | None = key("Real-ESRGAN: range of the Gaussian noise's sigma, in 8-bit levels")
    poisson_scale_range: Range | None = key("Real-ESRGAN: range of the Poisson noise's scale")
    gray_noise_prob: Probability | None = key("Real-ESRGAN: probability that the noise is gray")
    jpeg_range: Range | None = key("Real-ESRGAN: range of the JPEG quality, 0 to 100")
    second_blur_prob: Probability | None = key("Real-ESRGAN: probability of the second blur")
    resize_prob2: list[Probability] | None = key(
        "Real-ESRGAN, second step: probabilities of up, down, keep", min_length=3, max_length=3
    )
    resize_range2: Range | None = key("Real-ESRGAN, second step: range of the resize factor")
    gaussian_noise_prob2: Probability | None = key(
        "Real-ESRGAN, second step: probability of Gaussian rather than Poisson noise"
    )
    noise_range2: Range | None = key("Real-ESRGAN, second step: range of the Gaussian noise's sigma, in 8-bit levels")
    poisson_scale_range2: Range | None = key("Real-ESRGAN, second step: range of the Poisson noise's scale")
    gray_noise_prob2: Probability | None = key("Real-ESRGAN, second step: probability that the noise is gray")
    jpeg_range2: Range | None = key("Real-ESRGAN, second step: range of the JPEG quality, 0 to 100")
