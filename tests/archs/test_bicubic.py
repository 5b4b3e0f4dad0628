"""The bicubic baseline is MATLAB's."""

import pytest
import torch
from basicsr.utils.matlab_functions import imresize

from usrda_plugin.archs import USRDABicubic


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_enlarges_as_matlab_does(scale):
    image = torch.rand(3, 12, 10)
    inside = (
        ...,
        slice(2 * scale, -2 * scale),
        slice(2 * scale, -2 * scale),
    )  # edges are repeated here, mirrored there
    ours = USRDABicubic(scale)(image[None])[0]
    torch.testing.assert_close(ours[inside], imresize(image, scale)[inside], rtol=0, atol=1e-5)
