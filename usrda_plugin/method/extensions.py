"""Beyond the paper: terms on y_tt = G_SR(f_t), the path used at test time, to which the paper gives no loss.

Each is an option; none is computed where it is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method.passes import Batch
from usrda_plugin.method.step import Parts, Step, Term, fooling
from usrda_plugin.method.views import local_mean

# where D_t finds nothing target-like in an image, all its places weigh the same
LEAST_WEIGHT = 1e-3


def hr(step: Step) -> Parts:
    """Least squares of D_h(y_tt) to 1: the output at test time shall look like an HR photograph. Moves E and G_SR.

    Meant for a critic that views the high band alone: content differs between the domains, sharpness must not.
    """
    return {"": fooling(step.criteria.hr, step.critics.h(step.tensors.y_tt), step.answers.h)}


def con(step: Step) -> Parts:
    """Distance of the low bands of down(y_tt) and x_t: the same content and colours. Moves E and G_SR.

    Bicubic shrinking is how source LR images are made, not how the target's camera takes them: that x_t has more blur
    and noise than down(y_tt) is what adaptation is for. So both are compared by their 7x7 means, where neither shows.
    """
    x_t = step.batch.x_t
    return {"": step.criteria.con(local_mean(shrink(step.tensors.y_tt, x_t)), local_mean(x_t))}


def tea(step: Step) -> Parts:
    """Distance of y_tpt to y_t, the average's output, after Mean Teacher (Tarvainen & Valpola 2017).

    Moves E and G_SR, never the average.
    """
    return {"": step.criteria.tea(step.tensors.y_tpt, step.batch.y_t)}


def shrink(image: Tensor, like: Tensor) -> Tensor:
    """Antialiased bicubic shrinking (Keys' kernel, a = -0.5) to the size and type of ``like``, differentiable.

    As MATLAB's ``imresize`` but for 2 LR pixels at the borders, where torch leaves out what lies beyond the image.
    """
    # in the type of the input image: half precision has too few digits for small differences
    return F.interpolate(image.to(like.dtype), size=tuple(like.shape[-2:]), mode="bicubic", antialias=True)


def taught(batch: Batch, teacher: Callable[[Tensor], Tensor], perturbation: float) -> Batch:
    """The batch with what tea compares: y_t, the teacher's HR image of x_t, and x_tp, x_t with Gaussian noise.

    ``perturbation`` is the noise's standard deviation, in units of RGB in [0, 1].
    """
    with torch.no_grad():
        return batch._replace(x_tp=perturbed(batch.x_t, perturbation), y_t=teacher(batch.x_t))


def perturbed(image: Tensor, perturbation: float) -> Tensor:
    """An image with Gaussian noise of this standard deviation, not clipped."""
    return image + perturbation * torch.randn_like(image)


def weighted_by_d_t(step: Step, image: Tensor) -> Tensor:
    """The pixel distance of y_sts to y_s, most where x_st looks like the target; after DASR (Wei et al., CVPR 2021).

    Weights are D_t's answers to x_st, clamped to [0, 1], without gradient, enlarged to HR, with mean 1 in each image,
    so that no image depends on what is beside it in the batch.
    """
    y_s = step.batch.y_s
    with torch.no_grad():
        answers = step.critics.t(step.tensors.x_st).to(y_s.dtype).clamp(0, 1) + LEAST_WEIGHT
        weights = F.interpolate(answers, size=tuple(y_s.shape[-2:]), mode="bilinear", align_corners=False)
        weights /= weights.mean(dim=(1, 2, 3), keepdim=True)
    return (weights * step.criteria.cyc_map(image, y_s)).mean()


EXTENSIONS: dict[str, Term] = {
    "hr": Term(hr, reads=("y_tt",)),
    "con": Term(con, reads=("y_tt",)),
    "tea": Term(tea, reads=("y_tpt",)),
}
