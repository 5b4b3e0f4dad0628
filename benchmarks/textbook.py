"""USR-DA's step by the textbook, and the least that any schedule of it must do: what our step is measured against.

``textbook_step`` recomputes what each loss needs, as the public re-implementation's loop does: seven network calls for
the critics, ten for the generator. ``floor_step`` is the bare network calls of one pass and their backward passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usrda_plugin.method import frozen
from usrda_plugin.models import USRDAModel


def textbook_step(model: USRDAModel, *, tidy: bool = False) -> dict[str, float]:
    """Both steps of one iteration with the networks, criteria and optimizers of a model; returns the losses.

    One function, as a training script is one: what the critics' half made lives until its name is used again, or, where
    it is ``tidy``, to the end of that half.
    """
    x_s, y_s, x_t, *_ = model.batch
    net, criteria = model.net_g, model.objective.criteria
    d_f, d_t, d_y = (model.critics[name] for name in "fty")

    model.optimizer_d.zero_grad()
    f_t, f_s = net.encoder(x_t), net.encoder(x_s)
    l_d_f = discriminator_loss(criteria.align, d_f(f_s.detach()), d_f(f_t.detach()))
    y_ss = net.sr_decoder(f_s)
    l_d_y_rec = discriminator_loss(criteria.gan, d_y(y_s), d_y(y_ss.detach()))
    x_st = net.lr_decoder(f_s)
    l_d_t = discriminator_loss(criteria.sty, d_t(x_t), d_t(x_st.detach()))
    y_sts = net.sr_decoder(net.encoder(net.lr_decoder(f_s)))
    l_d_y_cyc = discriminator_loss(criteria.gan, d_y(y_s), d_y(y_sts.detach()))
    l_d_y = (l_d_y_rec + l_d_y_cyc) / 2
    (l_d_f + l_d_t + l_d_y).backward()
    model.optimizer_d.step()
    if tidy:
        del f_t, f_s, y_ss, x_st, y_sts

    model.optimizer_g.zero_grad()
    f_t = net.encoder(x_t)
    f_s = net.encoder(x_s)
    losses = {"l_g_align": (criteria.align(d_f(f_s), False) + criteria.align(d_f(f_t), True)) / 2}
    y_ss = net.sr_decoder(f_s)
    losses |= against_y_s(model, "rec", y_ss, y_s, d_y(y_ss))
    x_tt = net.lr_decoder(f_t)
    losses["l_g_res"] = criteria.res(x_tt, x_t)
    x_st = net.lr_decoder(f_s)
    losses["l_g_sty"] = criteria.sty(d_t(x_st), True)
    f_st = net.encoder(net.lr_decoder(f_s))
    losses["l_g_idt"] = criteria.idt(f_st, f_s)
    y_sts = net.sr_decoder(net.encoder(net.lr_decoder(f_s)))
    losses |= against_y_s(model, "cyc", y_sts, y_s, d_y(y_sts))
    losses["l_g_total"] = sum(model.objective.weights[name] * value for name, value in losses.items())
    losses["l_g_total"].backward()
    model.optimizer_g.step()
    model.model_ema(model.ema_decay)
    losses |= {"l_d_f": l_d_f, "l_d_t": l_d_t, "l_d_y": l_d_y}
    return {name: value.item() for name, value in losses.items()}


def discriminator_loss(criterion, real: Tensor, fake: Tensor) -> Tensor:
    """A critic's loss."""
    return (criterion(real, True, is_disc=True) + criterion(fake, False, is_disc=True)) / 2


def against_y_s(model: USRDAModel, term: str, image: Tensor, y_s: Tensor, answer: Tensor) -> dict[str, Tensor]:
    """L1, perceptual and adversarial part; the features of y_s are computed here, each time."""
    criteria = model.objective.criteria
    return {
        f"l_g_{term}_pix": criteria.pixel(image, y_s),
        f"l_g_{term}_percep": criteria.perceptual.distance(image, criteria.perceptual.features(y_s)),
        f"l_g_{term}_gan": criteria.gan(answer, True),
    }


def floor_step(model: USRDAModel) -> None:
    """The network calls of one pass, of the critics and of VGG, each with its backward pass; nothing else."""
    for optimizer in model.optimizers:
        optimizer.zero_grad()
    x_s, y_s, x_t, *_ = model.batch
    d_f, d_t, d_y = (model.critics[name] for name in "fty")
    vgg = model.objective.criteria.perceptual.vgg
    tensors = model.net_g(x_s, x_t)
    f_s, f_t, x_st, y_ss, y_sts = (getattr(tensors, name).detach() for name in ("f_s", "f_t", "x_st", "y_ss", "y_sts"))
    backward([d_f(f_s), d_f(f_t), d_t(x_t), d_t(x_st), d_y(y_s), d_y(y_ss), d_y(y_sts)])
    with torch.no_grad():
        vgg(y_s)
    with frozen(model.critics.values()):
        answers = [d_f(tensors.f_s), d_f(tensors.f_t), d_t(tensors.x_st), d_y(tensors.y_ss), d_y(tensors.y_sts)]
        features = [*vgg(tensors.y_ss).values(), *vgg(tensors.y_sts).values()]
        backward([*answers, *features, tensors.x_tt, tensors.f_st])


def backward(outputs: list[Tensor]) -> None:
    """Start the backward pass with ones, which no loss had to compute."""
    torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
