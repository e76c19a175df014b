"""Convolutions with fewer products against torch's own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inversion_core.generators import vectors
from inversion_core.generators.resample import filtered, low_pass_filter
from inversion_core.generators.winograd import convolve, framed, kernel_of


@pytest.mark.parametrize("enlarges", [False, True])
@pytest.mark.parametrize(("given", "channels"), [(5, 16), (32, 64)])
def test_it_is_torch_s_convolution_and_what_follows(given, channels, enlarges):
    random = torch.Generator().manual_seed(given)
    side = 28
    x = torch.randn(1, given, side, side, generator=random)
    weight = torch.randn(channels, given, 3, 3, generator=random) / (9 * given) ** 0.5
    bias = torch.randn(channels, generator=random)
    to_rgb = torch.randn(3, channels, generator=random)
    if enlarges:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        y = filtered(y, low_pass_filter(), (1, 1, 1, 1), gain=4.0)
    else:
        y = F.conv2d(x, weight, padding=1)
    expected = F.leaky_relu(y + bias[:, None, None], 0.2).clamp(-1.5, 1.5)
    kernel = kernel_of(weight.numpy(), enlarges)
    page = framed(side, kernel.given)
    page[1:-1, 1:-1] = 0
    page[1:-1, 1:-1, :given] = x[0].permute(1, 2, 0).numpy()
    out, rgb = convolve(page, kernel, bias.numpy(), np.float32(1.5), to_rgb.numpy())
    np.testing.assert_allclose(out[1:-1, 1:-1], expected[0].permute(1, 2, 0), atol=2e-5)
    assert not out[0].any() and not out[:, -1].any()
    np.testing.assert_allclose(rgb, torch.einsum("kc,ncyx->yxk", to_rgb, expected), atol=2e-4)
    close, _ = convolve(
        page, kernel_of(weight.numpy(), enlarges, half=True), bias.numpy(), np.float32(1.5), to_rgb.numpy()
    )
    error = np.square(close - out).mean() / np.square(out).mean()
    # Eight binary digits, and what the transforms make of their rounding.
    assert 1e-7 < error < 1e-3
    alone, same = convolve(page, kernel, bias.numpy(), np.float32(1.5), to_rgb.numpy(), keep=False)
    assert alone is None and np.array_equal(same, rgb)


def test_the_steps_without_a_compiler_are_matrix_products():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(vectors.ROWS, 7)).astype("f4"), random.normal(size=(7, 16)).astype("f4")
    c = np.zeros((vectors.ROWS, 20), np.float32)
    vectors._plain_product(16)(a.ravel(), 0, 7, b.ravel(), 0, c.reshape(-1), 2, 20, 7)
    np.testing.assert_allclose(c[:, 2:18], a @ b, atol=1e-5)
    assert not c[:, :2].any() and not c[:, 18:].any()
    pairs = [np.ascontiguousarray(x, np.float32).view(np.uint32) >> np.uint32(16) for x in (a[:, :6], b[:6])]
    left = pairs[0][:, ::2] | (pairs[0][:, 1::2] << np.uint32(16))
    right = pairs[1][::2] | (pairs[1][1::2] << np.uint32(16))
    vectors._plain_half_product(16)(left.ravel(), 0, 3, right.ravel(), 0, c.reshape(-1), 2, 20, 3)
    exact = (pairs[0] << np.uint32(16)).view(np.float32) @ (pairs[1] << np.uint32(16)).view(np.float32)
    np.testing.assert_allclose(c[:, 2:18], exact, atol=1e-5)
    rows = random.normal(size=(2, 16)).astype("f4")
    out = np.zeros((3, 16), np.float32)
    matrix = ((1, 0), (2, -1), (0, 3))
    vectors._plain_combination(matrix)(rows.ravel(), 0, 16, out.reshape(-1), 0, 16, 16)
    np.testing.assert_allclose(out, np.array(matrix) @ rows, atol=1e-6)
    places, shares, mixed = np.array([0, 20, 3]), np.array([0.5, 2, 0], np.float32), np.zeros(16, np.float32)
    many = random.normal(size=40).astype("f4")
    vectors._plain_blend(many, places, shares, mixed, 0, 16)
    np.testing.assert_allclose(mixed, 0.5 * many[:16] + 2 * many[20:36], atol=1e-6)
