"""The contract of the method as checks that raise AssertionError: whom a term moves, what it reads, what it is worth.

``tests/method`` runs the checks on the code, ``tests/test_planted_mistakes.py`` runs them on mistakes.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.world import Pairs, World, l1, l1_map
from usrda_plugin.method import CRITIC_TERMS


class Row(NamedTuple):
    """One row of the contract: the networks that a term moves and the images that it reads."""

    moves: set[str]
    reads: set[str]


GENERATOR = {
    "align": Row({"encoder"}, {"x_s", "x_t"}),
    "rec": Row({"encoder", "sr_decoder"}, {"x_s", "y_s"}),
    "res": Row({"encoder", "lr_decoder"}, {"x_t"}),
    "sty": Row({"encoder", "lr_decoder"}, {"x_s"}),
    "idt": Row({"encoder", "lr_decoder"}, {"x_s"}),
    "cyc": Row({"encoder", "sr_decoder", "lr_decoder"}, {"x_s", "y_s"}),
    "hr": Row({"encoder", "sr_decoder"}, {"x_t"}),
    "con": Row({"encoder", "sr_decoder"}, {"x_t"}),
    "tea": Row({"encoder", "sr_decoder"}, {"x_t"}),
}
# the same terms with a relativistic criterion: the generator is told how real images fare
IN_PAIRS = {
    "rec in pairs": GENERATOR["rec"],
    "sty in pairs": Row({"encoder", "lr_decoder"}, {"x_s", "x_t"}),
    "cyc in pairs": GENERATOR["cyc"],
    "hr in pairs": Row({"encoder", "sr_decoder"}, {"x_t", "y_s"}),
}
WEIGHED = {"cyc weighed": GENERATOR["cyc"]}
CRITICS = {
    "f": Row({"d_f"}, {"x_s", "x_t"}),
    "t": Row({"d_t"}, {"x_s", "x_t"}),
    "y": Row({"d_y"}, {"x_s", "y_s"}),
    "h": Row({"d_h"}, {"x_t", "y_s"}),
}
CRITICS_IN_PAIRS = {f"{name} in pairs": CRITICS[name] for name in "tyh"}
ROWS = {**GENERATOR, **IN_PAIRS, **WEIGHED}
CRITIC_ROWS = {**CRITICS, **CRITICS_IN_PAIRS}


def check_generator_moves(name: str) -> None:
    """A term moves just the networks of its row."""
    world = World(name)
    assert world.moved_by(world.generator_term()) == ROWS[name].moves


def check_generator_reads(name: str) -> None:
    """A term reads just the images of its row."""
    world = World(name)
    assert world.read_by(world.generator_term) == ROWS[name].reads


def check_critic_moves(name: str) -> None:
    """A critic's term moves that critic alone."""
    world = World(name)
    assert world.moved_by(world.critic_term()) == CRITIC_ROWS[name].moves


def check_critic_reads(name: str) -> None:
    """A critic's term reads just the images of its row."""
    world = World(name)
    assert world.read_by(world.critic_term) == CRITIC_ROWS[name].reads


ANSWERS = (-0.7, 0.0, 0.3, 1.0, 1.9)


def check_generator_closed_form(name: str) -> None:
    """Where a critic answers a constant c, an adversarial part is (c - label)^2; an L1 part is a mean difference."""
    world = World(name)
    tensors, batch = world.context()[:2]
    pixel = {"rec": (tensors.y_ss, batch.y_s), "cyc": (tensors.y_sts, batch.y_s)}
    own = {"res": (tensors.x_tt, batch.x_t), "idt": (tensors.f_st, tensors.f_s)}
    small = F.interpolate(tensors.y_tt, scale_factor=0.5, mode="bicubic", antialias=True)
    own |= {"con": (low_band(small), low_band(batch.x_t)), "tea": (tensors.y_tpt, world.teacher(batch.x_t))}
    assert torch.equal(tensors.y_tpt, world.net(batch.x_tp))
    for c in ANSWERS:
        world.critics = {key: (lambda image, c=c: torch.full_like(image, c)) for key in world.critics}
        parts = world.parts()
        if name in own:
            expected = {"": l1(*own[name])}
        elif name in pixel:
            image, target = pixel[name]
            percep = (world.criteria.perceptual.net(image) - world.criteria.perceptual.net(target)).square().mean()
            expected = {"pix": l1(image, target), "percep": percep, "gan": torch.tensor((c - 1) ** 2)}
        else:
            expected = {"": torch.tensor((c - {"align": 0.5, "sty": 1.0, "hr": 1.0}[name]) ** 2)}
        assert parts.keys() == expected.keys()
        for part, value in expected.items():
            torch.testing.assert_close(parts[part].double(), value.double())


