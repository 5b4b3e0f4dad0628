"""The keys of data sets: those of the loader, which all have, and those of each registered class that is known here.

Other classes, of plugins or of BasicSR for clips and faces, may have any keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from usrda_plugin.data.camera_file import SUFFIX
from usrda_plugin.data.unpaired import ESTIMATED, is_camera_file
from usrda_plugin.options.fields import (
    Block,
    Chances,
    FilePath,
    Flag,
    Probability,
    Range,
    Real,
    Text,
    Whole,
    WideRange,
    key,
)
from usrda_plugin.options.validation import nearest


def _word_or_file(*words: str) -> Callable[[str], str]:
    """Check that a value is one of these words, or names the file of a camera."""

    def check(value: str) -> str:
        if value in words or is_camera_file(value):
            return value
        told = {"found": repr(value), "remedy": nearest(value, words) or "choose one of them"}
        expected = f"expected {', '.join(words)} or a camera's file ({SUFFIX}), found {{found}}"
        raise PydanticCustomError("degradation", expected, told)

    return check


OF_FILE = {"type": "string", "pattern": rf"\{SUFFIX}$"}
Degradation = Annotated[
    FilePath, AfterValidator(_word_or_file("bicubic")), WithJsonSchema({"anyOf": [{"enum": ["bicubic"]}, OF_FILE]})
]
DegradationByTarget = Annotated[
    FilePath,
    AfterValidator(_word_or_file("bicubic", ESTIMATED)),
    WithJsonSchema({"anyOf": [{"enum": ["bicubic", ESTIMATED]}, OF_FILE]}),
]
Kernel = Literal["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"]


class Root(NamedTuple):
    """A key that names a folder or LMDB of images, the key of its list file, and on which side of the scale it stands.

    ``domain`` is ``hr`` or ``lr``; ``optional`` roots may be left out. ``pairs_with`` is the key of the root whose
    images have their partners here.
    """

    key: str
    domain: Literal["hr", "lr"]
    meta_info: str | None = None
    optional: bool = False
    pairs_with: str | None = None


class IOBackend(Block):
    """How images are stored."""

    model_config = ConfigDict(extra="allow")
    type: Literal["disk", "lmdb", "memcached"] | None = key(
        "disk: image files in a folder; lmdb: an LMDB made by BasicSR's or our tool"
    )


class Dataset(Block):
    """What BasicSR's data loader reads, whatever the data set."""

    # what BasicSR reads without asking whether it is there
    needed: ClassVar[tuple[str, ...]] = ()
    needed_in_training: ClassVar[tuple[str, ...]] = ()
    roots: ClassVar[tuple[Root, ...]] = ()

    name: Text | None = key("Name of the data set, as the log and the result folders call it")
    type: Text | None = key("Registered class of the data set")
    phase: Text | None = key("Set by BasicSR from the key above: train, val or test")
    scale: Whole | None = key("HR size over LR size; BasicSR overwrites it with the top-level scale", ge=1)
    io_backend: IOBackend | None = key("How images are stored; absent: told by the ending .lmdb of the roots")
    num_worker_per_gpu: Whole | None = key("Loader processes per GPU (training); 0 loads in the main process", ge=0)
    batch_size_per_gpu: Whole | None = key("Images in a batch, per GPU (training)", ge=1)
    dataset_enlarge_ratio: Real | None = key(
        "Times the set is repeated in what BasicSR counts as one epoch", gt=0, le=1e9
    )
    prefetch_mode: Literal["cpu", "cuda"] | None = key(
        "Load the next batch ahead; cuda needs a GPU and pin_memory: true"
    )
    num_prefetch_queue: Whole | None = key("Batches kept ready by prefetch_mode: cpu", ge=1)
    pin_memory: Flag | None = key("Load into page-locked memory, from which copies to a GPU are faster")
    persistent_workers: Flag | None = key("Keep the loader processes alive between epochs")
    use_shuffle: Flag | None = key(
        "Not read by BasicSR 1.4.2, whose training always shuffles; its own option files have it"
    )


