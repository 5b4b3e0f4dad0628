"""The keys of training: optimizers, the schedule, and the loss blocks of BasicSR's models and of USRDAModel."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from usrda_plugin.options.fields import Block, FilePath, Flag, Real, Spelled, Switch, Text, Whole, key


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
    feature_matching_opt: Loss | None = key("BasicSR, HiFaceGAN: distance of the discriminator's features")
    fix_flow: Whole | None = key("BasicSR, BasicVSR: iterations with the flow network at rest", ge=0)
    lr_flow: Real | None = key("BasicSR, BasicVSR: learning rate of the flow network", ge=0)
    flow_lr_mul: Real | None = key("BasicSR, BasicVSR: factor of the flow network's learning rate", ge=0)
    dcn_lr_mul: Real | None = key("BasicSR, EDVR: factor of the deformable convolutions' learning rate", ge=0)
    tsa_iter: Whole | None = key("BasicSR, EDVR: iterations that train the TSA module alone", ge=0)
    r1_reg_weight: Real | None = key("BasicSR, StyleGAN2: weight of the R1 penalty", ge=0)
    path_reg_weight: Real | None = key("BasicSR, StyleGAN2: weight of the path length penalty", ge=0)
    path_batch_shrink: Whole | None = key("BasicSR, StyleGAN2: divisor of the batch for the path length penalty", ge=1)
    net_g_reg_every: Whole | None = key("BasicSR, StyleGAN2: iterations from one path length penalty to the next", ge=1)
    net_d_reg_every: Whole | None = key("BasicSR, StyleGAN2: iterations from one R1 penalty to the next", ge=1)
    mixing_prob: Real | None = key("BasicSR, StyleGAN2: probability of mixing two styles", ge=0, le=1)


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


class Validation(Block):
    """How networks are validated and tested."""

    val_freq: Whole | None = key("Iterations from one validation to the next", ge=1)
    save_img: Flag | None = key("Save the output images (default false)")
    suffix: Spelled | None = key("Ending of saved images' names when testing; null: the name of the run")
    pbar: Flag | None = key("Show a progress bar")
    metrics: dict[str, Metric | None] | None = Field(
        default=None, description="Metrics by the names they get in the log"
    )
    signals: Signals | None = key("USRDAModel: measure at each validation what needs no ground truth; absent: nothing")
    num_val_samples: Whole | None = key("BasicSR, StyleGAN2: images to draw", ge=1)
    flip_seq: Flag | None = key("BasicSR, video: test on clips played there and back")
    center_frame_only: Flag | None = key("BasicSR, video: measure the middle frame alone")
