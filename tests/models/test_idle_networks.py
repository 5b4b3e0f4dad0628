"""Which phases of training leave a network of the generator without a gradient, as the options tell it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from tests.world import World
from usrda_plugin.method import Needs, Objective, loss_name
from usrda_plugin.models import criteria as criteria_module
from usrda_plugin.models.criteria import (
    active_terms,
    asking_terms,
    build_criteria,
    leaves_networks_idle,
    networks_used,
)

ALL = ("align", "rec", "res", "sty", "idt", "cyc")


@pytest.mark.parametrize(
    ("wanted", "networks"),
    [
        (("f_s", "f_t"), (True, False, False)),
        (("y_ss",), (True, True, False)),
        (("x_st",), (True, False, True)),
        (("y_sts",), (True, True, True)),
    ],
)
def test_the_networks_on_the_way_to_a_tensor_are_used(wanted, networks):
    assert networks_used(Needs.of(*wanted)) == networks


@pytest.mark.parametrize(
    ("terms", "psnr_iter", "idle"),
    [
        (ALL, 0, False),
        (ALL, 10, False),
        (("rec",), 0, True),
        (("align", "rec"), 0, True),
        (("res", "sty", "idt"), 0, True),
        (("cyc",), 0, False),
        (("rec", "sty", "cyc"), 0, False),
        (("rec", "sty", "cyc"), 10, True),
    ],
)
def test_what_some_phase_leaves_out_is_told(terms, psnr_iter, idle):
    options = {f"{term}_opt": {"loss_weight": 1.0 if term in terms else 0} for term in ALL}
    options["pixel_opt"] = {"loss_weight": 1.0}  # the part without which rec and cyc would be no terms
    assert leaves_networks_idle({**options, "psnr_iter": psnr_iter}) is idle
    absent = {key: block for key, block in options.items() if block["loss_weight"]}
    assert leaves_networks_idle({**absent, "psnr_iter": psnr_iter}) is idle


def test_a_term_without_a_part_asks_no_critic_and_uses_no_network():
    options = {"rec_opt": {"loss_weight": 1}, "res_opt": {"type": "L1Loss"}, "sty_opt": {"loss_weight": 0.1}}
    assert active_terms(options) == ("res", "sty")
    assert asking_terms(options) == {"f": [], "t": ["sty"], "y": [], "h": []}
    assert active_terms({**options, "gan_opt": {}}) == ("rec", "res", "sty")
    assert asking_terms({**options, "gan_opt": {}})["y"] == ["rec"]


class Distance(nn.Module):
    """Stands for any criterion: build_loss gives it, so that no weights are wanted."""

    def distance(self, *_: Any) -> None:
        """What a perceptual criterion must have."""


PARTS = ("pix", "percep", "gan")
BLOCK_OF_PART = {"pix": "pixel_opt", "percep": "perceptual_opt", "gan": "gan_opt"}


@pytest.fixture(scope="module")
def gradients() -> dict[str, set[str]]:
    """By each part's logged name the parameters of the generator that its backward pass reaches."""
    world = World()
    names, parameters = zip(*world.net.named_parameters(), strict=True)
    losses = Objective.of((*ALL, "hr", "con", "tea"), world.criteria, {}).generator_losses(world.context())
    reached = {}
    for loss, value in losses.items():
        found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        reached[loss] = {name for name, gradient in zip(names, found, strict=True) if gradient is not None}
    return {**reached, "all": set(names)}


def waits(objective: Objective, gradients: dict[str, set[str]]) -> bool:
    """Whether a backward pass of the objective leaves a parameter without gradient, for which DDP would wait."""
    given = {part: objective.criteria._asdict()[criteria_module.CRITERION_OF_PART[part]] for part in PARTS}
    names = [
        loss_name(term, part)
        for term in objective.terms
        for part in ([part for part in PARTS if given[part] is not None] if term in ("rec", "cyc") else [""])
    ]
    return gradients["all"] != set().union(*(gradients[name] for name in names))


@pytest.mark.parametrize("psnr_iter", [0, 5])
def test_every_choice_of_terms_and_parts_is_told_as_real_gradients_say(
    psnr_iter: int, gradients: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(criteria_module, "build_loss", lambda opt: Distance())
    tried = 0
    for chosen, parts in product(product((0, 1), repeat=len(ALL) + 1), product((0, 1), repeat=len(PARTS))):
        options: dict[str, Any] = {
            f"{term}_opt": {"loss_weight": on} for term, on in zip((*ALL, "hr"), chosen, strict=True)
        }
        options |= {BLOCK_OF_PART[part]: {"loss_weight": on} for part, on in zip(PARTS, parts, strict=True)}
        options["perceptual_opt"] = {"perceptual_weight": parts[1]}
        options["psnr_iter"] = psnr_iter
        if not active_terms(options):
            continue
        objective = Objective.of(active_terms(options), *build_criteria(options, torch.device("cpu")))
        phases = [objective]
        if psnr_iter and objective.pixel_only().terms:  # without any the options are refused
            phases.append(objective.pixel_only())
        if len(phases) == 1 + bool(psnr_iter):
            assert leaves_networks_idle(options) == any(waits(phase, gradients) for phase in phases), options
            tried += 1
    assert tried > 600
