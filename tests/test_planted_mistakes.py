"""Mistakes that adversarial training invites, each planted on purpose: some check of the contract must catch it.

A mistake is a change to one function of ``usrda_plugin.method``; ``caught by`` names the check that must fail.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests import contract, world
from usrda_plugin.archs import networks
from usrda_plugin.method import CRITIC_TERMS, PAPER, TERMS, CriticLoss, Pass, Term, extensions, relativistic, terms
from usrda_plugin.method.terms import discriminator_loss


def term(name, loss):
    """Replace a generator's term."""
    return (TERMS, name, Term(loss, TERMS[name].reads))


def critic_term(name, loss):
    """Replace a critic's term."""
    return (CRITIC_TERMS, name, CRITIC_TERMS[name]._replace(loss=loss))


def without_gradient(function):
    """The adversarial term computed under no_grad: logged, but dead."""

    def dead(ctx):
        with torch.no_grad():
            return function(ctx).clone().requires_grad_()

    return dead


def detached_image(ctx):
    return ctx.criteria.sty(ctx.critics.t(ctx.tensors.x_st.detach()), True).requires_grad_()


def without_detach(critic, criterion, image, fake_image):
    """A critic's loss that moves what has made the fake."""
    real, fake = critic(image), critic(fake_image)
    return CriticLoss((criterion(real, True, True) + criterion(fake, False, True)) / 2, real.mean(), fake.mean())


def judge_without_detach(ctx):
    return without_detach(ctx.critics.t, ctx.criteria.sty, ctx.batch.x_t, ctx.tensors.x_st)


def judge_with_labels_swapped(ctx):
    critic, criterion = ctx.critics.t, ctx.criteria.sty
    return discriminator_loss(critic, criterion, ctx.tensors.x_st, [ctx.batch.x_t])


def judge_sources_as_real(ctx):
    critic, criterion = ctx.critics.t, ctx.criteria.sty
    return discriminator_loss(critic, criterion, ctx.batch.x_s, [ctx.tensors.x_st])


def judge_reconstructions_only(ctx):
    critic, criterion = ctx.critics.y, ctx.criteria.gan
    return discriminator_loss(critic, criterion, ctx.tensors.y_ss, [ctx.tensors.y_sts])


def judge_sum_of_fakes(ctx):
    critic, criterion = ctx.critics.y, ctx.criteria.gan
    fakes = [critic(image.detach()) for image in (ctx.tensors.y_ss, ctx.tensors.y_sts)]
    real = critic(ctx.batch.y_s)
    loss = (criterion(real, True, True) + sum(criterion(fake, False, True) for fake in fakes)) / 2
    return CriticLoss(loss, real.detach().mean(), fakes[0].detach().mean())


ROUTES = {
    "f_s": ("encoder", "x_s"),
    "f_t": ("encoder", "x_t"),
    "y_ss": ("sr_decoder", "f_s"),
    "x_tt": ("lr_decoder", "f_t"),
    "x_st": ("noisy_lr_decoder", "f_s"),
    "f_st": ("encoder", "x_st"),
    "y_sts": ("sr_decoder", "f_st"),
    "y_tt": ("sr_decoder", "f_t"),
    "f_tp": ("encoder", "x_tp"),
    "y_tpt": ("sr_decoder", "f_tp"),
}


def rerouted(tensor, network, source):
    """A pass with one route wrong."""

    def wrong(net, x_s, x_t, needs=PAPER, x_tp=None):
        made = {"x_s": x_s, "x_t": x_t, "x_tp": x_tp}
        for name, route in {**ROUTES, tensor: (network, source)}.items():
            if needs._asdict()[name]:
                made[name] = net._asdict()[route[0]](made[route[1]])
        return Pass(**made)

    return (networks.__dict__, "forward_pass", wrong)


def sty_on(name):
    return term("sty", lambda ctx: ctx.criteria.sty(ctx.critics.t(ctx.tensors._asdict()[name]), True))


