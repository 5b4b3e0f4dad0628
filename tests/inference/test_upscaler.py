"""Tiles leave no seam, memory that does not suffice is survived, and levels are BasicSR's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from basicsr.utils import img2tensor, tensor2img
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.archs import USRDANet
from usrda_plugin.inference import Size, Tiling, Upscaler, super_resolve
from usrda_plugin.inference import upscaler as upscaler_module
from usrda_plugin.inference.engine import Engine, choose_device
from usrda_plugin.inference.tiles import Canvas

Build = Callable[[int], nn.Module]


class Enlarger(nn.Module):
    """Nearest-neighbour enlargement that runs out of memory on images of more than ``most`` pixels."""

    def __init__(self, most: int = 10**9, fault: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.most = most
        self.fault = fault
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        if x.shape[0] * x.shape[-1] * x.shape[-2] > self.most:
            raise self.fault("out of memory")
        return F.interpolate(x, scale_factor=2, mode="nearest")


def colours(height: int, width: int, kind: Any = np.uint8) -> np.ndarray:
    top = np.iinfo(kind).max
    return np.random.default_rng(height * width).integers(0, top + 1, (height, width, 3)).astype(kind)


@pytest.mark.parametrize("size", [(290, 270), (263, 301), (330, 212)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_with_the_whole_field_as_overlap_tiles_change_nothing(rrdb: Build, scale: int, size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    whole = Upscaler(rrdb(scale), Tiling("none"), device="cpu")
    tiled = Upscaler(rrdb(scale), Tiling({1: 250, 2: 140, 4: 100}[scale], "full"), device="cpu")
    expected = whole(image)
    assert torch.equal(tiled(image), expected)
    assert len(whole.tiled.grid) == 1 < len(tiled.tiled.grid)
    # and the whole is what the network itself makes, but for the order of sums in another layout
    padded = F.pad(image[None], (0, -size[1] % (4 // scale), 0, -size[0] % (4 // scale)), mode="reflect")
    with torch.no_grad():
        plain = rrdb(scale)(padded)[0, :, : scale * size[0], : scale * size[1]]
    assert (plain - expected).abs().max() < 1e-5


def test_exact_is_the_plain_forward_bit_by_bit_in_tiles_too(rrdb: Build) -> None:
    image = torch.rand(3, 250, 230)
    with torch.no_grad():
        expected = rrdb(4)(image[None])[0]
    assert torch.equal(Upscaler(rrdb(4), Tiling(150, "full"), device="cpu", precision="exact")(image), expected)


def test_the_layout_is_the_fast_one_unless_basicsrs_own_is_asked_for(rrdb: Build) -> None:
    for precision, fast in (("fp32", True), ("bf16", True), ("exact", False)):
        engine = Upscaler(rrdb(4), device="cpu", precision=precision).engine  # type: ignore[arg-type]
        kernel = engine.network.get_parameter("conv_body.weight")
        assert kernel.is_contiguous(memory_format=torch.channels_last) == fast


def test_too_little_overlap_would_be_seen(rrdb: Build) -> None:
    image = torch.rand(3, 150, 130)
    expected = Upscaler(rrdb(4), Tiling("none"), device="cpu")(image)
    for overlap in (0, 4):
        assert not torch.equal(Upscaler(rrdb(4), Tiling(64, overlap), device="cpu")(image), expected)


@pytest.mark.parametrize("kind", ["trunk", "rrdb", "conv"])
def test_usrda_networks_of_odd_sizes_leave_no_seam(kind: Any) -> None:
    torch.manual_seed(0)
    network = USRDANet(2, kind, num_feat=6, num_block=1, num_grow_ch=4, num_block_encoder=1, num_block_lr_decoder=0)
    image = torch.rand(3, 151, 187)
    expected = Upscaler(deepcopy(network), Tiling("none"), device="cpu")(image)
    assert torch.equal(Upscaler(network, Tiling(150, "full"), device="cpu")(image), expected)


def test_batches_of_tiles_and_of_images_change_nothing(rrdb: Build) -> None:
    images = torch.rand(2, 3, 250, 90)
    one = Upscaler(rrdb(4), Tiling(100, batch=1), device="cpu")
    four = Upscaler(rrdb(4), Tiling(100, batch=4), device="cpu")
    assert torch.equal(one(images), four(images))
    assert torch.equal(one(images[1]), one(images)[1])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (17, 5)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_small_images_come_out_whole(rrdb: Build, scale: int, size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    result = Upscaler(rrdb(scale), device="cpu")(image)
    assert result.shape == (3, scale * size[0], scale * size[1])
    assert result.isfinite().all()


@pytest.mark.parametrize("fault", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_out_of_memory_halves_batch_and_tile_and_every_pixel_is_new(
    caplog: pytest.LogCaptureFixture, fault: type[Exception]
) -> None:
    network = Enlarger(most=4000, fault=fault)
    upscaler = Upscaler(network, Tiling(96, 16, batch=2), device="cpu")
    image = torch.rand(3, 200, 150)
    with caplog.at_level(logging.WARNING):
        result = upscaler(image)
    assert torch.equal(result, F.interpolate(image[None], scale_factor=2, mode="nearest")[0])
    assert "out of memory with 2 tiles at a time; going on with 1" in caplog.text
    assert "out of memory with tiles of" in caplog.text
    network.seen.clear()
    upscaler(image)
    assert max(shape[-1] * shape[-2] for shape in network.seen) <= 4000  # it has learnt


@pytest.mark.parametrize("fault", [torch.OutOfMemoryError, MemoryError])
def test_memory_for_not_even_the_smallest_tile_is_an_error(fault: type[Exception]) -> None:
    network = Enlarger(most=1000, fault=fault)
    with pytest.raises(fault):
        Upscaler(network, Tiling(96, 16), device="cpu")(torch.rand(3, 200, 150))


def test_other_errors_are_not_taken_for_memory() -> None:
    network = Enlarger()
    upscaler = Upscaler(network, device="cpu")
    network.most, network.fault = 0, KeyError
    with pytest.raises(KeyError):
        upscaler(torch.rand(3, 8, 8))
    assert len(network.seen) == 1 + 2 + 1  # shape, receptive field, and once the image


def test_the_tile_follows_free_memory(rrdb: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    areas = []
    for free in (10**6, 10**8, 10**9, 10**12):
        monkeypatch.setattr("usrda_plugin.inference.tiles.free_memory", lambda device, free=free: free)
        upscaler = Upscaler(rrdb(4), Tiling(overlap=8), device="cpu")
        areas.append(upscaler.tiled.plan(Size(2000, 3000)).area)
    # 8 channels at 4 x 4 the size, float32, before and after a layer, and some
    assert 10**8 / areas[1] > 2 * 8 * 16 * 4
    assert areas[0] < areas[1] < areas[2] == areas[3] <= 256**2


def test_infinite_results_in_half_precision_are_computed_again_in_fp32(caplog: pytest.LogCaptureFixture) -> None:
    class Huge(Enlarger):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 60_000 / 60_000

    image = torch.rand(3, 20, 20) + 1
    upscaler = Upscaler(Huge(), device="cpu", precision="fp16")
    assert torch.allclose(upscaler(image), F.interpolate(image[None], scale_factor=2)[0])
    assert "fp16 overflowed" in caplog.text
    assert upscaler.engine.precision == "fp32"


def test_all_of_a_batch_is_queued_before_the_next_and_pasted_after_it_is_launched() -> None:
    upscaler = Upscaler(Enlarger(), Tiling(32, 4, batch=2), device="cpu")
    done: list[str] = []

    def launched(x: Tensor) -> Tensor:
        done.append("launch")
        return F.interpolate(x, scale_factor=2, mode="nearest")

    upscaler.engine.run = launched
    canvas = Canvas(
        lambda tile: torch.zeros(3, tile.rows.stop - tile.rows.start, tile.cols.stop - tile.cols.start),
        lambda part: done.append("convert") or part,  # type: ignore[func-returns-value]
        lambda tile, part: done.append("paste"),
    )
    upscaler.tiled(Size(32, 128), canvas)
    batches = -(-len(upscaler.tiled.grid or ()) // 2)
    assert batches >= 2
    spelt = " ".join(done)
    assert spelt.startswith("launch convert convert launch convert convert paste paste")
    assert spelt.endswith("paste")
    assert done.count("launch") == batches
    assert done.count("paste") == done.count("convert") == len(upscaler.tiled.grid or ())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_gives_every_batch_its_own_result(rrdb: Build, precision: Any) -> None:
    image = colours(300, 280)
    expected = Upscaler(rrdb(4), Tiling(64), device="cpu").levels(image).astype(int)
    found = Upscaler(rrdb(4), Tiling(64, batch=3), device="cuda", precision=precision).levels(image).astype(int)
    assert np.abs(found - expected).max() <= {"fp32": 1, "fp16": 12}[precision]


@pytest.mark.parametrize(("precision", "factor"), [("fp16", 1.0), ("bf16", 1.0), ("fp16", 7e4)])
def test_fp32_after_an_overflow_has_the_weights_as_they_were(precision: Any, factor: float) -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, 3, padding=1)
    nn.init.uniform_(network.weight, 0.5 * factor, factor)
    network.register_buffer("passing", torch.rand(3), persistent=False)
    image = 1e5 * torch.rand(3, 20, 20)  # too much for float16
    expected = Upscaler(deepcopy(network), device="cpu")(image)
    upscaler = Upscaler(deepcopy(network), device="cpu", precision=precision)
    if precision == "bf16":
        upscaler.engine.to_fp32()
    assert torch.equal(upscaler(image), expected)
    assert torch.equal(upscaler.engine.network.passing, network.passing)  # type: ignore[arg-type]


@pytest.mark.parametrize("enabled", [True, False])
def test_fp32_on_a_gpu_changes_no_setting_of_cudnn_but_tf32(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(nn.Conv2d(3, 3, 1), torch.device("cpu"), "fp32")
    monkeypatch.setattr(engine, "device", torch.device("cuda"))
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=enabled, benchmark=enabled, deterministic=enabled, allow_tf32=True):
        with engine._exact_convolutions():
            assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (enabled,) * 3
            assert not cudnn.allow_tf32
        assert cudnn.allow_tf32


def test_nan_in_fp32_is_an_error() -> None:
    network = nn.Conv2d(3, 3, 1)
    nn.init.constant_(network.weight, torch.nan)
    with pytest.raises(ValueError, match="expected finite values"):
        Upscaler(network, Tiling(overlap=0), device="cpu")(torch.rand(3, 8, 8))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_fp32(rrdb: Build, precision: Any) -> None:
    image = torch.rand(3, 40, 40)
    expected = Upscaler(rrdb(4), device="cpu")(image)
    found = Upscaler(rrdb(4), device="cpu", precision=precision)(image)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.02 * expected.abs().max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_compiled_network_gives_the_same_and_blocks_are_compiled_once() -> None:
    from torch._dynamo.utils import counters

    torch.manual_seed(0)
    network = RRDBNet(3, 3, 4, 8, 3, 4)
    image = torch.rand(3, 150, 130)
    expected = Upscaler(deepcopy(network), device="cpu")(image)
    upscaler = Upscaler(network, device="cpu")
    upscaler.engine.compile()
    counters.clear()
    assert (upscaler(image) - expected).abs().max() < 1e-5
    assert counters["frames"]["ok"] == counters["stats"]["unique_graphs"] == 1


def test_self_ensemble_is_the_mean_over_flips_and_turns(rrdb: Build) -> None:
    image = torch.rand(3, 30, 20)
    upscaler = Upscaler(rrdb(4), Tiling("none"), device="cpu")
    expected = torch.zeros(3, 120, 80)
    for turns in range(4):
        for mirrored in (False, True):
            turned = torch.rot90(image.flip(-1) if mirrored else image, turns, (1, 2))
            back = torch.rot90(upscaler(turned), -turns, (1, 2))
            expected += (back.flip(-1) if mirrored else back) / 8
    upscaler.engine.ensemble()
    assert torch.allclose(upscaler(image), expected, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_levels_are_rounded_as_basicsr_rounds(rrdb: Build, kind: Any) -> None:
    image, top = colours(60, 50, kind), np.iinfo(kind).max
    upscaler = Upscaler(rrdb(4), Tiling(48), device="cpu")
    batch = img2tensor(np.ascontiguousarray(image[..., ::-1]).astype(np.float32) / np.float32(top))
    scaled = tensor2img(upscaler(batch), rgb2bgr=False, out_type=np.float32) * np.float32(top)
    assert np.array_equal(upscaler.levels(image), scaled.round().astype(kind))
    if kind == np.uint8:
        assert np.array_equal(upscaler.levels(image), tensor2img(upscaler(batch), rgb2bgr=False))


def test_gray_is_given_as_colour_and_comes_back_as_luma(rrdb: Build) -> None:
    gray = colours(20, 30)[..., 0]
    upscaler = Upscaler(rrdb(4), device="cpu")
    colour = upscaler(torch.from_numpy(np.stack([gray] * 3).astype(np.float32) / np.float32(255)))
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert np.abs(upscaler.levels(gray) - luma.clamp(0, 1).mul(255).numpy()).max() < 0.501


def test_a_network_of_one_channel_takes_gray_alone() -> None:
    network = SRVGGNetCompact(1, 1, 4, 1, 2)
    upscaler = Upscaler(network, device="cpu")
    assert upscaler.levels(colours(20, 30)[..., 0]).shape == (40, 60)
    with pytest.raises(ValueError, match="expected a gray image"):
        upscaler.levels(colours(20, 30))


def test_the_function_leaves_the_image_its_shape(rrdb: Build) -> None:
    image = torch.rand(3, 20, 24)
    assert torch.equal(super_resolve(rrdb(4), image), super_resolve(rrdb(4), image[None])[0])


def test_the_function_leaves_the_network_as_it_was(rrdb: Build) -> None:
    network = rrdb(4).double().train()
    before = deepcopy(network.state_dict())
    super_resolve(network, torch.rand(3, 20, 24))
    assert network.training
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float64
        assert value.stride() == before[name].stride()
        assert torch.equal(value, before[name])


def test_the_function_answers_where_the_image_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # a device that every machine has; like a GPU's, its result comes from the CPU
    monkeypatch.setattr(upscaler_module, "Upscaler", lambda *arguments, **how: lambda image: torch.zeros(3, 4, 4))
    assert super_resolve(nn.Identity(), torch.zeros(3, 2, 2, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("tiling", "message"),
    [
        (Tiling(32, 16), "found tile size 32 for an image of 100x90"),
        (Tiling(0), "expected tile of 1 or more"),
        (Tiling(batch=0), "expected batch of 1 or more"),
        (Tiling(overlap=-1), "expected overlap of 0 or more"),
    ],
)
def test_tilings_that_cannot_be_are_told(rrdb: Build, tiling: Tiling, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Upscaler(rrdb(4), tiling, device="cpu")(torch.rand(3, 90, 100))


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "meta", ""])
def test_devices_that_are_not_there_are_told(name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        choose_device(name)


@pytest.mark.parametrize("overlap", ["auto", "full"])
@pytest.mark.parametrize("predicted", [True, False])
def test_a_whole_image_that_memory_does_not_suffice_for_is_cut_into_tiles_that_are_right(
    rrdb: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, overlap: Any, predicted: bool
) -> None:
    image = torch.rand(3, 170, 150)
    whole = Upscaler(rrdb(2), Tiling("none", overlap), device="cpu")
    expected = whole(image)
    assert len(whole.tiled.grid or ()) == 1
    scarce = Upscaler(rrdb(2), Tiling("none", overlap), device="cpu")
    if predicted:
        monkeypatch.setattr(
            "usrda_plugin.inference.tiles.free_memory", lambda device: int(20_000 * scarce.tiled._bytes_per_pixel)
        )
    else:
        run = scarce.engine.run

        def short(x: Tensor) -> Tensor:
            if x.shape[-1] * x.shape[-2] > 20_000:
                raise MemoryError
            return run(x)

        scarce.engine.run = short
    with caplog.at_level(logging.WARNING):
        result = scarce(image)
    assert len(scarce.tiled.grid or ()) > 1
    assert "at once" in caplog.text
    assert (result - expected).abs().max() <= 2e-5
