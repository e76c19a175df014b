"""StyleSDF's volume renderer: a signed-distance SIREN steered by codes, along rays of a unit-sphere camera.

Lengths are StyleSDF's world units: the camera is 1 from the origin, the head within 0.12 of it.
Source: Or-El et al. 2022, "StyleSDF"; E3DGE (Lan et al. 2023). Parameter names are the official checkpoint's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Modulation = Callable[[Tensor, Tensor], Tensor]
"""(points (N, ..., 3), features (N, ..., C)) -> the features that the view layer gets instead."""


@dataclass(frozen=True)
class RendererSettings:
    """Sizes and sampling; the defaults are FFHQ's.

    Attributes:
        style_dim: of the codes; width, depth: of the SIREN.
        resolution: side in rays; samples: along each.
        fov: half of the opening angle, radians.
        near, far: where sampling starts and ends, world units.
        foreground: a ray whose mean depth is below this hits the head.
    """

    style_dim: int = 256
    width: int = 256
    depth: int = 8
    resolution: int = 64
    samples: int = 24
    fov: float = math.radians(6)
    near: float = 0.88
    far: float = 1.12
    foreground: float = 1.08

    @property
    def num_styles(self) -> int:
        return self.depth + 1

    @property
    def scale(self) -> float:
        """World units to the network's units."""
        return 2 / (self.far - self.near)


def camera_poses(azim: Tensor, elev: Tensor) -> Tensor:
    """cam2world (N, 3, 4) of cameras at distance 1 that look at the origin along their -z; radians."""
    back = torch.stack([elev.cos() * azim.sin(), elev.sin(), elev.cos() * azim.cos()], dim=1)
    up = torch.tensor([0.0, 1.0, 0.0], device=back.device, dtype=back.dtype).expand_as(back)
    right = F.normalize(torch.linalg.cross(up, back), dim=1)
    above = F.normalize(torch.linalg.cross(back, right), dim=1)
    return torch.stack([right, above, back, back], dim=2)


def calibrations(poses: Tensor, fov: float) -> Tensor:
    """(N, 4, 4) world -> camera, with x and y scaled so that ±1 times the depth is the picture's edge."""
    rotation = poses[:, :, :3].transpose(1, 2)
    shift = -rotation @ poses[:, :, 3:]
    world_to_camera = torch.cat([rotation, shift], dim=2)
    scale = torch.tensor([1 / math.tan(fov), 1 / math.tan(fov), 1.0], device=poses.device, dtype=poses.dtype)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], device=poses.device, dtype=poses.dtype)
    return torch.cat([scale[:, None] * world_to_camera, last.expand(len(poses), 1, 4)], dim=1)


def camera_rays(poses: Tensor, fov: float, resolution: int) -> tuple[Tensor, Tensor, Tensor]:
    """Origins (N, 3), directions (N, r, r, 3) of unit depth, unit view directions (1, r, r, 3).

    Rows run down, columns to the right. The view directions stay in the camera's axes, as in training.
    """
    focal = 0.5 * resolution / math.tan(fov)
    centres = torch.linspace(0.5, resolution - 0.5, resolution, device=poses.device, dtype=poses.dtype)
    row, column = torch.meshgrid(centres, centres, indexing="ij")
    half = 0.5 * resolution
    local = torch.stack([(column - half) / focal, -(row - half) / focal, -torch.ones_like(row)], dim=-1)
    directions = torch.einsum("hwj,nij->nhwi", local, poses[:, :, :3])
    return poses[:, :, 3], directions, F.normalize(local, dim=-1)[None]


class ScaledLinear(nn.Module):
    """``std * (W x + b) + offset``."""

    def __init__(self, first: int, last: int, std: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.25 * nn.init.kaiming_normal_(torch.empty(last, first), a=0.2))
        bound = math.sqrt(1 / first)
        self.bias = nn.Parameter(torch.empty(last).uniform_(-bound, bound))
        self.std, self.offset = std, offset

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight, self.bias)
        return x if (self.std, self.offset) == (1.0, 0.0) else self.std * x + self.offset


