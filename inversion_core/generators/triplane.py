"""Three feature planes read as a volume, and the rays through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.generators.stylegan2 import FullyConnectedLayer
from inversion_core.volume import box_limits, importance_depths, march, merged, stratified_depths

Sampling = Literal["midpoint", "random"]

RAYS_AT_ONCE = 1024
"""Rays that are evaluated together. With more, tensors pass 32 MB, and getting such blocks from the system anew
for each step costs a third of the time (measured on 2 cores)."""


@dataclass(frozen=True)
class VolumeSettings:
    """How rays run through the box.

    Attributes:
        box_warp: side of the cube that the planes cover, world units.
        ray_start, ray_end: depths where sampling starts and ends, world units; both None for the box itself.
        depth_resolution: coarse samples on each ray.
        depth_resolution_importance: fine samples on each ray; 0 for none.
        disparity_space_sampling: coarse samples evenly spread in 1/depth.
        white_back: what lies behind is white instead of black.
        density_noise: standard deviation of what "random" sampling adds to every raw density.
    """

    box_warp: float = 1.0
    ray_start: float | None = 2.25
    ray_end: float | None = 3.3
    depth_resolution: int = 48
    depth_resolution_importance: int = 48
    disparity_space_sampling: bool = False
    white_back: bool = False
    density_noise: float = 0.0


@dataclass(frozen=True)
class Draws:
    """Where in their strata the samples of N x M rays lie: jitter (N, M, S, 1) and u (N·M, K), in [0, 1).

    Attributes:
        noises: (N, M, S, 1) and (N, M, K, 1) added to the raw densities of either pass; empty for none.
    """

    jitter: Tensor
    u: Tensor
    noises: tuple[Tensor, ...] = ()


def draws(sampling: Sampling, n: int, rays: int, settings: VolumeSettings, device: torch.device) -> Draws:
    """The middle of every stratum for "midpoint"; for "random", torch's generator in the official order."""
    coarse, fine = settings.depth_resolution, settings.depth_resolution_importance
    if sampling == "random":
        # Both are drawn whole, before any chunking: a seed then gives the official picture.
        jitter = torch.rand(n, rays, coarse, 1, device=device)
        if not settings.density_noise > 0:
            return Draws(jitter, torch.rand(n * rays, fine, device=device))
        first = torch.randn(n, rays, coarse, 1, device=device) * settings.density_noise
        u = torch.rand(n * rays, fine, device=device)
        second = torch.randn(n, rays, fine, 1, device=device) * settings.density_noise
        return Draws(jitter, u, (first, second))
    u = (torch.arange(fine, device=device) + 0.5) / max(fine, 1)
    jitter = torch.full((1, 1, 1, 1), 0.5, device=device)
    return Draws(jitter.expand(n, rays, coarse, 1), u.expand(n * rays, fine))


