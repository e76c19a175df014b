"""StyleGAN's low-pass resampling, in plain convolutions.

Source: EG3D, ``torch_utils/ops/upfirdn2d.py``; the filter is always [1, 3, 3, 1], normalised to sum 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The one-dimensional filter before normalisation."""


def low_pass_filter() -> Tensor:
    """(4, 4) float32, the outer product of the taps, summing to 1."""
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def filtered(x: Tensor, kernel: Tensor, padding: tuple[int, int, int, int], gain: float = 1.0) -> Tensor:
    """(N, C, H + py - 3, W + px - 3): each channel convolved with the 4x4 kernel times ``gain``.

    Args:
        padding: zeros at the left, right, top and bottom.
    """
    channels = x.shape[1]
    # A true convolution: torch correlates, so the kernel is turned round.
    kernel = (kernel * gain).flip(0, 1).to(x.dtype).expand(channels, 1, *kernel.shape)
    if len(set(padding)) == 1:
        return F.conv2d(x, kernel, padding=padding[0], groups=channels)
    return F.conv2d(F.pad(x, padding), kernel, groups=channels)


def upsample2d(x: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, 2H, 2W): twice as large, zeros between the samples smoothed away at unchanged brightness."""
    n, channels, height, width = x.shape
    spread = x.new_zeros(n, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = x
    return filtered(spread.reshape(n, channels, 2 * height, 2 * width), kernel, (2, 1, 2, 1), gain=4.0)


def downsample2d(x: Tensor, kernel: Tensor) -> Tensor:
    """(N, C, H/2, W/2): smoothed, then every second sample."""
    return filtered(x, kernel, (1, 1, 1, 1))[:, :, ::2, ::2]
