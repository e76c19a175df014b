"""StyleSDF's discriminator of thumbs, which E3DGE uses to find a picture's camera.

Source: Or-El et al. 2022, "StyleSDF", section 3.3. Parameter names are the official checkpoint's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.generators.stylesdf_decoder import FusedLeakyReLU


@dataclass(frozen=True)
class VolumeDiscriminatorSettings:
    """Sizes; the defaults are the official ones.

    Attributes:
        image_size: side of the thumb.
        channels: at each side from ``image_size`` down to 2.
    """

    image_size: int = 64
    channels: tuple[int, ...] = (128, 256, 400, 400, 400, 400)


class PlainConv(nn.Module):
    """1x1 or final convolution; with ``activated``, its bias belongs to the activation."""

    def __init__(self, first: int, last: int, side: int, activated: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(first, last, side, bias=not activated)
        self.activation = FusedLeakyReLU(last, gain=1.0) if activated else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if self.activation is None else self.activation(x)


class CoordConv(nn.Module):
    """3x3 convolution that also sees where it is: the row, then the column, from -1 to 1."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(first + 2, last, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        rows = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype)[:, None].expand(n, 1, h, w)
        columns = torch.linspace(-1, 1, w, device=x.device, dtype=x.dtype).expand(n, 1, h, w)
        return self.conv(torch.cat([x, rows, columns], dim=1))


class ActivatedCoordConv(nn.Module):
    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.conv = CoordConv(first, last)
        self.activation = FusedLeakyReLU(last, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv(x))


class HalvingBlock(nn.Module):
    """Two coordinate convolutions and a skip, both averaged to half the side."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.conv1 = ActivatedCoordConv(first, last)
        self.conv2 = ActivatedCoordConv(last, last)
        self.skip = PlainConv(first, last, 1, activated=False) if first != last else None

    def forward(self, x: Tensor) -> Tensor:
        out = F.avg_pool2d(self.conv2(self.conv1(x)), 2)
        skip = F.avg_pool2d(x, 2)
        if self.skip is not None:
            skip = self.skip(skip)
        return (out + skip) / math.sqrt(2)


class VolumeDiscriminator(nn.Module):
    """image (N, 3, 64, 64) in [-1, 1] -> (N, 3): realism logit, azimuth, elevation in radians."""

    def __init__(self, settings: VolumeDiscriminatorSettings | None = None) -> None:
        super().__init__()
        settings = settings or VolumeDiscriminatorSettings()
        self.settings = settings
        channels = settings.channels
        blocks: list[nn.Module] = [PlainConv(3, channels[0], 1, activated=True)]
        blocks += [HalvingBlock(channels[i], channels[i + 1]) for i in range(len(channels) - 1)]
        self.convs = nn.Sequential(*blocks)
        self.final_conv = PlainConv(channels[-1], 3, 2, activated=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.final_conv(self.convs(image)).flatten(1)
