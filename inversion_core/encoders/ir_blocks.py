"""Residual blocks of face recognition networks. Source: Deng et al. 2019, ArcFace, "improved residual"."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Channels scaled by what a small network makes of their means."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class ResidualBlock(nn.Module):
    """(N, first, H, W) -> (N, last, H / stride, W / stride), with or without squeeze and excitation."""

    def __init__(self, first: int, last: int, stride: int, excited: bool) -> None:
        super().__init__()
        if first == last:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(first, last, 1, stride, bias=False), nn.BatchNorm2d(last)
            )
        layers: list[nn.Module] = [
            nn.BatchNorm2d(first),
            nn.Conv2d(first, last, 3, 1, 1, bias=False),
            nn.PReLU(last),
            nn.Conv2d(last, last, 3, stride, 1, bias=False),
            nn.BatchNorm2d(last),
        ]
        self.res_layer = nn.Sequential(*layers, *([SqueezeExcitation(last)] if excited else []))

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)
