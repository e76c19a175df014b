"""The super-resolution on processors with convolutions in bfloat16.

Channels lie side by side, weights are modulated once for a head, and the low-pass filter, bias and activation
after a convolution are one pass over its result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.compiled import parallel
from inversion_core.generators.resample import upsample2d
from inversion_core.generators.stylegan2 import SynthesisBlock, SynthesisLayer, ToRGBLayer, clamped
from inversion_core.generators.superres import Superresolution

_TAPS = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
"""The low-pass filter along one axis, with the gain of 2 that the zeros between samples ask for."""


@nb.njit(inline="always", fastmath=True)
def _activate(row, bias, limit):
    for x in range(row.shape[0]):
        for c in range(row.shape[1]):
            value = row[x, c] + bias[c]
            value = value if value > 0 else np.float32(0.2) * value
            row[x, c] = min(max(value, -limit), limit)


@nb.njit(inline="always")
def _widened(values, out):
    """bfloat16 in 16-bit numbers as float32 in 32-bit numbers."""
    for n in range(len(out)):
        out[n] = np.uint32(values[n]) << np.uint32(16)


@nb.njit(inline="always")
def _narrowed(values, out):
    """The other way, to the nearest, or to the even one of two."""
    for n in range(len(out)):
        value = values[n]
        out[n] = (value + np.uint32(0x7FFF) + ((value >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)


@parallel
def _smoothed_half(x, bias, limit, out):
    """The 4x4 filter, bias and leaky ReLU of (H + 1, W + 1, C) bfloat16 in uint16 as (H, W, C)."""
    height, width, channels = out.shape
    for y in nb.prange(height):
        row = np.zeros((width + 3) * channels, np.float32)
        inner = row[channels : (width + 2) * channels]
        bits = np.empty(len(inner), np.uint32)
        values = bits.view(np.float32)
        for tap in range(4):
            source = y + tap - 1
            if 0 <= source <= height:
                _widened(x[source].ravel(), bits)
                share = _TAPS[tap]
                for n in range(len(inner)):
                    inner[n] += share * values[n]
        result = values[: width * channels]
        second, third, fourth = row[channels:], row[2 * channels :], row[3 * channels :]
        for n in range(len(result)):
            result[n] = 0.25 * (row[n] + fourth[n]) + 0.75 * (second[n] + third[n])
        _activate(result.reshape(width, channels), bias, limit)
        _narrowed(bits[: width * channels], out[y].ravel())


@parallel
def _activated_half(x, bias, limit):
    """Bias and leaky ReLU of (H, W, C) bfloat16 in uint16, in place."""
    for y in nb.prange(x.shape[0]):
        row = x[y].ravel()
        bits = np.empty(len(row), np.uint32)
        _widened(row, bits)
        _activate(bits.view(np.float32).reshape(x.shape[1:]), bias, limit)
        _narrowed(bits, row)


def _rows(y: Tensor) -> NDArray:
    """(1, C, H, W) in bfloat16 as (H, W, C) in uint16; the same memory where it lies so."""
    return y.permute(0, 2, 3, 1).contiguous()[0].view(torch.int16).numpy().view(np.uint16)


@dataclass(frozen=True)
class _Layer:
    """A convolution with the head's code in its weights, and what follows it."""

    weight: Tensor
    bias: NDArray[np.float32]
    limit: np.float32
    up: bool

    @classmethod
    def of(cls, layer: SynthesisLayer, w: Tensor) -> _Layer:
        weight = layer.weight * layer.affine(w)[0, :, None, None]
        weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt() * np.sqrt(2)
        if layer.up:
            weight = weight.transpose(0, 1)
        limit = np.float32(np.inf if layer.conv_clamp is None else layer.conv_clamp)
        bias = (layer.bias * np.sqrt(2)).numpy()
        weight = weight.bfloat16().contiguous(memory_format=torch.channels_last)
        return cls(weight, bias, limit, layer.up)

    def __call__(self, x: Tensor) -> Tensor:
        if self.up:
            rows = _rows(F.conv_transpose2d(x, self.weight, stride=2))
            out = np.empty((rows.shape[0] - 1, rows.shape[1] - 1, rows.shape[2]), rows.dtype)
            _smoothed_half(rows, self.bias, self.limit, out)
        else:
            out = _rows(F.conv2d(x, self.weight, padding=1))
            _activated_half(out, self.bias, self.limit)
        return torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)[None].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _ToRGB:
    weight: Tensor
    bias: Tensor
    limit: float | None

    @classmethod
    def of(cls, layer: ToRGBLayer, w: Tensor) -> _ToRGB:
        weight = layer.weight * (layer.affine(w)[0] * layer.weight_gain)[:, None, None]
        return cls(weight.bfloat16(), layer.bias, layer.conv_clamp)

    def __call__(self, x: Tensor) -> Tensor:
        return clamped(F.conv2d(x, self.weight).float() + self.bias[:, None, None], self.limit)


class HalfSuperresolution:
    """A super-resolution module with one head's code in its weights; noise is left out."""

    @torch.no_grad()
    def __init__(self, module: Superresolution, ws: Tensor) -> None:
        """Take ws (1, num_ws, w_dim)."""
        self.shape, self.antialias = module.shape, module.antialias
        w = ws[:, -1]
        self.blocks = [self._block(block, w) for block in (module.block0, module.block1)]

    @staticmethod
    def _block(block: SynthesisBlock, w: Tensor):
        layers = _Layer.of(block.conv0, w), _Layer.of(block.conv1, w)
        return layers, _ToRGB.of(block.torgb, w), block.up, block.resample_filter

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
        if not self.shape.enlarges and features.shape[-1] == side and rgb.data_ptr() == features.data_ptr():
            # The plain module adds its first picture to the features' own memory after reading them.
            rgb = rgb.clone()
        x = features.bfloat16().contiguous(memory_format=torch.channels_last)
        for layers, to_rgb, up, kernel in self.blocks:
            for layer in layers:
                x = layer(x)
            added = to_rgb(x)
            rgb = upsample2d(rgb, kernel).add_(added) if up else rgb + added
        return rgb
