"""What makes a training step faster or smaller and leaves its mathematics alone: one record, resolved for a device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from basicsr.archs.rrdbnet_arch import RRDB
from torch import nn

from usrda_plugin.archs.parts import Blocks, Checkpointing
from usrda_plugin.compiling import keep_compiled_code_private

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMPERE = (8, 0)  # the first GPUs that compute in bf16 and TF32
COMPILED_CONCAT = (
    "concat would pass by the compiled blocks, which choose by themselves what to keep",
    "leave it out, write block, or remove compile",
)
FUSED = ("Adam", "AdamW")


class PerformanceOptions(NamedTuple):
    """How a step is computed; ``docs/performance.md`` has what each gives.

    ``amp`` is the type of autocast (None: float32 throughout); ``joint_batches`` sends source and target through
    their networks as one batch; ``gradient_checkpointing`` says what the backward pass computes again (``Blocks``).
    """

    amp: torch.dtype | None = None
    channels_last: bool = False
    tf32: bool = False
    compile: bool = False
    fused_adam: bool = False
    joint_batches: bool = False
    gradient_checkpointing: Checkpointing = False

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout of images and weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def prepare(self, network: nn.Module) -> nn.Module:
        """Give a network its layout and its checkpointing."""
        network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        for module in network.modules():
            if isinstance(module, Blocks):
                module.checkpointing = self.gradient_checkpointing
        return network

    def compile_blocks(self, network: nn.Module) -> None:
        """Compile a network's RRDB blocks where they stand; names of parameters stay."""
        if self.compile:
            keep_compiled_code_private()
        for module in network.modules() if self.compile else ():
            if isinstance(module, RRDB):
                module.compile(dynamic=False)  # all blocks share one compilation

    def set_precision(self) -> None:
        """Let this process compute in TF32, or forbid it; torch has one setting for all networks."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32


def resolve_performance(train_opt: dict[str, Any], device: torch.device) -> PerformanceOptions:
    """The switches that the ``train`` options ask for; ``auto``, which is also what no word means, is chosen here.

    On a CPU auto takes only what leaves every bit as it is, on a GPU also what adds up in another order. Compiling and
    half precision are never chosen unasked. Raises ValueError for compiled blocks with "concat".
    """
    on_gpu = device.type == "cuda"
    modern = on_gpu and torch.cuda.get_device_capability(device) >= AMPERE
    chosen = {"channels_last": on_gpu, "tf32": modern, "fused_adam": on_gpu, "joint_batches": on_gpu}

    def asked(name: str) -> bool:
        answer = train_opt.get(name)
        return chosen.get(name, False) if answer in (None, "auto") else bool(answer)

    amp = train_opt.get("amp")
    if amp == "auto":
        amp = "bf16" if modern else None
    return PerformanceOptions(
        amp=HALF.get(amp) if amp else None,
        channels_last=asked("channels_last"),
        tf32=asked("tf32"),
        compile=asked("compile"),
        fused_adam=asked("fused_adam"),
        joint_batches=asked("joint_batches"),
        gradient_checkpointing=_checkpointing(train_opt),
    )


def _checkpointing(train_opt: dict[str, Any]) -> Checkpointing:
    asked = train_opt.get("gradient_checkpointing")
    if asked in (None, "auto"):
        # a compiled block decides by itself what to keep
        return False if train_opt.get("compile") is True else "concat"
    if asked == "concat" and train_opt.get("compile") is True:
        raise ValueError(f"train: gradient_checkpointing: {COMPILED_CONCAT[0]}; {COMPILED_CONCAT[1]}")
    return "block" if asked is True else asked
