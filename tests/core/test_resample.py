"""The resampling against SciPy's convolution."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from inversion_core.generators.resample import downsample2d, filtered, low_pass_filter, upsample2d

KERNEL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def test_filter_is_the_outer_product_over_64():
    np.testing.assert_allclose(low_pass_filter().numpy(), KERNEL, atol=1e-7)


def test_filtered_is_a_padded_convolution():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 5)
    kernel = torch.rand(4, 4)
    y = filtered(x, kernel, (1, 2, 3, 0), gain=2.5)
    for n in range(2):
        for channel in range(3):
            padded = np.pad(x[n, channel].numpy(), ((3, 0), (1, 2)))
            expected = convolve2d(padded, kernel.numpy() * 2.5, mode="valid")
            np.testing.assert_allclose(y[n, channel].numpy(), expected, atol=1e-5)


def test_upsample_is_zero_insertion_and_smoothing():
    torch.manual_seed(1)
    x = torch.randn(1, 2, 5, 6)
    y = upsample2d(x, low_pass_filter())
    assert y.shape == (1, 2, 10, 12)
    for channel in range(2):
        spread = np.zeros((10, 12))
        spread[::2, ::2] = x[0, channel].numpy()
        expected = convolve2d(np.pad(spread, ((2, 1), (2, 1))), KERNEL * 4, mode="valid")
        np.testing.assert_allclose(y[0, channel].numpy(), expected, atol=1e-5)


def test_upsample_keeps_brightness_inside_and_darkens_the_edge():
    y = upsample2d(torch.ones(1, 1, 8, 8), low_pass_filter())[0, 0]
    np.testing.assert_allclose(y[1:-1, 1:-1].numpy(), 1, atol=1e-6)
    assert y[0, 4].item() == pytest.approx(0.75)


def test_downsample_is_smoothing_and_decimation():
    torch.manual_seed(2)
    x = torch.randn(1, 1, 8, 6)
    expected = convolve2d(np.pad(x[0, 0].numpy(), 1), KERNEL, mode="valid")[::2, ::2]
    np.testing.assert_allclose(downsample2d(x, low_pass_filter())[0, 0].numpy(), expected, atol=1e-6)
