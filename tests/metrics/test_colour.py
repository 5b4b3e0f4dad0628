"""The shift of the mean colour, by images whose means are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric

from usrda_plugin.metrics import calculate_usrda_colour_shift, colour_shift
from usrda_plugin.metrics.levels import levels_of_picture


def test_a_constant_offset_is_its_own_shift(textured: np.ndarray) -> None:
    reference = textured.clip(0, 247)
    assert calculate_usrda_colour_shift(reference, reference, 2) == 0
    assert calculate_usrda_colour_shift(reference + 8, reference, 2) == pytest.approx(8, abs=1e-9)
    assert calculate_usrda_colour_shift(reference, reference + 8, 2) == pytest.approx(8, abs=1e-9)


def test_offsets_of_either_sign_do_not_cancel() -> None:
    reference = torch.full((1, 3, 5, 7), 100, dtype=torch.uint8)
    image = reference + torch.tensor([6, -9, 0]).reshape(1, 3, 1, 1)
    assert colour_shift(image, reference, 0).tolist() == pytest.approx([5])


def test_swapped_channels_shift_by_the_distance_of_their_means() -> None:
    means = torch.tensor([10, 40, 100], dtype=torch.uint8).reshape(1, 3, 1, 1)
    reference = means.expand(1, 3, 6, 6)
    assert colour_shift(reference[:, [2, 1, 0]], reference, 0).tolist() == pytest.approx([(90 + 0 + 90) / 3])


def test_only_means_count_and_not_where_pixels_lie(textured: np.ndarray) -> None:
    assert calculate_usrda_colour_shift(textured[::-1, ::-1], textured, 0) == pytest.approx(0, abs=1e-9)


def test_the_border_is_left_out(textured: np.ndarray) -> None:
    image = textured.copy()
    image[:3], image[-3:], image[:, :3], image[:, -3:] = 255, 255, 255, 255
    assert calculate_usrda_colour_shift(image, textured, 3) == 0
    assert calculate_usrda_colour_shift(image, textured, 2) > 0.1


def test_a_batch_has_the_values_of_its_images(textured: np.ndarray) -> None:
    pictures = [textured, 255 - textured, textured // 2]
    levels = torch.cat([levels_of_picture(picture) for picture in pictures])
    references = levels.roll(1, dims=0)
    values = colour_shift(levels, references, 4)
    assert values.shape == (3,)
    alone = [calculate_usrda_colour_shift(pictures[index], pictures[index - 1], 4) for index in range(3)]
    assert values.tolist() == pytest.approx(alone, rel=1e-12)
    assert len({round(value, 3) for value in alone}) == 3


def test_basicsr_finds_it_by_name_and_gray_pictures_have_one_channel(textured: np.ndarray) -> None:
    options = {"type": "calculate_usrda_colour_shift", "crop_border": 0, "better": "lower"}
    gray = textured[..., 0].clip(0, 250)
    assert calculate_metric({"img": gray + 3, "img2": gray}, options) == pytest.approx(3, abs=1e-9)


def test_images_of_two_sizes_are_refused() -> None:
    images = (torch.zeros(1, 3, 20, size, dtype=torch.uint8) for size in (20, 22))
    with pytest.raises(ValueError, match=r"ground truth's size, found .* 3x20x20 and 3x20x22"):
        colour_shift(*images, 0)