class OtherDataset(Dataset):
    """A data set that is not known here: it may have any keys."""

    model_config = ConfigDict(extra="allow")


class _Augmented(Dataset):
    gt_size: Whole | None = key("Side of the HR training patch in pixels, divisible by scale", ge=1)
    use_hflip: Flag | None = key("Flip patches left to right at random")
    use_rot: Flag | None = key("Turn patches by multiples of 90 degrees at random")


class PairedImageDataset(_Augmented):
    """BasicSR: LQ and GT images in pairs."""

    needed = ("dataroot_gt", "dataroot_lq")
    needed_in_training = ("gt_size", "use_hflip", "use_rot")
    roots = (Root("dataroot_gt", "hr", "meta_info_file"), Root("dataroot_lq", "lr", pairs_with="dataroot_gt"))

    dataroot_gt: FilePath | None = key("Folder or LMDB of the ground truth (HR) images")
    dataroot_lq: FilePath | None = key("Folder or LMDB of the input (LR) images")
    meta_info_file: FilePath | None = key("Text file with one GT image a line, relative to dataroot_gt (disk only)")
    filename_tmpl: Text | None = key("Name of an LQ image from its GT name without ending, e.g. '{}x4'")
    mean: list[Real] | None = key("Mean per RGB channel to subtract from images in [0, 1]")
    std: list[Real] | None = key("Standard deviation per RGB channel to divide by")
    color: Literal["y"] | None = key("y: train on the luma channel alone")


class SingleImageDataset(Dataset):
    """BasicSR: LQ images without ground truth, for testing."""

    needed = ("dataroot_lq",)
    roots = (Root("dataroot_lq", "lr", "meta_info_file"),)

    dataroot_lq: FilePath | None = key("Folder or LMDB of the input (LR) images")
    meta_info_file: FilePath | None = key("Text file with one image a line, relative to dataroot_lq (disk only)")
    mean: list[Real] | None = key("Mean per RGB channel to subtract from images in [0, 1]")
    std: list[Real] | None = key("Standard deviation per RGB channel to divide by")
    color: Literal["y"] | None = key("y: luma channel alone")


class RealESRGANDataset(_Augmented):
    """BasicSR: HR images with random blur kernels; RealESRGANModel degrades them."""

    needed_in_training = (
        *("dataroot_gt", "use_hflip", "use_rot", "blur_kernel_size", "kernel_list", "kernel_prob", "blur_sigma"),
        *("betag_range", "betap_range", "sinc_prob", "blur_kernel_size2", "kernel_list2", "kernel_prob2"),
        *("blur_sigma2", "betag_range2", "betap_range2", "sinc_prob2", "final_sinc_prob"),
    )  # fmt: skip
    roots = (Root("dataroot_gt", "hr", "meta_info"),)

    dataroot_gt: FilePath | None = key("Folder or LMDB of the HR images")
    meta_info: FilePath | None = key("Text file with one image a line, relative to dataroot_gt (needed on disk)")
    blur_kernel_size: Whole | None = key("Side of the first blur kernel in pixels", ge=1)
    kernel_list: list[Kernel] | None = key("Kinds of the first blur kernel, e.g. iso, aniso, plateau_iso")
    kernel_prob: Chances | None = key("Probability of each kind in kernel_list")
    blur_sigma: WideRange | None = key("Range of the first blur's sigma in pixels")
    betag_range: Range | None = key("Shape range of generalised Gaussian kernels")
    betap_range: Range | None = key("Shape range of plateau kernels")
    sinc_prob: Probability | None = key("Probability of a sinc filter instead of the first blur")
    blur_kernel_size2: Whole | None = key("Side of the second blur kernel in pixels", ge=1)
    kernel_list2: list[Kernel] | None = key("Kinds of the second blur kernel")
    kernel_prob2: Chances | None = key("Probability of each kind in kernel_list2")
    blur_sigma2: WideRange | None = key("Range of the second blur's sigma in pixels")
    betag_range2: Range | None = key("Shape range of generalised Gaussian kernels, second blur")
    betap_range2: Range | None = key("Shape range of plateau kernels, second blur")
    sinc_prob2: Probability | None = key("Probability of a sinc filter instead of the second blur")
    final_sinc_prob: Probability | None = key("Probability of the sinc filter at the end")