def check_critic_closed_form(name: str) -> None:
    """A critic that answers a to real and b to fake pays ((a - 1)^2 + b^2) / 2."""
    world = World()
    ctx = world.critic_context()
    tensors, batch = ctx.tensors, ctx.batch
    real = {"f": tensors.f_s, "t": batch.x_t, "y": batch.y_s, "h": batch.y_s}[name]
    for a, b in ((1.0, 0.0), (0.2, 0.6), (-0.5, 1.5)):

        def critic(image: Tensor, a: float = a, b: float = b) -> Tensor:
            same = image.shape == real.shape and torch.equal(image, real)
            return torch.full_like(image, a if same else b)

        verdict = CRITIC_TERMS[name].loss(ctx._replace(critics=ctx.critics._replace(**{name: critic})))
        torch.testing.assert_close(verdict.loss, torch.tensor(((a - 1) ** 2 + b**2) / 2, dtype=torch.double))
        torch.testing.assert_close(verdict.real, torch.tensor(a, dtype=torch.double))
        torch.testing.assert_close(verdict.fake, torch.tensor(b, dtype=torch.double))


def low_band(image: Tensor) -> Tensor:
    """The mean of 7x7 pixels, by another route than pooling: a convolution with equal weights."""
    kernel = torch.full((image.shape[1], 1, 7, 7), 1 / 49, dtype=image.dtype)
    return F.conv2d(F.pad(image, [3] * 4, mode="reflect"), kernel, groups=image.shape[1])


REAL = {"t": "x_t", "y": "y_s", "h": "y_s"}
ASKED = {"rec": ("y", "gan"), "sty": ("t", ""), "cyc": ("y", "gan"), "hr": ("h", "")}


def check_generator_in_pairs(row: str) -> None:
    """Where a critic answers a to real and b to fake, the generator pays log(1 + exp(a - b))."""
    world = World(row)
    critic, part = ASKED[world.term]
    real = world.batch._asdict()[REAL[critic]]
    for a, b in ((1.0, 0.0), (-0.5, 1.5)):
        world.critics[critic] = lambda image, a=a, b=b: torch.full_like(image, a if torch.equal(image, real) else b)
        found = world.parts()[part]
        torch.testing.assert_close(found.double(), torch.tensor(math.log1p(math.exp(a - b)), dtype=torch.double))


class Sloped(nn.Module):
    """A critic that answers a to real and b to fake, twice for each image, and rises by k with every value of it."""

    def __init__(self, real: Tensor, a: float, b: float, k: float) -> None:
        super().__init__()
        self.real, self.answers = real, (a, b)
        self.k = nn.Parameter(torch.tensor(k, dtype=torch.double))

    def forward(self, image: Tensor) -> Tensor:
        answer = self.answers[0] if torch.equal(image.detach(), self.real) else self.answers[1]
        rise = self.k * (image - image.detach()).sum(dim=(1, 2, 3), keepdim=True)
        return (answer + rise).expand(-1, 1, 1, 2)


def check_critic_in_pairs(row: str) -> None:
    """The critic pays log(1 + exp(b - a)) and gamma / 2 times its squared slopes, which it can lessen."""
    world = World(row)
    term, ctx = CRITIC_TERMS[world.term], world.critic_context()
    real = world.batch._asdict()[REAL[world.term]]
    for a, b, k in ((1.0, 0.0, 0.1), (-0.5, 1.5, 0.3)):
        critic = Sloped(real, a, b, k)
        verdict = term.loss(ctx._replace(critics=ctx.critics._replace(**{world.term: critic})))
        slopes = 2 * real[0].numel()  # two answers rise together, and each counts
        expected = math.log1p(math.exp(b - a)) + (Pairs.r1_weight + Pairs.r2_weight) / 2 * k**2 * slopes
        torch.testing.assert_close(verdict.loss.detach(), torch.tensor(expected, dtype=torch.double))
        verdict.loss.backward()
        lessened = torch.tensor((Pairs.r1_weight + Pairs.r2_weight) * k * slopes, dtype=torch.double)
        torch.testing.assert_close(critic.k.grad, lessened)
        found = torch.stack([verdict.real, verdict.fake])
        torch.testing.assert_close(found, torch.tensor([a, b], dtype=torch.double))


