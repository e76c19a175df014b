"""Stacked hourglass network that makes pixel-aligned features.

Source: Newell et al. 2016, "Stacked Hourglass Networks"; Saito et al. 2019, PIFu, ``HGFilters.py``.
Parameter names are those of PIFu's and E3DGE's checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class HourglassSettings:
    """Sizes; the defaults are E3DGE's.

    Attributes:
        inputs: channels of the picture; features: of the result; stem: of the first convolution.
        stacks: hourglasses in a row; depth: halvings in each; groups: of the group norms.
    """

    inputs: int = 64
    features: int = 256
    stem: int = 64
    stacks: int = 4
    depth: int = 2
    groups: int = 32


class ConvBlock(nn.Module):
    """Three convolutions of halving width whose results are concatenated, plus the input."""

    def __init__(self, first: int, last: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(first, last // 2, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(last // 2, last // 4, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(last // 4, last // 4, 3, padding=1, bias=False)
        self.bn1 = nn.GroupNorm(groups, first)
        self.bn2 = nn.GroupNorm(groups, last // 2)
        self.bn3 = nn.GroupNorm(groups, last // 4)
        # Without a change of channels, files hold this norm all the same.
        self.bn4 = nn.GroupNorm(groups, first)
        # Shares bn4, so that files hold it under two names.
        self.downsample = None
        if first != last:
            self.downsample = nn.Sequential(self.bn4, nn.ReLU(), nn.Conv2d(first, last, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(torch.relu(self.bn1(x)))
        second = self.conv2(torch.relu(self.bn2(first)))
        third = self.conv3(torch.relu(self.bn3(second)))
        return torch.cat([first, second, third], 1) + (x if self.downsample is None else self.downsample(x))


class Hourglass(nn.Module):
    """Down ``depth`` times and up again, with a branch kept at each side."""

    def __init__(self, depth: int, features: int, groups: int) -> None:
        super().__init__()
        self.depth = depth
        for level in range(1, depth + 1):
            self.add_module(f"b1_{level}", ConvBlock(features, features, groups))
            self.add_module(f"b2_{level}", ConvBlock(features, features, groups))
            self.add_module(f"b3_{level}", ConvBlock(features, features, groups))
        self.b2_plus_1 = ConvBlock(features, features, groups)

    def forward(self, x: Tensor) -> Tensor:
        return self._at(self.depth, x)

    def _at(self, level: int, x: Tensor) -> Tensor:
        kept = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(F.avg_pool2d(x, 2))
        low = self._at(level - 1, low) if level > 1 else self.b2_plus_1(low)
        low = self.get_submodule(f"b3_{level}")(low)
        return kept + F.interpolate(low, scale_factor=2, mode="bicubic", align_corners=True)


class HourglassFilter(nn.Module):
    """(N, inputs, H, W) -> (N, features, H/4, W/4): the last hourglass's features."""

    def __init__(self, settings: HourglassSettings | None = None) -> None:
        super().__init__()
        settings = settings or HourglassSettings()
        self.settings = settings
        stem, features, groups = settings.stem, settings.features, settings.groups
        self.conv1 = nn.Conv2d(settings.inputs, stem, 7, stride=2, padding=3)
        self.bn1 = nn.GroupNorm(groups, stem)
        self.conv2 = ConvBlock(stem, features // 2, groups)
        self.conv3 = ConvBlock(features // 2, features // 2, groups)
        self.conv4 = ConvBlock(features // 2, features, groups)
        for stack in range(settings.stacks):
            self.add_module(f"m{stack}", Hourglass(settings.depth, features, groups))
            self.add_module(f"top_m_{stack}", ConvBlock(features, features, groups))
            self.add_module(f"conv_last{stack}", nn.Conv2d(features, features, 1))
            self.add_module(f"bn_end{stack}", nn.GroupNorm(groups, features))
            self.add_module(f"l{stack}", nn.Conv2d(features, features, 1))
            if stack < settings.stacks - 1:
                self.add_module(f"bl{stack}", nn.Conv2d(features, features, 1))
                self.add_module(f"al{stack}", nn.Conv2d(features, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        part, last = self.get_submodule, self.settings.stacks - 1
        for stack in range(last + 1):
            inner = part(f"top_m_{stack}")(part(f"m{stack}")(x))
            inner = torch.relu(part(f"bn_end{stack}")(part(f"conv_last{stack}")(inner)))
            out = part(f"l{stack}")(inner)
            if stack < last:
                x = x + part(f"bl{stack}")(inner) + part(f"al{stack}")(out)
        return out
