"""What the terms look at: one pass, its batch, the critics, and the criteria to compare by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from usrda_plugin.method.forward import Batch, Pass

Critic = Callable[[Tensor], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


class Adversarial(Protocol):
    """A GAN criterion: answers against a label (True: real), for the critic itself (``is_disc``) or its opponent."""

    def __call__(self, answers: Tensor, against: bool | Tensor, /, is_disc: bool = False) -> Tensor: ...


@runtime_checkable
class Relativistic(Adversarial, Protocol):
    """A GAN criterion of pairs: answers shall exceed those that they stand ``against``; no answer has a label.

    ``r1_weight`` and ``r2_weight`` weigh the critic's gradient penalties at real and at fake images.
    """

    r1_weight: float
    r2_weight: float


class Perceptual(Protocol):
    """A feature distance that can compute the target's features once and reuse them."""

    def features(self, target: Tensor) -> Any: ...

    def distance(self, image: Tensor, target_features: Any) -> Tensor: ...


class Critics(NamedTuple):
    """D_f on features, D_t on target LR images, D_y on HR images, and of the extensions D_h; None where none asks."""

    f: Critic | None = None
    t: Critic | None = None
    y: Critic | None = None
    h: Critic | None = None


class RealAnswers(NamedTuple):
    """The critics' answers to real images, without gradient; None where the criterion does not compare with them."""

    t: Tensor | None = None
    y: Tensor | None = None
    h: Tensor | None = None


class Criteria(NamedTuple):
    """What each term compares with; a part of rec and cyc that is None is left out.

    ``cyc_map`` is ``pixel`` as a map (B, C, H, W) instead of its mean, where D_t weighs the places of cyc.
    """

    pixel: Distance | None = None
    perceptual: Perceptual | None = None
    gan: Adversarial | None = None
    align: Adversarial | None = None
    res: Distance | None = None
    sty: Adversarial | None = None
    idt: Distance | None = None
    hr: Adversarial | None = None
    con: Distance | None = None
    tea: Distance | None = None
    cyc_map: Distance | None = None


class LossContext(NamedTuple):
    """All that a term may look at.

    The features of y_s, and answers to real images where a criterion is relativistic, are computed once for all terms.
    """

    tensors: Pass
    batch: Batch
    critics: Critics
    criteria: Criteria
    y_s_features: Any = None
    real_answers: RealAnswers = RealAnswers()


class Parts(NamedTuple):
    """The value of a term that has three parts; None where a part has no criterion."""

    pix: Tensor | None
    percep: Tensor | None
    gan: Tensor | None


class Term(NamedTuple):
    """A term of the generator and the tensors of the pass that it reads."""

    loss: Callable[[LossContext], Tensor | Parts]
    reads: tuple[str, ...]


class CriticLoss(NamedTuple):
    """A critic's loss and its mean answers to real and to fake."""

    loss: Tensor
    real: Tensor
    fake: Tensor


class CriticTerm(NamedTuple):
    """A critic's term, the generator's terms that ask this critic, and the criterion that they share."""

    loss: Callable[[LossContext], CriticLoss]
    asked_by: tuple[str, ...]
    criterion: Callable[[Criteria], Adversarial | None]
