"""Image operators A in y = A(G(w)): what is known of a damaged picture, as functions on (N, 3, H, W) in [-1, 1].

Source: Bora et al. 2017 (CSGM), section 2, measurements; Pan et al. 2020 (DGP), section 4, degradations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Operator = Callable[[Tensor], Tensor]

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green, blue. Source: ITU-R BT.601."""


def identity(picture: Tensor) -> Tensor:
    """The picture itself."""
    return picture


def masked(known: Tensor) -> Operator:
    """Keeps where ``known`` (1, 1, H, W) is 1; the rest becomes mid-grey in target and guess alike."""
    return lambda picture: picture * _like(known, picture)


def grey(picture: Tensor) -> Tensor:
    """(N, 1, H, W) luma."""
    weights = picture.new_tensor(LUMA)[None, :, None, None]
    return (picture * weights).sum(1, keepdim=True)


def downsampled(factor: int) -> Operator:
    """Means of squares of ``factor`` pixels."""
    return lambda picture: F.avg_pool2d(picture, factor)


def blurred(sigma: float) -> Operator:
    """Gaussian blur of ``sigma`` pixels, edges repeated."""

    def apply(picture: Tensor) -> Tensor:
        reach = max(1, int(3 * sigma + 0.5))
        at = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
        kernel = torch.exp(-0.5 * (at / sigma) ** 2)
        kernel = (kernel / kernel.sum()).expand(picture.shape[1], 1, 1, -1)
        padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
        wide = F.conv2d(padded, kernel, groups=picture.shape[1])
        return F.conv2d(wide, kernel.transpose(2, 3), groups=picture.shape[1])

    return apply


def noisy(deviation: float, seed: int = 0) -> Operator:
    """Adds the same Gaussian noise every time: for making damaged pictures; a guess is compared without it."""

    def apply(picture: Tensor) -> Tensor:
        drawn = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
        return picture + deviation * drawn.to(picture)

    return apply


def cropped(top: int, left: int, height: int, width: int) -> Operator:
    """A window, in pixels."""
    return lambda picture: picture[..., top : top + height, left : left + width]


def _like(known: Tensor, picture: Tensor) -> Tensor:
    if known.shape[2:] == picture.shape[2:]:
        return known
    return F.interpolate(known, size=picture.shape[2:], mode="area")
