"""Mistakes that adversarial training invites, each planted on purpose: some check of the contract must catch it.

A mistake is a change to one function of ``usrda_plugin.method``; ``caught by`` names the check that must fail.
"""

from __future__ import annotations

import pytest
import torch

from tests import contract
from usrda_plugin.method import critics, passes, terms
from usrda_plugin.method.critics import CRITIC_TERMS, Verdict
from usrda_plugin.method.passes import Route
from usrda_plugin.method.terms import TERMS, Term


def term(name, parts):
    """Replace a generator's term."""
    return (TERMS, name, Term(parts, TERMS[name].reads))


def critic_term(name, verdict):
    """Replace a critic's term."""
    return (CRITIC_TERMS, name, CRITIC_TERMS[name]._replace(verdict=verdict))


def without_gradient(function):
    """The adversarial term computed under no_grad: logged, but dead."""

    def dead(step):
        with torch.no_grad():
            parts = function(step)
        return {name: value.clone().requires_grad_() for name, value in parts.items()}

    return dead


def detached_image(step):
    return {"": step.criteria.sty(step.critics.t(step.tensors.x_st.detach()), True).requires_grad_()}


def judge_without_detach(critic, criterion, tensors, batch):
    real, fake = critic(batch.x_t), critic(tensors.x_st)
    return Verdict((criterion(real, True, True) + criterion(fake, False, True)) / 2, real.mean(), fake.mean())


def judge_with_labels_swapped(critic, criterion, tensors, batch):
    return critics._judge(critic, criterion, tensors.x_st, [batch.x_t])


def judge_sources_as_real(critic, criterion, tensors, batch):
    return critics._judge(critic, criterion, batch.x_s, [tensors.x_st])


def judge_reconstructions_only(critic, criterion, tensors, batch):
    return critics._judge(critic, criterion, tensors.y_ss, [tensors.y_sts])


def judge_sum_of_fakes(critic, criterion, tensors, batch):
    fakes = [critic(image.detach()) for image in (tensors.y_ss, tensors.y_sts)]
    real = critic(batch.y_s)
    loss = (criterion(real, True, True) + sum(criterion(fake, False, True) for fake in fakes)) / 2
    return Verdict(loss, real.detach().mean(), fakes[0].detach().mean())


def rerouted(tensor, network, source):
    """A pass with one route wrong."""
    routes = tuple(Route(tensor, network, source) if route.tensor == tensor else route for route in passes.ROUTES)
    return (passes.__dict__, "ROUTES", routes)


def sty_on(name):
    return term("sty", lambda step: {"": step.criteria.sty(step.critics.t(step.tensors._asdict()[name]), True)})


def align_one_domain(step):
    return {"": step.criteria.align(step.critics.f(step.tensors.f_t), True)}


def align_to_one(step):
    d_f, tensors = step.critics.f, step.tensors
    return {"": (step.criteria.sty(d_f(tensors.f_s), True) + step.criteria.sty(d_f(tensors.f_t), True)) / 2}


def align_summed(step):
    return {"": 2 * terms.align(step)[""]}


def res_against_source(step):
    return {"": step.criteria.res(step.tensors.x_tt, step.batch.x_s)}


def res_of_rendered_source(step):
    return {"": step.criteria.res(step.tensors.x_st, step.batch.x_t)}


def idt_detached(step):
    return {"": step.criteria.idt(step.tensors.f_s.detach(), step.tensors.f_s)}


def cyc_of_y_ss(step):
    return terms._against_y_s(step.tensors.y_ss, step)


def rec_without_gan(step):
    return {name: value for name, value in terms.rec(step).items() if name != "gan"}


def rec_gan_dead(step):
    parts = terms.rec(step)
    return {**parts, "gan": parts["gan"].detach() * 0}


def perceptual_of_itself(step):
    parts = terms.rec(step)
    features = step.criteria.perceptual.features(step.tensors.y_ss)
    return {**parts, "percep": step.criteria.perceptual.distance(step.tensors.y_ss, features)}


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
