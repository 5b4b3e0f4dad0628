"""Values that people and programs leave in option files, right and wrong."""

from __future__ import annotations

import datetime
from copy import deepcopy
from random import Random
from typing import Any

NAMES = (
    *("USRDANet", "USRDADiscriminator", "USRDABicubic", "RRDBNet", "SRVGGNetCompact", "MSRResNet", "EDSR", "SwinIR"),
    *("VGGStyleDiscriminator", "UNetDiscriminatorSN", "StyleGAN2Generator", "BasicVSR", "RIDNet", "RCAN", "DUF"),
    *("L1Loss", "MSELoss", "CharbonnierLoss", "WeightedTVLoss", "GANLoss", "USRDARelativisticLoss", "USRDAAlignLoss"),
    *("PerceptualLoss", "USRDAPerceptualLoss", "GANFeatLoss", "MultiScaleGANLoss", "Adam", "SGD", "AdamW", "LBFGS"),
    *("MultiStepLR", "MultiStepRestartLR", "CosineAnnealingRestartLR", "StepLR", "calculate_psnr", "calculate_ssim"),
    *("calculate_niqe", "calculate_usrda_niqe", "calculate_usrda_lpips", "calculate_fid", "PairedImageDataset"),
    *("SingleImageDataset", "RealESRGANDataset", "RealESRGANPairedDataset", "USRDADataset", "USRDASourceDataset"),
    *("FFHQDataset", "REDSDataset", "VideoTestDataset", "SRModel", "SRGANModel", "ESRGANModel", "RealESRGANModel"),
    *(
        "RealESRNetModel",
        "USRDAModel",
        "StyleGAN2Model",
        "HiFaceGANModel",
        "VideoBaseModel",
        "EDVRModel",
        "SwinIRModel",
    ),
    *("type", "Object", "usrdanet", "USRDANET", "L1", "basicsr", "Adam ", "optim.Adam", "__class__", "RRDBNet_basicsr"),
)
WORDS = (
    *(
        "auto",
        "none",
        "None",
        "null",
        "true",
        "yes",
        "mean",
        "sum",
        "none",
        "lsgan",
        "hinge",
        "wgan",
        "vanilla",
        "conv",
    ),
    *("trunk", "rrdb", "rgb_high", "luma", "camera", "bicubic", "cpu", "cuda", "lmdb", "disk", "memcached", "params"),
    *("params_ema", "block", "concat", "bf16", "fp16", "y", "d_t", "lower", "vgg19", "vgg16", "conv5_4", "l1", "fro"),
    *(
        "0",
        "-1",
        "1e-4",
        "1e400",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "3 ",
        "٣",
        "²",
        "1e",
        "",
        " ",
        ".",
        "..",
        "/",
        "~",
        "~root",
    ),
    *("a/b", "../up", "a b", "ä", "雪", "🦆", "\u202eabc", "\x00", "a\x00b", "a\nb", "\x1b[31m", "\ud800", "x" * 300),
    *("x" * 5000, "{}", "{0}{1}", "{a.b}", "%s", "${HOME}", "{{ x }}", "__import__('os')", "; touch trace", "*", "\\"),
    *("datasets/val/HR", "datasets/val/LR", "datasets/source/HR", "datasets/source/meta_info.txt", "vgg19.pth", "con"),
    *("experiments/train_psnr/models/net_g_latest.pth", "options", "options/train_psnr.yml", "/dev/null", "/dev/zero"),
    *("none.pth", "none.lmdb", "datasets/val/HR/0.png", "/", "/proc/self/mem"),
)
NUMBERS = (
    *(
        0,
        -1,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        16,
        33,
        100,
        255,
        1000,
        65536,
        10**6,
        2**31,
        2**32,
        2**63,
        2**64,
        10**12,
        10**18,
        10**400,
    ),
    *(-7, -(2**63), 0.0, -0.0, 0.5, 1.0, 1.5, -0.5, 2.0, 0.999, 1e-4, 1e-30, 5e-324, 1e30, 1e308, -1e308, 3.0000001),
    *(float("nan"), float("inf"), float("-inf")),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [{}], {"a": {}}, [None], [1, 2], [1], [0, 0], [2, 1], [1, 2, 3], [0.9, 0.99]),
    *([-1], [float("nan"), 1], ["a"], [True, False], ["iso", "aniso"], [10**30, 10**30], list(range(200))),
    *(
        {"type": "L1Loss"},
        {"type": "GANLoss", "gan_type": "lsgan"},
        {"type": None},
        {"type": []},
        {"type": {"type": 1}},
    ),
    *({"loss_weight": 1}, {"": 1}, {" ": None}, {"type": "disk"}, {"_delete_": True}, {"_base_": "x.yml"}, {"a.b": 1}),
    *(datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1), b"\x00\xff", {"雪": "🦆"}),
)


def any_value(rng: Random) -> Any:
    """A value of any kind, at times inside others."""
    value = deepcopy(rng.choice(rng.choice((NAMES, WORDS, NUMBERS, OTHERS))))
    deeper = rng.random()
    if deeper < 0.05:
        return [value, any_value(rng)]
    return {rng.choice(WORDS): value, rng.choice(NAMES): any_value(rng)} if deeper < 0.1 else value


def like(rng: Random, value: Any) -> Any:
    """A value of about the same kind: another number, another name, another list."""
    if isinstance(value, bool) or value is None:
        return rng.choice((True, False, None, "auto", 0, 1, "true", "no"))
    if isinstance(value, int | float):
        return rng.choice((*NUMBERS, value + 1, value - 1, value * 2, value / 2, -value, str(value), f"{value}e0"))
    if isinstance(value, str):
        return rng.choice((*NAMES, *WORDS, value[:-1], value + "x", value.swapcase(), value.upper(), value + " "))
    if isinstance(value, list) and value:
        changed = [like(rng, item) if rng.random() < 0.5 else item for item in value]
        return rng.choice(
            (changed, value[:-1], value + value, value[::-1], value[0], [value], dict(enumerate(map(str, value))))
        )
    return any_value(rng)
