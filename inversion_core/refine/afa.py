"""Adaptive feature alignment: what a rendering misses of the photo, put into the generator's features.

Source: GOAE (Yuan et al. 2023), section 3.3; the residual blocks are IR-SE's (Deng et al. 2019, ArcFace).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.encoders.cross_attention import CrossAttention, plain_norm


@dataclass(frozen=True)
class AFASettings:
    """Sizes; the defaults are the official ones.

    Attributes:
        stages: channels of the residual stages, each of which halves the picture.
        blocks: residual blocks in each stage.
        channels: of the generator's features.
        heads, hidden: of the cross attention.
    """

    stages: tuple[int, ...] = (64, 128, 256)
    blocks: int = 3
    channels: int = 512
    heads: int = 4
    hidden: int = 1024


class SqueezeExcitation(nn.Module):
    """Channels scaled by what a small network makes of their means."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) of the same."""
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))))


class Bottleneck(nn.Module):
    """Improved residual block with squeeze and excitation."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        if in_channels == channels:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels, min(16, channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H / stride, W / stride)."""
        return self.res_layer(x) + self.shortcut_layer(x)


class EqualConv2d(nn.Module):
    """3x3 convolution with equalised learning rate and bias."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = 1 / np.sqrt(in_channels * 9)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W)."""
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=1)


class _ScaledLeakyReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.2) * np.sqrt(2)


class AFA(nn.Module):
    """Scale and shift for the generator's features, from the difference between rendering and photo."""

    def __init__(self, settings: AFASettings | None = None) -> None:
        super().__init__()
        settings = settings or AFASettings()
        self.settings = settings
        first, last = settings.stages[0], settings.stages[-1]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        blocks, previous = [], first
        for channels in settings.stages:
            for index in range(settings.blocks):
                blocks.append(Bottleneck(previous, channels, 2 if index == 0 else 1))
                previous = channels
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            EqualConv2d(last, settings.channels),
            _ScaledLeakyReLU(),
            EqualConv2d(settings.channels, settings.channels),
        )
        self.cross_att_gamma = CrossAttention(settings.channels, settings.heads, settings.hidden)
        self.cross_att_beta = CrossAttention(settings.channels, settings.heads, settings.hidden)

    def forward(self, image: Tensor, rendering: Tensor, features: Tensor) -> Tensor:
        """Refined features (N, C, r, r).

        Args:
            image, rendering: (N, 3, S, S) in [-1, 1], the photo and what the code alone gives.
            features: (N, C, r, r) of the generator.
        """
        difference = self.output_layer(self.body(self.input_layer(rendering - image)))
        keys = plain_norm(difference.flatten(2).transpose(1, 2))
        query = plain_norm(features.flatten(2).transpose(1, 2))
        gamma, beta = (
            layer(query, keys).transpose(1, 2).reshape(features.shape)
            for layer in (self.cross_att_gamma, self.cross_att_beta)
        )
        return gamma * features + beta
