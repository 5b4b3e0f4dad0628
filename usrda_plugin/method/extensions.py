"""Beyond the paper: terms on y_tt = G_SR(f_t), the path used at test time, to which the paper gives no loss.

Each is an option; none is computed where it is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method.context import CriticLoss, LossContext, Term
from usrda_plugin.method.forward import Batch, needed
from usrda_plugin.method.terms import discriminator_loss, generator_gan_loss
from usrda_plugin.method.views import local_mean


def hr(ctx: LossContext) -> Tensor:
    """Least squares of D_h(y_tt) to 1: the output at test time shall look like an HR photograph. Moves E and G_SR.

    Meant for a critic that views the high band alone: content differs between the domains, sharpness must not.
    """
    d_h, y_tt = needed(ctx.critics.h), needed(ctx.tensors.y_tt)
    return generator_gan_loss(needed(ctx.criteria.hr), d_h(y_tt), ctx.real_answers.h)


def d_h(ctx: LossContext) -> CriticLoss:
    """Least squares, D_h(y_s) to 1 and D_h(y_tt) to 0, averaged; the critic of ``hr``."""
    y_tt = needed(ctx.tensors.y_tt)
    return discriminator_loss(needed(ctx.critics.h), needed(ctx.criteria.hr), ctx.batch.y_s, [y_tt])


def con(ctx: LossContext) -> Tensor:
    """Distance of the low bands of down(y_tt) and x_t: the same content and colours. Moves E and G_SR.

    Bicubic downsampling is how source LR images are made, not how the target's camera takes them: that x_t has more
    blur and noise than down(y_tt) is what adaptation is for. So both are compared by their 7x7 means, where neither
    shows.
    """
    y_tt, x_t = needed(ctx.tensors.y_tt), needed(ctx.batch.x_t)
    return needed(ctx.criteria.con)(local_mean(bicubic_downsample(y_tt, x_t)), local_mean(x_t))


def tea(ctx: LossContext) -> Tensor:
    """Distance of y_tpt to y_t, the teacher's output, after Mean Teacher (Tarvainen & Valpola 2017).

    Moves E and G_SR, never the teacher.
    """
    return needed(ctx.criteria.tea)(needed(ctx.tensors.y_tpt), needed(ctx.batch.y_t))


def bicubic_downsample(image: Tensor, like: Tensor) -> Tensor:
    """Antialiased bicubic downsampling (Keys' kernel, a = -0.5) to the size and type of ``like``, differentiable.

    As MATLAB's ``imresize`` but for 2 LR pixels at the borders, where torch leaves out what lies beyond the image.
    """
    # in the type of the input image: half precision has too few digits for small differences
    return F.interpolate(image.to(like.dtype), size=tuple(like.shape[-2:]), mode="bicubic", antialias=True)


def with_pseudo_labels(batch: Batch, teacher: Callable[[Tensor], Tensor], perturbation: float) -> Batch:
    """Return the batch with what tea compares: y_t, the teacher's HR image of x_t, and x_tp, x_t with Gaussian noise.

    ``perturbation`` is the noise's standard deviation, in units of RGB in [0, 1].
    """
    x_t = needed(batch.x_t)
    with torch.no_grad():
        return batch._replace(x_tp=perturbed(x_t, perturbation), y_t=teacher(x_t))


def perturbed(image: Tensor, perturbation: float) -> Tensor:
    """An image with Gaussian noise of this standard deviation, not clipped."""
    return image + perturbation * torch.randn_like(image)


EXTENSIONS: dict[str, Term] = {
    "hr": Term(hr, reads=("y_tt",)),
    "con": Term(con, reads=("y_tt",)),
    "tea": Term(tea, reads=("y_tpt",)),
}
