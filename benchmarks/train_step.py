"""What a training step costs: ours against the textbook's, against its floor, and what each switch gives.

All candidates are timed in one process, turn by turn, on the same networks, batch and seeds; each one's peak memory is
that of a process of its own. ``--tiny`` checks that all of them compute the same, and times nothing worth reading.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.table import Table

import usrda_plugin

usrda_plugin.register()  # before BasicSR, which it mends

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))
from rounds import Spread, alternate, ratio  # noqa: E402
from textbook import floor_step, textbook_step  # noqa: E402

NETWORKS: dict[str, dict[str, int]] = {
    "full": {"num_feat": 64, "num_block": 23, "num_grow_ch": 32, "num_block_lr_decoder": 10},
    "small": {"num_feat": 32, "num_block": 8, "num_grow_ch": 16, "num_block_lr_decoder": 4},
    "tiny": {"num_feat": 4, "num_block": 1, "num_grow_ch": 2, "num_block_lr_decoder": 1},
}
TINY = {"network": "tiny", "batch": 2, "patch": 32}  # what candidates are compared on
SWITCHES: dict[str, dict[str, Any]] = {
    "channels_last": {"channels_last": True},
    "amp: bf16": {"amp": "bf16"},
    "tf32": {"tf32": True},
    "compile": {"compile": True},
    "fused_adam": {"fused_adam": True},
    "joint_batches": {"joint_batches": True},
    "gradient_checkpointing: false": {"gradient_checkpointing": False},
    "gradient_checkpointing: block": {"gradient_checkpointing": "block"},
    "gradient_accumulation_steps: 2": {"gradient_accumulation_steps": 2},
}
ALWAYS = ("textbook", "one pass", "floor", "all switches")
OTHERS = ("textbook, tidy", "every target per term")
FASTER = ("channels_last", "amp: bf16", "tf32", "compile", "fused_adam", "joint_batches")
ON_GPU_ALONE = ("tf32",)
OFF = dict.fromkeys(("channels_last", "tf32", "compile", "fused_adam", "joint_batches"), False)
STOCK = {"gradient_checkpointing": False}  # BasicSR's own blocks
SAME = {"textbook": 1e-5, "joint_batches": 1e-5, "channels_last": 1e-5, "fused_adam": 1e-5, "compile": 1e-4,
        "gradient_checkpointing: false": 0, "gradient_checkpointing: block": 0,
        "gradient_accumulation_steps: 2": 1e-5}  # fmt: skip
SAME_ON_GPU = 1e-5  # at least: cuDNN may take another kernel where memory lies otherwise


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 where all went well, 1 where candidates that must agree do not."""
    chosen = build_parser().parse_args(arguments)
    if chosen.tiny:
        chosen = argparse.Namespace(**{**vars(chosen), **TINY, "rounds": 1, "no_memory": True})
    torch.set_num_threads(chosen.threads or torch.get_num_threads())
    if chosen.one:
        print(peak_memory(chosen, chosen.one))
        return 0
    console = Console(width=110)
    different = disagreements(chosen)
    names = [*ALWAYS, *(chosen.only if chosen.only is not None else [*OTHERS, *switches_here(chosen.device)])]
    device = torch.device(chosen.device)
    with tempfile.TemporaryDirectory() as folder:
        steps = {name: make_step(name, chosen, folder) for name in names}
        seconds = alternate(steps, chosen.rounds, device)
    peaks = {} if chosen.no_memory else {name: peak_in_own_process(chosen, name) for name in names}
    figures = summary(seconds, peaks, chosen)
    print_tables(console, seconds, peaks, figures)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1))
    for line in different:
        console.print(f"[red]{line}[/]")
    console.print("all candidates agree" if not different else "candidates disagree")
    return 1 if different else 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--network", choices=list(NETWORKS), help="default: full on a GPU, small on a CPU")
    parser.add_argument("--batch", type=int, help="samples a step (default 8 on a GPU, 2 on a CPU)")
    parser.add_argument("--patch", type=int, default=128, help="HR pixels a side (default 128)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each candidate (default 9)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", nargs="*", metavar="ROW", help=f"beside {', '.join(ALWAYS)} only these rows")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--tiny", action="store_true", help="seconds on any machine: only whether all compute the same")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


# ---------------------------------------------------------------------- candidates


def switches_here(device: str) -> dict[str, dict[str, Any]]:
    """The switches that this device can turn."""
    return {name: train for name, train in SWITCHES.items() if device == "cuda" or name not in ON_GPU_ALONE}


