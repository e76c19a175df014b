"""The super-resolution on processors: the same sums as the plain module, in less time.

Weights are modulated once for a head and made kernels of :mod:`inversion_core.generators.winograd`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.generators.resample import upsample2d
from inversion_core.generators.stylegan2 import SynthesisBlock, SynthesisLayer, clamped
from inversion_core.generators.superres import Superresolution
from inversion_core.generators.winograd import Kernel, convolve, framed, kernel_of


@dataclass(frozen=True)
class _Layer:
    """A convolution with the head's code in its weights, and what follows it."""

    kernel: Kernel
    bias: NDArray[np.float32]
    limit: np.float32

    @classmethod
    def of(cls, layer: SynthesisLayer, w: Tensor, half: bool) -> _Layer:
        weight = layer.weight.double() * layer.affine(w)[0, :, None, None]
        weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt() * np.sqrt(2)
        limit = np.float32(np.inf if layer.conv_clamp is None else layer.conv_clamp)
        return cls(kernel_of(weight.numpy(), layer.up, half), (layer.bias * np.sqrt(2)).numpy(), limit)


@dataclass(frozen=True)
class _Block:
    """Two convolutions, and the picture that is added to the one before."""

    first: _Layer
    second: _Layer
    to_rgb: NDArray[np.float32]
    bias: Tensor
    limit: float | None
    up: bool
    filter: Tensor

    @classmethod
    def of(cls, block: SynthesisBlock, w: Tensor, half: bool) -> _Block:
        rgb = block.torgb
        weight = rgb.weight[:, :, 0, 0] * (rgb.affine(w)[0] * rgb.weight_gain)
        return cls(
            _Layer.of(block.conv0, w, half),
            _Layer.of(block.conv1, w, half),
            weight.contiguous().numpy(),
            rgb.bias,
            rgb.conv_clamp,
            block.up,
            block.resample_filter,
        )

    def __call__(self, x: NDArray, picture: Tensor, keep: bool) -> tuple[NDArray | None, Tensor]:
        first, second = self.first, self.second
        x, _ = convolve(x, first.kernel, first.bias, first.limit, self.to_rgb[:0])
        x, added = convolve(x, second.kernel, second.bias, second.limit, self.to_rgb, keep)
        found = torch.from_numpy(added).permute(2, 0, 1)[None] + self.bias[:, None, None]
        if self.up:
            picture = upsample2d(picture, self.filter)
        return x, clamped(found, self.limit).add_(picture)


class FastSuperresolution:
    """A super-resolution module with one head's code in its weights; noise is left out."""

    @torch.no_grad()
    def __init__(self, module: Superresolution, ws: Tensor, half: bool = False) -> None:
        """Take ws (1, num_ws, w_dim); ``half`` multiplies in bfloat16, all else is float32."""
        self.shape, self.antialias = module.shape, module.antialias
        self.blocks = [_Block.of(block, ws[:, -1], half) for block in (module.block0, module.block1)]

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """(1, 3, R, R) of the feature picture (1, C, r, r), whose first three channels are the raw picture."""
        side = self.shape.input_resolution
        rgb = features[:, :3]
        if features.shape[-1] != side:
            features, rgb = (
                F.interpolate(x, size=(side, side), mode="bilinear", antialias=self.antialias)
                for x in (features, rgb)
            )
        given = self.blocks[0].first.kernel.given
        x = framed(side, given)
        x[1:-1, 1:-1, features.shape[1] :] = 0
        x[1:-1, 1:-1, : features.shape[1]] = features[0].permute(1, 2, 0).numpy()
        for last, block in enumerate(self.blocks):
            x, rgb = block(x, rgb, keep=not last)
        return rgb
