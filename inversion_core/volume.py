"""Rays, samples on them, and compositing: pure functions on tensors.

Sizes: N pictures, M rays each, S samples a ray, C channels. Lengths in world units.
Source: EG3D, ``training/volumetric_rendering/{ray_sampler,renderer,ray_marcher,math_utils}.py``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def camera_rays(cam2world: Tensor, intrinsics: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """Origins and unit directions, each (N, resolution², 3), through pixel centres, row by row.

    Args:
        cam2world: (N, 4, 4), OpenCV axes.
        intrinsics: (N, 3, 3), normalised by the picture's size.
    """
    axis = (torch.arange(resolution, dtype=torch.float32, device=cam2world.device) + 0.5) / resolution
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    u, v = u.reshape(1, -1), v.reshape(1, -1)
    fx, fy = intrinsics[:, 0, 0, None], intrinsics[:, 1, 1, None]
    cx, cy, skew = intrinsics[:, 0, 2, None], intrinsics[:, 1, 2, None], intrinsics[:, 0, 1, None]
    x = (u - cx + cy * skew / fy - skew * v / fy) / fx
    y = ((v - cy) / fy).expand_as(x)
    points = torch.stack([x, y, torch.ones_like(x), torch.ones_like(x)], dim=-1)
    # Through the world and back to a direction, as the official code does, so that rounding is the same.
    world = (points @ cam2world.transpose(1, 2))[..., :3]
    origins = cam2world[:, None, :3, 3]
    directions = F.normalize(world - origins, dim=2)
    return origins.expand_as(directions).contiguous(), directions


def box_limits(origins: Tensor, directions: Tensor, side: float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube of ``side`` round the origin, each (N, M, 1).

    Rays that miss it get the smallest and the largest entry of those that hit; -1 and -2 if none does.
    """
    inverse = 1 / directions
    first, second = (-side / 2 - origins) * inverse, (side / 2 - origins) * inverse
    near = torch.minimum(first, second).amax(dim=-1, keepdim=True)
    far = torch.maximum(first, second).amin(dim=-1, keepdim=True)
    hit = far > near
    if not bool(hit.any()):
        return torch.full_like(near, -1), torch.full_like(far, -2)
    entries = near[hit]
    # Both from the entries, as in the official code: a missed ray only has to lie somewhere harmless.
    return torch.where(hit, near, entries.min()), torch.where(hit, far, entries.max())


def stratified_depths(
    near: Tensor | float, far: Tensor | float, jitter: Tensor, disparity: bool = False
) -> Tensor:
    """(N, M, S, 1) depths, evenly spread from near to far, each moved on by its jitter times the spacing.

    Args:
        near, far: one number for all rays, or (N, M, 1).
        jitter: (N, M, S, 1) in [0, 1); 0.5 everywhere is deterministic. Samples may pass ``far``.
        disparity: spread evenly in 1/depth.
    """
    count = jitter.shape[2]
    if isinstance(near, Tensor):
        near, far = near[..., None], far[..., None]
    elif not disparity:
        steps = torch.linspace(near, far, count, device=jitter.device)[:, None]
        return steps + jitter * ((far - near) / (count - 1))
    steps = torch.linspace(0, 1, count, device=jitter.device)[:, None]
    if disparity:
        share = steps + jitter / (count - 1)
        return 1 / (1 / near * (1 - share) + 1 / far * share)
    return near + steps * (far - near) + jitter * ((far - near) / (count - 1))


def march(
    colours: Tensor, sigmas: Tensor, depths: Tensor, white_back: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours (…, C) in [-1, 1], expected depths (…, 1) and weights (…, S - 1, 1) of the rays.

    Depths are not yet clamped to a range; a ray that meets nothing has depth infinity.

    Args:
        colours: (…, S, C) in [0, 1].
        sigmas: (…, S, 1) raw densities.
        depths: (…, S, 1), ascending.

    Source: EG3D, ``MipRayMarcher2``; Max 1995, "Optical Models for Direct Volume Rendering".
    """
    deltas = depths[..., 1:, :] - depths[..., :-1, :]
    mid_colours = (colours[..., :-1, :] + colours[..., 1:, :]) / 2
    mid_sigmas = (sigmas[..., :-1, :] + sigmas[..., 1:, :]) / 2
    mid_depths = (depths[..., :-1, :] + depths[..., 1:, :]) / 2
    density = F.softplus(mid_sigmas - 1)
    # Not expm1: an empty ray's alpha must be exactly 0, so that 0/0 marks its depth.
    alpha = 1 - torch.exp(-density * deltas)
    shifted = torch.cat([torch.ones_like(alpha[..., :1, :]), 1 - alpha + 1e-10], dim=-2)
    weights = alpha * torch.cumprod(shifted, dim=-2)[..., :-1, :]
    total = weights.sum(dim=-2)
    rgb = (weights * mid_colours).sum(dim=-2)
    depth = torch.nan_to_num((weights * mid_depths).sum(dim=-2) / total, nan=float("inf"))
    if white_back:
        rgb = rgb + 1 - total
    return rgb * 2 - 1, depth, weights


@torch.no_grad()
def importance_depths(depths: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """(N, M, K, 1) depths drawn where the coarse pass put its weight.

    Args:
        depths: (N, M, S, 1) of the coarse pass.
        weights: (N, M, S - 1, 1) of the coarse pass.
        u: (N·M, K) in [0, 1).

    Source: Mildenhall et al. 2020 (NeRF), section 5.2; Barron et al. 2021 (mip-NeRF), section 3.1.
    """
    n, m, samples, _ = depths.shape
    z = depths.reshape(n * m, samples)
    w = weights.reshape(n * m, 1, samples - 1)
    w = F.avg_pool1d(F.max_pool1d(w, 2, 1, padding=1), 2, 1).squeeze(1) + 0.01
    bins = (z[:, :-1] + z[:, 1:]) / 2
    # The outer weights are dropped but not the outer bins: the last bin is never used.
    pdf = w[:, 1:-1] + 1e-5
    pdf = pdf / pdf.sum(dim=-1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(pdf[:, :1]), pdf.cumsum(dim=-1)], dim=-1)
    index = torch.searchsorted(cdf, u.contiguous(), right=True)
    below, above = (index - 1).clamp_min(0), index.clamp_max(pdf.shape[-1])
    cdf_below, bin_below = cdf.gather(1, below), bins.gather(1, below)
    width = cdf.gather(1, above) - cdf_below
    width = torch.where(width < 1e-5, torch.ones_like(width), width)
    drawn = bin_below + (u - cdf_below) / width * (bins.gather(1, above) - bin_below)
    return drawn.reshape(n, m, -1, 1)


def merged(
    first: tuple[Tensor, Tensor, Tensor], second: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Depths, colours and densities of both passes together, in the order of their depths."""
    depths, colours, sigmas = (torch.cat(pair, dim=-2) for pair in zip(first, second, strict=True))
    depths, order = torch.sort(depths, dim=-2)
    colours = torch.gather(colours, -2, order.expand(*order.shape[:-1], colours.shape[-1]))
    return depths, colours, torch.gather(sigmas, -2, order)
