"""StyleGAN2's layers, with the parameter names of the official checkpoints.

Weights are stored unscaled and multiplied at run time (equalised learning rate).
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"; EG3D,
``training/networks_stylegan2.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.generators.resample import filtered, low_pass_filter, upsample2d

NoiseMode = Literal["const", "random", "none"]


def normalised_2nd_moment(x: Tensor) -> Tensor:
    """``x`` (N, C) scaled so that the mean square over its channels is 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def clamped(x: Tensor, limit: float | None) -> Tensor:
    """``x`` clamped to ±``limit``; in place where no gradient needs the old values, as tensors are large."""
    if limit is None:
        return x
    return x.clamp(-limit, limit) if x.requires_grad else x.clamp_(-limit, limit)


class FullyConnectedLayer(nn.Module):
    """``activation(x W^T * lr_multiplier / sqrt(in) + b * lr_multiplier)``."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: Literal["linear", "lrelu"] = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / np.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(…, out_features) of (…, in_features)."""
        x = F.linear(x, self.weight.to(x.dtype) * self.weight_gain, self.bias.to(x.dtype) * self.bias_gain)
        return F.leaky_relu(x, 0.2) * np.sqrt(2) if self.activation == "lrelu" else x


class MappingNetwork(nn.Module):
    """z (N, z_dim) and a label (N, c_dim) -> ws (N, num_ws, w_dim)."""

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 8,
        embed_features: int | None = None,
        layer_features: int | None = None,
        lr_multiplier: float = 0.01,
        w_avg_beta: float = 0.998,
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws = z_dim, c_dim, num_ws
        self.num_layers, self.w_avg_beta = num_layers, w_avg_beta
        embedded = (w_dim if embed_features is None else embed_features) if c_dim else 0
        hidden = w_dim if layer_features is None else layer_features
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, embedded)
        sizes = [z_dim + embedded, *[hidden] * (num_layers - 1), w_dim]
        for index in range(num_layers):
            layer = FullyConnectedLayer(
                sizes[index], sizes[index + 1], activation="lrelu", lr_multiplier=lr_multiplier
            )
            setattr(self, f"fc{index}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """The codes; truncation moves the first ``truncation_cutoff`` of them (all if None) towards the mean.

        Args:
            update_emas: also moves the mean towards these codes, as training does.
        """
        x = normalised_2nd_moment(z.float()) if self.z_dim else z.new_zeros(len(z), 0)
        if self.c_dim:
            x = torch.cat([x, normalised_2nd_moment(self.embed(c.float()))], dim=1)
        for index in range(self.num_layers):
            x = getattr(self, f"fc{index}")(x)
        if update_emas:
            self.w_avg.copy_(x.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if truncation_psi != 1:
            cut = self.num_ws if truncation_cutoff is None else truncation_cutoff
            ws = torch.cat([self.w_avg.lerp(ws[:, :cut], truncation_psi), ws[:, cut:]], dim=1)
        return ws


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    demodulate: bool = True,
    up: bool = False,
    kernel: Tensor | None = None,
    gain: float = 1.0,
) -> Tensor:
    """(N, out, H, W), twice as large with ``up``: a convolution whose weights each sample's styles scale.

    Args:
        x: (N, in, H, W).
        weight: (out, in, k, k).
        styles: (N, in).
        kernel: (4, 4) low-pass filter, needed with ``up``.
        gain: factor of the result, folded into the weights.

    Source: Karras et al. 2020, section 2.2, equations 1 to 3.
    """
    n, channels, height, width = x.shape
    out_channels, _, size, _ = weight.shape
    if x.dtype == torch.float16 and demodulate:
        # Half precision overflows without this; it cancels in the demodulation.
        fan_in = weight[0].numel()
        weight = weight / (np.sqrt(fan_in) * weight.abs().amax(dim=(1, 2, 3), keepdim=True))
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
    weights = weight * styles[:, None, :, None, None]
    if demodulate:
        weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    weights = (weights * gain).to(x.dtype)
    # One group per sample; a batch of one is an ordinary convolution.
    x = x.reshape(1, n * channels, height, width)
    if up:
        # The transposed convolution is the gradient of a correlation: it takes the weight as it is stored.
        weights = weights.transpose(1, 2).reshape(n * channels, out_channels, size, size)
        y = F.conv_transpose2d(x, weights, stride=2, groups=n)
        y = filtered(y, kernel, (1, 1, 1, 1), gain=4.0)
    else:
        y = F.conv2d(x, weights.reshape(n * out_channels, channels, size, size), padding=size // 2, groups=n)
    return y.reshape(n, out_channels, *y.shape[2:])


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: bool = False,
        use_noise: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.use_noise, self.conv_clamp = resolution, up, use_noise, conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", low_pass_filter())
        if use_noise:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """(N, out_channels, resolution, resolution) of features x and codes w (N, w_dim)."""
        # The activation's gain commutes with the leaky ReLU, so weights, noise and bias carry it.
        gain = np.sqrt(2)
        y = modulated_conv2d(
            x, self.weight, self.affine(w), up=self.up, kernel=self.resample_filter, gain=gain
        )
        if self.use_noise and noise_mode == "random":
            noise = torch.randn(len(x), 1, self.resolution, self.resolution, device=x.device)
            y.add_(noise * (self.noise_strength * gain))
        elif self.use_noise and noise_mode == "const":
            y.add_(self.noise_const * (self.noise_strength * gain))
        y.add_(self.bias[:, None, None] * gain)
        return clamped(F.leaky_relu(y, 0.2, inplace=True), self.conv_clamp)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution without demodulation."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / np.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, out_channels, H, W) of features x and codes w (N, w_dim)."""
        y = modulated_conv2d(x, self.weight, self.affine(w) * self.weight_gain, demodulate=False)
        return clamped(y.add_(self.bias[:, None, None]), self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution of the skip architecture: two layers (one in the first block) and a picture."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        use_fp16: bool = False,
        conv_clamp: float | None = None,
        use_noise: bool = True,
        up: bool = True,
    ) -> None:
        super().__init__()
        self.use_fp16, self.up = use_fp16, up
        self.num_conv = 2 if in_channels else 1
        self.register_buffer("resample_filter", low_pass_filter())
        layer = {"w_dim": w_dim, "resolution": resolution, "use_noise": use_noise, "conv_clamp": conv_clamp}
        if in_channels:
            self.conv0 = SynthesisLayer(in_channels, out_channels, up=up, **layer)
        else:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.conv1 = SynthesisLayer(out_channels, out_channels, **layer)
        self.torgb = ToRGBLayer(out_channels, img_channels, w_dim, conv_clamp)

    def forward(
        self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise_mode: NoiseMode = "const"
    ) -> tuple[Tensor, Tensor]:
        """Features and picture; ``ws`` (N, num_conv + 1, w_dim).

        A block that does not enlarge adds to ``img`` in place.
        """
        # Half precision is for CUDA only; elsewhere it is slow and rounds differently from the official code.
        dtype = torch.float16 if self.use_fp16 and ws.device.type == "cuda" else torch.float32
        codes: Iterator[Tensor] = iter(ws.unbind(dim=1))
        if self.num_conv == 1:
            x = self.const.to(dtype).expand(len(ws), -1, -1, -1)
        else:
            x = self.conv0(x.to(dtype), next(codes), noise_mode)
        x = self.conv1(x, next(codes), noise_mode)
        rgb = self.torgb(x, next(codes)).float()
        if img is None:
            return x, rgb
        return x, upsample2d(img, self.resample_filter).add_(rgb) if self.up else img.add_(rgb)


class SynthesisNetwork(nn.Module):
    """ws -> picture (N, img_channels, R, R), in blocks b4, b8 ... bR."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_fp16_res: int = 4,
        conv_clamp: float | None = 256,
        use_noise: bool = True,
    ) -> None:
        super().__init__()
        levels = int(np.log2(img_resolution))
        self.resolutions = [2**level for level in range(2, levels + 1)]
        self.num_ws = 2 * len(self.resolutions)
        fp16_from = max(2 ** (levels + 1 - num_fp16_res), 8)
        previous = 0
        for resolution in self.resolutions:
            channels = min(channel_base // resolution, channel_max)
            block = SynthesisBlock(
                previous,
                channels,
                w_dim,
                resolution,
                img_channels,
                use_fp16=resolution >= fp16_from,
                conv_clamp=conv_clamp,
                use_noise=use_noise,
            )
            setattr(self, f"b{resolution}", block)
            previous = channels

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """The picture of ws (N, num_ws, w_dim)."""
        return self.run(ws, self.resolutions, noise_mode=noise_mode)[1]

    def run(
        self,
        ws: Tensor,
        resolutions: list[int],
        x: Tensor | None = None,
        img: Tensor | None = None,
        noise_mode: NoiseMode = "const",
    ) -> tuple[Tensor, Tensor]:
        """Features and picture after the blocks of ``resolutions``, which start from ``x`` and ``img``.

        Block 0 reads w 0 and 1; block k reads w 2k - 1 and 2k, and 2k + 1 for its picture: the picture's code
        is the next block's first one.
        """
        ws = ws.float()
        for resolution in resolutions:
            block: SynthesisBlock = getattr(self, f"b{resolution}")
            index = self.resolutions.index(resolution)
            first = max(2 * index - 1, 0)
            x, img = block(x, img, ws[:, first : first + block.num_conv + 1], noise_mode)
        return x, img
