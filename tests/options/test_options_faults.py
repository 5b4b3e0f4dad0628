"""What is wrong in an option file, a row each: how it is spoiled, where the fault is told, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torchvision.models import alexnet

from usrda_plugin.options import OptionError, notes_on

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]

# override of good options; key of the fault; part of its message or remedy
PAIRED = [
    # keys
    ("scal=4", "scal", "did you mean 'scale'?"),
    ("netwok_g={type: RRDBNet}", "netwok_g", "did you mean 'network_g'?"),
    ("train:totl_iter=4", "train.totl_iter", "did you mean 'total_iter'?"),
    ("train:artifacts_opt={type: L1Loss}", "train.artifacts_opt", "did you mean 'ldl_opt'?"),
    ("train:fix_flow=5000", "train.fix_flow", "unknown key 'fix_flow'"),
    ("train:pixle_opt={type: L1Loss}", "train.pixle_opt", "did you mean 'pixel_opt'?"),
    ("datasets:train:use_flip=true", "datasets.train.use_flip", "did you mean 'use_hflip'?"),
    ("datasets:valid={name: a}", "datasets.valid", "did you mean 'val'?"),
    ("path:pretrain_netwrok_g=a.pth", "path.pretrain_netwrok_g", "did you mean 'pretrain_network_g'?"),
    ("path:pretrain_model_g=a.pth", "path.pretrain_model_g", "unknown key"),
    ("logger:zzz=1", "logger.zzz", "known here: keep_best"),
    ("val:metrics:psnr:test_y_chanel=true", "val.metrics.psnr.test_y_chanel", "did you mean 'test_y_channel'?"),
    ("train:scheduler:gama=0.5", "train.scheduler.gama", "did you mean 'gamma'?"),
    ("train:optim_g:betta=1", "train.optim_g.betta", "did you mean 'betas'?"),
    ("train:pixel_opt:los_weight=1", "train.pixel_opt.los_weight", "did you mean 'loss_weight'?"),
    ("network_g:num_blok=1", "network_g.num_blok", "did you mean 'num_block'?"),
    # kinds of values
    ("train:optim_g:lr=fast", "train.optim_g.lr", "expected a number, found 'fast'"),
    ("train:optim_g:lr=true", "train.optim_g.lr", "expected a number, found True"),
    ("train:optim_g:lr=.nan", "train.optim_g.lr", "finite"),
    ("train:amp=true", "train.amp", "expected 'auto', 'bf16', 'fp16' or False, found True"),
    ("train:amp=bf61", "train.amp", "did you mean 'bf16'?"),
    ("train:compile=yes please", "train.compile", "expected true, false or auto, found 'yes please'"),
    ("train:amp=bf16", "train.amp", "SRModel does not know it and would ignore it"),
    ("train:clip_grad_norm=1", "train.clip_grad_norm", "SRModel does not know it"),
    ("train:optim_g:lr=-1", "train.optim_g.lr", "greater than or equal to 0, found -1"),
    ("train:total_iter=1.5", "train.total_iter", "expected a whole number, found 1.5"),
    ("train:total_iter=[4]", "train.total_iter", "expected a whole number"),
    ("train=4", "train", "block"),
    ("datasets=[1]", "datasets", "block"),
    ("datasets:train=4", "datasets.train", "block"),
    ("val:save_img='yes'", "val.save_img", "expected true or false, found 'yes'"),
    ("name=5", "name", "expected text, found 5"),
    ("name='../elsewhere'", "name", "plain name"),
    ("train:scheduler:milestones=3", "train.scheduler.milestones", "list"),
    ("train:scheduler:milestones=[a]", "train.scheduler.milestones", "expected a whole number, found 'a'"),
    ("datasets:train:prefetch_mode=gpu", "datasets.train.prefetch_mode", "'cpu' or 'cuda', found 'gpu'"),
    ("datasets:train:io_backend:type=lmbd", "datasets.train.io_backend.type", "did you mean 'lmdb'?"),
    ("network_g:num_feat=many", "network_g.num_feat", "expected a number, found 'many'"),
    ("network_g:num_in_ch=three", "network_g.num_in_ch", "expected a number, found 'three'"),
    ("train:pixel_opt:reduction=4", "train.pixel_opt.reduction", "'none', 'mean' or 'sum'"),
    ("train:pixel_opt:reduction=men", "train.pixel_opt.reduction", "did you mean 'mean'?"),
    ("num_gpu=some", "num_gpu", "expected a whole number"),
    ("num_gpu=-1", "num_gpu", "0 or more, or auto"),
    ("datasets:train=[1, 2]", "datasets.train", "expected a block, found a list"),
    ("datasets:val_1=[1, 2]", "datasets.val_1", "expected a block, found a list"),
    ("train=[1, 2]", "train", "expected a block, found a list"),
    ("train:pixel_opt:loss_weight=-1", "train.pixel_opt.loss_weight", "greater than or equal to 0, found -1"),
    ("network_g:num_feat=0", "network_g.num_feat", "expected 1 or more, found 0"),
    ("network_g:num_grow_ch=-2", "network_g.num_grow_ch", "expected 1 or more, found -2"),
    ("network_g:num_block=-1", "network_g.num_block", "expected 0 or more, found -1"),
    ("network_g:num_block=1.5", "network_g.num_block", "expected a whole number, found 1.5"),
    ("network_g:num_feat=.nan", "network_g.num_feat", "expected a number, found nan"),
    ("network_g:num_block=1000000", "network_g.num_block", "expected 1000 or less, found 1000000"),
    ("network_g:num_feat=10000000", "network_g", "GiB of memory, this machine has"),
    ("network_g:num_in_ch=5", "network_g.num_in_ch", "the data sets give images of 3 channels"),
    ("network_g:num_out_ch=1", "network_g.num_out_ch", "the data sets give images of 3 channels"),
    ("network_g:num_in_ch=~", "network_g.num_in_ch", "needs 'num_in_ch'"),
    ("val:metrics:psnr:crop_border=~", "val.metrics.psnr.crop_border", "needs 'crop_border'"),
    ("train:pixel_opt={}", "train.pixel_opt.type", "found nothing"),
    ("train:pixel_opt={loss_weight: 1}", "train.pixel_opt.type", "found nothing"),
    ("datasets:train:io_backend:server=x", "datasets.train.io_backend.server", "take no argument"),
    ("datasets:train:io_backend:type=memcached", "datasets.train.io_backend.type", "the package mc"),
    ("train:total_iter=!!int x", "train.total_iter", "cannot read 'x' as int"),
    ("network_g={type: SRVGGNetCompact, upscale: 2.5}", "network_g.upscale", "expected a whole number"),
    ("val:metrics:psnr:type=calculate_psnr_pt", "val.metrics.psnr.type", "write calculate_psnr"),
    ("val:metrics:psnr:crop_border=32", "val.metrics.psnr.crop_border", "leave nothing of an image"),
    ("jpeg_range=[90, 30]", "jpeg_range", "expected the smaller number first, found [90.0, 30.0]"),
    ("resize_prob2=[0, 0, 0]", "resize_prob2", "of which one is above 0"),
    ("datasets:train:batch_size_per_gpu=1e308", "datasets.train.batch_size_per_gpu", "a whole number, found '1e308'"),
    ("datasets:train:dataset_enlarge_ratio=1e308", "datasets.train.dataset_enlarge_ratio", "1000000000, found '1e308'"),
    (f"datasets:val_1:dataroot_lq={'x' * 300}", "datasets.val_1.dataroot_lq", "a disk can have, found one of 300"),
    (f"name={'x' * 101}", "name", "it has 101 characters"),
    (f"val:suffix={'x' * 101}", "val.suffix", "it has 101 characters"),
    ("model_type=USRDAModel", "datasets.train.type", "fed with two domains, which PairedImageDataset does not give"),
    ("model_type=USRDAModel", "network_g.type", "RRDBNet makes images alone"),
    ("model_type=HiFaceGANModel", "train.ema_decay", "keeps no average"),
    ("model_type=VideoBaseModel", "datasets.val_1.type", "fed with clips"),
    ("model_type=RealESRNetModel", "datasets.train.type", "fed with HR images with blur kernels"),
    ("datasets:train:type=SingleImageDataset", "datasets.train.type", "fed with LR and HR images"),
    ("datasets:val_1:type=USRDADataset", "datasets.val_1.type", "fed with LR images, which USRDADataset"),
    ("datasets:val_2={name: val set}", "datasets.val_2.name", "val_1 is called 'val set' too"),
    ("datasets:val_1:type=USRDASourceDataset", "datasets.val_1.type", "fed with LR images, which USRDASourceDataset"),
    (
        "datasets:train:mean=[0.5, 0.5, 0.5]",
        "datasets.train.std",
        "std is missing; BasicSR wants mean and std together",
    ),
    ("datasets:val_1={mean: [0, 0], std: [1, 1, 1]}", "datasets.val_1.mean", "each of 3 channels, found 2 numbers"),
    ("datasets:val_1={mean: [0], std: [1, 0, 1]}", "datasets.val_1.std", "cannot divide by 0"),
    # registered names
    ("model_type=SRModl", "model_type", "did you mean 'SRModel'?"),
    ("network_g:type=RRDBnet", "network_g.type", "did you mean 'RRDBNet'?"),
    ("datasets:train:type=PairImageDataset", "datasets.train.type", "did you mean 'PairedImageDataset'?"),
    ("train:pixel_opt:type=L1", "train.pixel_opt.type", "did you mean 'L1Loss'?"),
    ("val:metrics:psnr:type=psnr", "val.metrics.psnr.type", "did you mean 'calculate_psnr'?"),
    ("train:optim_g:type=Adm", "train.optim_g.type", "did you mean 'Adam'?"),
    ("train:optim_g:type=Rprop", "train.optim_g.type", "does not offer"),
    ("train:optim_g:betas=[1.5, 0.9]", "train.optim_g", "Invalid beta parameter"),
    ("train:scheduler:type=MultistepLR", "train.scheduler.type", "did you mean 'MultiStepLR'?"),
    ("model_type=5", "model_type", "expected text"),
    # missing
    ("name=~", "name", "missing"),
    ("datasets:train=~", "datasets.train", "missing"),
    ("datasets:train:name=~", "datasets.train.name", "missing"),
    ("datasets:train:use_hflip=~", "datasets.train.use_hflip", "missing"),
    ("datasets:train:batch_size_per_gpu=~", "datasets.train.batch_size_per_gpu", "missing"),
    ("datasets:train:dataroot_lq=~", "datasets.train.dataroot_lq", "missing"),
    ("network_g=~", "network_g", "missing"),
    ("network_g={type: RRDBNet}", "network_g.num_in_ch", "RRDBNet needs 'num_in_ch'"),
    ("train=~", "train.total_iter", "missing"),
    ("train:optim_g=~", "train.optim_g", "missing"),
    ("train:optim_g={type: Adam}", "train.optim_g.lr", "no learning rate of its own"),
    ("train:scheduler={type: MultiStepLR}", "train.scheduler.milestones", "needs 'milestones'"),
    ("train:pixel_opt=~", "train.pixel_opt", "nothing to minimise"),
    ("logger=~", "logger.print_freq", "missing"),
    ("val:val_freq=~", "val.val_freq", "missing"),
    ("num_gpu=~", "num_gpu", "missing"),
    ("scale=~", "scale", "missing"),
    ("model_type=SRGANModel", "network_d", "trains a discriminator"),
    ("model_type=RealESRGANModel", "resize_prob", "degrades images by it"),
    ("datasets:test={name: a}", "datasets.test", "call it val"),
    # one against the other
    ("datasets:train:gt_size=30", "datasets.train.gt_size", "not a multiple of scale 4"),
    ("scale=2", "network_g.scale", "enlarges 4 times (scale: 4, its default), but scale is 2"),
    ("network_g:scale=2", "network_g.scale", "enlarges 2 times (scale: 2), but scale is 4"),
    ("network_g:scale=3", "network_g.scale", "expected one of 1, 2, 4; found 3"),
    ("scale=0", "scale", "greater than or equal to 1"),
    ("scale=2", "datasets.train.dataroot_lq", "8 of 8 pairs do not differ by scale 2"),
    ("datasets:train:scale=2", "datasets.train.scale", "scale 2 here, but 4 at the top level"),
    ("datasets:train:io_backend:type=lmdb", "datasets.train.dataroot_gt", "io_backend says lmdb"),
    ("datasets:train:persistent_workers=true", "datasets.train.persistent_workers", "there are none"),
    ("datasets:val_1:persistent_workers=true", "datasets.val_1.persistent_workers", "main process"),
    ("logger:wandb:project=p", "logger.use_tb_logger", "W&B"),
    ("logger:wandb:resume_id=a1b2", "logger.wandb.project", "nothing is logged to W&B, whatever resume_id says"),
    ("logger:wandb=true", "logger.wandb", "expected a block, found True"),
    ("network_g={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 4, input_size: 100}", "network_g", "refuses"),
    # schedule
    ("train:scheduler={type: CosineAnnealingRestartLR, periods: [2, 1]}", "train.scheduler.restart_weights", "[1, 1]"),
    (
        "train:scheduler={type: CosineAnnealingRestartLR, periods: [2, 1], restart_weights: [1, 1]}",
        "train.scheduler.periods",
        "end after 3 iterations, where BasicSR breaks off; total_iter is 4",
    ),
    ("train:scheduler={type: CosineAnnealingRestartLR, periods: [0]}", "train.scheduler.periods", "above 0"),
    ("train:scheduler:milestones=[3, 2]", "train.scheduler.milestones", "rising order"),
    ("train:scheduler:restarts=[0, 2]", "train.scheduler.restart_weights", "expected 2 weights"),
]


@pytest.mark.parametrize(("override", "key", "part"), PAIRED, ids=[f"{row[0][:40]}-{row[1]}" for row in PAIRED])
def test_a_fault_is_told_at_its_key(override: str, key: str, part: str, paired: Options, faults: Faults) -> None:
    found = {fault.key: fault for fault in faults(paired, override)}
    assert key in found, found
    assert part in str(found[key])
    assert found[key].remedy


UNPAIRED = [
    ("train:gradient_accumulation_steps=3", "train.gradient_accumulation_steps", "cannot be cut into 3 equal parts"),
    (
        "train={gradient_accumulation_steps: 2, pixel_opt: {type: L1Loss, reduction: sum}}",
        "train.gradient_accumulation_steps",
        "pixel_opt adds up over the batch",
    ),
    ("train={compile: true, gradient_checkpointing: concat}", "train.gradient_checkpointing", "pass by the compiled"),
    ("train={net_d_iters: 2, rec_opt: {}, pixel_opt: {type: L1Loss}}", "train.net_d_iters", "rest for critics"),
    (
        "datasets:train:dataroot_target=~",
        "datasets.train.dataroot_target",
        "terms align, res, sty look at target images",
    ),
    ("datasets:train:type=USRDASourceDataset", "datasets.train.dataroot_target", "unknown key"),
    ("network_d_f=~", "network_d_f", "the terms align ask this critic"),
    ("network_d_y=~", "network_d_y", "the terms rec, cyc ask this critic"),
    ("train:optim_d=~", "train.optim_d", "missing"),
    ("network_d_t:view=lumma", "network_d_t.view", "did you mean 'luma'?"),
    ("network_d_t:num_in_ch=4", "network_d_t", "needs num_in_ch: 3"),
    ("network_g:encoder=conf", "network_g.encoder", "did you mean 'conv'?"),
    ("network_g:scale=5", "network_g", "expected scale 1, 2, 3 or 4, found 5"),
    ("network_g:noise_ch='one'", "network_g.noise_ch", "integer"),
    ("train:align_opt:gan_type=hinge", "train.align_opt.gan_type", "'lsgan' or 'vanilla'"),
    ("train:align_opt={type: GANLoss, gan_type: hinge}", "train.align_opt.gan_type", "so it cannot align"),
    (
        "train={psnr_iter: 1, align_opt: {type: USRDAAlignLoss}}",
        "train.psnr_iter",
        "res_opt, for this phase; found neither",
    ),
    (
        "train:perceptual_opt={type: USRDAPerceptualLoss, layer_weights: {conv5_4: 1}, style_weight: 2}",
        "train.perceptual_opt.style_weight",
        "USR-DA has no style part",
    ),
    ("train:gan_opt:gan_type=lsgn", "train.gan_opt.gan_type", "did you mean 'lsgan'?"),
    ("train:rec_opt:type=L1Loss", "train.rec_opt.type", "unknown key"),
    ("datasets:train:dataroot_traget=a", "datasets.train.dataroot_traget", "did you mean 'dataroot_target'?"),
    ("datasets:train:gt_size=68", "datasets.train.dataroot_gt", "8 images in"),
    ("train:align_opt:loss_weight=-0.1", "train.align_opt.loss_weight", "greater than or equal to 0, found -0.1"),
    ("train:psnr_iter=4", "train.psnr_iter", "psnr_iter 4 against total_iter 4"),
    ("train={psnr_iter: 3}", "train.total_iter", "missing"),
    ("train:net_d_init_iters=5", "train.net_d_init_iters", "adversarial terms would never begin"),
    ("network_g:num_feat=0", "network_g.num_feat", "expected 1 or more, found 0"),
    (
        "train:perceptual_opt={type: USRDAPerceptualLoss, layer_weights: {conv5_4: 1}, loss_weight: 1}",
        "train.perceptual_opt.loss_weight",
        "did you mean 'perceptual_weight'?",
    ),
]


@pytest.mark.parametrize(("override", "key", "part"), UNPAIRED, ids=[row[0] for row in UNPAIRED])
def test_a_fault_of_usrda_is_told_at_its_key(
    override: str, key: str, part: str, unpaired: Options, faults: Faults
) -> None:
    found = {fault.key: fault for fault in faults(unpaired, override)}
    assert key in found, found
    assert part in str(found[key])


def test_a_null_argument_is_as_good_as_none(paired: Options, load: Callable[..., Options]) -> None:
    nulls = ["network_g:num_out_ch=3", "network_g:scale=~", "train:optim_g:weight_decay=~", "train:scheduler:gamma=~"]
    options = load(paired, *nulls)
    assert "scale" not in options["network_g"]
    assert "weight_decay" not in options["train"]["optim_g"]
    assert "gamma" not in options["train"]["scheduler"]


def test_a_null_of_a_data_set_is_as_good_as_none(paired: Options, load: Callable[..., Options]) -> None:
    options = load(paired, "datasets:train:dataset_enlarge_ratio=~", "path:strict_load_g=~", "train:total_iter=2")
    assert "dataset_enlarge_ratio" not in options["datasets"]["train"]
    assert "strict_load_g" not in options["path"]


def test_what_a_data_set_of_clips_lacks_is_told_at_its_key(testing: Options, faults: Faults) -> None:
    testing["model_type"] = "VideoBaseModel"
    testing["datasets"]["test_1"] |= {"type": "VideoTestDataset"}
    assert [fault.key for fault in faults(testing, is_train=False)] == ["datasets.test_1.cache_data"]


KERNELS = [
    ({"blur_sigma2": [2, 2]}, "blur_sigma2", "the smaller number first, found [2.0, 2.0]"),
    ({"kernel_list": ["iso", "anizo"]}, "kernel_list", "did you mean 'aniso'?"),
    ({"kernel_list": ["iso"], "kernel_prob": [0.5, 0.5]}, "kernel_prob", "expected 1 probabilities"),
    ({"kernel_list2": [], "kernel_prob2": []}, "kernel_prob2", "of which one is above 0"),
]


@pytest.mark.parametrize(("changes", "key", "part"), KERNELS, ids=[row[1] for row in KERNELS])
def test_kernels_that_cannot_be_drawn_are_told(
    changes: Options, key: str, part: str, paired: Options, faults: Faults
) -> None:
    data = paired["datasets"]["train"]
    paired["datasets"]["train"] = {"type": "RealESRGANDataset", "dataroot_gt": data["dataroot_gt"], **changes}
    found = {fault.key: str(fault) for fault in faults(paired)}
    assert part in found[f"datasets.train.{key}"]


SWIN = "{type: SwinIR, upscale: 4, img_size: 14, embed_dim: 12, depths: [2], num_heads: [2], upsampler: nearest+conv}"
PATCHES = [
    (
        "network_d={type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 4}",
        32,
        "network_d (VGGStyleDiscriminator)",
        128,
    ),
    ("network_d={type: UNetDiscriminatorSN, num_in_ch: 3, num_feat: 4}", 36, "network_d (UNetDiscriminatorSN)", 32),
    ("network_g:scale=2", 34, "network_g (RRDBNet)", 32),
    (f"network_g={SWIN}", 32, "network_g (SwinIR)", 28),
]


@pytest.mark.parametrize(("network", "side", "name", "taken"), PATCHES)
def test_patches_that_a_network_cannot_take_are_told_with_some_that_it_takes(
    network: str, side: int, name: str, taken: int, paired: Options, faults: Faults
) -> None:
    paired["train"]["gan_opt"] = {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1}
    scale = 2 if "scale=2" in network else 4
    found = {
        fault.key: str(fault) for fault in faults(paired, network, f"datasets:train:gt_size={side}", f"scale={scale}")
    }
    assert f"{name} takes patches of {taken}x{taken}, not of {side}x{side}" in found["datasets.train.gt_size"]
    assert f"write gt_size: {taken}" in found["datasets.train.gt_size"]


def test_networks_of_one_channel_go_with_luma(paired: Options, load: Callable[..., Options]) -> None:
    luma = [f"datasets:{phase}:color=y" for phase in ("train", "val_1")]
    load(paired, *luma, "network_g:num_in_ch=1", "network_g:num_out_ch=1")


def test_terms_of_weight_0_need_no_critic(unpaired: Options, load: Callable[..., Options]) -> None:
    unpaired["train"]["align_opt"]["loss_weight"] = 0
    del unpaired["network_d_f"]
    assert load(unpaired)["train"]["align_opt"]["loss_weight"] == 0


def test_a_width_of_0_is_told_where_it_stands_alone(unpaired: Options, faults: Faults) -> None:
    assert [fault.key for fault in faults(unpaired, "network_g:num_feat=0")] == ["network_g.num_feat"]


def test_adversarial_terms_must_begin_before_training_ends(unpaired: Options, load: Callable[..., Options]) -> None:
    load(unpaired, "train:psnr_iter=2", "train:net_d_init_iters=1")
    pixels_alone = [f"train:{term}_opt=~" for term in ("align", "sty", "gan")]
    assert load(unpaired, "train:psnr_iter=4", *pixels_alone)["train"]["psnr_iter"] == 4


def test_weights_of_a_critic_that_no_term_asks_are_a_fault(
    unpaired: Options, tmp_path: Path, load: Callable[..., Options], faults: Faults
) -> None:
    load(unpaired, "train:align_opt:loss_weight=0")  # a critic at rest, without a file
    file = f"path:pretrain_network_d_f={tmp_path / 'd_f.pth'}"
    [fault] = faults(unpaired, file, "train:align_opt:loss_weight=0")
    assert fault.key == "path.pretrain_network_d_f"
    assert "no active term asks this critic, so the file would never be loaded" in fault.message
    assert "align_opt" in fault.remedy


TESTING = [
    ("datasets:train={name: a, type: SingleImageDataset}", "datasets.train", "testing would run over the training set"),
    ("datasets={}", "datasets", "no data set to test on"),
    ("val=~", "val", "missing"),
    ("datasets:test_1:dataroot_lq=~", "datasets.test_1.dataroot_lq", "missing"),
    ("datasets:test_2={name: val set}", "datasets.test_2.name", "share metrics and folders"),
    ("path:pretrain_network_g=~", "path.pretrain_network_g", "a network with random weights would be measured"),
]


@pytest.mark.parametrize(("override", "key", "part"), TESTING, ids=[row[0] for row in TESTING])
def test_a_fault_of_testing_is_told_at_its_key(
    override: str, key: str, part: str, testing: Options, faults: Faults
) -> None:
    found = {fault.key: fault for fault in faults(testing, override, is_train=False)}
    assert key in found, found
    assert part in str(found[key])


def test_testing_needs_neither_train_nor_logger(testing: Options, load: Callable[..., Options]) -> None:
    loaded = load(testing, is_train=False)
    assert loaded["val"]["suffix"] is None


def test_a_network_without_weights_is_tested_as_it_is(testing: Options, load: Callable[..., Options]) -> None:
    testing["network_g"] = {"type": "USRDABicubic", "scale": 4}
    del testing["path"]
    assert load(testing, is_train=False)["network_g"]["type"] == "USRDABicubic"


def test_metrics_with_truth_are_refused_where_there_is_none(testing: Options, faults: Faults) -> None:
    testing["datasets"]["test_1"]["type"] = "SingleImageDataset"
    del testing["datasets"]["test_1"]["dataroot_gt"]
    testing["val"]["metrics"]["niqe"] = {"type": "calculate_niqe", "crop_border": 4}
    [fault] = faults(testing, is_train=False)
    assert fault.key == "val.metrics.psnr"


def test_metrics_with_truth_may_stand_where_one_set_has_it(testing: Options, load: Callable[..., Options]) -> None:
    looks = {**testing["datasets"]["test_1"], "name": "looks", "type": "SingleImageDataset"}
    del looks["dataroot_gt"]
    testing["datasets"]["test_2"] = looks
    loaded = load(testing, is_train=False)
    assert notes_on({**loaded, "is_train": False}) == [
        "Data set looks has no ground truth, so no psnr (test_2: SingleImageDataset)."
    ]


def test_one_mistake_is_told_once(paired: Options, faults: Faults) -> None:
    for override in (
        "train:scheduler:milestones=often",
        "network_g:num_feat=x",
        "train:optim_g:lr=x",
        "num_gpu=x",
        "datasets:train=[1]",
    ):
        assert len(faults(paired, override)) == 1, override


@pytest.mark.parametrize("devices", [0, 1])
def test_more_gpus_than_there_are_is_a_fault(
    devices: int, paired: Options, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    [fault] = [fault for fault in faults(paired, "num_gpu=2") if fault.key == "num_gpu"]
    assert "num_gpu: auto" in fault.remedy
    assert ("no GPU" if devices == 0 else "there are 1") in fault.message


def test_prefetching_to_a_gpu_needs_one_and_pinned_memory(
    paired: Options, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    [fault] = faults(paired, "datasets:train:prefetch_mode=cuda")
    assert "none is used" in fault.message
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    [fault] = faults(paired, "datasets:train:prefetch_mode=cuda", "num_gpu=1")
    assert "pin_memory" in fault.remedy


def test_auto_is_left_to_basicsr(paired: Options, load: Callable[..., Options]) -> None:
    assert load(paired, "num_gpu=auto")["num_gpu"] == "auto"


def test_a_perceptual_loss_without_weights_is_a_fault(
    paired: Options, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("USRDA_VGG_WEIGHTS", raising=False)
    paired["train"]["perceptual_opt"] = {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}}
    [fault] = faults(paired)
    assert fault.key == "train.perceptual_opt"
    assert "vgg19" in fault.message
    assert "USRDA_VGG_WEIGHTS" in fault.remedy


def test_a_perceptual_loss_of_weight_0_needs_no_weights(
    unpaired: Options, load: Callable[..., Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("USRDA_VGG_WEIGHTS", raising=False)
    unpaired["train"]["perceptual_opt"] = {
        "type": "USRDAPerceptualLoss",
        "layer_weights": {"conv5_4": 1},
        "perceptual_weight": 0,
    }
    load(unpaired)


@pytest.fixture
def no_alexnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty torch hub, no file in the environment, no network; what was asked of the network."""
    asked: list[str] = []

    def refuse(url: str, *_: Any, **__: Any) -> None:
        asked.append(url)
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.delenv("USRDA_ALEXNET_WEIGHTS", raising=False)
    return asked


