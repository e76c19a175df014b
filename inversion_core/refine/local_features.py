"""E3DGE's local branch: what the codes miss of a photo, as features of points.

Source: Lan et al. 2023, E3DGE, sections 3.3 and 3.4. Parameter names are the official checkpoint's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.encoders.hourglass import HourglassFilter, HourglassSettings
from inversion_core.generators.stylesdf_renderer import Modulation


@dataclass(frozen=True)
class LocalSettings:
    """Sizes; the defaults are the official ones.

    Attributes:
        hourglass: the network over pictures, whose inputs are the stems of residual and depth together.
        width: features of the field that are modulated.
        octaves: of the positional code.
        retired: whether there is the layer that official files hold and nothing uses.
    """

    hourglass: HourglassSettings = field(default_factory=HourglassSettings)
    width: int = 256
    octaves: int = 7
    retired: bool = True

    @property
    def code_size(self) -> int:
        return 3 + 6 * self.octaves


class NormedResidual(nn.Module):
    """Instance-normed residual block with mirrored borders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                nn.InstanceNorm2d(channels, affine=True),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False, padding_mode="reflect"),
            ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class ResnetFC(nn.Module):
    """Pre-activated fully connected residual block. Source: Yu et al. 2021, pixelNeRF, ``resnetfc.py``."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        hidden = min(first, last)
        self.fc_0, self.fc_1 = nn.Linear(first, hidden), nn.Linear(hidden, last)
        self.shortcut = nn.Linear(first, last, bias=False) if first != last else None

    def forward(self, x: Tensor) -> Tensor:
        inner = self.fc_1(torch.relu(self.fc_0(torch.relu(x))))
        return inner + (x if self.shortcut is None else self.shortcut(x))


class FusionBlock(nn.Module):
    """3D features of points, scaled and shifted by what 2D features and visibility say of them."""

    def __init__(self, features: int = 256) -> None:
        super().__init__()
        self.encode_enc = ResnetFC(2 * features + 1, features)
        self.scale = _two_linears(features)
        self.shift = _two_linears(features)

    def forward(self, aligned: Tensor, visible: Tensor, reference: Tensor) -> Tensor:
        """(..., C) of 2D features (..., C), visibility (..., 1) and 3D features (..., C)."""
        joint = self.encode_enc(torch.cat([aligned, visible, reference], dim=-1))
        return reference + (reference * self.scale(joint) + self.shift(joint))


def _two_linears(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, features), nn.LeakyReLU(0.2), nn.Linear(features, features))


class RetiredConv(nn.Module):
    """In every official file, never used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(512, 64, 3, padding=1), nn.GroupNorm(32, 64)


class LocalNetwork(nn.Module):
    """Feature maps of residual and depth, and modulations of field features from point features."""

    def __init__(self, settings: LocalSettings | None = None) -> None:
        super().__init__()
        settings = settings or LocalSettings()
        self.settings = settings
        half = settings.hourglass.inputs // 2
        self.residual_conv, self.depth_conv = _stem(3, half), _stem(1, half)
        self.image_filter = HourglassFilter(settings.hourglass)
        self.local_feat_to_tex_modulations_linear = ResnetFC(
            settings.hourglass.features + settings.code_size, 2 * settings.width
        )
        if settings.retired:
            self.downsample_channel_conv = RetiredConv()

    def feature_map(self, residual: Tensor, depth: Tensor) -> Tensor:
        """(N, C, S/4, S/4) of a residual (N, 3, S, S) and the rendered depth (N, 1, r, r) of its view."""
        depth = F.interpolate(depth, size=residual.shape[2:])
        return self.image_filter(torch.cat([self.residual_conv(residual), self.depth_conv(depth)], dim=1))

    def modulated(self, features: Tensor, point_features: Tensor, points: Tensor) -> Tensor:
        """Field features (N, ..., W) changed by point features (N, ..., C) at points (N, ..., 3)."""
        code = torch.cat([point_features, positional_code(points, self.settings.octaves)], dim=-1)
        alpha, beta = self.local_feat_to_tex_modulations_linear(code).chunk(2, dim=-1)
        return (alpha + 1) * features + beta


