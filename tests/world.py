"""A small world for the contract: networks, critics, oracles of the criteria, and a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from usrda_plugin.archs import USRDADiscriminator, USRDANet
from usrda_plugin.method import (
    CRITIC_TERMS,
    PAPER,
    TERMS,
    Batch,
    Criteria,
    Critics,
    LossContext,
    Needs,
    Pass,
    frozen,
    with_pseudo_labels,
)
from usrda_plugin.method.extensions import EXTENSIONS
from usrda_plugin.method.terms import real_answers

BOTH = Needs.of("y_ss", "x_tt", "y_sts", "y_tt")
EVERYTHING = Needs.of("y_ss", "x_tt", "y_sts", "y_tt", "y_tpt")


def least_squares(prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
    """An oracle written apart from BasicSR's: mean squared distance to 1 or 0."""
    return (prediction - (1.0 if target_is_real else 0.0)).square().mean()


def undecided(prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
    """The oracle of the alignment criterion."""
    return least_squares(prediction, target_is_real) if is_disc else (prediction - 0.5).square().mean()


class Pairs:
    """The oracle of the relativistic criterion: -log sigmoid(winner - loser)."""

    r1_weight = 0.5
    r2_weight = 0.25

    def __call__(self, winner: Tensor, loser: Tensor, is_disc: bool = False) -> Tensor:
        return -torch.log(1 / (1 + torch.exp(loser - winner))).mean()


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (image - target).abs().mean()


def l1_map(image: Tensor, target: Tensor) -> Tensor:
    """Absolute differences, pixel by pixel."""
    return (image - target).abs()


# what a row's name adds to the name of its term
VARIATIONS: dict[str, dict[str, Any]] = {
    "": {},
    "in pairs": {"gan": Pairs(), "sty": Pairs(), "hr": Pairs()},
    "weighed": {"cyc_map": l1_map},
}


class TinyPerceptual(nn.Module):
    """A perceptual distance on two random convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1))
        self.requires_grad_(False)

    def features(self, target: Tensor) -> Tensor:
        return self.net(target)

    def distance(self, image: Tensor, target_features: Tensor) -> Tensor:
        return (self.net(image) - target_features).square().mean()


class World:
    """A small network, its teacher, four critics, all criteria, and a batch: all that a term sees, in double precision.

    ``row`` is the name of a row, which may ask for other criteria than the paper's.
    """

    def __init__(self, row: str = "") -> None:
        self.term, _, variation = row.partition(" ")
        torch.manual_seed(0)
        self.net = USRDANet(
            scale=2, encoder="rrdb", num_feat=4, num_block=2, num_grow_ch=2, num_block_encoder=1, num_block_lr_decoder=1
        ).double()
        self.critics = {
            "f": USRDADiscriminator(4, num_feat=4, num_down=1).double(),
            "t": USRDADiscriminator(3, num_feat=4, num_down=1).double(),
            "y": USRDADiscriminator(3, num_feat=4, num_down=1).double(),
        }
        criteria = Criteria(l1, TinyPerceptual().double(), least_squares, undecided, l1, least_squares, l1)
        own = {**dict.fromkeys(EXTENSIONS, l1), "hr": least_squares}
        self.criteria = criteria._replace(**own)._replace(**VARIATIONS[variation])
        self.batch = Batch(*(torch.rand(2, 3, size, size, dtype=torch.double) for size in (8, 16, 8)))
        self.critics["h"] = USRDADiscriminator(3, num_feat=4, num_down=1, view="luma_high").double()
        self.teacher = copy.deepcopy(self.net)

    def one_pass(self, batch: Batch | None = None, needs: Needs = PAPER) -> Pass:
        batch = batch or self.batch
        return self.net(batch.x_s, batch.x_t, needs, x_tp=batch.x_tp)

    def labelled(self, batch: Batch | None = None) -> Batch:
        """The batch with its pseudo labels, the same noise each time."""
        with torch.random.fork_rng():
            torch.manual_seed(1)
            return with_pseudo_labels(batch or self.batch, self.teacher, 0.05)

    def context(self, batch: Batch | None = None) -> LossContext:
        batch = self.labelled(batch)
        ctx = LossContext(self.one_pass(batch, EVERYTHING), batch, Critics(**self.critics), self.criteria)
        features = self.criteria.perceptual.features(batch.y_s)
        return ctx._replace(y_s_features=features, real_answers=real_answers(ctx))

    def parts(self, batch: Batch | None = None) -> dict[str, Tensor]:
        """The value of the row's term, by parts; one that has none is its own."""
        value = TERMS[self.term].loss(self.context(batch))
        return {"": value} if isinstance(value, Tensor) else {k: v for k, v in value._asdict().items() if v is not None}

    def generator_term(self, batch: Batch | None = None) -> Tensor:
        with frozen(self.critics.values()):
            return torch.stack(list(self.parts(batch).values())).sum()

    def critic_context(self, batch: Batch | None = None) -> LossContext:
        batch = batch or self.batch
        return LossContext(self.one_pass(batch, BOTH), batch, Critics(**self.critics), self.criteria)

    def critic_term(self, batch: Batch | None = None) -> Tensor:
        return CRITIC_TERMS[self.term].loss(self.critic_context(batch)).loss

    def networks(self) -> dict[str, nn.Module]:
        critics = {f"d_{name}": critic for name, critic in self.critics.items()}
        return {**dict(self.net.named_children()), **critics, "teacher": self.teacher}

    def moved_by(self, loss: Tensor) -> set[str]:
        """The networks that get a gradient different from zero."""
        networks = self.networks()
        for network in networks.values():
            network.zero_grad()
        assert loss.requires_grad, "the term reaches no network"
        loss.backward()
        return {
            name
            for name, network in networks.items()
            if any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in network.parameters())
        }

    def read_by(self, value: Callable[[Batch], Tensor]) -> set[str]:
        """The images whose replacement changes a value."""
        before = value(self.batch)
        replaced = {
            name: self.batch._replace(**{name: 1 - image})
            for name, image in zip(Batch._fields, self.batch, strict=True)
            if image is not None
        }
        return {name for name, batch in replaced.items() if not torch.equal(value(batch), before)}