def align_one_domain(ctx):
    return ctx.criteria.align(ctx.critics.f(ctx.tensors.f_t), True)


def align_to_one(ctx):
    d_f, tensors = ctx.critics.f, ctx.tensors
    return (ctx.criteria.sty(d_f(tensors.f_s), True) + ctx.criteria.sty(d_f(tensors.f_t), True)) / 2


def align_summed(ctx):
    return 2 * terms.align(ctx)


def res_against_source(ctx):
    return ctx.criteria.res(ctx.tensors.x_tt, ctx.batch.x_s)


def res_of_rendered_source(ctx):
    return ctx.criteria.res(ctx.tensors.x_st, ctx.batch.x_t)


def idt_detached(ctx):
    return ctx.criteria.idt(ctx.tensors.f_s.detach(), ctx.tensors.f_s)


def cyc_of_y_ss(ctx):
    return terms._against_y_s(ctx.tensors.y_ss, ctx)


def rec_without_gan(ctx):
    return terms.rec(ctx)._replace(gan=None)


def rec_gan_dead(ctx):
    parts = terms.rec(ctx)
    return parts._replace(gan=parts.gan.detach() * 0)


def perceptual_of_itself(ctx):
    parts = terms.rec(ctx)
    features = ctx.criteria.perceptual.features(ctx.tensors.y_ss)
    return parts._replace(percep=ctx.criteria.perceptual.distance(ctx.tensors.y_ss, features))


def hr_of_y_ss(ctx):
    return ctx.criteria.hr(ctx.critics.h(ctx.tensors.y_ss), True)


def judge_h_without_detach(ctx):
    return without_detach(ctx.critics.h, ctx.criteria.hr, ctx.batch.y_s, ctx.tensors.y_tt)


def judge_h_by_reconstructions(ctx):
    critic, criterion = ctx.critics.h, ctx.criteria.hr
    return discriminator_loss(critic, criterion, ctx.tensors.y_ss, [ctx.tensors.y_tt])


def judge_h_with_labels_swapped(ctx):
    critic, criterion = ctx.critics.h, ctx.criteria.hr
    return discriminator_loss(critic, criterion, ctx.tensors.y_tt, [ctx.batch.y_s])


def con_of_the_source(ctx):
    return extensions.con(ctx._replace(tensors=ctx.tensors._replace(y_tt=ctx.tensors.y_ss)))


def con_with_blur_and_noise(ctx):
    small = extensions.bicubic_downsample(ctx.tensors.y_tt, ctx.batch.x_t)
    return ctx.criteria.con(small, ctx.batch.x_t)


def con_without_gradient(ctx):
    return extensions.con(ctx).detach().requires_grad_()


def shrink_by_dropping(image, like):
    return image[..., ::2, ::2]


def shrink_with_aliasing(image, like):
    return F.interpolate(image, size=like.shape[-2:], mode="bicubic")


def taught_with_gradient(batch, teacher, perturbation):
    return batch._replace(x_tp=extensions.perturbed(batch.x_t, perturbation), y_t=teacher(batch.x_t))


def taught_what_is_perturbed(batch, teacher, perturbation):
    x_tp = extensions.perturbed(batch.x_t, perturbation)
    return batch._replace(x_tp=x_tp, y_t=teacher(x_tp).detach())


def tea_of_what_is_not_perturbed(ctx):
    return ctx.criteria.tea(ctx.tensors.y_tt, ctx.batch.y_t)


def tea_by_itself(ctx):
    return ctx.criteria.tea(ctx.tensors.y_tpt, ctx.tensors.y_tpt.detach())


def weighed_with_gradient(ctx, image):
    answers = ctx.critics.t(ctx.tensors.x_st).clamp(0, 1) + 1e-3
    weights = F.interpolate(answers, size=image.shape[-2:], mode="bilinear", align_corners=False)
    weights = weights / weights.mean(dim=(1, 2, 3), keepdim=True)
    return (weights * ctx.criteria.cyc_map(image, ctx.batch.y_s)).mean()


