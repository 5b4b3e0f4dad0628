"""Algorithm 1 as its harness sees it, and how many files a reader of one iteration meets."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

import usrda_plugin
from tests.models.test_usrda_model import batch, build, run
from tests.world import World
from usrda_plugin.method import Critics, Objective, Phases, frozen, loss_name, needed, training_step

PAPER = ("align", "rec", "res", "sty", "idt", "cyc")
PARTS = {"rec": ("pix", "percep", "gan"), "cyc": ("pix", "percep", "gan")}
WEIGHTS = {loss_name(term, part): 0.5 for term in PAPER for part in PARTS.get(term, ("",))}
MOST_FILES = 10


class Recorder:
    """A harness that descends nothing and remembers what it was asked for."""

    def __init__(self, critics: Critics) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.critics = critics

    def forward(self, forward: Any, batch: Any) -> Any:
        self.batch, self.tensors = batch, forward(batch)
        return self.tensors

    def descend(self, player: str, passes: Any, loss_of: Any) -> dict[str, torch.Tensor]:
        assert passes is self.tensors
        loss = None if loss_of is None else loss_of(self.batch, passes)
        thaw = [parameter.requires_grad for critic in self.critics for parameter in critic.parameters()]
        self.asked.append((player, loss, all(thaw), any(thaw)))
        return {} if loss is None else loss.log


@pytest.fixture
def world() -> World:
    world = World()
    del world.critics["h"]
    return world


def step(world: World, objective: Objective) -> tuple[Recorder, dict[str, torch.Tensor]]:
    harness = Recorder(Critics(**world.critics)._replace(h=nn.Identity()))
    critics = Critics(**{name: world.critics[name] for name in objective.critics})
    log = training_step(
        lambda part, needs: world.net(part.x_s, part.x_t, needs), critics, objective, world.batch, harness
    )
    return harness, log


def test_the_critics_step_comes_first_and_the_generators_meets_them_frozen(world: World) -> None:
    harness, log = step(world, Objective.of(PAPER, world.criteria, WEIGHTS))
    (first, l_d, *unfrozen), (second, l_g, *thawed) = harness.asked
    assert (first, second) == ("d", "g")
    assert (unfrozen, thawed) == ([True, True], [False, False])
    assert l_d.total == sum(l_d.losses.values())
    assert set(l_d.losses) == {"l_d_f", "l_d_t", "l_d_y"}
    assert set(l_d.log) - set(l_d.losses) == {f"out_d_{name}_{kind}" for name in "fty" for kind in ("real", "fake")}
    raw = {name: value for name, value in l_g.losses.items() if name != "l_g_total"}
    assert set(raw) == set(WEIGHTS)
    torch.testing.assert_close(l_g.total, 0.5 * sum(raw.values()))
    assert log == {**l_g.log, **l_d.log}
    assert all(parameter.requires_grad for critic in world.critics.values() for parameter in critic.parameters())


def test_no_gradient_of_the_critics_loss_reaches_the_generator(world: World) -> None:
    harness, _ = step(world, Objective.of(PAPER, world.criteria, WEIGHTS))
    assert world.moved_by(harness.asked[0][1].total) == {"d_f", "d_t", "d_y"}


def test_who_has_no_terms_rests(world: World) -> None:
    everything = Objective.of(PAPER, world.criteria, WEIGHTS)
    harness, log = step(world, everything.critics_only())
    assert [loss is None for _, loss, *_ in harness.asked] == [False, True]
    assert not needed(harness.tensors.y_ss).requires_grad, "a graph that nobody asks for"
    assert "l_g_total" not in log
    harness, log = step(world, everything.pixel_only())
    assert [loss is None for _, loss, *_ in harness.asked] == [True, False]
    assert set(log) == {"l_g_rec_pix", "l_g_res", "l_g_total"}


def test_the_phases_follow_each_other() -> None:
    world = World()
    everything = Objective.of(PAPER, world.criteria, WEIGHTS)
    phases = Phases(everything, everything.pixel_only(), psnr_iter=2, net_d_init_iters=2, net_d_iters=3)
    trained = ["".join(p for p, on in (("d", o.critics), ("g", o.terms)) if on) for o in map(phases.at, range(1, 12))]
    assert trained == ["g", "g", "d", "d", "dg", "d", "d", "dg", "d", "d", "dg"]


def test_frozen_critics_pass_gradients_on_and_thaw_after_an_error() -> None:
    critic, image = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)

    def fail() -> None:
        with frozen([critic, None]):
            critic(image).sum().backward()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert image.grad is not None
    assert critic.weight.grad is None
    assert critic.weight.requires_grad


def test_what_nobody_made_is_named() -> None:
    with pytest.raises(ValueError, match="nobody has made"):
        needed(None)


def test_a_reader_of_one_iteration_meets_few_files(tmp_path: Path) -> None:
    model = run(build(tmp_path), 1)
    model.feed_data(batch(1))
    root, files = Path(usrda_plugin.__file__).parent, set()

    def enter(frame: FrameType, event: str, argument: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(root):
            files.add(str(file.relative_to(root)))

    sys.setprofile(enter)
    try:
        model.optimize_parameters(2)
    finally:
        sys.setprofile(None)
    assert {"method/algorithm.py", "method/terms.py", "models/usrda_model.py"} <= files
    assert len(files) <= MOST_FILES, sorted(files)
