"""Patches for files of weights and training states: read without running code, written whole, found where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr import train as basicsr_train
from basicsr.archs import vgg_arch
from basicsr.models.base_model import BaseModel
from basicsr.utils import check_resume, get_root_logger
from torch import nn

from usrda_plugin.losses import find_vgg_weights, load_vgg
from usrda_plugin.models import saving
from usrda_plugin.models.checkpoint_store import CheckpointStore
from usrda_plugin.patch import mentions, patch, replace
from usrda_plugin.weights import load, read_tensors


@patch("load_network", "weights are unpickled as torch's default has it; weights that do not fit give pages of names")
def load_networks_safely() -> bool:
    """Let ``BaseModel.load_network`` read tensors only, in any layout, and explain weights that do not fit."""
    return replace(BaseModel, "load_network", lambda original: _load_network)


def _load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    get_root_logger().info(load(self.get_bare_model(net), load_path, param_key, strict=strict))


@patch("vgg_on_disk", "the perceptual loss downloads VGG in the middle of the start")
def find_vgg_on_disk() -> bool:
    """Look for the weights of VGG, full or features only, before the training starts; never download them."""
    if not isinstance(vgg_arch.vgg, VggOnDisk):
        vgg_arch.vgg = VggOnDisk(vgg_arch.vgg)
        # a full file at BasicSR's own place is found by our search, under the name of each VGG
        vgg_arch.VGG_PRETRAIN_PATH = ""
    return True


class VggOnDisk:
    """Stands for ``torchvision.models.vgg`` in BasicSR: builds a VGG from a file instead of downloading it."""

    def __init__(self, vgg: Any) -> None:
        self.__wrapped__ = vgg

    def __getattr__(self, vgg_type: str) -> Callable[..., nn.Module]:
        def build(pretrained: bool = True) -> nn.Module:
            if pretrained:
                return load_vgg(vgg_type, find_vgg_weights(vgg_type))
            network: nn.Module = getattr(self.__wrapped__, vgg_type)(weights=None)
            return network

        return build


@patch(
    "whole_files", "a network or state that cannot be written is ignored after three tries; a kill leaves half of one"
)
def write_whole_files() -> bool:
    """Let a model's networks and training states be whole under their names, or not there; a failure ends the run."""
    replace(BaseModel, "save_network", lambda original: _save_network)
    return replace(BaseModel, "save_training_state", lambda original: _save_training_state)


def _save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    saving.save_network(self, net, net_label, current_iter, param_key)


def _save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    saving.save_training_state(self, epoch, current_iter)


@patch(
    "resume",
    "a run on the CPU cannot be resumed; --auto_resume looks below the current directory instead of the root, and"
    " where it finds nothing it starts again at 0 and archives the old run; it takes the newest state, also half"
    " of one",
)
def resume_below_root_on_any_device() -> bool:
    """Find the newest whole checkpoint where this run keeps its states, and read it without a GPU."""
    original = basicsr_train.load_resume_state
    if not mentions(original, "current_device") and not mentions(original, "experiments"):
        return False
    return replace(basicsr_train, "load_resume_state", lambda original: _load_resume_state)


def _load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    file = _newest_state(opt) if opt["auto_resume"] else _asked_state(opt)
    if not file:
        return None
    opt["path"]["resume_state"] = str(file)
    # optimizers move what they load to the device of their parameters, so the CPU is right for every run
    state: dict[str, Any] = read_tensors(file)
    check_resume(opt, state["iter"])
    return state


def _newest_state(opt: dict[str, Any]) -> Path | None:
    store = CheckpointStore.of(opt)
    found = store.newest()
    if opt["rank"] == 0:
        for line in found.passed:
            print(f"Passed by: {line}", flush=True)  # the log has no file yet
    if found.iteration is not None:
        return store.state(found.iteration)
    if found.passed:
        raise ValueError(
            f"--auto_resume: expected a whole checkpoint in {store.states}, found none: {'; '.join(found.passed)}. "
            "Move the folder of the run away to begin anew"
        )
    return None


def _asked_state(opt: dict[str, Any]) -> Path | None:
    asked = opt["path"].get("resume_state")
    if not asked:
        return None
    file, states = Path(asked), Path(opt["path"]["training_states"])
    if file.resolve().parent != states.resolve():
        raise ValueError(
            f"path: resume_state: {file}: expected a state of this run, in {states}, whose networks stand beside it;"
            " give the run that name, or begin a new run from those networks (path: pretrain_network_g, ...)"
        )
    store = CheckpointStore.of(opt)
    kept = store.iterations()
    if file.stem.isdigit() and kept:
        fault = store.fault(int(file.stem), expects_manifest=int(file.stem) > kept[0])
        if fault:
            raise ValueError(f"path: resume_state: {file}: expected a whole checkpoint, but {fault}; take another")
    return file
