"""StyleSDF's picture network: StyleGAN2 grown from a rendered feature picture instead of a constant.

Source: Or-El et al. 2022, "StyleSDF"; Karras et al. 2020, "Analyzing and Improving the Image Quality of
StyleGAN". Parameter names are those of the official checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.task import Progress, Task, finish

NoiseMode = Literal["stored", "random", "none"]
"""Where the noise comes from: the checkpoint's buffers, torch's global generator, or nowhere."""

LEAK, GAIN = 0.2, math.sqrt(2)


@dataclass(frozen=True)
class DecoderSettings:
    """Sizes; the defaults are FFHQ 1024's.

    Attributes:
        first: side of the feature picture; features: its channels.
        channels: of the blocks from ``first`` on, each of twice the side of the one before.
        style_dim: of the renderer's codes, from which ``mapping_layers`` make codes of ``w_dim``.
    """

    first: int = 64
    features: int = 256
    channels: tuple[int, ...] = (512, 256, 128, 64, 32)
    style_dim: int = 256
    w_dim: int = 512
    mapping_layers: int = 5

    @property
    def num_ws(self) -> int:
        return 2 * len(self.channels)

    @property
    def resolution(self) -> int:
        return self.first << (len(self.channels) - 1)


class PixelNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Linear layer whose weights are scaled when used; ``activated`` adds leaky ReLU with gain √2."""

    def __init__(
        self, first: int, last: int, bias: float = 0.0, lr_mul: float = 1.0, activated: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(last, first) / lr_mul)
        self.bias = nn.Parameter(torch.full((last,), float(bias)))
        self.scale, self.lr_mul, self.activated = lr_mul / math.sqrt(first), lr_mul, activated

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.leaky_relu(x, LEAK) * GAIN if self.activated else x


def binomial_kernel(gain: float) -> Tensor:
    """(4, 4) low-pass filter of [1, 3, 3, 1] whose sum is ``gain``."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = line[:, None] * line
    return kernel * (gain / kernel.sum())


def filtered(x: Tensor, kernel: Tensor, pad: tuple[int, int]) -> Tensor:
    """x (N, C, H, W), padded by ``pad`` before and behind, convolved with the kernel."""
    channels = x.shape[1]
    # Channel by channel as groups: as pictures of one channel each this takes processors seven times as long.
    weight = kernel.flip((0, 1)).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(x, (pad[0], pad[1], pad[0], pad[1])), weight, groups=channels)


class Blur(nn.Module):
    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        return filtered(x, self.kernel, (1, 1))


class Upsample(nn.Module):
    """Twice the side: zeros between the pixels, then the filter."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        spread = x.new_zeros(n, c, h, 2, w, 2)
        spread[:, :, :, 0, :, 0] = x
        return filtered(spread.view(n, c, 2 * h, 2 * w), self.kernel, (2, 1))


class ModulatedConv2d(nn.Module):
    """Convolution whose input channels are scaled by a code."""

    def __init__(
        self, first: int, last: int, side: int, w_dim: int, demodulate: bool = True, upsample: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, last, first, side, side))
        self.scale, self.pad = 1 / math.sqrt(first * side**2), side // 2
        self.demodulate = demodulate
        self.blur = Blur() if upsample else None
        self.modulation = EqualLinear(w_dim, first, bias=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        n, channels, h, width = x.shape
        weight = self.scale * self.weight * self.modulation(w).view(n, 1, channels, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum([2, 3, 4], keepdim=True) + 1e-8)
        x = x.reshape(1, n * channels, h, width)
        if self.blur is None:
            x = F.conv2d(x, weight.flatten(0, 1), padding=self.pad, groups=n)
            return x.view(n, -1, h, width)
        weight = weight.transpose(1, 2).flatten(0, 1)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)
        return self.blur(x.view(n, -1, *x.shape[2:]))


