"""Feature planes in EG3D's layout: xy, xz and zy over a stretched box, their features summed.

On the processor both passes are compiled loops.

Source: EG3D, section 4.1 and ``training/volumetric_rendering/renderer.py`` for planes and aggregation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba as nb
import numpy as np
import torch
from torch import Tensor, nn

from inversion_core.compiled import parallel

FIRST_AXIS = (0, 0, 2)
SECOND_AXIS = (1, 2, 1)
"""World axes across and up each plane: xy, xz, zy."""


@nb.njit(cache=True, fastmath=True, inline="always")
def _corner(value, size):
    """Lower texel and weight of the upper one, for a coordinate in [0, 1]; texel centres lie at +0.5."""
    at = min(max(value * size - 0.5, 0.0), size - 1.0)
    low = min(int(at), size - 2)
    return low, np.float32(at - low)


@parallel
def _gather(unit, planes, out):
    size, channels = planes.shape[1], planes.shape[3]
    for n in nb.prange(unit.shape[0]):
        for c in range(channels):
            out[n, c] = 0
        for p in range(3):
            x, fx = _corner(unit[n, FIRST_AXIS[p]], size)
            y, fy = _corner(unit[n, SECOND_AXIS[p]], size)
            a, b, d, e = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
            for c in range(channels):
                out[n, c] += (
                    a * planes[p, y, x, c]
                    + b * planes[p, y, x + 1, c]
                    + d * planes[p, y + 1, x, c]
                    + e * planes[p, y + 1, x + 1, c]
                )


@parallel
def _scatter(unit, gradient, blocks, planes):
    size, channels = planes.shape[1], planes.shape[3]
    # Threads own blocks of channels, so that no two add to the same number.
    for block in nb.prange(blocks):
        first, last = block * channels // blocks, (block + 1) * channels // blocks
        for n in range(unit.shape[0]):
            for p in range(3):
                x, fx = _corner(unit[n, FIRST_AXIS[p]], size)
                y, fy = _corner(unit[n, SECOND_AXIS[p]], size)
                a, b, d, e = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                for c in range(first, last):
                    g = gradient[n, c]
                    planes[p, y, x, c] += a * g
                    planes[p, y, x + 1, c] += b * g
                    planes[p, y + 1, x, c] += d * g
                    planes[p, y + 1, x + 1, c] += e * g


class _SampledOnCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, planes: Tensor, unit: Tensor) -> Tensor:
        ctx.save_for_backward(unit)
        ctx.shape = planes.shape
        out = torch.empty(unit.shape[0], planes.shape[3])
        _gather(unit.numpy(), planes.detach().numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (unit,) = ctx.saved_tensors
        total = torch.zeros(ctx.shape)
        blocks = min(nb.get_num_threads(), ctx.shape[3])
        _scatter(unit.numpy(), gradient.contiguous().numpy(), blocks, total.numpy())
        return total, None


class FeaturePlanes(nn.Module):
    """Three feature planes over a stretched box.

    Attributes:
        texels: (3, R, R, C), channels last for the processor's cache.
        low, high: (3,) the box in canonical world units; outside it the border is repeated.
        stretch: (3, K) values in [0, 1] of the axis maps at K evenly spaced positions of the box, increasing.
    """

    def __init__(self, resolution: int, channels: int, knots: int = 65) -> None:
        super().__init__()
        self.texels = nn.Parameter(0.05 * torch.randn(3, resolution, resolution, channels))
        self.register_buffer("low", -torch.ones(3))
        self.register_buffer("high", torch.ones(3))
        self.register_buffer("stretch", torch.linspace(0, 1, knots).repeat(3, 1))

    @property
    def planes(self) -> Tensor:
        """(3, C, R, R), EG3D's layout."""
        return self.texels.permute(0, 3, 1, 2)

    def unit(self, points: Tensor) -> Tensor:
        """(N, 3) in [0, 1]: where canonical points fall on the stretched axes."""
        knots = self.stretch.shape[1]
        at = ((points - self.low) / (self.high - self.low) * (knots - 1)).clamp(0, knots - 1.0001)
        index = at.long()
        fraction = at - index
        axis = torch.arange(3, device=points.device)
        below, above = self.stretch[axis, index], self.stretch[axis, index + 1]
        return below + (above - below) * fraction

    def forward(self, points: Tensor) -> Tensor:
        """(N, C) summed features at canonical points (N, 3)."""
        unit = self.unit(points)
        if self.texels.device.type == "cpu" and self.texels.dtype == torch.float32:
            return _SampledOnCpu.apply(self.texels, unit.contiguous())
        grid = unit * 2 - 1
        pairs = torch.stack([grid[:, [a, b]] for a, b in zip(FIRST_AXIS, SECOND_AXIS, strict=True)])
        features = nn.functional.grid_sample(
            self.planes, pairs[:, None], padding_mode="border", align_corners=False
        )
        return features[:, :, 0].sum(0).T


def packed_planes(texels: Tensor) -> dict[str, Tensor]:
    """Planes (3, R, R, C) as bytes (3, C, R, R) with a lowest value and a step for every plane and channel."""
    planes = texels.detach().cpu().permute(0, 3, 1, 2).contiguous()
    low = planes.amin((2, 3), keepdim=True)
    step = ((planes.amax((2, 3), keepdim=True) - low) / 255).clamp_min(1e-12)
    return {"bytes": ((planes - low) / step).round().to(torch.uint8), "low": low.half(), "step": step.half()}


def unpacked_planes(packed: Mapping[str, Tensor]) -> Tensor:
    """The inverse of :func:`packed_planes`, (3, R, R, C) float32."""
    planes = packed["low"].float() + packed["bytes"].float() * packed["step"].float()
    return planes.permute(0, 2, 3, 1).contiguous()
