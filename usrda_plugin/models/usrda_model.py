"""``USRDAModel``: feed, step, log, save. The mathematics stands in ``usrda_plugin.method``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from usrda_plugin.method import (
    CRITIC_TERMS,
    Batch,
    Critics,
    Needs,
    Objective,
    Pass,
    Player,
    training_step,
    with_pseudo_labels,
)
from usrda_plugin.models import saving
from usrda_plugin.models.criteria import PERTURBATION, build_phases, leaves_networks_idle
from usrda_plugin.models.image_grid import image_grids
from usrda_plugin.models.non_finite import NonFiniteGuard
from usrda_plugin.models.performance import FUSED, PerformanceOptions, resolve_performance
from usrda_plugin.models.preflight import preflight, trial_batch
from usrda_plugin.models.stepping import OptimizerStepper, Trained, TrainingHarness, ema_update_, fit_state
from usrda_plugin.models.validation import validate
from usrda_plugin.monitoring import Monitor
from usrda_plugin.weights import NETWORK, PARTS, load

STEPS = {"g": "the generator's step", "d": "the critics' step"}


@MODEL_REGISTRY.register()
class USRDAModel(SRModel):
    """USR-DA trained by BasicSR's runner; validation, testing and schedules are SRModel's.

    Networks: ``network_g`` (USRDANet) and, where a term asks them, the critics ``network_d_f``, ``network_d_t``,
    ``network_d_y`` and ``network_d_h``.
    """

    log: dict[str, Tensor]
    """The last step's scalars, still on the device."""
    lq: Tensor
    """The LR image that is validated."""
    monitor: Monitor | None = None
    """What is measured without ground truth, where the options ask for it."""

    def __init__(self, opt: dict[str, Any]) -> None:
        if opt["dist"] and opt["is_train"] and leaves_networks_idle(opt["train"]):
            # DistributedDataParallel would wait for gradients that do not come
            opt = {**opt, "find_unused_parameters": True}
        super().__init__(opt)

    # ------------------------------------------------------------------ one step

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a training batch (x_s, y_s and, with a target domain, x_t) or a validation batch (lq and perhaps gt)."""
        if "x_s" not in data:
            super().feed_data(data)
            if self.device.type == "cpu":  # where whole images are half as fast again so; the last bits differ
                self.lq = self.lq.contiguous(memory_format=torch.channels_last)
            return
        layout = {"non_blocking": True, "memory_format": self.performance.memory_format}
        self.batch = Batch(**{key: data[key].to(self.device, **layout) for key in Batch._fields if key in data})

    def optimize_parameters(self, current_iter: int) -> None:
        """Algorithm 1, then the average; its scalars are remembered, not waited for."""
        objective = self.phases.at(current_iter)
        self.stepper.begin_iteration(current_iter, self.trained_networks().values())
        critics = Critics(**{name: self.critics[name] for name in objective.critics})
        batch = self.with_pseudo_labels(objective)
        self.log = training_step(self.forward_pass, critics, objective, batch, self.harness)
        self.stepper.end_iteration()
        self.model_ema(self.ema_decay)
        self.stepper.guard.look()

    def forward_pass(self, batch: Batch, needs: Needs) -> Pass:
        """One pass by E, G_SR and G_t, through DistributedDataParallel where there are several processes."""
        return self.net_g(batch.x_s, batch.x_t, needs, self.performance.joint_batches, batch.x_tp)

    def with_pseudo_labels(self, objective: Objective) -> Batch:
        """The batch, with what the averaged network makes of its target images where a term learns from that."""
        if not objective.needs.y_tpt:
            return self.batch
        with self.stepper.autocast():
            return with_pseudo_labels(self.batch, self.teacher_forward, self.perturbation)

    def teacher_forward(self, x_t: Tensor) -> Tensor:
        """The averaged network's HR images, in as many parts as the step has."""
        return torch.cat([self.net_g_ema(part) for part in x_t.chunk(self.harness.micro_batches)])

    @torch.no_grad()
    def model_ema(self, decay: float = 0.999) -> None:
        """Move the averaged network towards the trained one, parameters by 1 - decay, buffers at once.

        After a skipped step of the generator it stays where it is.
        """
        if not hasattr(self, "net_g_ema"):
            return
        trained, averaged = self.get_bare_model(self.net_g), self.net_g_ema
        skipped = self.stepper.skipped.get("g", False)
        ema_update_(list(averaged.parameters()), list(trained.parameters()), 1 - decay, skipped)
        for mean, buffer in zip(averaged.buffers(), trained.buffers(), strict=True):
            mean.copy_(buffer)

    # ------------------------------------------------------------------ set-up

    def init_training_settings(self) -> None:
        """Critics, EMA, objective, optimizers and schedulers, as ``train`` in the option file says."""
        train_opt = self.opt["train"]
        if self.device.type == "cuda":
            self.performance.set_precision()
        self.phases = build_phases(train_opt, self.device)
        for criterion in self.objective.criteria:
            if isinstance(criterion, nn.Module):
                self.performance.prepare(criterion)
        self.ema_decay = train_opt.get("ema_decay") or 0
        self.perturbation = float((train_opt.get("tea_opt") or {}).get("perturbation", PERTURBATION))
        self.log = {}
        guard = NonFiniteGuard(self.device, self.opt, STEPS, self.trained_networks, can_clip=True)
        self.stepper = OptimizerStepper(self.device, self.performance.amp, train_opt, guard)
        self.start_parts_from_files()
        self.critics = {name: self.build_critic(name) for name in self.objective.critics}
        self.preflight()
        if self.ema_decay > 0:
            self.build_ema()
        for network in (self.net_g, *self.critics.values()):
            self.performance.compile_blocks(network)
        self.net_g.train()
        self.setup_optimizers()
        micro_batches = int(train_opt.get("gradient_accumulation_steps") or 1)
        self.harness = TrainingHarness(self.stepper, self.trained_players(), micro_batches)
        self.setup_schedulers()
        self.monitor = Monitor.of(self.opt, self.device)

    @property
    def objective(self) -> Objective:
        """All terms, as they are minimised when the phases are over."""
        return self.phases.everything

    def trained_networks(self) -> dict[str, nn.Module]:
        """The generator and the critics, bare, by their names on the disk."""
        networks = {"net_g": self.net_g, **{f"net_d_{name}": critic for name, critic in self.critics.items()}}
        return {name: self.get_bare_model(network) for name, network in networks.items()}

    def preflight(self) -> None:
        """Try each phase on one sample, so that what does not fit is told before training begins."""
        batch = trial_batch(self.opt, self.device)
        if batch is None:
            return
        for objective in (self.phases.psnr, self.objective) if self.phases.psnr_iter else (self.objective,):
            bare_critics = {name: self.get_bare_model(self.critics[name]) for name in objective.critics}
            preflight(objective, self.get_bare_model(self.net_g), bare_critics, batch)

    @cached_property
    def performance(self) -> PerformanceOptions:
        """How a step is computed, as the options and the device have it."""
        return resolve_performance(self.opt["train"], self.device)

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Put a network on the device, in training as the switches say, before its gradients are exchanged."""
        return super().model_to_device(self.performance.prepare(net) if self.is_train else net)

    def build_critic(self, name: str) -> nn.Module:
        """The critic ``network_d_{name}``, from its file if one is given.

        Raises ValueError where the options have none.
        """
        key = f"network_d_{name}"
        if key not in self.opt:
            asked_by = [term for term in CRITIC_TERMS[name].asked_by if term in self.objective.terms]
            raise ValueError(f"{key}: expected a critic, asked by {', '.join(asked_by)}; found none in the options")
        critic = self.model_to_device(build_network(self.opt[key]))
        self.print_network(critic)
        file = self.opt["path"].get(f"pretrain_{key}")
        if file is not None:
            # what this run has saved is below "params", whatever the start was
            resumed = self.opt["path"].get("resume_state")
            param_key = "params" if resumed else self.opt["path"].get(f"param_key_d_{name}", "params")
            self.load_network(critic, file, self.opt["path"].get(f"strict_load_d_{name}", True), param_key)
        critic.train()
        setattr(self, f"net_d_{name}", critic)
        return critic

    def build_ema(self) -> None:
        """The averaged network: a copy of the start, or, on resuming, the average that was saved."""
        network = self.performance.prepare(build_network(self.opt["network_g"]))
        self.net_g_ema = network.to(self.device).eval()
        self.net_g_ema.requires_grad_(False)
        self.model_ema(0)
        if self.opt["path"].get("resume_state"):
            self.load_network(self.net_g_ema, self.opt["path"]["pretrain_network_g"], True, "params_ema")

    def start_parts_from_files(self) -> None:
        """Start E, G_SR or G_t from files of their own; a resumed run has its whole network already."""
        if self.opt["path"].get("resume_state"):
            return
        for part in PARTS:
            file = self.opt["path"].get(f"pretrain_network_g_{part}")
            if file is not None:
                self.load_network(self.net_g, file, True, self.opt["path"].get("param_key_g", "params"), part=part)

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: str = "params", part: str | None = None
    ) -> None:
        """Load weights from a file of any kind that the network takes. Raises ValueError where they do not fit."""
        get_root_logger().info(load(self.get_bare_model(net), load_path, param_key, strict=strict, part=part))

    def setup_optimizers(self) -> None:
        """Adam for the generator's three networks and, where there are critics, one for all of them."""
        optimizers = {"g": [self.net_g], "d": list(self.critics.values())}
        for name, networks in optimizers.items():
            parameters = [parameter for network in networks for parameter in network.parameters()]
            if parameters:
                opt = dict(self.opt["train"][f"optim_{name}"])
                if self.performance.fused_adam and opt["type"] in FUSED:
                    opt["fused"] = True
                optimizer = self.get_optimizer(opt.pop("type"), parameters, **opt)
                setattr(self, f"optimizer_{name}", optimizer)
                self.optimizers.append(optimizer)

    def trained_players(self) -> dict[Player, Trained]:
        """Who takes steps: the generator, and the critics where there are some."""
        parts = dict(self.get_bare_model(self.net_g).named_children())
        players: dict[Player, Trained] = {"g": Trained(self.optimizer_g, [self.net_g], parts)}
        if self.critics:
            critics = {f"d_{name}": critic for name, critic in self.critics.items()}
            players["d"] = Trained(self.optimizer_d, [*critics.values()], critics)
        return players

    # ------------------------------------------------------------------ log and save

    def skipped_state(self) -> dict[str, int]:
        """How many steps of the generator and of the critics were skipped so far."""
        return self.stepper.guard.state()

    def restore_skipped(self, state: Mapping[str, int] | None) -> None:
        """Go on counting skipped steps from ``skipped_state``; None: from none."""
        self.stepper.guard.restore(state)

    def skipping_since(self) -> int | None:
        """The iteration since which steps are skipped; None where the last ones were taken."""
        return self.stepper.guard.row_since()

    def get_current_log(self) -> dict[str, float]:
        """The last step's scalars, averaged over the processes; only here the host waits for the device.

        Raises TrainingDiverged where too many steps in a row were skipped.
        """
        self.stepper.guard.look(at_once=True)
        if not self.log:
            return {}
        values = torch.stack([value.detach().float() for value in self.log.values()])
        if self.opt["dist"]:
            torch.distributed.all_reduce(values)
            values /= self.opt["world_size"]
        return dict(zip(self.log, values.tolist(), strict=True))

    def nondist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """SRModel's validation, the signals, and a strip of the last training batch for TensorBoard."""
        # compiled blocks would be compiled again for each image size
        is_compiled = self.is_train and self.performance.compile
        with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
            self._validate(dataloader, current_iter, tb_logger, save_img)

    def _validate(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        validate(self, dataloader, current_iter, tb_logger, save_img)
        network: Any = self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)
        if self.monitor is not None:
            self.monitor.observe(self, network, current_iter, tb_logger)
        if tb_logger and hasattr(self, "batch"):
            for name, picture in image_grids(network, self.batch).items():
                tb_logger.add_image(f"strips/{name}", picture, current_iter)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save network, average, critics and training state, by BasicSR's names; -1 says that training is done."""
        if current_iter == -1:
            self.stepper.guard.end()
        for name, critic in self.critics.items():
            self.save_network(critic, f"net_d_{name}", current_iter)
        super().save(epoch, current_iter)

    def save_best(self) -> None:
        """Save network and average as ``net_g_best.pth``, in place of what had that name."""
        versions = {"params": self.net_g} | ({"params_ema": self.net_g_ema} if hasattr(self, "net_g_ema") else {})
        self.save_network([*versions.values()], "net_g", "best", [*versions])

    def save_network(
        self,
        net: nn.Module | list[nn.Module],
        net_label: str,
        current_iter: int | str,
        param_key: str | list[str] = "params",
    ) -> None:
        """Save one or several versions of a network, by BasicSR's names, beside the options that build it."""
        options = self.opt[net_label.replace("net_", "network_", 1)]
        saving.save_network(self, net, net_label, current_iter, param_key, **{NETWORK: dict(options)})

    def save_training_state(self, epoch: int, current_iter: int) -> None:
        """Save what resuming needs, by BasicSR's names, and the scale of half-precision gradients."""
        saving.save_training_state(self, epoch, current_iter, scaler=self.stepper.scaler.state_dict())

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Go on with optimizers, schedulers and, with fp16, the scale of gradients as they were saved."""
        fused = [[group.get("fused") for group in optimizer.param_groups] for optimizer in self.optimizers]
        super().resume_training(resume_state)
        if self.monitor is not None:
            self.monitor.begin(int(resume_state["iter"]))
        for optimizer, asked in zip(self.optimizers, fused, strict=True):
            fit_state(optimizer, asked)
        if resume_state.get("scaler"):
            self.stepper.scaler.load_state_dict(resume_state["scaler"])