def weighed(of_tensor="x_st", lowest=0.0, whole_batch=False, normalised=True):
    """What ``weighted_by_d_t`` computes, with one thing wrong."""

    def wrong(ctx, image):
        with torch.no_grad():
            answers = ctx.critics.t(ctx.tensors._asdict()[of_tensor]).clamp(lowest, 1) + 1e-3
            weights = F.interpolate(answers, size=image.shape[-2:], mode="bilinear", align_corners=False)
            mean = weights.mean() if whole_batch else weights.mean(dim=(1, 2, 3), keepdim=True)
        weights = weights / mean if normalised else weights
        return (weights * ctx.criteria.cyc_map(image, ctx.batch.y_s)).mean()

    return (terms.__dict__, "weighted_by_d_t", wrong)


def slope_without_graph(answers, image):
    (slope,) = torch.autograd.grad(answers.sum(), image, retain_graph=True)
    return slope.square().sum() / answers.numel()


def slope_of_each_image(answers, image):
    (slope,) = torch.autograd.grad(answers.sum(), image, create_graph=True)
    return slope.square().sum() / len(image)


def judge_in_pairs_with(real_weight, fake_weight):
    """Penalties with other weights than the criterion's."""

    def wrong(critic, criterion, real, fakes):
        class Otherwise(world.Pairs):
            r1_weight, r2_weight = real_weight, fake_weight

        return relativistic.rpgan_critic_loss(critic, Otherwise(), real, fakes)

    return (terms.__dict__, "rpgan_critic_loss", wrong)


def judge_in_pairs_for_the_fake(critic, criterion, real, fakes):
    def wrong(winner, loser, is_disc):
        return criterion(loser, winner, is_disc)

    wrong.r1_weight, wrong.r2_weight = criterion.r1_weight, criterion.r2_weight
    return relativistic.rpgan_critic_loss(critic, wrong, real, fakes)


def fooled_for_the_real(criterion, fake, real=None):
    return criterion(fake, True) if real is None else criterion(real, fake)


def sty_in_pairs_alone(ctx):
    answers = ctx.critics.t(ctx.tensors.x_st)
    return ctx.criteria.sty(answers, torch.zeros_like(answers))