def sample_planes(planes: Tensor, points: Tensor, box_warp: float) -> Tensor:
    """(N, 3, M, C) features of the planes (N, 3, C, H, W) at points (N, M, 3); zeros outside the box.

    Plane 0 is read at (x, y), plane 1 at (x, z), plane 2 at (z, x); the first runs along the width.
    Two planes thus span xz and none spans yz, which the released models were trained with.

    Source: EG3D, ``renderer.sample_from_planes``.
    """
    n, count, channels, height, width = planes.shape
    scaled = (2 / box_warp) * points
    grid = torch.stack([scaled[..., [0, 1]], scaled[..., [0, 2]], scaled[..., [2, 0]]], dim=1)
    features = F.grid_sample(
        planes.reshape(n * count, channels, height, width),
        grid.reshape(n * count, 1, -1, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return features.reshape(n, count, channels, -1).transpose(2, 3)


class OSGDecoder(nn.Module):
    """Plane features -> density and 32 colour channels. Source: EG3D, ``training/triplane.py``."""

    def __init__(
        self, features: int = 32, colours: int = 32, lr_multiplier: float = 1.0, hidden: int = 64
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(
            FullyConnectedLayer(features, hidden, lr_multiplier=lr_multiplier),
            nn.Softplus(),
            FullyConnectedLayer(hidden, 1 + colours, lr_multiplier=lr_multiplier),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """rgb (N, M, colours) in [-0.001, 1.001] and raw sigma (N, M, 1) of features (N, 3, M, C)."""
        x = self.net(features.mean(dim=1))
        return torch.sigmoid(x[..., 1:]) * (1 + 2 * 0.001) - 0.001, x[..., :1]

    def density(self, features: Tensor) -> Tensor:
        """The raw sigma (N, M, 1) alone."""
        last = self.net[2]
        hidden = self.net[1](self.net[0](features.mean(dim=1)))
        return F.linear(hidden, last.weight[:1] * last.weight_gain, last.bias[:1] * last.bias_gain)


def density(
    planes: Tensor, decoder: OSGDecoder, points: Tensor, box_warp: float, at_once: int = RAYS_AT_ONCE * 48
) -> Tensor:
    """Raw sigma (N, M, 1) at points (N, M, 3) without the colours, ``at_once`` points at a time."""
    parts = points.split(at_once, dim=1)
    return torch.cat([decoder.density(sample_planes(planes, part, box_warp)) for part in parts], dim=1)


def query(
    planes: Tensor, decoder: OSGDecoder, points: Tensor, box_warp: float, at_once: int = RAYS_AT_ONCE * 48
) -> tuple[Tensor, Tensor]:
    """rgb (N, M, colours) and raw sigma (N, M, 1) at points (N, M, 3), ``at_once`` points at a time."""
    parts = [decoder(sample_planes(planes, part, box_warp)) for part in points.split(at_once, dim=1)]
    return torch.cat([rgb for rgb, _ in parts], dim=1), torch.cat([sigma for _, sigma in parts], dim=1)


def render_rays(
    planes: Tensor,
    decoder: OSGDecoder,
    origins: Tensor,
    directions: Tensor,
    settings: VolumeSettings,
    drawn: Draws,
    at_once: int = RAYS_AT_ONCE,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (N, M, C) in [-1, 1], depths (N, M, 1) and opacities (N, M, 1) of the rays.

    Depths are clamped to the range of all samples of this call, as the official code does for a batch.

    Args:
        planes: (N, 3, C, H, W).
        origins, directions: (N, M, 3).
    """
    near, far = settings.ray_start, settings.ray_end
    if near is None or far is None:
        near, far = box_limits(origins, directions, settings.box_warp)
    n, m, _ = origins.shape
    u = drawn.u.reshape(n, m, -1)
    parts, ranges = [], []
    for i in range(n):
        for start in range(0, m, at_once):
            rays = (slice(i, i + 1), slice(start, start + at_once))
            limits = (near[rays], far[rays]) if isinstance(near, Tensor) else (near, far)
            depths = stratified_depths(*limits, drawn.jitter[rays], settings.disparity_space_sampling)
            noises = [noise[rays] for noise in drawn.noises]
            part, span = _render_chunk(
                planes[i : i + 1], decoder, origins[rays], directions[rays], depths, u[rays], settings, noises
            )
            parts.append(part)
            ranges.append(span)
    colours, depth, weight = (torch.cat(list(column), dim=1) for column in zip(*parts, strict=True))
    nearest, farthest = (torch.stack(list(column)) for column in zip(*ranges, strict=True))
    depth = torch.clamp(depth, nearest.min(), farthest.max())
    return colours.reshape(n, m, -1), depth.reshape(n, m, 1), weight.reshape(n, m, 1)


def _render_chunk(planes, decoder, origins, directions, depths, u, settings, noises=()):
    """Both passes over rays of one picture: (colours, unclamped depths, opacities), (nearest, farthest)."""

    def evaluate(at: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
        points = origins[:, :, None] + at * directions[:, :, None]
        rgb, sigma = decoder(sample_planes(planes, points.reshape(1, -1, 3), settings.box_warp))
        sigma = sigma.reshape(at.shape)
        return at, rgb.reshape(*at.shape[:3], -1), sigma + noises[number] if noises else sigma

    samples = evaluate(depths, 0)
    if settings.depth_resolution_importance:
        with torch.no_grad():
            weights = march(samples[1], samples[2], samples[0])[2]
        fine = importance_depths(depths, weights, u.reshape(-1, u.shape[-1]))
        samples = merged(samples, evaluate(fine, 1))
    depths, rgb, sigma = samples
    colours, depth, weights = march(rgb, sigma, depths, settings.white_back)
    return (colours, depth, weights.sum(dim=2)), (depths.min(), depths.max())
