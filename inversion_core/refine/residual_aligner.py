"""What a rendering misses of the photo, moved to where it belongs in another view or edit.

Source: Wang et al. 2022, HFGI, "adaptive distortion alignment", as E3DGE uses it.
Parameter names are the official checkpoint's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.encoders.ir_blocks import ResidualBlock


class ResidualAligner(nn.Module):
    """Residual (N, 3, S, S) and target thumb (N, 3, r, r) -> aligned residual (N, 3, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layer1 = nn.Sequential(
            nn.Conv2d(6, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.PReLU(16)
        )
        self.conv_layer2 = _stage((16, 32, 32, 32), 2)
        self.conv_layer3 = _stage((32, 48, 48, 48), 2)
        self.conv_layer4 = _stage((48, 64, 64, 64), 2)
        self.dconv_layer1 = _stage((112, 64, 32, 32), 1)
        self.dconv_layer2 = _stage((64, 32, 16, 16), 1)
        self.dconv_layer3 = _stage((32, 16, 3, 3), 1)

    def forward(self, residual: Tensor, thumb: Tensor) -> Tensor:
        first = self.conv_layer1(torch.cat([residual, F.interpolate(thumb, size=residual.shape[2:])], dim=1))
        second = self.conv_layer2(first)
        third = self.conv_layer3(second)
        x = self.dconv_layer1(_joined(self.conv_layer4(third), third))
        x = self.dconv_layer2(_joined(x, second))
        return self.dconv_layer3(_joined(x, first))


def _stage(sizes: tuple[int, ...], stride: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            ResidualBlock(sizes[i], sizes[i + 1], 1 if i else stride, excited=False)
            for i in range(len(sizes) - 1)
        )
    )


def _joined(low: Tensor, skip: Tensor) -> Tensor:
    low = F.interpolate(low, size=skip.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat([low, skip], dim=1)
