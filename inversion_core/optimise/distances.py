"""Distances of pictures that descents use; all fixed formulas, no learned network.

Papers use LPIPS or VGG features here, whose weights cannot be shipped. :func:`feature_pyramid` stands in for them:
band-passed contrast over several sizes. It is not LPIPS, and figures made with it are not comparable to LPIPS.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Two pictures (N, C, H, W) in [-1, 1] and a weight (N, 1, H, W) -> a scalar."""
LEVELS = 4


def squared(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean squared difference."""
    return _mean((first - second).square(), weight)


def absolute(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute difference."""
    return _mean((first - second).abs(), weight)


def cross_entropy(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy of pixels as probabilities. Source: Creswell and Bharath 2018, equation 2."""
    chance = ((first + 1) / 2).clamp(1e-3, 1 - 1e-3)
    return _mean(F.binary_cross_entropy(chance, ((second + 1) / 2).clamp(0, 1), reduction="none"), weight)


def gradients(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of horizontal and vertical gradients over several sizes."""
    total = first.new_zeros(())
    for a, b, w in _sizes(first, second, weight):
        total = total + _mean((a - b).diff(dim=2).abs(), w[:, :, 1:])
        total = total + _mean((a - b).diff(dim=3).abs(), w[:, :, :, 1:])
    return total


def feature_pyramid(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Differences of band-passed pictures (differences of Gaussians), normalised by local contrast, over sizes.

    Source: the divisive normalisation of Laparra et al. 2016 ("NLPD"), with box filters.
    """
    total = first.new_zeros(())
    for a, b, w in _sizes(first, second, weight):
        bands = [x - F.avg_pool2d(x, 5, 1, 2, count_include_pad=False) for x in (a, b)]
        contrast = F.avg_pool2d(bands[1].abs(), 5, 1, 2, count_include_pad=False) + 0.1
        total = total + _mean(((bands[0] - bands[1]) / contrast).abs(), w)
    return total


def structural(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """1 − SSIM with 7² windows, mean over sizes. Source: Wang et al. 2003 (MS-SSIM), without its exponents."""
    values = []
    for a, b, w in _sizes(first, second, weight):
        mean_a, mean_b = (F.avg_pool2d(x, 7, 1, 3, count_include_pad=False) for x in (a, b))
        square_a, square_b, product = (
            F.avg_pool2d(x, 7, 1, 3, count_include_pad=False) for x in (a * a, b * b, a * b)
        )
        spread = (square_a - mean_a**2) + (square_b - mean_b**2)
        joint = product - mean_a * mean_b
        near = (2 * mean_a * mean_b + 0.0004) / (mean_a**2 + mean_b**2 + 0.0004)
        values.append(_mean(1 - near * (2 * joint + 0.0036) / (spread + 0.0036), w))
    return torch.stack(values).mean()


def _sizes(first: Tensor, second: Tensor, weight: Tensor):
    for level in range(LEVELS):
        yield first, second, weight
        if min(first.shape[2:]) < 16 or level == LEVELS - 1:
            return
        first, second, weight = (F.avg_pool2d(x, 2) for x in (first, second, weight))


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values.mean(1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1e-6)
