"""The option file from the top, as a schema that pydantic checks and editors read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Union

from pydantic import ConfigDict, Field

from usrda_plugin.options.fields import (
    Block,
    Chances,
    FilePath,
    Flag,
    Gpus,
    Probability,
    Range,
    Real,
    Spelled,
    Switch,
    Text,
    Texts,
    Whole,
    key,
)
from usrda_plugin.options.schema_data import KNOWN_DATASETS, OtherDataset

NETWORKS = ("g", "d", "d_f", "d_t", "d_y", "d_h")
PARTS = ("g_encoder", "g_sr_decoder", "g_lr_decoder")
AnyDataset = Union[(*KNOWN_DATASETS, OtherDataset)]  # type: ignore[valid-type]
ThreeChances = Annotated[Chances, Field(min_length=3, max_length=3)]


class Component(Block):
    """A registered class by its name, and its arguments, which are checked against the class itself."""

    model_config = ConfigDict(extra="allow")
    type: Text | None = key("Registered class")


class Optimizer(Component):
    """An optimizer of torch.optim that BasicSR offers."""

    type: Text | None = key("Optimizer class of torch.optim; BasicSR 1.4.2 offers Adam")
    lr: Real | None = key("Learning rate; float32, in which weights are, ends at 3e38", ge=0, le=1e35)
    weight_decay: Real | None = key("L2 penalty on the weights", ge=0)
    betas: list[Real] | None = key("Adam's two running-average factors, e.g. [0.9, 0.99]", min_length=2, max_length=2)


class Scheduler(Component):
    """How the learning rate changes with the iterations."""

    type: Text | None = key("MultiStepLR, MultiStepRestartLR or CosineAnnealingRestartLR")
    milestones: list[Whole] | None = key("Iterations at which the rate is multiplied by gamma (MultiStep*)")
    gamma: Real | None = key("Factor at each milestone (MultiStep*)", gt=0)
    restarts: list[Whole] | None = key("Iterations at which the rate starts again (MultiStep*)")
    periods: list[Whole] | None = key("Length of each cosine in iterations; together at least total_iter (Cosine*)")
    restart_weights: list[Real] | None = key("Factor of the rate after each restart, one for each period or restart")
    eta_min: Real | None = key("Smallest rate (Cosine*)", ge=0)


class Weighted(Block):
    """A term of USR-DA whose parts have criteria of their own: only its weight."""

    loss_weight: Real | None = key("Weight of the term; 0 switches it off at no cost", ge=0)


class WeightedCycle(Weighted):
    """The term cyc, whose pixels may be weighed place by place."""

    weighted_by: Literal["d_t"] | None = key(
        "d_t: pixels count where D_t finds x_st like the target (needs sty_opt with lsgan); null: all the same"
    )


class Loss(Component):
    """A registered loss."""

    loss_weight: Real | None = key("Weight in the sum; 0 switches it off where the model is USRDAModel", ge=0)


class PixelLoss(Loss):
    """A registered loss between images, e.g. L1Loss or CharbonnierLoss."""

    reduction: Literal["none", "mean", "sum"] | None = key("How pixels become one number")


class TeacherLoss(PixelLoss):
    """A registered loss between images: the network's of a perturbed x_t and the averaged network's of x_t."""

    perturbation: Real | None = key("Standard deviation of the noise on x_t, RGB in [0, 1] (default 0.02)", ge=0)


class GANLossBlock(Loss):
    """A registered adversarial loss, e.g. GANLoss or USRDARelativisticLoss."""

    gan_type: Text | None = key("vanilla, lsgan, wgan, wgan_softplus or hinge")
    real_label_val: Real | None = key("Label of real images")
    fake_label_val: Real | None = key("Label of fake images")
    r1_weight: Real | None = key("USRDARelativisticLoss: gamma of the penalty at real images (default 1)", ge=0)
    r2_weight: Real | None = key("USRDARelativisticLoss: gamma of the penalty at fake images (default 1)", ge=0)


class PerceptualLossBlock(Loss):
    """A registered perceptual loss, e.g. PerceptualLoss or USRDAPerceptualLoss."""

    layer_weights: dict[str, Real] | None = key("Weight of each VGG layer, e.g. conv5_4: 1 (before the ReLU)")
    vgg_type: Text | None = key("torchvision's network, e.g. vgg19")
    vgg_path: Text | None = key("File of VGG weights, full or features only (USRDAPerceptualLoss)")
    use_input_norm: Flag | None = key("Normalise the input by ImageNet's mean and standard deviation")
    range_norm: Flag | None = key("Map images from [-1, 1] to [0, 1] first")
    perceptual_weight: Real | None = key("Weight of the feature distance", ge=0)
    style_weight: Real | None = key("Weight of the Gram matrix distance", ge=0)
    criterion: Text | None = key("Distance of features: l1 or fro")


class Train(Block):
    """How the networks are trained."""

    total_iter: Whole | None = key("Iterations to train", ge=1)
    warmup_iter: Whole | None = key("Iterations over which the learning rate rises from 0; -1: none", ge=-1)
    ema_decay: Real | None = key(
        "Decay of the averaged network, which is validated and saved as params_ema; 0: none", ge=0, lt=1
    )
    optim_g: Optimizer | None = key("Optimizer of the generator")
    optim_d: Optimizer | None = key("Optimizer of the discriminators")
    scheduler: Scheduler | None = key("How the learning rate changes")
    pixel_opt: PixelLoss | None = key("Distance of pixels; part of rec and cyc")
    perceptual_opt: PerceptualLossBlock | None = key("Distance of VGG features; part of rec and cyc")
    gan_opt: GANLossBlock | None = key("Adversarial loss on HR images; part of rec and cyc")
    net_d_iters: Whole | None = key("Train the generator once in so many iterations", ge=1)
    net_d_init_iters: Whole | None = key("Iterations that train the discriminators alone first", ge=0)

    align_opt: Loss | None = key("USR-DA, term align: D_f must not tell source from target features")
    rec_opt: Weighted | None = key("USR-DA, term rec: y_ss against y_s")
    res_opt: Loss | None = key("USR-DA, term res: x_tt against x_t")
    sty_opt: GANLossBlock | None = key("USR-DA, term sty: x_st must look like the target to D_t")
    idt_opt: Loss | None = key("USR-DA, term idt: f_st against f_s")
    cyc_opt: WeightedCycle | None = key("USR-DA, term cyc: y_sts against y_s")
    hr_opt: GANLossBlock | None = key("USR-DA, extension hr: y_tt must look like an HR photograph to D_h")
    con_opt: PixelLoss | None = key("USR-DA, extension con: y_tt made small against x_t, low bands alone")
    tea_opt: TeacherLoss | None = key(
        "USR-DA, extension tea: y of a perturbed x_t against the averaged network's of x_t (needs ema_decay)"
    )
    psnr_iter: Whole | None = key("USR-DA: iterations with pixel terms alone, before the adversarial ones", ge=0)
    gradient_accumulation_steps: Whole | None = key(
        "USRDAModel: parts that the batch is cut into; the result of the whole batch in the memory of a part", ge=1
    )
    clip_grad_norm: Real | None = key("USRDAModel: largest L2 norm of an optimizer's gradient", gt=0)
    max_skipped_steps: Whole | None = key(
        "Training stops after so many steps in a row without a finite loss and gradient (default 100)", ge=1
    )
    amp: Literal["auto", "bf16", "fp16", False] | None = key(
        "USRDAModel: autocast to half precision; auto: bf16 where the GPU computes in it; false: float32 (the default)"
    )
    compile: Switch | None = key("USRDAModel: torch.compile by RRDB block (default false)")
    channels_last: Switch | None = key("USRDAModel: NHWC layout; auto (the default): on a GPU")
    tf32: Switch | None = key("USRDAModel: TF32 convolutions; auto (the default): where the GPU has them")
    fused_adam: Switch | None = key("USRDAModel: Adam in one kernel; auto (the default): on a GPU")
    joint_batches: Switch | None = key(
        "USRDAModel: source and target through their networks as one batch; auto (the default): on a GPU"
    )
    gradient_checkpointing: Literal["auto", "concat", "block", True, False] | None = key(
        "USRDAModel: what the backward pass computes again instead of keeping it; concat: the inputs of dense layers, "
        "for no time; block, or true: all of an RRDB block, for a third more time; auto (the default): concat"
    )
    log_grad_norm: Flag | None = key("USR-DA: log the norm of each network's gradient")

    ldl_opt: PixelLoss | None = key("BasicSR: locally discriminative loss against artefacts")


class Metric(Component):
    """A registered metric."""

    type: Text | None = key("Registered function, e.g. calculate_psnr")
    crop_border: Whole | None = key("Pixels left out at each border, usually the scale", ge=0)
    test_y_channel: Flag | None = key("Measure luma alone")
    weights: FilePath | None = key("File of AlexNet's weights, full or features only (calculate_usrda_lpips)")
    better: Literal["higher", "lower"] | None = key("Which value is the better one (default higher)")


class Signals(Block):
    """What USRDAModel measures without ground truth at each validation; docs/monitoring.md."""

    images: Whole | None = key("Target photographs, and as many source images (default 8)", ge=2)
    size: Whole | None = key("Side of their crops in LR pixels, at most (default 160)", ge=32)
    select: Flag | None = key("Keep the best network by these signals as net_g_best.pth (default true)")


class ValidationBlock(Block):
    """How networks are validated and tested."""

    val_freq: Whole | None = key("Iterations from one validation to the next", ge=1)
    save_img: Flag | None = key("Save the output images (default false)")
    suffix: Spelled | None = key("Ending of saved images' names when testing; null: the name of the run")
    pbar: Flag | None = key("Show a progress bar")
    metrics: dict[str, Metric | None] | None = Field(
        default=None, description="Metrics by the names they get in the log"
    )
    signals: Signals | None = key("USRDAModel: measure at each validation what needs no ground truth; absent: nothing")


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
    val: ValidationBlock | None = key("How networks are validated and tested")
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
    resize_prob: ThreeChances | None = key("Real-ESRGAN: probabilities of up, down, keep")
    resize_range: Range | None = key("Real-ESRGAN: range of the resize factor")
    gaussian_noise_prob: Probability | None = key("Real-ESRGAN: probability of Gaussian rather than Poisson noise")
    noise_range: Range | None = key("Real-ESRGAN: range of the Gaussian noise's sigma, in 8-bit levels")
    poisson_scale_range: Range | None = key("Real-ESRGAN: range of the Poisson noise's scale")
    gray_noise_prob: Probability | None = key("Real-ESRGAN: probability that the noise is gray")
    jpeg_range: Range | None = key("Real-ESRGAN: range of the JPEG quality, 0 to 100")
    second_blur_prob: Probability | None = key("Real-ESRGAN: probability of the second blur")
    resize_prob2: ThreeChances | None = key("Real-ESRGAN, second step: probabilities of up, down, keep")
    resize_range2: Range | None = key("Real-ESRGAN, second step: range of the resize factor")
    gaussian_noise_prob2: Probability | None = key(
        "Real-ESRGAN, second step: probability of Gaussian rather than Poisson noise"
    )
    noise_range2: Range | None = key("Real-ESRGAN, second step: range of the Gaussian noise's sigma, in 8-bit levels")
    poisson_scale_range2: Range | None = key("Real-ESRGAN, second step: range of the Poisson noise's scale")
    gray_noise_prob2: Probability | None = key("Real-ESRGAN, second step: probability that the noise is gray")
    jpeg_range2: Range | None = key("Real-ESRGAN, second step: range of the JPEG quality, 0 to 100")