class NoiseInjection(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        return x if noise is None else x + self.weight * noise


class FusedLeakyReLU(nn.Module):
    """Bias, leaky ReLU, gain."""

    def __init__(self, channels: int, gain: float = GAIN) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias.view(1, -1, 1, 1), LEAK) * self.gain


class StyledConv(nn.Module):
    def __init__(self, first: int, last: int, w_dim: int, upsample: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(first, last, 3, w_dim, upsample=upsample)
        # In every official file, and never used: the activation has its own.
        self.bias = nn.Parameter(torch.zeros(1, last, 1, 1))
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(last)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        return self.activate(self.noise(self.conv(x, w), noise))


class ToRGB(nn.Module):
    def __init__(self, channels: int, w_dim: int, upsample: bool = True) -> None:
        super().__init__()
        self.upsample = Upsample() if upsample else None
        self.conv = ModulatedConv2d(channels, 3, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.conv(x, w) + self.bias
        return x if skip is None or self.upsample is None else x + self.upsample(skip)


class StyleSDFDecoder(nn.Module):
    """Features (N, 256, 64, 64) and codes (N, 10, 512) -> picture (N, 3, 1024, 1024)."""

    def __init__(self, settings: DecoderSettings | None = None) -> None:
        super().__init__()
        settings = settings or DecoderSettings()
        self.settings = settings
        w_dim, first, channels = settings.w_dim, settings.first, settings.channels
        layers: list[nn.Module] = [PixelNorm()]
        for index in range(settings.mapping_layers):
            before = w_dim if index else settings.style_dim
            layers.append(EqualLinear(before, w_dim, lr_mul=0.01, activated=True))
        self.style = nn.Sequential(*layers)
        self.conv1 = StyledConv(settings.features, channels[0], w_dim)
        self.to_rgb1 = ToRGB(channels[0], w_dim, upsample=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        self.noises = nn.Module()
        sides = [first]
        for index in range(1, len(channels)):
            self.convs.append(StyledConv(channels[index - 1], channels[index], w_dim, upsample=True))
            self.convs.append(StyledConv(channels[index], channels[index], w_dim))
            self.to_rgbs.append(ToRGB(channels[index], w_dim))
            sides += [first << index] * 2
        for index, side in enumerate(sides):
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))

    def mapping(self, styles: Tensor) -> Tensor:
        """w (N, w_dim) of the renderer's codes (N, style_dim)."""
        return self.style(styles)

    def forward(self, features: Tensor, ws: Tensor, noise: NoiseMode = "stored") -> Tensor:
        """RGB (N, 3, H, H), about [-1, 1], of features (N, C, h, h) and ws (N, num_ws, w_dim)."""
        return finish(self.steps(features, ws, noise))

    def steps(self, features: Tensor, ws: Tensor, noise: NoiseMode = "stored") -> Task[Tensor]:
        """A task that gives the same, layer by layer."""
        total = 1 + 2 * len(self.to_rgbs)
        x = self.conv1(features, ws[:, 0], self._noise(0, features, noise))
        skip = self.to_rgb1(x, ws[:, 1])
        for block, to_rgb in enumerate(self.to_rgbs):
            index = 2 * block
            yield Progress(index + 1, total, "drawing")
            # The up-sampling layer's noise has the side that it leaves with.
            x = self.convs[index](x, ws[:, index + 1], self._noise(index + 1, x, noise, 2))
            yield Progress(index + 2, total, "drawing")
            x = self.convs[index + 1](x, ws[:, index + 2], self._noise(index + 2, x, noise))
            skip = to_rgb(x, ws[:, index + 3], skip)
        return skip

    def _noise(self, index: int, x: Tensor, mode: NoiseMode, growth: int = 1) -> Tensor | None:
        if mode == "stored":
            return getattr(self.noises, f"noise_{index}")
        if mode == "random":
            return torch.randn(len(x), 1, x.shape[2] * growth, x.shape[3] * growth, device=x.device)
        return None
