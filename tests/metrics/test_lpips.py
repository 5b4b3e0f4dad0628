"""LPIPS: the official values with the official weights, its formula and its manners with random ones."""

from __future__ import annotations

import csv
import math
import re
import warnings
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchmetrics
from basicsr.metrics import calculate_metric
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.metrics import calculate_usrda_lpips, lpips
from usrda_plugin.metrics.levels import levels_of, levels_of_picture
from usrda_plugin.models.metric_accumulator import MetricAccumulator

Convolutions = dict[str, Tensor]

MODULE = import_module("usrda_plugin.metrics.lpips")

STRIDES_AND_PADDINGS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture
def pair(photograph) -> tuple[np.ndarray, np.ndarray]:
    reference = photograph("coffee.png")[100:180, 200:300]
    return cv2.GaussianBlur(reference, (0, 0), 1.5), reference


def measured(image: np.ndarray, reference: np.ndarray, file: Path, crop_border: int = 0, **arguments: object) -> float:
    return calculate_usrda_lpips(image, reference, crop_border, weights=str(file), **arguments)


def by_hand(image: Tensor, reference: Tensor, convolutions: Convolutions) -> float:
    """The formula of the LPIPS paper, term by term, for images (3, H, W) in [0, 1]."""
    heads = torch.load(
        Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth",
        map_location="cpu",
        weights_only=True,
    ).values()
    total = 0.0
    # ImageNet's statistics, for images in [-1, 1]
    x, y = ((v * 2 - 1 - (2 * MEAN - 1)[:, None, None]) / (2 * DEVIATION)[:, None, None] for v in (image, reference))
    for (layer, (stride, padding)), head in zip(STRIDES_AND_PADDINGS.items(), heads, strict=True):
        weight, bias = (convolutions[f"features.{layer}.{name}"].float() for name in ("weight", "bias"))
        x, y = (F.max_pool2d(v, 3, 2) if layer in (3, 6) else v for v in (x, y))
        x, y = (F.conv2d(v[None], weight, bias, stride, padding)[0].relu() for v in (x, y))
        directions = [v / v.norm(dim=0, keepdim=True).clamp(min=1e-4) for v in (x, y)]
        total += ((directions[0] - directions[1]).square() * head.reshape(-1, 1, 1)).sum(dim=0).mean().item()
    return total


def test_official_values_are_met_to_four_digits(shared_data: Path) -> None:
    weights = shared_data.parent / "weights" / "alexnet_features.pth"
    if not weights.is_file():
        pytest.skip(f"no {weights}")
    folder = shared_data / "metric_calib"
    with (folder / "calibration_summary.csv").open() as file:
        official = {row["Method"]: row for row in csv.DictReader(file)}["lpips"]
    files = sorted((folder / "dist_dir").iterdir())
    assert len(files) == 5
    for file in files:
        image, reference = cv2.imread(str(file)), cv2.imread(str(folder / "ref_dir" / file.name))
        assert measured(image, reference, weights) == pytest.approx(float(official[f"{file.stem}.bmp"]), abs=1e-4)


def test_the_formula_is_the_papers(pair, random_alexnet: Path) -> None:
    levels = [levels_of_picture(picture)[0] / 255 for picture in pair]
    expected = by_hand(*levels, torch.load(random_alexnet, weights_only=True))
    assert expected > 1e-3
    assert measured(*pair, random_alexnet) == pytest.approx(expected, rel=1e-3)


def test_equal_images_have_none_and_the_order_of_two_is_nothing(pair, random_alexnet: Path) -> None:
    image, reference = pair
    assert measured(image, image, random_alexnet) == 0
    there, back = measured(image, reference, random_alexnet), measured(reference, image, random_alexnet)
    assert there == pytest.approx(back, rel=1e-6)
    assert there > 1e-3


def test_more_blur_is_further(photograph, random_alexnet: Path) -> None:
    reference = photograph("astronaut.png")[:128, 150:300]
    distances = [
        measured(cv2.GaussianBlur(reference, (0, 0), blur), reference, random_alexnet) for blur in (0.6, 1.2, 3)
    ]
    assert distances == sorted(distances)


