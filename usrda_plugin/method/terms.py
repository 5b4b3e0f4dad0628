"""The paper's terms: six that train E, G_SR and G_t, and one for each of the critics D_f, D_t and D_y.

Each is a function of one forward pass and gives raw values; weights stand in ``objective.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method.context import (
    Adversarial,
    Critic,
    CriticLoss,
    LossContext,
    Parts,
    RealAnswers,
    Relativistic,
)
from usrda_plugin.method.forward import needed
from usrda_plugin.method.relativistic import rpgan_critic_loss

# where D_t finds nothing target-like in an image, all its places weigh the same
LEAST_WEIGHT = 1e-3

# ---------------------------------------------------------------------- the generator's


def align(ctx: LossContext) -> Tensor:
    """(L(D_f(f_s)) + L(D_f(f_t))) / 2, least squares to 0.5: D_f must not know which domain it sees. Moves E."""
    d_f, criterion = needed(ctx.critics.f), needed(ctx.criteria.align)
    f_s, f_t = needed(ctx.tensors.f_s), needed(ctx.tensors.f_t)
    # a criterion with labels instead of the undecided 0.5 gets them exchanged: each domain shall pass for the other
    return (criterion(d_f(f_s), False) + criterion(d_f(f_t), True)) / 2


def rec(ctx: LossContext) -> Parts:
    """L1 + perceptual + adversarial of y_ss against y_s. Moves E and G_SR."""
    return _against_y_s(needed(ctx.tensors.y_ss), ctx)


def res(ctx: LossContext) -> Tensor:
    """L1 of x_tt against x_t: G_t keeps what makes the target the target. Moves E and G_t."""
    return needed(ctx.criteria.res)(needed(ctx.tensors.x_tt), needed(ctx.batch.x_t))


def sty(ctx: LossContext) -> Tensor:
    """Least squares of D_t(x_st) to 1: source content in the target's style. Moves E and G_t."""
    d_t, criterion = needed(ctx.critics.t), needed(ctx.criteria.sty)
    return generator_gan_loss(criterion, d_t(needed(ctx.tensors.x_st)), ctx.real_answers.t)


def idt(ctx: LossContext) -> Tensor:
    """L1 of f_st against f_s: the style may change, the content may not. Moves E and G_t."""
    return needed(ctx.criteria.idt)(needed(ctx.tensors.f_st), needed(ctx.tensors.f_s))


def cyc(ctx: LossContext) -> Parts:
    """As rec, of y_sts against y_s: target-styled sources must be super-resolved too. Moves E, G_SR and G_t."""
    return _against_y_s(needed(ctx.tensors.y_sts), ctx, _pixel if ctx.criteria.cyc_map is None else weighted_by_d_t)


def _pixel(ctx: LossContext, image: Tensor) -> Tensor:
    return needed(ctx.criteria.pixel)(image, ctx.batch.y_s)


def _against_y_s(image: Tensor, ctx: LossContext, pixel: Callable[[LossContext, Tensor], Tensor] = _pixel) -> Parts:
    criteria = ctx.criteria
    pix = percep = gan = None
    if criteria.pixel is not None:
        pix = pixel(ctx, image)
    if criteria.perceptual is not None:
        percep = criteria.perceptual.distance(image, ctx.y_s_features)
    if criteria.gan is not None:
        gan = generator_gan_loss(criteria.gan, needed(ctx.critics.y)(image), ctx.real_answers.y)
    return Parts(pix, percep, gan)


def weighted_by_d_t(ctx: LossContext, image: Tensor) -> Tensor:
    """The pixel distance of y_sts to y_s, most where x_st looks like the target: an extension.

    After DASR (Wei et al., CVPR 2021). Weights are D_t's answers to x_st, clamped to [0, 1], without gradient, enlarged
    to HR, with mean 1 in each image, so that no image depends on what is beside it in the batch.
    """
    y_s, x_st = ctx.batch.y_s, needed(ctx.tensors.x_st)
    with torch.no_grad():
        answers = needed(ctx.critics.t)(x_st).to(y_s.dtype).clamp(0, 1) + LEAST_WEIGHT
        weights = F.interpolate(answers, size=tuple(y_s.shape[-2:]), mode="bilinear", align_corners=False)
        weights /= weights.mean(dim=(1, 2, 3), keepdim=True)
    return (weights * needed(ctx.criteria.cyc_map)(image, y_s)).mean()


def generator_gan_loss(criterion: Adversarial, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """What the generator pays for a critic's answers to its fakes: against real's label, or against real answers."""
    return criterion(fake, True if real is None else real)


# ---------------------------------------------------------------------- the critics'


def d_f(ctx: LossContext) -> CriticLoss:
    """Least squares, D_f(f_s) to 1 and D_f(f_t) to 0, averaged."""
    f_s, f_t = needed(ctx.tensors.f_s), needed(ctx.tensors.f_t)
    return discriminator_loss(needed(ctx.critics.f), needed(ctx.criteria.align), f_s, [f_t])


def d_t(ctx: LossContext) -> CriticLoss:
    """Least squares, D_t(x_t) to 1 and D_t(x_st) to 0, averaged."""
    x_t, x_st = needed(ctx.batch.x_t), needed(ctx.tensors.x_st)
    return discriminator_loss(needed(ctx.critics.t), needed(ctx.criteria.sty), x_t, [x_st])


def d_y(ctx: LossContext) -> CriticLoss:
    """Least squares, D_y(y_s) to 1, D_y(y_ss) and D_y(y_sts) to 0, averaged."""
    fakes = [y for y in (ctx.tensors.y_ss, ctx.tensors.y_sts) if y is not None]
    return discriminator_loss(needed(ctx.critics.y), needed(ctx.criteria.gan), ctx.batch.y_s, fakes)


def discriminator_loss(critic: Critic, criterion: Adversarial, real: Tensor, fakes: list[Tensor]) -> CriticLoss:
    """A critic's loss on real and fakes, images or features, through which no gradient flows back."""
    if isinstance(criterion, Relativistic):
        loss, real_answer, fake_answers = rpgan_critic_loss(critic, criterion, real, fakes)
    else:
        real_answer = critic(real.detach())
        fake_answers = [critic(fake.detach()) for fake in fakes]
        loss_real = criterion(real_answer, True, is_disc=True)
        loss_fake = torch.stack([criterion(answer, False, is_disc=True) for answer in fake_answers]).mean()
        loss = (loss_real + loss_fake) / 2
    mean_fake = torch.stack([answer.detach().mean() for answer in fake_answers]).mean()
    return CriticLoss(loss, real_answer.detach().mean(), mean_fake)


def real_answers(ctx: LossContext) -> RealAnswers:
    """The critics' answers to real images, for the generator's terms with a relativistic criterion; no others cost."""
    critics, criteria, batch = ctx.critics, ctx.criteria, ctx.batch
    with torch.no_grad():
        return RealAnswers(
            t=_real_answer(critics.t, criteria.sty, batch.x_t),
            y=_real_answer(critics.y, criteria.gan, batch.y_s),
            h=_real_answer(critics.h, criteria.hr, batch.y_s),
        )


def _real_answer(critic: Critic | None, criterion: Adversarial | None, real: Tensor | None) -> Tensor | None:
    asked = critic is not None and isinstance(criterion, Relativistic)
    return critic(needed(real)) if critic is not None and asked else None