class RealESRGANPairedDataset(_Augmented):
    """BasicSR: LQ and GT images in pairs, listed as ``gt, lq`` lines."""

    needed = ("dataroot_gt", "dataroot_lq")
    needed_in_training = ("gt_size", "use_hflip", "use_rot")
    roots = (Root("dataroot_gt", "hr", pairs_with="dataroot_lq"), Root("dataroot_lq", "lr", pairs_with="dataroot_gt"))

    dataroot_gt: FilePath | None = key("Folder or LMDB of the ground truth (HR) images")
    dataroot_lq: FilePath | None = key("Folder or LMDB of the input (LR) images")
    meta_info: FilePath | None = key("Text file of lines `gt image, lq image`, each relative to its root (disk only)")
    filename_tmpl: Text | None = key("Name of an LQ image from its GT name without ending, e.g. '{}x4'")
    mean: list[Real] | None = key("Mean per RGB channel to subtract from images in [0, 1]")
    std: list[Real] | None = key("Standard deviation per RGB channel to divide by")


class USRDASourceDataset(_Augmented):
    """The source domain: HR images, and the LR images made from them or given."""

    needed_in_training = ("dataroot_gt", "gt_size")
    roots: ClassVar[tuple[Root, ...]] = (
        Root("dataroot_gt", "hr", "meta_info"),
        Root("dataroot_lq", "lr", optional=True, pairs_with="dataroot_gt"),
    )

    dataroot_gt: FilePath | None = key("Source HR images: a folder, or an LMDB whose name ends in .lmdb")
    meta_info: FilePath | None = key("Text file that lists source images, one a line, relative to dataroot_gt")
    dataroot_lq: FilePath | None = key("Source LR images, if given; absent: made by antialiased bicubic downsampling")
    filename_tmpl: Text | None = key("Name of a given LR image from its HR name without ending, e.g. '{}x4'")
    quantize: Flag | None = key("Round the LR images that are made to 8 bits, as a file would have them (default true)")
    degradation: Degradation | None = key(
        "How the LR images that are made look: bicubic (the default), or the file of a camera, written by usrda camera "
        "estimate: then with its blur and noise"
    )
    cache_in_memory: Flag | None = key("Each loader process keeps the images it has decoded (default false)")
    seed: Whole | None = key("Start of all random draws; absent: manual_seed", ge=0)


class USRDADataset(USRDASourceDataset):
    """Unpaired source and target domains."""

    roots = (*USRDASourceDataset.roots, Root("dataroot_target", "lr", "meta_info_target", optional=True))

    dataroot_target: FilePath | None = key("Target LR images: a folder, or an LMDB whose name ends in .lmdb")
    meta_info_target: FilePath | None = key(
        "Text file that lists target images, one a line, relative to dataroot_target"
    )
    degradation: DegradationByTarget | None = key(
        "How source LR images are made: bicubic (the default); camera: with the blur and noise that the target's "
        "photographs show; or the file of a camera, written by usrda camera estimate: with its blur and noise"
    )


KNOWN_DATASETS: tuple[type[Dataset], ...] = (
    *(PairedImageDataset, SingleImageDataset, RealESRGANDataset, RealESRGANPairedDataset),
    *(USRDADataset, USRDASourceDataset),
)
DATASETS = {model.__name__: model for model in KNOWN_DATASETS}


def dataset_model(name: object) -> type[Dataset]:
    """The keys of the registered data set class ``name``, with or without BasicSR's suffix."""
    return DATASETS.get(str(name).removesuffix("_basicsr"), OtherDataset)
