"""Options of the extensions: accepted where they are whole, and what they lack told at its key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from usrda_plugin.options import OptionError

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]

CRITIC = "network_d_h={type: USRDADiscriminator, num_feat: 4, view: luma_high}"
PAIRS = "{type: USRDARelativisticLoss, r1_weight: 1e-1, r2_weight: 2}"
AVERAGE = "train:ema_decay=0.9"
WEIGHED = "train:cyc_opt:weighted_by=d_t"


@pytest.mark.parametrize(
    "overrides",
    [
        ("train:hr_opt={type: GANLoss, gan_type: lsgan, loss_weight: 0.1}", CRITIC),
        (f"train:hr_opt={PAIRS}", CRITIC, f"train:gan_opt={PAIRS}", f"train:sty_opt={PAIRS}"),
        ("train:con_opt={type: CharbonnierLoss, loss_weight: 0.1}",),
        ("train:tea_opt={type: L1Loss, perturbation: 1e-2}", AVERAGE),
        ("train:tea_opt={type: L1Loss}", AVERAGE),
        (WEIGHED,),
        ("train:cyc_opt:weighted_by=~", "train:sty_opt=~", "network_d_t=~"),
        ("train:tea_opt={type: L1Loss, loss_weight: 0}", "train:ema_decay=0"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_whole_extensions_are_accepted(
    overrides: tuple[str, ...], unpaired: Options, load: Callable[..., Options]
) -> None:
    load(unpaired, *overrides)


def test_numbers_written_as_text_become_numbers(unpaired: Options, load: Callable[..., Options]) -> None:
    train = load(unpaired, AVERAGE, "train:tea_opt={type: L1Loss, perturbation: 1e-2}", f"train:sty_opt={PAIRS}")[
        "train"
    ]
    assert train["tea_opt"]["perturbation"] == 0.01
    assert train["sty_opt"]["r1_weight"] == 0.1


@pytest.mark.parametrize(
    ("overrides", "key", "part"),
    [
        (("train:hr_opt={type: GANLoss, gan_type: lsgan}",), "network_d_h", "the terms hr ask this critic"),
        (("train:hr_opt={type: GANLos, gan_type: lsgan}", CRITIC), "train.hr_opt.type", "did you mean 'GANLoss'?"),
        (("train:tea_opt={type: L1Loss}", "train:ema_decay=0"), "train.tea_opt", "the teacher of tea is the averaged"),
        (("train:tea_opt={perturbation: 0.02}", AVERAGE), "train.tea_opt.type", "expected a registered loss"),
        (("train:tea_opt={type: L1Loss, pertubation: 0.1}", AVERAGE), "train.tea_opt.pertubation", "'perturbation'"),
        (("train:con_opt={type: L1Loss, perturbation: 0.1}",), "train.con_opt.perturbation", "takes no argument"),
        (("train:cyc_opt:weighted_by=d_y",), "train.cyc_opt.weighted_by", "d_t"),
        ((WEIGHED, "train:sty_opt=~"), "train.cyc_opt.weighted_by", "no term trains it"),
        ((WEIGHED, "train:sty_opt:gan_type=hinge"), "train.cyc_opt.weighted_by", "by hinge D_t gives others"),
        ((WEIGHED, f"train:sty_opt={PAIRS}"), "train.cyc_opt.weighted_by", "use lsgan in sty_opt"),
        ((WEIGHED, "train:pixel_opt=~"), "train.cyc_opt.weighted_by", "give pixel_opt a weight"),
        (("train:sty_opt:type=USRDARelativisticLoss",), "train.sty_opt.gan_type", "add `_delete_: true` to sty_opt"),
        (("train:sty_opt={type: USRDARelativisticLoss, r1_weight: -1}",), "train.sty_opt.r1_weight", "found -1"),
        (("train:align_opt={type: USRDARelativisticLoss}",), "train.align_opt.type", "write USRDAAlignLoss"),
        (
            ("train:con_opt={type: L1Loss}", "datasets:train:dataroot_target=~"),
            "datasets.train.dataroot_target",
            "align, res, sty, con look at target images",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_an_extension_lacks_is_told_at_its_key(
    overrides: tuple[str, ...], key: str, part: str, unpaired: Options, faults: Faults
) -> None:
    found = {fault.key: fault for fault in faults(unpaired, *overrides)}
    assert key in found, found
    assert part in str(found[key])
