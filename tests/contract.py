"""The contract of the method as checks that raise AssertionError: whom a term moves, what it reads, what it is worth.

``tests/method`` runs the checks on the code, ``tests/test_planted_mistakes.py`` runs them on mistakes.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.archs import USRDADiscriminator, USRDANet
from usrda_plugin.method import CRITIC_TERMS, TERMS, Batch, Criteria, Critics, Pass, Step
from usrda_plugin.models.updates import frozen


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
}
CRITICS = {
    "f": Row({"d_f"}, {"x_s", "x_t"}),
    "t": Row({"d_t"}, {"x_s", "x_t"}),
    "y": Row({"d_y"}, {"x_s", "y_s"}),
}


def least_squares(prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
    """An oracle written apart from BasicSR's: mean squared distance to 1 or 0."""
    return (prediction - (1.0 if target_is_real else 0.0)).square().mean()


def undecided(prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
    """The oracle of the alignment criterion."""
    return least_squares(prediction, target_is_real) if is_disc else (prediction - 0.5).square().mean()


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (image - target).abs().mean()


class TinyPerceptual(nn.Module):
    """A perceptual distance on two random convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1))
        self.requires_grad_(False)

    def features(self, target: Tensor) -> Tensor:
        return self.net(target)

    def distance(self, image: Tensor, target_features: Tensor) -> Tensor:
        return (self.net(image) - target_features).square().mean()


class World:
    """A small network, three critics, all criteria, and a batch: everything a term can look at, in double precision."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.net = USRDANet(
            scale=2, encoder="rrdb", num_feat=4, num_block=2, num_grow_ch=2, num_block_encoder=1, num_block_lr_decoder=1
        ).double()
        self.critics = {
            "f": USRDADiscriminator(4, num_feat=4, num_down=1).double(),
            "t": USRDADiscriminator(3, num_feat=4, num_down=1).double(),
            "y": USRDADiscriminator(3, num_feat=4, num_down=1).double(),
        }
        self.criteria = Criteria(l1, TinyPerceptual().double(), least_squares, undecided, l1, least_squares, l1)
        self.batch = Batch(*(torch.rand(2, 3, size, size, dtype=torch.double) for size in (8, 16, 8)))

    def one_pass(self, batch: Batch | None = None) -> Pass:
        x_s, _, x_t = batch or self.batch
        return self.net(x_s, x_t)

    def step(self, batch: Batch | None = None) -> Step:
        batch = batch or self.batch
        features = self.criteria.perceptual.features(batch.y_s)
        return Step(self.one_pass(batch), batch, Critics(**self.critics), self.criteria, features)

    def generator_term(self, name: str, batch: Batch | None = None) -> Tensor:
        with frozen(self.critics.values()):
            return torch.stack(list(TERMS[name].parts(self.step(batch)).values())).sum()

    def critic_term(self, name: str, batch: Batch | None = None) -> Tensor:
        term = CRITIC_TERMS[name]
        criterion = self.criteria._asdict()[term.criterion]
        batch = batch or self.batch
        return term.verdict(self.critics[name], criterion, self.one_pass(batch), batch).loss

    def networks(self) -> dict[str, nn.Module]:
        return {**dict(self.net.named_children()), **{f"d_{name}": critic for name, critic in self.critics.items()}}

    def moved_by(self, loss: Tensor) -> set[str]:
        """The networks that get a gradient different from zero."""
        networks = self.networks()
        for network in networks.values():
            network.zero_grad()
        assert loss.requires_grad, "the term reaches no network"
        loss.backward()
        return {
            name
            for name, network in networks.items()
            if any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in network.parameters())
        }

    def read_by(self, value) -> set[str]:
        """The images whose replacement changes a value."""
        before = value(self.batch)
        replaced = {name: self.batch._replace(**{name: 1 - image}) for name, image in self.batch._asdict().items()}
        return {name for name, batch in replaced.items() if not torch.equal(value(batch), before)}


def check_generator_moves(name: str) -> None:
    """A term moves just the networks of its row."""
    world = World()
    assert world.moved_by(world.generator_term(name)) == GENERATOR[name].moves


def check_generator_reads(name: str) -> None:
    """A term reads just the images of its row."""
    world = World()
    assert world.read_by(lambda batch: world.generator_term(name, batch)) == GENERATOR[name].reads


def check_critic_moves(name: str) -> None:
    """A critic's term moves that critic alone."""
    world = World()
    assert world.moved_by(world.critic_term(name)) == CRITICS[name].moves


def check_critic_reads(name: str) -> None:
    """A critic's term reads just the images of its row."""
    world = World()
    assert world.read_by(lambda batch: world.critic_term(name, batch)) == CRITICS[name].reads


ANSWERS = (-0.7, 0.0, 0.3, 1.0, 1.9)


def check_generator_closed_form(name: str) -> None:
    """Where a critic answers a constant c, an adversarial part is (c - label)^2; an L1 part is a mean difference."""
    world = World()
    tensors, batch = world.one_pass(), world.batch
    pixel = {"rec": (tensors.y_ss, batch.y_s), "cyc": (tensors.y_sts, batch.y_s)}
    own = {"res": (tensors.x_tt, batch.x_t), "idt": (tensors.f_st, tensors.f_s)}
    for c in ANSWERS:
        world.critics = {key: (lambda image, c=c: torch.full_like(image, c)) for key in world.critics}
        parts = TERMS[name].parts(world.step())
        if name in own:
            expected = {"": l1(*own[name])}
        elif name in pixel:
            image, target = pixel[name]
            percep = (world.criteria.perceptual.net(image) - world.criteria.perceptual.net(target)).square().mean()
            expected = {"pix": l1(image, target), "percep": percep, "gan": torch.tensor((c - 1) ** 2)}
        else:
            expected = {"": torch.tensor((c - {"align": 0.5, "sty": 1.0}[name]) ** 2)}
        assert parts.keys() == expected.keys()
        for part, value in expected.items():
            torch.testing.assert_close(parts[part].double(), value.double())


def check_critic_closed_form(name: str) -> None:
    """A critic that answers a to real and b to fake pays ((a - 1)^2 + b^2) / 2."""
    world = World()
    tensors, batch = world.one_pass(), world.batch
    real = {"f": tensors.f_s, "t": batch.x_t, "y": batch.y_s}[name]
    for a, b in ((1.0, 0.0), (0.2, 0.6), (-0.5, 1.5)):
        term = CRITIC_TERMS[name]

        def critic(image: Tensor, a: float = a, b: float = b) -> Tensor:
            same = image.shape == real.shape and torch.equal(image, real)
            return torch.full_like(image, a if same else b)

        verdict = term.verdict(critic, world.criteria._asdict()[term.criterion], tensors, batch)
        torch.testing.assert_close(verdict.loss, torch.tensor(((a - 1) ** 2 + b**2) / 2, dtype=torch.double))
        torch.testing.assert_close(verdict.real, torch.tensor(a, dtype=torch.double))
        torch.testing.assert_close(verdict.fake, torch.tensor(b, dtype=torch.double))


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
    **{f"{name} moves": (check_generator_moves, name) for name in GENERATOR},
    **{f"{name} reads": (check_generator_reads, name) for name in GENERATOR},
    **{f"{name} is worth": (check_generator_closed_form, name) for name in GENERATOR},
    **{f"d_{name} moves": (check_critic_moves, name) for name in CRITICS},
    **{f"d_{name} reads": (check_critic_reads, name) for name in CRITICS},
    **{f"d_{name} is worth": (check_critic_closed_form, name) for name in CRITICS},
    "seven network calls": (check_seven_network_calls,),
}