@pytest.mark.parametrize("training", [True, False])
def test_lpips_without_weights_is_a_fault(
    training: bool, paired: Options, testing: Options, faults: Faults, no_alexnet: list[str]
) -> None:
    opt = paired if training else testing
    opt["val"]["metrics"]["lpips"] = {"type": "calculate_usrda_lpips", "crop_border": 4, "better": "lower"}
    [fault] = faults(opt, is_train=training)
    assert fault.key == "val.metrics.lpips"
    assert "cannot be downloaded" in fault.message
    assert "give" not in fault.message
    assert "USRDA_ALEXNET_WEIGHTS" in fault.remedy
    assert len(no_alexnet) == 1


def test_nothing_is_downloaded_for_options_with_another_fault(
    paired: Options, faults: Faults, no_alexnet: list[str]
) -> None:
    paired["val"]["metrics"]["lpips"] = {"type": "calculate_usrda_lpips", "crop_border": 4}
    [fault] = faults(paired, "train:total_iter=-1")
    assert fault.key == "train.total_iter"
    assert not no_alexnet


def test_a_file_for_lpips_is_looked_into_before_the_start(
    paired: Options, faults: Faults, load: Callable[..., Options], tmp_path: Path, no_alexnet: list[str]
) -> None:
    file = tmp_path / "alexnet.pth"
    paired["val"]["metrics"]["lpips"] = {"type": "calculate_usrda_lpips", "crop_border": 4, "weights": str(file)}
    [fault] = faults(paired)
    assert (fault.key, "no such file" in fault.message) == ("val.metrics.lpips.weights", True)
    with torch.device("meta"):
        convolutions = alexnet(weights=None).features.state_dict()
    content = {f"features.{key}": torch.zeros(value.shape).half() for key, value in convolutions.items()}
    torch.save({**content, "features.0.bias": torch.zeros(65)}, file)
    [fault] = faults(paired)
    assert "expected features.0.bias of shape (64,)" in fault.message
    torch.save(content, file)
    assert load(paired)["val"]["metrics"]["lpips"]["weights"] == str(file)
    assert not no_alexnet


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"layer_weights": {"conv5_5": 1}}, "vgg19 has no layer 'conv5_5'"),
        ({"layer_weights": {}}, "there is no layer to compare"),
        ({"layer_weights": {"conv5_4": 1}, "vgg_type": "vgg18"}, "did you mean 'vgg1"),
        ({"layer_weights": {"conv5_4": 1}, "criterion": "l2"}, "expected one of l1, fro"),
        ({}, "needs 'layer_weights'"),
    ],
)
def test_mistakes_in_a_perceptual_loss_are_told(block: Options, part: str, paired: Options, faults: Faults) -> None:
    paired["train"]["perceptual_opt"] = {"type": "PerceptualLoss", "perceptual_weight": 0, **block}
    assert any(part in str(fault) for fault in faults(paired))