class FiLMSiren(nn.Module):
    """``sin(gamma * (W x + b) + beta)`` with gamma and beta from the code."""

    def __init__(self, first: int, last: int, style_dim: int, is_first: bool = False) -> None:
        super().__init__()
        bound = 1 / 3 if is_first else math.sqrt(6 / first) / 25
        self.weight = nn.Parameter(torch.empty(last, first).uniform_(-bound, bound))
        bound = math.sqrt(1 / first)
        self.bias = nn.Parameter(torch.empty(last).uniform_(-bound, bound))
        self.gamma = ScaledLinear(style_dim, last, 15.0, 30.0)
        self.beta = ScaledLinear(style_dim, last, 0.25, 0.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(N, ..., last) of x (N, ..., first) and style (N, style_dim)."""
        shape = (len(style), *[1] * (x.dim() - 2), -1)
        gamma, beta = self.gamma(style).view(shape), self.beta(style).view(shape)
        return torch.sin(gamma * F.linear(x, self.weight, self.bias) + beta)


class SirenGenerator(nn.Module):
    """The signed-distance and colour field; points are in the network's units, [-1, 1] about the head."""

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        style_dim, width = settings.style_dim, settings.width
        self.pts_linears = nn.ModuleList(
            FiLMSiren(width if index else 3, width, style_dim, is_first=index == 0)
            for index in range(settings.depth)
        )
        self.views_linears = FiLMSiren(width + 3, width, style_dim)
        self.rgb_linear = ScaledLinear(width, 3)
        self.sigma_linear = ScaledLinear(width, 1)

    def geometry(self, points: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """sdf (N, ..., 1) and features (N, ..., width) at points (N, ..., 3); styles (N, depth + 1, D)."""
        x = points
        for index, layer in enumerate(self.pts_linears):
            x = layer(x, styles[:, index])
        return self.sigma_linear(x), x

    def colour(self, features: Tensor, directions: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """Raw rgb (N, ..., 3) and view features (N, ..., width)."""
        x = torch.cat([features, directions.expand(*features.shape[:-1], 3)], dim=-1)
        x = self.views_linears(x, styles[:, -1])
        return self.rgb_linear(x), x


@dataclass(frozen=True)
class Trace:
    """The geometry along the rays of N views: all that does not depend on colours.

    Attributes:
        depths: (N, r, r, samples); weights: the same; views: (1, r, r, 3).
        points: (N, r, r, samples, 3) world units; sdf: (..., 1); features: (..., C) at each of them.
    """

    depths: Tensor
    weights: Tensor
    views: Tensor
    points: Tensor
    sdf: Tensor
    features: Tensor


@dataclass(frozen=True)
class VolumeView:
    """What one pass over the rays gives; N pictures of r x r rays.

    Attributes:
        thumb: (N, 3, r, r) RGB in [-1, 1]; features: (N, C, r, r).
        depth: (N, 1, r, r) along the camera's axis, world units; mask: (N, 1, r, r) bool, the head.
        xyz: (N, 3, r, r) mean points, world units.
        points: (N, r, r, samples, 3) all points, world units; sdf: (N, r, r, samples, 1).
        weights: (N, r, r, samples).
    """

    thumb: Tensor
    features: Tensor
    depth: Tensor
    mask: Tensor
    xyz: Tensor
    points: Tensor
    sdf: Tensor
    weights: Tensor


def joined(parts: Sequence[VolumeView]) -> VolumeView:
    """One view of parts that lie below one another."""
    if len(parts) == 1:
        return parts[0]
    rows = {name: 1 if name in ("points", "sdf", "weights") else 2 for name in vars(parts[0])}
    return VolumeView(
        **{name: torch.cat([getattr(part, name) for part in parts], dim) for name, dim in rows.items()}
    )


def compositing_weights(sigma: Tensor, distances: Tensor) -> Tensor:
    """(..., samples) of densities and step lengths; the last sample takes all that is left: a wall.

    Source: StyleSDF, section 3.1, with its ``force_background``.
    """
    alpha = 1 - torch.exp(-sigma * distances)
    passed = torch.cumprod(1 - alpha + 1e-10, dim=-1)
    passed = torch.cat([torch.ones_like(passed[..., :1]), passed[..., :-1]], dim=-1)
    weights = (alpha * passed)[..., :-1]
    return torch.cat([weights, 1 - weights.sum(dim=-1, keepdim=True)], dim=-1)


class VolumeRenderer(nn.Module):
    """Rays, sampling, signed distance to density, compositing."""

    def __init__(self, settings: RendererSettings) -> None:
        super().__init__()
        self.settings = settings
        self.sigmoid_beta = nn.Parameter(0.1 * torch.ones(1))
        self.network = SirenGenerator(settings)

    def density(self, sdf: Tensor) -> Tensor:
        """sigma of signed distances. Source: StyleSDF, equation 3."""
        return torch.sigmoid(-sdf / self.sigmoid_beta) / self.sigmoid_beta

    def sdf(self, points: Tensor, styles: Tensor) -> Tensor:
        """Signed distances (N, ..., 1), in the network's units, at points (N, ..., 3) in world units."""
        return self.network.geometry(points * self.settings.scale, styles)[0]

    def forward(
        self,
        styles: Tensor,
        azim: Tensor,
        elev: Tensor,
        modulation: Modulation | None = None,
        jitter: bool = False,
        samples: int | None = None,
    ) -> VolumeView:
        """The view from azim, elev (N,) radians of styles (N, depth + 1, D).

        Args:
            modulation: changes the features that colours are made of; distances stay.
            jitter: moves samples within their intervals, from torch's global generator, for training.
        """
        return self.shade(self.trace(styles, azim, elev, jitter, samples), styles, modulation)

    def trace(
        self,
        styles: Tensor,
        azim: Tensor,
        elev: Tensor,
        jitter: bool = False,
        samples: int | None = None,
        rows: slice = slice(None),
    ) -> Trace:
        """The first half of :meth:`forward`; several shadings can share it. ``rows`` are the picture's that count."""
        settings = self.settings
        origins, directions, views = camera_rays(camera_poses(azim, elev), settings.fov, settings.resolution)
        directions, views = directions[:, rows], views[:, rows]
        depths = self.depths(directions, jitter, samples or settings.samples)
        points = origins[:, None, None, None] + directions[..., None, :] * depths[..., None]
        sdf, features = self.network.geometry(points * settings.scale, styles)
        steps = torch.cat([depths[..., 1:] - depths[..., :-1], torch.full_like(depths[..., :1], 1e10)], -1)
        lengths = steps * directions.norm(dim=-1, keepdim=True)
        weights = compositing_weights(self.density(sdf[..., 0]), lengths)
        return Trace(depths, weights, views, points, sdf, features)

    def shade(self, trace: Trace, styles: Tensor, modulation: Modulation | None = None) -> VolumeView:
        """The second half of :meth:`forward`."""
        weights, features = trace.weights, trace.features
        if modulation is not None:
            features = modulation(trace.points, features)
        rgb, features = self.network.colour(features, trace.views[..., None, :], styles)
        depth = (weights * trace.depths).sum(-1)[:, None]
        return VolumeView(
            thumb=-1 + 2 * _mean(weights, torch.sigmoid(rgb)),
            features=_mean(weights, features),
            depth=depth,
            mask=depth < self.settings.foreground,
            xyz=_mean(weights, trace.points),
            points=trace.points,
            sdf=trace.sdf,
            weights=weights,
        )

    def depths(self, directions: Tensor, jitter: bool, samples: int) -> Tensor:
        """(N, r, r, samples), from near to one step before far."""
        settings = self.settings
        t = torch.linspace(0.0, 1.0 - 1.0 / samples, samples, device=directions.device)
        depths = (settings.near + (settings.far - settings.near) * t).expand(*directions.shape[:-1], samples)
        if jitter:
            step = (settings.far - settings.near) / samples
            depths = depths + step * torch.rand_like(depths)
        return depths


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    return torch.einsum("nhws,nhwsc->nchw", weights, values)