def _stem(first: int, last: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(first, last, 3, padding=1, bias=False, padding_mode="reflect"),
        NormedResidual(last),
        nn.Conv2d(last, last, 1, bias=False),
    )


def positional_code(points: Tensor, octaves: int) -> Tensor:
    """(..., 3 + 6 octaves): the points, then sine and cosine of each octave. Source: NeRF, equation 4."""
    parts = [points]
    for octave in range(octaves):
        parts += [torch.sin(2**octave * points), torch.cos(2**octave * points)]
    return torch.cat(parts, dim=-1)


def projected(points: Tensor, calibration: Tensor) -> Tensor:
    """(N, M, 2) picture coordinates in [-1, 1], x right and y down, of points (N, M, 3).

    Args:
        calibration: (N, 4, 4) of :func:`inversion_core.generators.stylesdf_renderer.calibrations`.
    """
    seen = torch.baddbmm(calibration[:, None, :3, 3], points, calibration[:, :3, :3].transpose(1, 2))
    depth = seen[..., 2:]
    # The camera looks along its -z.
    depth = torch.where(depth[:, :1] < 0, -depth, depth)
    xy = seen[..., :2] / depth
    return torch.stack([xy[..., 0], -xy[..., 1]], dim=-1)


def sampled(feature_map: Tensor, xy: Tensor) -> Tensor:
    """(N, M, C) of a feature map (N, C, h, w) at picture coordinates (N, M, 2); 0 outside."""
    found = F.grid_sample(
        feature_map, xy[:, :, None], mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return found[..., 0].transpose(1, 2)


def inside(xy: Tensor) -> Tensor:
    """(N, M) bool: whether picture coordinates (N, M, 2) lie in the picture."""
    return (xy.abs() <= 1).all(dim=-1)


@dataclass(frozen=True)
class AlignedMap:
    """A feature map (N, C, h, w) and the calibration (N, 4, 4) of its view."""

    features: Tensor
    calibration: Tensor

    def at(self, points: Tensor) -> Tensor:
        """(N, M, C) at points (N, M, 3)."""
        return sampled(self.features, projected(points, self.calibration))

    def covers(self, points: Tensor) -> Tensor:
        """(N, M) bool: whether points (N, M, 3) lie in the view's picture."""
        return inside(projected(points, self.calibration))


class PointFeatures(Protocol):
    """Features of points, of one view or of several."""

    def at(self, points: Tensor) -> Tensor: ...
    def covers(self, points: Tensor) -> Tensor: ...


def hybrid_modulation(
    network: LocalNetwork, fusion: FusionBlock, reference: PointFeatures, query: AlignedMap, xyz: Tensor
) -> Modulation:
    """The change of the field's features for a view: reference features in 3D, fused with aligned ones in 2D.

    Args:
        reference: from the photo's own view, or from those of several; query: from the view to be rendered.
        xyz: (N, 3, r, r) the surface that this view sees; tells apart what is outside of the photo.
    """
    seen = reference.covers(xyz.flatten(2).transpose(1, 2))

    def change(points: Tensor, features: Tensor) -> Tensor:
        flat = points.flatten(1, 3)
        visible = seen.to(features.dtype)[:, :, None].expand(-1, -1, points.shape[3]).flatten(1)[..., None]
        fused = fusion(query.at(flat), visible, reference.at(flat))
        return network.modulated(features, fused.view(*points.shape[:4], -1), points)

    return change


def plain_modulation(network: LocalNetwork, reference: AlignedMap) -> Modulation:
    """The same from the reference features alone, without fusion."""

    def change(points: Tensor, features: Tensor) -> Tensor:
        found = reference.at(points.flatten(1, 3)).view(*points.shape[:4], -1)
        return network.modulated(features, found, points)

    return change
