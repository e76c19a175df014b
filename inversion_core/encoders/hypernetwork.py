"""A hypernetwork: what the codes miss of a photo -> offsets of a StyleSDF generator's weights, the same for all views.

Source: Alaluf et al. 2022, HyperStyle, section 3.2 (offsets as a share of each weight, one for all of a kernel's
pixels); offsets are of low rank here, which the paper's large layers share among each other instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.generators.stylesdf import StyleSDFSettings


@dataclass(frozen=True)
class HypernetworkSettings:
    """Sizes.

    Attributes:
        channels: of the strided convolutions over the residual; hidden: of the code that all heads read.
        rank: of each offset; groups: of the group norms.
    """

    channels: tuple[int, ...] = (32, 64, 128, 256, 256)
    hidden: int = 512
    rank: int = 4
    groups: int = 8


@dataclass(frozen=True)
class WeightOffsets:
    """Offsets for N photos.

    Attributes:
        view: a and b (N, W, rank): the view layer's weights W become W + W a bᵀ for the field's features.
        convs: for each styled convolution, a (N, out, rank) and b (N, in, rank): weights become W (1 + a bᵀ).
    """

    view: tuple[Tensor, Tensor]
    convs: tuple[tuple[Tensor, Tensor], ...]


class Hypernetwork(nn.Module):
    """Residual (N, 3, S, S) and thumb (N, 3, r, r) of the photo's own view -> offsets that start at zero."""

    def __init__(self, generator: StyleSDFSettings, settings: HypernetworkSettings | None = None) -> None:
        super().__init__()
        settings = settings or HypernetworkSettings()
        self.settings = settings
        layers: list[nn.Module] = []
        before = 6
        for channels in settings.channels:
            layers += [
                nn.Conv2d(before, channels, 3, 2, 1),
                nn.GroupNorm(settings.groups, channels),
                nn.LeakyReLU(0.2),
            ]
            before = channels
        # Four places of the picture each, so that left and right are told apart.
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.code = nn.Sequential(nn.Linear(4 * before, settings.hidden), nn.LeakyReLU(0.2))
        sides = [(generator.renderer.width, generator.renderer.width), *styled_sides(generator)]
        self.sides = tuple(sides)
        self.left = nn.ModuleList(nn.Linear(settings.hidden, out * settings.rank) for out, _ in sides)
        self.right = nn.ModuleList(nn.Linear(settings.hidden, into * settings.rank) for _, into in sides)
        for head in self.left:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, residual: Tensor, thumb: Tensor) -> WeightOffsets:
        seen = torch.cat([residual, F.interpolate(thumb, size=residual.shape[2:])], dim=1)
        code = self.code(self.trunk(seen))
        rank = self.settings.rank
        pairs = [
            (left(code).unflatten(1, (-1, rank)), right(code).unflatten(1, (-1, rank)))
            for left, right in zip(self.left, self.right, strict=True)
        ]
        return WeightOffsets(pairs[0], tuple(pairs[1:]))


def styled_sides(generator: StyleSDFSettings) -> list[tuple[int, int]]:
    """Channels that each styled convolution of the decoder gives and takes, in the order of its parameters."""
    channels = generator.decoder.channels
    sides = [(channels[0], generator.decoder.features)]
    for before, after in pairwise(channels):
        sides += [(after, before), (after, after)]
    return sides
