"""Every change to BasicSR's behaviour, in order; ``SEAMS`` says for each which fault of BasicSR it mends."""

from __future__ import annotations

from importlib import import_module

from usrda_plugin import before_basicsr, before_mmengine
from usrda_plugin.compat import (
    data,
    distributed,
    images,
    lmdb_clients,
    loggers,
    messages,
    metrics,
    models,
    options,
    realesrgan,
    registry,
    resume,
    validation,
    vgg,
    weights,
)
from usrda_plugin.compat.record import Seam

__all__ = ["SEAMS", "Seam", "apply_seams", "seam_states"]

SEAMS = [
    Seam(
        "torchvision_operators",
        "CPU torch beside a torchvision built for CUDA: operator torchvision::nms does not exist",
        before_basicsr.define_torchvision_operators,
    ),
    Seam(
        "functional_tensor",
        "import fails: torchvision 0.17 and newer have no transforms.functional_tensor",
        before_basicsr.restore_functional_tensor,
    ),
    Seam(
        "scipy_filters",
        "import warns, and fails from SciPy 2.0 on: scipy.ndimage.filters is gone there",
        before_basicsr.restore_scipy_filters,
    ),
    Seam(
        "mmengine_without_yapf",
        "mmengine's import unpickles a grammar from the user's cache folder, and fails without a home",
        before_mmengine.import_mmengine_without_yapf,
    ),
    Seam(
        "registry_lookup",
        "an unknown type gives a bare KeyError after a misleading line",
        registry.suggest_registered_names,
    ),
    Seam(
        "registry_twice", "registering a class a second time is an assertion error", registry.register_same_class_twice
    ),
    Seam("safe_yaml", "option files are read with a YAML loader that runs code", options.read_yaml_safely),
    Seam("local_rank", "torch.distributed.launch: unrecognized arguments --local-rank", options.accept_local_rank),
    Seam(
        "recorded_command",
        "a line break in the command line ends up among the options of the saved file",
        options.record_command_on_one_line,
    ),
    Seam("full_log", "on a full disk each line of the log brings a traceback", loggers.survive_full_disk),
    Seam(
        "wandb",
        "W&B that has no login, or no network, ends the start in a traceback of its own",
        loggers.tell_why_wandb_refuses,
    ),
    Seam(
        "resume",
        "a run on the CPU cannot be resumed; --auto_resume looks below the current directory instead of the root, and"
        " where it finds nothing it starts again at 0 and archives the old run; it takes the newest state, also half"
        " of one",
        resume.resume_below_root_on_any_device,
    ),
    Seam(
        "load_network",
        "weights are unpickled as torch's default has it; weights that do not fit give pages of names",
        weights.load_networks_safely,
    ),
    Seam(
        "start_processes",
        "several processes on the CPU: rank % 0; workers are forced to spawn and import torch anew in each epoch",
        distributed.start_processes_on_any_device,
    ),
    Seam(
        "wrap_networks",
        "DistributedDataParallel is given a GPU where there is none, refuses a network without parameters, and in each"
        " pass overwrites buffers that the pass before needs for its backward pass",
        distributed.wrap_networks_on_any_device,
    ),
    Seam("scandir_order", "files come in the order of os.scandir, another on each machine", data.scan_folders_in_order),
    Seam("sample_stream", "a sampler knows no sample number, only an index within an epoch", data.sample_by_number),
    Seam(
        "worker_seeds",
        "workers repeat the same random draws in each epoch; a signal to all processes of a run ends them before their"
        " parent can save",
        data.reseed_workers_each_epoch,
    ),
    Seam("dataset_options", "a dataset pops keys out of its caller's options", data.keep_dataset_options),
    Seam(
        "prefetch_errors",
        "prefetch_mode: cpu: a dataset that raises makes the run wait for ever",
        data.raise_prefetch_errors,
    ),
    Seam(
        "prefetch_start",
        "loader processes are started twice at the beginning; with prefetch_mode: cpu the first ones never end",
        data.start_loading_once,
    ),
    Seam("spawned_workers", "a spawned worker imports BasicSR without these seams", data.mend_spawned_workers),
    Seam(
        "undecodable_images",
        "an image that cannot be decoded gives 'NoneType' object has no attribute 'astype', one cut off a gray rest; "
        "a TIFF's colours are multiplied by its alpha or its white is black",
        images.read_images_as_ours,
    ),
    Seam(
        "lmdb_clients",
        "two clients on one LMDB: already open in this process; a client cannot be pickled; a missing key gives None",
        lmdb_clients.share_lmdb_environments,
    ),
    Seam("niqe", "NIQE of a flat or a small image ends the run", metrics.survive_niqe),
    Seam("model_options", "a model pops keys out of its caller's options", models.keep_model_options),
    Seam(
        "whole_files",
        "a network or state that cannot be written is ignored after three tries; a kill leaves half of one",
        models.write_whole_files,
    ),
    Seam(
        "guarded_steps",
        "a loss or gradient that is not finite makes weights, moments, average and buffers nan, which are saved and"
        " resumed from; training goes on to its end and exit code 0",
        models.guard_steps,
    ),
    Seam("ema_buffers", "the moving average of a network leaves out its buffers", models.average_buffers_too),
    Seam(
        "self_ensemble",
        "the self-ensemble of a network without moving average asks for its moving average",
        models.self_ensemble_without_average,
    ),
    Seam("realesrgan_device", "Real-ESRGAN's models call .cuda() without asking", realesrgan.degrade_on_any_device),
    Seam(
        "realesrgan_pool",
        "Real-ESRGAN's pool of training pairs is not saved: a resumed run fills it anew",
        realesrgan.keep_pool,
    ),
    Seam(
        "sinc_kernel",
        "prefetch_mode: cpu: its thread warns of a division by zero at the centre of a kernel, which is set afterwards",
        realesrgan.make_sinc_kernels_quietly,
    ),
    Seam(
        "filter_layout",
        "filter2D views tensors that are not contiguous, and refuses images of half its kernel's size",
        realesrgan.filter_any_layout,
    ),
    Seam(
        "validation",
        "pictures of images that have one name, in one set or in several, overwrite each other; a side that the network"
        " does not take, a metric without ground truth and a full disk end the run; all processes wait for the first;"
        " a metric that was never defined has a best value",
        validation.validate_in_one_way,
    ),
    Seam(
        "last_validation",
        "the validation after training has a number above the last iteration's, and repeats what was just done",
        validation.validate_the_end_once,
    ),
    Seam(
        "time_left",
        "the last iteration is said to end in -1 day, and one iteration too many counts as done",
        messages.estimate_the_time_left,
    ),
    Seam(
        "several_sets",
        "several validation sets are warned of in each validation, as if the model did not take them",
        messages.know_several_validation_sets,
    ),
    Seam(
        "steps_on_board",
        "TensorBoard shows twice what was logged after the checkpoint from which a run goes on",
        messages.log_each_step_once,
    ),
    Seam("vgg_on_disk", "the perceptual loss downloads VGG in the middle of the start", vgg.find_vgg_on_disk),
]

_states: dict[str, bool] = {}


def apply_seams() -> None:
    """Import BasicSR and install every seam; a second call does nothing. Raises ImportError without BasicSR."""
    import_module("basicsr")
    for seam in SEAMS:
        if seam.name not in _states:
            _states[seam.name] = seam.apply()


def seam_states() -> list[tuple[Seam, str]]:
    """Each seam with ``applied``, ``not needed`` (by this BasicSR) or ``not installed``."""
    words = {True: "applied", False: "not needed", None: "not installed"}
    return [(seam, words[_states.get(seam.name)]) for seam in SEAMS]