def make_step(name: str, chosen: argparse.Namespace, folder: str) -> Callable[[], object]:
    """One iteration of a candidate, as a function without arguments."""
    others = {"all switches": merged(FASTER), "textbook": STOCK, "textbook, tidy": STOCK, "floor": STOCK}
    model = make_model(chosen, folder, others.get(name, SWITCHES.get(name, {})))
    if name == "every target per term":
        objective = model.objective._replace(criteria=_without_sharing(model.objective.criteria))
        model.phases = model.phases._replace(everything=objective)
    named = {"textbook": partial(textbook_step, model), "floor": partial(floor_step, model)}
    named["textbook, tidy"] = partial(textbook_step, model, tidy=True)
    step = named.get(name, partial(model.optimize_parameters, 1))
    full_precision = chosen.device == "cuda" and not model.performance.tf32
    return partial(_without_tf32, step) if full_precision else partial(_with_tf32, step)


def merged(names: tuple[str, ...]) -> dict[str, Any]:
    """The options of several switches."""
    return {key: value for name in names for key, value in SWITCHES[name].items()}


def make_model(chosen: argparse.Namespace, folder: str, train: dict[str, Any]):
    """USRDAModel as ``train_usrda.yml`` has it, but for the network's size, with a random batch on the device."""
    from usrda_plugin.models import USRDAModel

    on_gpu = chosen.device == "cuda"
    size = NETWORKS[chosen.network or ("full" if on_gpu else "small")]
    opt = yaml.safe_load((ROOT / "options/train_usrda.yml").read_text())
    opt |= {
        "is_train": True,
        "dist": False,
        "rank": 0,
        "world_size": 1,
        "num_gpu": int(on_gpu),
        "logger": {},
        "val": {},
    }
    opt["path"] = {"models": folder, "training_states": folder}
    opt["network_g"] |= size
    opt["network_d_f"]["num_in_ch"] = size["num_feat"]
    if chosen.network == "tiny":
        for critic in "fty":
            opt[f"network_d_{critic}"] |= {"num_feat": 4, "num_down": 1}
    opt["train"] |= {"psnr_iter": 0, **OFF, **train}
    opt["train"]["perceptual_opt"]["vgg_path"] = str(vgg_weights(folder))
    torch.manual_seed(0)
    model = USRDAModel(opt)
    batch, patch = chosen.batch or (8 if on_gpu else 2), chosen.patch
    sides = {"x_s": patch // 4, "y_s": patch, "x_t": patch // 4}
    model.feed_data({name: torch.rand(batch, 3, side, side) for name, side in sides.items()})
    return model


def vgg_weights(folder: str) -> Path:
    """VGG weights from the usual places, or random ones, which cost the same time and memory."""
    from torchvision.models import vgg19

    from usrda_plugin.losses import find_vgg_weights

    file = Path(folder, "vgg19_random.pth")
    try:
        return find_vgg_weights()
    except FileNotFoundError:
        if not file.exists():
            torch.manual_seed(0)
            weights = {f"features.{key}": value for key, value in vgg19().features.state_dict().items()}
            torch.save(weights, file)
        return file


class _EachTime(torch.nn.Module):
    """A perceptual loss that computes the target's features for each term again."""

    def __init__(self, perceptual: torch.nn.Module) -> None:
        super().__init__()
        self.perceptual = perceptual

    def features(self, target: torch.Tensor) -> torch.Tensor:
        return target

    def distance(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.perceptual.distance(image, self.perceptual.features(target))


def _without_sharing(criteria: Any) -> Any:
    return criteria._replace(perceptual=_EachTime(criteria.perceptual))


def _without_tf32(step: Callable[[], object]) -> object:
    # convolutions take TF32 by default: float32 shall mean float32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return step()


def _with_tf32(step: Callable[[], object]) -> object:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    return step()


# ---------------------------------------------------------------------- agreement


def disagreements(chosen: argparse.Namespace) -> list[str]:
    """A line for each candidate whose losses or gradients, on a tiny network, are not one pass's to what SAME says."""
    lines = []
    chosen = argparse.Namespace(**{**vars(chosen), **TINY})
    with tempfile.TemporaryDirectory() as folder:
        expected = outcome("one pass", chosen, folder)
        for name, tolerance in SAME.items():
            tolerance = max(tolerance, SAME_ON_GPU) if chosen.device == "cuda" else tolerance
            difference = distance(expected, outcome(name, chosen, folder))
            if not difference <= tolerance:
                lines.append(f"{name}: differs from one pass by {difference:.1e}, expected at most {tolerance:.0e}")
    return lines


def outcome(name: str, chosen: argparse.Namespace, folder: str) -> dict[str, torch.Tensor]:
    """The losses of a candidate's first step, and the gradient by which each of the six networks is moved."""
    model = make_model(chosen, folder, STOCK if name == "textbook" else SWITCHES.get(name, {}))
    networks = {**dict(model.net_g.named_children()), **{f"d_{name}": critic for name, critic in model.critics.items()}}
    found: dict[str, torch.Tensor] = {}

    def remember(*_: object) -> None:
        for part, network in networks.items():
            gradients = [p.grad.flatten().cpu() for p in network.parameters() if p.grad is not None]
            if gradients:  # the first that a network has: the textbook's generator step adds others to the critics'
                found.setdefault(f"gradient of {part}", torch.cat(gradients))

    for optimizer in model.optimizers:
        optimizer.register_step_pre_hook(remember)
    if name == "textbook":
        losses = _without_tf32(partial(textbook_step, model))
    else:
        _without_tf32(partial(model.optimize_parameters, 1))
        losses = {key: value for key, value in model.get_current_log().items() if key.startswith("l_")}
    return found | {key: torch.tensor([value]) for key, value in losses.items()}


def distance(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> float:
    """The largest relative difference, of a loss or of a network's gradient by its largest value."""
    assert expected.keys() == found.keys()
    return max(float((found[key] - value).abs().max() / value.abs().max()) for key, value in expected.items())


# ---------------------------------------------------------------------- memory


def peak_memory(chosen: argparse.Namespace, name: str, steps: int = 3) -> int:
    """Bytes that this process takes at its peak for networks and steps of a candidate, beyond its start."""
    on_gpu = chosen.device == "cuda"
    before = 0 if on_gpu else peak_resident()
    with tempfile.TemporaryDirectory() as folder:
        step = make_step(name, chosen, folder)
        for _ in range(steps):
            step()
    return (torch.cuda.max_memory_allocated() if on_gpu else peak_resident()) - before


def peak_resident() -> int:
    """The most memory that this process has had, in bytes (Linux; ru_maxrss would begin with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def peak_in_own_process(chosen: argparse.Namespace, name: str) -> int:
    """``peak_memory`` of a candidate that nothing else has touched."""
    command = [sys.executable, __file__, "--one", name, "--device", chosen.device, "--patch", str(chosen.patch)]
    for option in ("network", "batch", "threads"):
        if getattr(chosen, option):
            command += [f"--{option}", str(getattr(chosen, option))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-1])


# ---------------------------------------------------------------------- report


def summary(seconds: dict[str, list[float]], peaks: dict[str, int], chosen: argparse.Namespace) -> dict[str, Any]:
    """The figures by the names that the targets have."""
    ratios = {
        "textbook_over_one_pass": ratio(seconds["textbook"], seconds["one pass"]),
        "one_pass_over_floor": ratio(seconds["one pass"], seconds["floor"]),
        "textbook_over_all_switches": ratio(seconds["textbook"], seconds["all switches"]),
    }
    figures: dict[str, Any] = {name: value.median for name, value in ratios.items()}
    figures["spread"] = {name: [value.low, value.high] for name, value in ratios.items()}
    if peaks:
        figures["memory_one_pass_over_textbook"] = peaks["one pass"] / peaks["textbook"]
        figures["peak_bytes"] = peaks
    figures["macs"] = macs(chosen)
    figures["seconds"] = seconds
    figures["device"] = torch.cuda.get_device_name() if chosen.device == "cuda" else "cpu"
    figures["threads"], figures["torch"] = torch.get_num_threads(), torch.__version__
    return figures


def macs(chosen: argparse.Namespace) -> dict[str, float]:
    """Multiply-accumulates of the forward passes of E, G_SR and G_t in one step, by mmengine."""
    from mmengine.analysis import get_model_complexity_info

    with tempfile.TemporaryDirectory() as folder:
        model = make_model(chosen, folder, {})
    x_s = model.batch.x_s
    f_s = model.net_g.encoder(x_s).detach()
    inputs = {"encoder": x_s, "sr_decoder": f_s, "lr_decoder": f_s}
    networks = dict(model.net_g.named_children())
    one = {
        name: get_model_complexity_info(networks[name], inputs=(value,), show_table=False, show_arch=False)["flops"]
        for name, value in inputs.items()
    }
    calls = {"one pass": {"encoder": 3, "sr_decoder": 2, "lr_decoder": 2},
             "textbook": {"encoder": 7, "sr_decoder": 4, "lr_decoder": 6}}  # fmt: skip
    return {kind: float(sum(count * one[name] for name, count in times.items())) for kind, times in calls.items()}


def print_tables(
    console: Console, seconds: dict[str, list[float]], peaks: dict[str, int], figures: dict[str, Any]
) -> None:
    """A row for each candidate, then the figures that have targets."""
    table = Table("candidate", "textbook over it", "one pass over it", "peak memory, MiB",
                  title=f"{figures['device']}, torch {figures['torch']}, {figures['threads']} threads")  # fmt: skip
    for name, times in seconds.items():
        over: list[Spread] = [ratio(seconds[other], times) for other in ("textbook", "one pass")]
        table.add_row(name, f"{over[0]:.2f}", f"{over[1]:.2f}", f"{peaks[name] / 2**20:.0f}" if peaks else "")
    console.print(table)
    for name, value in figures.items():
        if isinstance(value, float):
            console.print(f"{name}: {value:.3f}")
    console.print(f"forward GMAC of E, G_SR and G_t: { {k: round(v / 1e9, 2) for k, v in figures['macs'].items()} }")


if __name__ == "__main__":
    sys.exit(main())