MISTAKES = {
    "dead style term, computed without gradient": (term("sty", without_gradient(terms.sty)), "sty moves"),
    "dead alignment term, computed without gradient": (term("align", without_gradient(terms.align)), "align moves"),
    "style term cut off from G_t by a detach": (term("sty", detached_image), "sty moves"),
    "dead adversarial part of rec": (term("rec", rec_gan_dead), "rec is worth"),
    "adversarial part of rec forgotten": (term("rec", rec_without_gan), "rec is worth"),
    "perceptual distance of an image to itself": (term("rec", perceptual_of_itself), "rec is worth"),
    "D_t trained without detach, moving E and G_t": (critic_term("t", judge_without_detach), "d_t moves"),
    "labels of D_t swapped": (critic_term("t", judge_with_labels_swapped), "d_t is worth"),
    "D_t shown the source as real": (critic_term("t", judge_sources_as_real), "d_t reads"),
    "D_y never shown a real HR image": (critic_term("y", judge_reconstructions_only), "d_y reads"),
    "D_y's fakes summed instead of averaged": (critic_term("y", judge_sum_of_fakes), "d_y is worth"),
    "style judged on the reconstructed target": (sty_on("x_tt"), "sty reads"),
    "style judged on the source itself": (sty_on("x_s"), "sty moves"),
    "alignment of one domain only": (term("align", align_one_domain), "align reads"),
    "alignment to 1 instead of 0.5": (term("align", align_to_one), "align is worth"),
    "alignment summed instead of averaged": (term("align", align_summed), "align is worth"),
    "target restoration against the source": (term("res", res_against_source), "res reads"),
    "target restoration of the rendered source": (term("res", res_of_rendered_source), "res reads"),
    "feature identity of f_s with itself": (term("idt", idt_detached), "idt is worth"),
    "cycle term on y_ss": (term("cyc", cyc_of_y_ss), "cyc moves"),
    "cycle that never leaves the feature space": (rerouted("y_sts", "sr_decoder", "f_s"), "seven network calls"),
    "rendered source decoded from target features": (rerouted("x_st", "lr_decoder", "f_t"), "seven network calls"),
    "f_st encoded from the source image": (rerouted("f_st", "encoder", "x_s"), "idt moves"),
    "reconstruction decoded by G_t": (rerouted("x_tt", "lr_decoder", "f_s"), "res reads"),
    "high-frequency critic asked of the source": (term("hr", hr_of_y_ss), "hr reads"),
    "high-frequency term computed without gradient": (term("hr", without_gradient(extensions.hr)), "hr moves"),
    "D_h trained without detach, moving E and G_SR": (critic_term("h", judge_h_without_detach), "d_h moves"),
    "D_h never shown an HR photograph": (critic_term("h", judge_h_by_reconstructions), "d_h reads"),
    "labels of D_h swapped": (critic_term("h", judge_h_with_labels_swapped), "d_h is worth"),
    "consistency of the source": (term("con", con_of_the_source), "con reads"),
    "consistency asked of blur and noise": (term("con", con_with_blur_and_noise), "con is worth"),
    "consistency cut off by a detach": (term("con", con_without_gradient), "con moves"),
    "consistency by dropping pixels": ((extensions.__dict__, "bicubic_downsample", shrink_by_dropping), "con is worth"),
    "consistency without antialiasing": (
        (extensions.__dict__, "bicubic_downsample", shrink_with_aliasing),
        "con is worth",
    ),
    "teacher that is taught": ((world.__dict__, "with_pseudo_labels", taught_with_gradient), "tea moves"),
    "teacher that sees the noise": ((world.__dict__, "with_pseudo_labels", taught_what_is_perturbed), "tea is worth"),
    "pupil that sees no noise": (term("tea", tea_of_what_is_not_perturbed), "tea is worth"),
    "network that is its own teacher": (term("tea", tea_by_itself), "tea is worth"),
    "D_t taught to weigh": ((terms.__dict__, "weighted_by_d_t", weighed_with_gradient), "cyc weighed is worth"),
    "weights by the source's own look": (weighed(of_tensor="x_s"), "cyc weighed is worth"),
    "weights below zero": (weighed(lowest=-1.0), "cyc weighed is worth"),
    "weights that images take from each other": (weighed(whole_batch=True), "cyc weighed is worth"),
    "weights that do not add up to one": (weighed(normalised=False), "cyc weighed is worth"),
    "penalty without a gradient": (
        (relativistic.__dict__, "zero_centered_gradient_penalty", slope_without_graph),
        "d_t in pairs is worth",
    ),
    "penalty that grows with the answers": (
        (relativistic.__dict__, "zero_centered_gradient_penalty", slope_of_each_image),
        "d_h in pairs is worth",
    ),
    "penalty at fakes forgotten": (judge_in_pairs_with(0.5, 0.0), "d_y in pairs is worth"),
    "weights of the two penalties exchanged": (judge_in_pairs_with(0.25, 0.5), "d_t in pairs is penalised"),
    "critic that sides with the fakes": (
        (terms.__dict__, "rpgan_critic_loss", judge_in_pairs_for_the_fake),
        "d_t in pairs is worth",
    ),
    "generator that sides with the real": (
        (terms.__dict__, "generator_gan_loss", fooled_for_the_real),
        "sty in pairs is worth",
    ),
    "generator not told how the real fare": (term("sty", sty_in_pairs_alone), "sty in pairs reads"),
}


def run(check):
    function, *arguments = contract.CHECKS[check]
    function(*arguments)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_caught(mistake, monkeypatch):
    (table, key, wrong), check = MISTAKES[mistake]
    run(check)
    monkeypatch.setitem(table, key, wrong)
    with pytest.raises(AssertionError):
        run(check)
