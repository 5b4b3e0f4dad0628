"""Networks tried on what they will be given, before the start: what cannot work is told, what works is let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from usrda_plugin.options import OptionError
from usrda_plugin.options.validation import Options

Load = Callable[..., Options]
Faults = Callable[..., list[OptionError]]

SWIN: Options = {
    **{"type": "SwinIR", "upscale": 4, "in_chans": 3, "img_size": 8, "window_size": 4, "img_range": 1.0},
    **{"depths": [2], "embed_dim": 12, "num_heads": [2], "mlp_ratio": 2, "upsampler": "pixelshuffledirect"},
}
REFUSED = {
    "windows that do not divide img_size": ({"img_size": 10}, "let window_size divide img_size"),
    "heads that do not divide the features": ({"num_heads": [5]}, "does not work on patches of 8x8"),
    "fewer heads than depths": ({"depths": [2, 2]}, "IndexError: list index out of range"),
    "an upsampler of another scale": ({"upsampler": ""}, "expected patches of 3x32x32, found that it makes 3x8x8"),
    "an upsampler that there is not": ({"upsampler": "shuffle"}, "found that it makes 3x8x8"),
    "checkpoints that BasicSR cannot make": ({"use_checkpoint": True}, "leave out use_checkpoint"),
}


@pytest.mark.parametrize(("changes", "part"), REFUSED.values(), ids=REFUSED)
def test_a_swinir_that_cannot_work_is_told_before_the_start(
    changes: Options, part: str, paired: Options, faults: Faults
) -> None:
    paired["network_g"] = {**SWIN, **changes}
    [fault] = faults(paired, "model_type=SwinIRModel")
    assert fault.key == "network_g"
    assert part in str(fault)


def test_a_patch_that_a_network_cannot_take_is_told_with_one_that_it_takes(paired: Options, faults: Faults) -> None:
    paired["network_g"] = {**SWIN, "ape": True, "img_size": 16}  # positions of another size
    [fault] = faults(paired, "model_type=SwinIRModel")
    assert fault.key == "datasets.train.gt_size"
    assert "takes patches of 64x64, not of 32x32" in fault.message
    assert fault.remedy == "write gt_size: 64"


@pytest.mark.parametrize("changes", [{}, {"img_size": 10, "depths": [1]}, {"upsampler": "nearest+conv"}])
def test_a_swinir_that_works_is_let_through(changes: Options, paired: Options, load: Load) -> None:
    paired["network_g"] = {**SWIN, **changes}
    load(paired, "model_type=SwinIRModel")


def test_a_network_of_basicsr_s_that_needs_memory_to_be_built_is_built_with_it(paired: Options, load: Load) -> None:
    paired["network_g"] = {"type": "RIDNet", "in_channels": 3, "mid_channels": 16, "out_channels": 3, "num_block": 1}
    for key in ("dataroot_gt", "dataroot_lq"):
        for dataset in paired["datasets"].values():
            dataset[key] = paired["datasets"]["train"]["dataroot_gt"]
    before = torch.get_rng_state()
    load(paired, "scale=1")
    assert torch.equal(torch.get_rng_state(), before), "what a trial draws is no draw of the run"


def test_a_critic_that_is_not_trained_is_left_alone(paired: Options, load: Load, faults: Faults) -> None:
    paired["network_d"] = {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4}  # takes 128 pixels
    load(paired)
    paired["train"]["gan_opt"] = {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1}
    assert "datasets.train.gt_size" in [fault.key for fault in faults(paired)]


def test_a_network_of_others_is_not_judged_by_a_trial(paired: Options, load: Load) -> None:
    class Stubborn(nn.Module):
        def forward(self, image: Tensor, **more: Any) -> Tensor:
            raise RuntimeError("not at home")

    ARCH_REGISTRY.register(Stubborn)
    try:
        load(paired, "network_g={type: Stubborn}")
    finally:
        del ARCH_REGISTRY._obj_map["Stubborn"]


def test_luma_and_rgb_do_not_go_together(paired: Options, faults: Faults) -> None:
    [fault] = faults(paired, "datasets:val_1:color=y")
    assert fault.key == "datasets.val_1.color"
    assert "RGB in another data set" in fault.message


def test_a_suffix_may_be_a_number_as_basicsr_has_it(paired: Options, load: Load) -> None:
    assert load(paired, "val:suffix=4")["val"]["suffix"] == "4"
