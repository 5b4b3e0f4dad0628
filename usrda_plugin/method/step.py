"""What the terms of the generator look at: one pass, its batch, the critics, and the criteria to compare by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from usrda_plugin.method.passes import ABSENT, Batch, Pass

Critic = Callable[[Tensor], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]
Parts = dict[str, Tensor]


class Labelled(Protocol):
    """A GAN criterion: a critic's answers against a label, for the critic itself (``is_disc``) or its opponent."""

    def __call__(self, prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor: ...


@runtime_checkable
class Relativistic(Protocol):
    """A GAN criterion of pairs: answers to ``winner`` shall exceed those to ``loser``; no answer has a label.

    ``r1_weight`` and ``r2_weight`` weigh the critic's gradient penalties at real and at fake images.
    """

    r1_weight: float
    r2_weight: float

    def __call__(self, winner: Tensor, loser: Tensor, is_disc: bool = False) -> Tensor: ...


Adversarial = Labelled | Relativistic


class Perceptual(Protocol):
    """A feature distance that can compute the target's features once and reuse them."""

    def features(self, target: Tensor) -> Any: ...

    def distance(self, image: Tensor, target_features: Any) -> Tensor: ...


class Critics(NamedTuple):
    """D_f on features, D_t on target LR images, D_y on HR images, and of the extensions D_h; None where none asks."""

    f: Critic = ABSENT
    t: Critic = ABSENT
    y: Critic = ABSENT
    h: Critic = ABSENT


class Answers(NamedTuple):
    """The critics' answers to real images, without gradient; None where the criterion does not compare with them."""

    t: Tensor = ABSENT
    y: Tensor = ABSENT
    h: Tensor = ABSENT


class Criteria(NamedTuple):
    """What each term compares with; a part of rec and cyc that is None is left out.

    ``cyc_map`` is ``pixel`` as a map (B, C, H, W) instead of its mean, where D_t weighs the places of cyc.
    """

    pixel: Distance = ABSENT
    perceptual: Perceptual = ABSENT
    gan: Adversarial = ABSENT
    align: Labelled = ABSENT
    res: Distance = ABSENT
    sty: Adversarial = ABSENT
    idt: Distance = ABSENT
    hr: Adversarial = ABSENT
    con: Distance = ABSENT
    tea: Distance = ABSENT
    cyc_map: Distance = ABSENT


class Step(NamedTuple):
    """All that a term may look at.

    The features of y_s, and answers to real images where a criterion is relativistic, are computed once for all terms.
    """

    tensors: Pass
    batch: Batch
    critics: Critics
    criteria: Criteria
    y_s_features: Any = None
    answers: Answers = Answers()


class Term(NamedTuple):
    """A term of the generator and the tensors of the pass that it reads."""

    parts: Callable[[Step], Parts]
    reads: tuple[str, ...]


def fooling(criterion: Adversarial, fake: Tensor, real: Tensor = ABSENT) -> Tensor:
    """What the generator pays for a critic's answers to its fakes: against real's label, or against real answers."""
    return criterion(fake, True if real is None else real)  # type: ignore[arg-type]