def check_penalties_by_side(row: str) -> None:
    """R1 is the slope at real images and R2 that at fakes."""
    world = World(row)
    term, ctx = CRITIC_TERMS[world.term], world.critic_context()
    real = world.batch._asdict()[REAL[world.term]]

    def steep_at_real(image: Tensor) -> Tensor:
        answers = (image - image.detach()).sum(dim=(1, 2, 3), keepdim=True)
        return answers if torch.equal(image.detach(), real) else 0 * answers

    verdict = term.loss(ctx._replace(critics=ctx.critics._replace(**{world.term: steep_at_real})))
    expected = math.log(2) + Pairs.r1_weight / 2 * real[0].numel()
    torch.testing.assert_close(verdict.loss.detach(), torch.tensor(expected, dtype=torch.double))


def check_cycle_weighed(row: str) -> None:
    """Equal answers weigh nothing; where half an image alone is target-like, the other half hardly counts."""
    world = World(row)
    tensors = world.context().tensors
    assert "d_t" not in world.moved_by(world.parts()["pix"]), "D_t would learn to weigh"
    error = l1_map(tensors.y_sts, world.batch.y_s)
    for c in ANSWERS:
        world.critics["t"] = lambda image, c=c: torch.full_like(image[:, :1, ::2, ::2], c)
        found = world.parts()
        torch.testing.assert_close(found["pix"], error.mean())
    asked = []

    def left_of_one_image(image: Tensor) -> Tensor:
        asked.append(image)
        answers = torch.ones(len(image), 1, *error.shape[-2:], dtype=image.dtype)
        answers[0, ..., answers.shape[-1] // 2 :] = -1
        return 5 * answers

    world.critics["t"] = left_of_one_image
    found = world.parts()["pix"]
    expected = (error[0, ..., : error.shape[-1] // 2].mean() + error[1].mean()) / 2
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=0)
    assert torch.equal(asked[0], tensors.x_st)


def check_seven_network_calls() -> None:
    """The paper's pass calls E three times, G_SR twice and G_t twice, along the right routes."""
    world = World()
    calls: list[tuple[str, Tensor]] = []
    for name, network in world.net.named_children():
        network.register_forward_hook(lambda _m, args, _out, name=name: calls.append((name, args[0])))
    tensors = world.one_pass()
    sources = {
        "encoder": [tensors.x_s, tensors.x_t, tensors.x_st],
        "sr_decoder": [tensors.f_s, tensors.f_st],
        "lr_decoder": [tensors.f_s, tensors.f_t],
    }
    assert len(calls) == 7
    for name, expected in sources.items():
        got = [image for caller, image in calls if caller == name]
        assert len(got) == len(expected)
        assert all(any(image is source for image in got) for source in expected)
    reference = copy.deepcopy(world.net)
    e, g_sr, g_t = reference.encoder, reference.sr_decoder, reference.lr_decoder
    torch.testing.assert_close(tensors.y_sts, g_sr(e(g_t(e(world.batch.x_s)))))
    torch.testing.assert_close(tensors.x_tt, g_t(e(world.batch.x_t)))
    torch.testing.assert_close(tensors.y_ss, g_sr(e(world.batch.x_s)))


CHECKS = {
    **{f"{name} moves": (check_generator_moves, name) for name in ROWS},
    **{f"{name} reads": (check_generator_reads, name) for name in ROWS},
    **{f"{name} is worth": (check_generator_closed_form, name) for name in GENERATOR},
    **{f"{name} is worth": (check_generator_in_pairs, name) for name in IN_PAIRS},
    **{f"{name} is worth": (check_cycle_weighed, name) for name in WEIGHED},
    **{f"d_{name} moves": (check_critic_moves, name) for name in CRITIC_ROWS},
    **{f"d_{name} reads": (check_critic_reads, name) for name in CRITIC_ROWS},
    **{f"d_{name} is worth": (check_critic_closed_form, name) for name in CRITICS},
    **{f"d_{name} is worth": (check_critic_in_pairs, name) for name in CRITICS_IN_PAIRS},
    **{f"d_{name} is penalised": (check_penalties_by_side, name) for name in CRITICS_IN_PAIRS},
    "seven network calls": (check_seven_network_calls,),
}
