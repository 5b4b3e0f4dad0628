"""The guard of USRDAModel's steps for any model of BasicSR's: one whose optimizers step in ``optimize_parameters``.

Its step is left as it is. Before an optimizer steps, its hook looks at the gradients, and a loss that is not finite has
none that are; which of the losses began it is known at the end, when BasicSR brings them together for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from usrda_plugin.models.non_finite import Networks, NonFiniteGuard
from usrda_plugin.models.stepping import (
    Log,
    Remembered,
    Skipped,
    after_step,
    before_step,
    give_back,
    gradients,
    norms_of,
    remembered,
)

STEPS = {"g": "the generator's step", "d": "the discriminator's step"}
GENERATOR = "g"


def guard_steps(model: Any) -> None:
    """Let a model that is ready to train skip the steps whose numbers are not finite, as USRDAModel does."""
    GuardedSteps(model).attach()


def trained_networks(model: Any) -> dict[str, nn.Module]:
    """The networks of a model that its optimizers move, bare, by their names on the disk."""
    moved = {id(value) for optimizer in model.optimizers for value in parameters_of(optimizer)}
    found = {name: model.get_bare_model(part) for name, part in vars(model).items() if isinstance(part, nn.Module)}
    return {name: net for name, net in found.items() if any(id(value) in moved for value in net.parameters())}


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """The parameters that an optimizer moves."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


class GuardedSteps:
    """The steps of one model.

    Args:
        model: one of BasicSR's, with its networks and optimizers made.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.networks: Networks = trained_networks(model)
        letters = {id(part): name.removeprefix("optimizer_") for name, part in vars(model).items()}
        self.optimizers: dict[str, Optimizer] = {
            letters.get(id(each), str(number)): each for number, each in enumerate(model.optimizers)
        }
        steps = {letter: STEPS.get(letter, f"the step of optimizer_{letter}") for letter in self.optimizers}
        self.guard = NonFiniteGuard(model.device, model.opt, steps, lambda: self.networks)
        self.skipped: dict[str, Skipped] = {}
        self._judged: list[tuple[str, Log, Tensor]] = []
        self._losses: Log = {}
        self._buffers: Remembered = []
        self._theirs: dict[str, Callable[..., Any]] = {}

    def attach(self) -> None:
        """Take the place of some of the model's methods, and look at each optimizer's gradients before it steps."""
        for name in ("optimize_parameters", "reduce_loss_dict", "model_ema", "get_current_log", "save"):
            self._theirs[name] = getattr(self.model, name)
            setattr(self.model, name, getattr(self, name))
        self.model.skipped_state, self.model.restore_skipped = self.guard.state, self.guard.restore
        self.model.skipping_since = self.guard.row_since
        for letter, optimizer in self.optimizers.items():
            self._hook(letter, optimizer)

    def _hook(self, letter: str, optimizer: Optimizer) -> None:
        moved = {id(value) for value in parameters_of(optimizer)}
        found = {name: [value for value in network.parameters() if id(value) in moved]
                 for name, network in self.networks.items()}  # fmt: skip
        parameters = {name: values for name, values in found.items() if values}

        def before(optimizer: Optimizer, arguments: Any, named: Any) -> None:
            if "grad_scale" not in vars(optimizer):  # else a GradScaler of the model's own looks at the gradients
                self.judge(letter, optimizer, parameters)

        def after(optimizer: Optimizer, arguments: Any, named: Any) -> None:
            if isinstance(self.skipped.get(letter), Tensor):
                after_step(optimizer)

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    def judge(self, letter: str, optimizer: Optimizer, parameters: Mapping[str, Sequence[Tensor]]) -> None:
        """Let the step that is about to be taken change nothing where a gradient of its networks is not finite."""
        found = {name: gradients(values) for name, values in parameters.items()}
        if not any(found.values()):
            return
        norms, total = norms_of(found)
        skip = ~total.isfinite()
        self._judged.append((letter, norms, skip))
        answer = before_step(optimizer, skip, wait=not self.guard.asynchronous)
        earlier = self.skipped.get(letter, False)
        self.skipped[letter] = answer if earlier is False else answer | earlier

    def optimize_parameters(self, current_iter: int, *arguments: Any, **named: Any) -> None:
        """The model's step, or steps, without a trace of those that were skipped.

        Raises TrainingDiverged after too many skipped ones in a row.
        """
        self.guard.current_iter = current_iter
        self.skipped, self._judged, self._losses = {}, [], {}
        self._buffers = remembered(buffer for network in self.networks.values() for buffer in network.buffers())
        with wrong_losses_have_wrong_gradients():
            self._theirs["optimize_parameters"](current_iter, *arguments, **named)
        give_back(self._buffers, self.skipped.values())
        for letter, norms, skip in self._judged:
            self.guard.count(letter, self._losses_of(letter), norms, skip)
        self.guard.look()

    def _losses_of(self, letter: str) -> Log:
        """What is logged as a loss of an optimizer's; what names none is the first one's."""
        first = next(iter(self.optimizers))
        return {
            name: value
            for name, value in self._losses.items()
            if next((each for each in self.optimizers if f"{name}_".startswith(f"l_{each}_")), first) == letter
        }

    def reduce_loss_dict(self, loss_dict: Mapping[str, Any]) -> Any:
        """What the model logs; the losses in the order in which they were computed, as this process has them."""
        self._losses = {
            name: value.detach()
            for name, value in loss_dict.items()
            if name.startswith("l_") and isinstance(value, Tensor)
        }
        return self._theirs["reduce_loss_dict"](loss_dict)

    def model_ema(self, *arguments: Any, **named: Any) -> None:
        """Move the average, unless the generator's step was skipped."""
        give_back(self._buffers, self.skipped.values())  # which the average copies
        skipped = self.skipped.get(GENERATOR, False)
        if skipped is True:
            return
        average = self.model.net_g_ema.state_dict().values() if isinstance(skipped, Tensor) else ()
        before = remembered(average)
        self._theirs["model_ema"](*arguments, **named)
        give_back(before, [skipped])

    def get_current_log(self) -> Any:
        """The model's log. Raises TrainingDiverged where too many steps in a row were skipped."""
        self.guard.look(at_once=True)
        return self._theirs["get_current_log"]()

    def save(self, epoch: int, current_iter: int) -> None:
        """Save as the model does; -1 says that training is done."""
        if current_iter == -1:
            self.guard.end()
        self._theirs["save"](epoch, current_iter)


@contextmanager
def wrong_losses_have_wrong_gradients() -> Iterator[None]:
    """While open, the backward pass of a loss that is not finite gives no gradient that is, as in ``Updates``.

    The models call it on their losses themselves, so it is torch's own that is lent another one for so long.
    """
    theirs = torch.autograd.backward

    def backward(tensors: Any, grad_tensors: Any = None, *arguments: Any, **named: Any) -> None:
        if grad_tensors is None and isinstance(tensors, Tensor) and tensors.numel() == 1:
            grad_tensors = tensors.detach() * 0 + 1
        theirs(tensors, grad_tensors, *arguments, **named)

    torch.autograd.backward = backward
    try:
        yield
    finally:
        torch.autograd.backward = theirs