def test_a_batch_has_the_values_of_its_images(photograph, random_alexnet: Path) -> None:
    pictures = [photograph(name)[:70, :90] for name in ("coffee.png", "chelsea.png", "astronaut.png")]
    levels = torch.cat([levels_of_picture(picture) for picture in pictures])
    references = levels.roll(1, dims=0)
    values = lpips(levels, references, 2, str(random_alexnet))
    assert values.shape == (3,)
    assert values.dtype == torch.float64
    alone = [measured(pictures[index], pictures[index - 1], random_alexnet, 2) for index in range(3)]
    assert values.tolist() == pytest.approx(alone, rel=1e-5)
    assert len({round(value, 5) for value in alone}) == 3


def test_the_border_is_left_out(pair, random_alexnet: Path) -> None:
    image, reference = pair
    framed = image.copy()
    framed[:4], framed[-4:], framed[:, :4], framed[:, -4:] = 0, 0, 0, 0
    assert measured(framed, reference, random_alexnet, 4) == measured(image, reference, random_alexnet, 4)
    assert measured(framed, reference, random_alexnet, 3) != measured(image, reference, random_alexnet, 3)


def test_gray_is_rgb_of_equal_channels(pair, random_alexnet: Path) -> None:
    gray = [picture[..., 1] for picture in pair]
    colour = [np.repeat(picture[..., None], 3, axis=2) for picture in gray]
    assert measured(*gray, random_alexnet) == measured(*colour, random_alexnet)
    planes = [picture.transpose(2, 0, 1) for picture in pair]
    assert measured(*planes, random_alexnet, input_order="CHW") == measured(*pair, random_alexnet)


@pytest.mark.parametrize(("height", "border"), [(30, 0), (34, 2), (5, 4)])
def test_what_is_too_small_for_alexnet_is_nan_with_a_warning(
    height: int, border: int, photograph, random_alexnet: Path
) -> None:
    picture = photograph("coffee.png")[:height, :100]
    with pytest.warns(UserWarning, match=f"LPIPS is not defined here.*{height}x100 pixels, {border} cut off"):
        assert math.isnan(measured(picture, picture, random_alexnet, border))
    assert lpips(levels_of_picture(picture), levels_of_picture(picture), border).isnan().tolist() == [True]


def test_a_validation_tells_once_how_many_images_are_too_small(
    photograph, random_alexnet: Path, warned_in_log: list[str]
) -> None:
    options = {"type": "calculate_usrda_lpips", "crop_border": 2, "weights": str(random_alexnet), "better": "lower"}
    measures = MetricAccumulator({"lpips": options}, "mugs")
    for side in (90, 20, 60):
        levels = levels_of_picture(photograph("coffee.png")[:side, :side])
        measures.add(f"mug_{side}", levels, 255 - levels)
    assert math.isnan(measures.means([measures.found()])["lpips"])
    (line,) = warned_in_log
    assert re.match(r"LPIPS is not defined here.* 1 of 3 images of data set mugs.*mug_20", line)


def test_the_smallest_image_is_measured_without_a_warning(photograph, random_alexnet: Path) -> None:
    picture = photograph("coffee.png")[:35, :35]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured(255 - picture, picture, random_alexnet, 2) > 0


def test_images_of_two_sizes_are_refused() -> None:
    images = (torch.zeros(1, 3, 40, size, dtype=torch.uint8) for size in (40, 44))
    with pytest.raises(ValueError, match=r"ground truth's size, found .* 3x40x40 and 3x40x44"):
        lpips(*images, 0)


def test_basicsr_finds_it_by_name(pair, random_alexnet: Path) -> None:
    options = {"type": "calculate_usrda_lpips", "crop_border": 2, "weights": str(random_alexnet), "better": "lower"}
    image, reference = pair
    found = calculate_metric({"img": image, "img2": reference}, options)
    assert found == measured(image, reference, random_alexnet, 2)


def test_measuring_draws_no_random_number_and_keeps_no_graph(alexnet_in, tmp_path: Path) -> None:
    image = torch.rand(1, 3, 40, 40, requires_grad=True)
    before = torch.get_rng_state()
    # a file not read before, so that its network has to be built
    value = lpips(255 * image, levels_of(image), 0, str(alexnet_in(tmp_path / "alexnet.pth")))
    assert torch.equal(torch.get_rng_state(), before)
    assert not value.requires_grad


def test_the_network_is_built_once(pair, random_alexnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = measured(*pair, random_alexnet)
    monkeypatch.setattr(MODULE, "read_alexnet", lambda _: pytest.fail("read again"))
    assert measured(*pair, random_alexnet) == value
