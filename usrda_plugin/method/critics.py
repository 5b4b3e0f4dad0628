"""The critics' terms: what D_f, D_t, D_y and D_h are trained by. No gradient reaches the networks they judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from usrda_plugin.method.passes import Batch, Pass
from usrda_plugin.method.relativistic import judge_in_pairs
from usrda_plugin.method.step import Adversarial, Answers, Criteria, Critic, Relativistic


class Verdict(NamedTuple):
    """A critic's loss and its mean answers to real and to fake."""

    loss: Tensor
    real: Tensor
    fake: Tensor


def d_f(critic: Critic, criterion: Adversarial, tensors: Pass, batch: Batch) -> Verdict:
    """Least squares, D_f(f_s) to 1 and D_f(f_t) to 0, averaged."""
    return _judge(critic, criterion, tensors.f_s, [tensors.f_t])


def d_t(critic: Critic, criterion: Adversarial, tensors: Pass, batch: Batch) -> Verdict:
    """Least squares, D_t(x_t) to 1 and D_t(x_st) to 0, averaged."""
    return _judge(critic, criterion, batch.x_t, [tensors.x_st])


def d_y(critic: Critic, criterion: Adversarial, tensors: Pass, batch: Batch) -> Verdict:
    """Least squares, D_y(y_s) to 1, D_y(y_ss) and D_y(y_sts) to 0, averaged."""
    return _judge(critic, criterion, batch.y_s, [y for y in (tensors.y_ss, tensors.y_sts) if y is not None])


def d_h(critic: Critic, criterion: Adversarial, tensors: Pass, batch: Batch) -> Verdict:
    """Least squares, D_h(y_s) to 1 and D_h(y_tt) to 0, averaged; an extension, see ``extensions.hr``."""
    return _judge(critic, criterion, batch.y_s, [tensors.y_tt])


def _judge(critic: Critic, criterion: Adversarial, real: Tensor, fakes: list[Tensor]) -> Verdict:
    if isinstance(criterion, Relativistic):
        loss, real_answer, fake_answers = judge_in_pairs(critic, criterion, real, fakes)
    else:
        real_answer = critic(real.detach())
        fake_answers = [critic(fake.detach()) for fake in fakes]
        loss_real = criterion(real_answer, True, is_disc=True)
        loss_fake = torch.stack([criterion(answer, False, is_disc=True) for answer in fake_answers]).mean()
        loss = (loss_real + loss_fake) / 2
    mean_fake = torch.stack([answer.detach().mean() for answer in fake_answers]).mean()
    return Verdict(loss, real_answer.detach().mean(), mean_fake)


def real_answers(critics: Mapping[str, Critic], criteria: Criteria, batch: Batch) -> Answers:
    """The critics' answers to real images, for the generator's terms with a relativistic criterion; no others cost."""
    asked = {
        name: batch._asdict()[term.real]
        for name, term in CRITIC_TERMS.items()
        if name in critics and isinstance(criteria._asdict()[term.criterion], Relativistic)
    }
    with torch.no_grad():
        return Answers(**{name: critics[name](real) for name, real in asked.items()})


class CriticTerm(NamedTuple):
    """A critic's term, the generator's terms that ask this critic, and the criterion they share.

    ``real`` is the image of the batch that a relativistic criterion pairs with fakes; D_f, which has none, takes none.
    """

    verdict: Callable[[Critic, Adversarial, Pass, Batch], Verdict]
    asked_by: tuple[str, ...]
    criterion: str
    real: str = ""


CRITIC_TERMS: dict[str, CriticTerm] = {
    "f": CriticTerm(d_f, asked_by=("align",), criterion="align"),
    "t": CriticTerm(d_t, asked_by=("sty",), criterion="sty", real="x_t"),
    "y": CriticTerm(d_y, asked_by=("rec", "cyc"), criterion="gan", real="y_s"),
    "h": CriticTerm(d_h, asked_by=("hr",), criterion="hr", real="y_s"),
}
