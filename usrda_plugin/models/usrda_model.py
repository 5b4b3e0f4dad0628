"""``USRDAModel``: feed, step, log, save. The mathematics stands in ``usrda_plugin.method``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from usrda_plugin.method import CRITIC_TERMS, Batch, Pass, Verdict, taught
from usrda_plugin.method.modes import frozen
from usrda_plugin.models import saving
from usrda_plugin.models.accumulation import Passes
from usrda_plugin.models.criteria import PERTURBATION
from usrda_plugin.models.image_grid import strips
from usrda_plugin.models.non_finite import NonFiniteGuard
from usrda_plugin.models.objective import Objective, build_objective, leaves_networks_idle
from usrda_plugin.models.performance import FUSED, Switches, resolve_switches
from usrda_plugin.models.preflight import rehearse, trial_batch
from usrda_plugin.models.stepping import Updates, fit_state, follow, mean_of
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
        layout = {"non_blocking": True, "memory_format": self.switches.memory_format}
        self.batch = Batch(**{key: data[key].to(self.device, **layout) for key in Batch._fields if key in data})

    def optimize_parameters(self, current_iter: int) -> None:
        """One pass; the critics' step; the generator's step against frozen critics; EMA; remember the scalars."""
        objective = self.objective_at(current_iter)
        self.updates.begin_iteration(current_iter, self.trained_networks().values())
        passes = Passes(partial(self.one_pass, objective), self.lessons(objective), self.micro_batches)
        critic_log = self.step_critics(objective, passes)
        generator_log = self.step_generator(objective, passes)
        self.updates.end_iteration()
        self.model_ema(self.ema_decay)
        self.log = {**generator_log, **critic_log}
        self.updates.guard.look()

    def one_pass(self, objective: Objective, batch: Batch) -> Pass:
        """What the objective reads of one pass; without gradient where the generator rests."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(objective.terms)), self.updates.autocast():
            return self.net_g(batch.x_s, batch.x_t, objective.reads, self.switches.joint_batches, batch.x_tp)

    def lessons(self, objective: Objective) -> Batch:
        """The batch, with what the averaged network makes of its target images where a term learns from that."""
        if "y_tpt" not in objective.reads:
            return self.batch
        with self.updates.autocast():
            return taught(self.batch, self.teach, self.perturbation)

    def teach(self, x_t: Tensor) -> Tensor:
        """The averaged network's HR images, in as many parts as the step has."""
        return torch.cat([self.net_g_ema(part) for part in x_t.chunk(self.micro_batches)])

    def objective_at(self, current_iter: int) -> Objective:
        """The terms of this iteration: the PSNR phase first, then the critics' head start, then all."""
        if current_iter <= self.psnr_iter:
            return self.psnr_objective
        since = current_iter - self.psnr_iter
        generator_rests = since <= self.net_d_init_iters or since % self.net_d_iters
        return self.objective.critics_only() if generator_rests else self.objective

    def step_critics(self, objective: Objective, passes: Passes) -> dict[str, Tensor]:
        """Train the critics on what the passes made; returns their losses and mean answers."""
        if not self.critics:
            return {}
        critics = {name: self.critics[name] for name in objective.critics}
        self.optimizer_d.zero_grad()
        logs: list[dict[str, Tensor]] = []
        for batch, tensors in passes.for_critics(critics.values()) if critics else ():
            with self.updates.autocast():
                verdicts = objective.verdicts(tensors, batch, critics)
            self.updates.backward(torch.stack([verdict.loss for verdict in verdicts.values()]).sum() / len(passes))
            logs.append(critics_log(verdicts))
        log = mean_of(logs)
        losses = {name: value for name, value in log.items() if name.startswith("l_")}
        trained = {f"d_{name}": critic for name, critic in critics.items()}
        return log | self.updates.step("d", self.optimizer_d, trained, losses)

    def step_generator(self, objective: Objective, passes: Passes) -> dict[str, Tensor]:
        """Train E, G_SR and G_t by the active terms; returns each part's raw value and the weighted total."""
        self.optimizer_g.zero_grad()
        logs: list[dict[str, Tensor]] = []
        with frozen(self.critics.values()):
            for batch, tensors in passes.for_generator(self.net_g) if objective.terms else ():
                with self.updates.autocast():
                    log = objective.losses(objective.material(tensors, batch, self.critics))
                    log["l_g_total"] = objective.total(log)
                self.updates.backward(log["l_g_total"] / len(passes))
                logs.append(log)
        parts = self.get_bare_model(self.net_g).named_children() if objective.terms else ()
        losses = mean_of(logs)
        return losses | self.updates.step("g", self.optimizer_g, dict(parts), losses)

    @torch.no_grad()
    def model_ema(self, decay: float = 0.999) -> None:
        """Move the averaged network towards the trained one, parameters by 1 - decay, buffers at once.

        After a skipped step of the generator it stays where it is.
        """
        if not hasattr(self, "net_g_ema"):
            return
        trained, averaged = self.get_bare_model(self.net_g), self.net_g_ema
        skipped = self.updates.skipped.get("g", False)
        follow(list(averaged.parameters()), list(trained.parameters()), 1 - decay, skipped)
        for mean, buffer in zip(averaged.buffers(), trained.buffers(), strict=True):
            mean.copy_(buffer)

    # ------------------------------------------------------------------ set-up

    def init_training_settings(self) -> None:
        """Critics, EMA, objective, optimizers and schedulers, as ``train`` in the option file says."""
        train_opt = self.opt["train"]
        if self.device.type == "cuda":
            self.switches.set_precision()
        self.objective = build_objective(train_opt, self.device)
        for criterion in self.objective.criteria:
            if isinstance(criterion, nn.Module):
                self.switches.prepare(criterion)
        self.psnr_objective = self.objective.pixel_only()
        self.psnr_iter = int(train_opt.get("psnr_iter") or 0)
        if self.psnr_iter and not self.psnr_objective.terms:
            raise ValueError("train: psnr_iter: expected pixel_opt in rec, or res_opt, for this phase; found neither")
        self.net_d_iters = int(train_opt.get("net_d_iters") or 1)
        self.net_d_init_iters = int(train_opt.get("net_d_init_iters") or 0)
        self.ema_decay = train_opt.get("ema_decay") or 0
        self.micro_batches = int(train_opt.get("gradient_accumulation_steps") or 1)
        self.perturbation = float((train_opt.get("tea_opt") or {}).get("perturbation", PERTURBATION))
        self.log = {}
        guard = NonFiniteGuard(self.device, self.opt, STEPS, self.trained_networks, can_clip=True)
        self.updates = Updates(self.device, self.switches.amp, train_opt, guard)
        self.start_parts_from_files()
        self.critics = {name: self.build_critic(name) for name in self.objective.critics}
        self.rehearse()
        if self.ema_decay > 0:
            self.build_ema()
        for network in (self.net_g, *self.critics.values()):
            self.switches.compile_blocks(network)
        self.net_g.train()
        self.setup_optimizers()
        self.setup_schedulers()
        self.monitor = Monitor.of(self.opt, self.device)

    def trained_networks(self) -> dict[str, nn.Module]:
        """The generator and the critics, bare, by their names on the disk."""
        networks = {"net_g": self.net_g, **{f"net_d_{name}": critic for name, critic in self.critics.items()}}
        return {name: self.get_bare_model(network) for name, network in networks.items()}

    def rehearse(self) -> None:
        """Try each phase on one sample, so that what does not fit is told before training begins."""
        batch = trial_batch(self.opt, self.device)
        if batch is None:
            return
        for objective in (self.psnr_objective, self.objective) if self.psnr_iter else (self.objective,):
            bare_critics = {name: self.get_bare_model(self.critics[name]) for name in objective.critics}
            rehearse(objective, self.get_bare_model(self.net_g), bare_critics, batch)

    @cached_property
    def switches(self) -> Switches:
        """How a step is computed, as the options and the device have it."""
        return resolve_switches(self.opt["train"], self.device)

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Put a network on the device, in training as the switches say, before its gradients are exchanged."""
        return super().model_to_device(self.switches.prepare(net) if self.is_train else net)

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
        network = self.switches.prepare(build_network(self.opt["network_g"]))
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
                if self.switches.fused_adam and opt["type"] in FUSED:
                    opt["fused"] = True
                optimizer = self.get_optimizer(opt.pop("type"), parameters, **opt)
                setattr(self, f"optimizer_{name}", optimizer)
                self.optimizers.append(optimizer)

    # ------------------------------------------------------------------ log and save

    def skipped_state(self) -> dict[str, int]:
        """How many steps of the generator and of the critics were skipped so far."""
        return self.updates.guard.state()

    def restore_skipped(self, state: Mapping[str, int] | None) -> None:
        """Go on counting skipped steps from ``skipped_state``; None: from none."""
        self.updates.guard.restore(state)

    def skipping_since(self) -> int | None:
        """The iteration since which steps are skipped; None where the last ones were taken."""
        return self.updates.guard.row_since()

    def get_current_log(self) -> dict[str, float]:
        """The last step's scalars, averaged over the processes; only here the host waits for the device.

        Raises TrainingDiverged where too many steps in a row were skipped.
        """
        self.updates.guard.look(at_once=True)
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
        is_compiled = self.is_train and self.switches.compile
        with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
            self._validate(dataloader, current_iter, tb_logger, save_img)

    def _validate(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        validate(self, dataloader, current_iter, tb_logger, save_img)
        network: Any = self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)
        if self.monitor is not None:
            self.monitor.observe(self, network, current_iter, tb_logger)
        if tb_logger and hasattr(self, "batch"):
            for name, picture in strips(network, self.batch).items():
                tb_logger.add_image(f"strips/{name}", picture, current_iter)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save network, average, critics and training state, by BasicSR's names; -1 says that training is done."""
        if current_iter == -1:
            self.updates.guard.end()
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
        saving.save_training_state(self, epoch, current_iter, scaler=self.updates.scaler.state_dict())

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Go on with optimizers, schedulers and, with fp16, the scale of gradients as they were saved."""
        fused = [[group.get("fused") for group in optimizer.param_groups] for optimizer in self.optimizers]
        super().resume_training(resume_state)
        if self.monitor is not None:
            self.monitor.begin(int(resume_state["iter"]))
        for optimizer, asked in zip(self.optimizers, fused, strict=True):
            fit_state(optimizer, asked)
        if resume_state.get("scaler"):
            self.updates.scaler.load_state_dict(resume_state["scaler"])


def critics_log(verdicts: Mapping[str, Verdict]) -> dict[str, Tensor]:
    """What is logged of the critics' step."""
    log: dict[str, Tensor] = {}
    for name, verdict in verdicts.items():
        log |= {f"l_d_{name}": verdict.loss, f"out_d_{name}_real": verdict.real, f"out_d_{name}_fake": verdict.fake}
    return log
