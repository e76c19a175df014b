"""E3DGE's global encoder: a face picture -> offsets from the mean codes of both latent spaces.

Source: Lan et al. 2023, "Self-Supervised Geometry-Aware Encoder for Style-Based 3D GAN Inversion" (E3DGE),
section 3.2; the pyramid is pSp's (Richardson et al. 2021). Parameter names are the official checkpoint's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.encoders.ir_blocks import ResidualBlock
from inversion_core.generators.stylesdf_decoder import EqualLinear


@dataclass(frozen=True)
class E3DGEEncoderSettings:
    """Sizes; the defaults are the official ones.

    Attributes:
        image_size: side of the picture, a multiple of 16.
        channels: of the four stages; blocks: of each.
        style_dim, num_styles: the renderer's codes; w_dim, num_ws: the decoder's.
        style_convs: convolutions of a renderer head; w_convs: of each decoder head, of which only the first
            is used.
    """

    image_size: int = 256
    channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    blocks: tuple[int, int, int, int] = (3, 4, 14, 3)
    style_dim: int = 256
    num_styles: int = 9
    w_dim: int = 512
    style_convs: int = 7
    w_convs: tuple[int, ...] = (7, 7, 7, 8, 8, 8, 8, 8, 8, 8)

    @property
    def num_ws(self) -> int:
        return len(self.w_convs)


class StyleHead(nn.Module):
    """A code (N, last) of a feature map: halved until one pixel is left, and convolved on."""

    def __init__(self, first: int, last: int, convs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(convs):
            layers += [nn.Conv2d(last if index else first, last, 3, 2, 1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(last, last)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class E3DGEEncoder(nn.Module):
    """image (N, 3, 256, 256) in [-1, 1] -> offsets (N, 9, 256) and (N, 10, 512) from the mean codes."""

    def __init__(self, settings: E3DGEEncoderSettings | None = None) -> None:
        super().__init__()
        settings = settings or E3DGEEncoderSettings()
        self.settings = settings
        c128, c64, c32, c16 = settings.channels
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, c128, 3, 1, 1, bias=False), nn.BatchNorm2d(c128), nn.PReLU(c128)
        )
        blocks: list[nn.Module] = []
        before, taps = c128, []
        for channels, count in zip(settings.channels, settings.blocks, strict=True):
            for index in range(count):
                blocks.append(ResidualBlock(before, channels, 1 if index else 2, excited=True))
                before = channels
            taps.append(len(blocks) - 1)
        self.body, self.taps = nn.Sequential(*blocks), tuple(taps)
        self.styles_pigan = nn.ModuleList(
            StyleHead(c16, settings.style_dim, settings.style_convs) for _ in range(settings.num_styles)
        )
        self.styles_stylegan = nn.ModuleList(StyleHead(c16, settings.w_dim, n) for n in settings.w_convs)
        # Named after the channels of the official sizes.
        self.latlayer64 = nn.Conv2d(c128, c16, 1)
        self.latlayer128 = nn.Conv2d(c64, c16, 1)
        self.latlayer256 = nn.Conv2d(c32, c16, 1)

    def pyramid(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Feature maps at an eighth, a quarter and half of the picture's side."""
        x, found = self.input_layer(image), []
        for index, block in enumerate(self.body):
            x = block(x)
            if index in self.taps:
                found.append(x)
        c128, c64, c32, c16 = found
        p32 = _up_to(c16, c32) + self.latlayer256(c32)
        p64 = _up_to(p32, c64) + self.latlayer128(c64)
        return p32, p64, _up_to(p64, c128) + self.latlayer64(c128)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        coarse, _, fine = self.pyramid(image)
        styles = torch.stack([head(coarse) for head in self.styles_pigan], dim=1)
        w = self.styles_stylegan[0](fine)
        return styles, w[:, None].repeat(1, self.settings.num_ws, 1)


def _up_to(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
