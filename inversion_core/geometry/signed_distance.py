"""Surfaces of StyleSDF heads: the zero level of the signed distance, and the fusion of rendered depths.

Vertices are in StyleSDF's world units: the head lies within 0.12 of the origin.
Source: Or-El et al. 2022, "StyleSDF", section 4.3; Curless and Levoy 1996 for the fusion.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor

from inversion_core.errors import UsageError
from inversion_core.generators.stylesdf import Codes, StyleSDF
from inversion_core.generators.stylesdf_renderer import calibrations, camera_poses, camera_rays
from inversion_core.geometry.sparse_grid import BLOCK, blocks_for, surface_on_grid
from inversion_core.mesh import Mesh
from inversion_core.refine.local_features import projected
from inversion_core.task import Progress, Task, finish

CHUNK = 1 << 16
"""Points that go through the field at once."""
GUARD = 0.25
"""Blocks count as near when a corner is this close to the surface, as a share of how much the corners differ."""
FUSED_VIEWS = ((0.0, 0.0), (-0.6, 0.0), (0.6, 0.0), (0.0, 0.3), (0.0, -0.3))
"""Azimuth and elevation in radians of the views whose depths are fused: twice the spread of training cameras."""


def frustum_mesh(generator: StyleSDF, codes: Codes, resolution: int = 128) -> Mesh:
    """See :func:`frustum_surface`."""
    return finish(frustum_surface(generator, codes, resolution))


@torch.no_grad()
def frustum_surface(generator: StyleSDF, codes: Codes, resolution: int) -> Task[Mesh]:
    """A task that gives the zero level of one head's signed distance in the frontal camera's frustum, with colours.

    The same as marching cubes finds on all ``resolution``³ samples, for every part of the surface that a grid of
    every fourth sample meets.

    Args:
        codes: of one head (N = 1).
        resolution: rays a side and samples along each. The official script takes the frustum for a box;
            here vertices are where the samples are.

    Raises:
        UsageError: there is no surface in front of the camera.
    """
    settings, device = generator.settings.renderer, generator.device
    front = torch.zeros(1, device=device)
    origins, _, _ = camera_rays(camera_poses(front, front), settings.fov, 1)

    def placed(index: Tensor) -> tuple[Tensor, Tensor]:
        """Points (N, 3) and their rays of unit depth (N, 3) of samples (N, 3): row, column, depth."""
        # All three are linear in the index, so places between samples are exact.
        pixel = (index[:, [1, 0]] + 0.5) / resolution * 2 - 1
        slope = pixel * pixel.new_tensor([1.0, -1.0]) * np.tan(settings.fov)
        local = torch.cat([slope, -torch.ones_like(slope[:, :1])], dim=1)
        depth = settings.near + (settings.far - settings.near) * index[:, 2:] / (resolution - 1)
        return origins + local * depth, local

    def values_at(index: NDArray[np.int64]) -> NDArray[np.float32]:
        points, _ = placed(torch.from_numpy(index.astype(np.float32)).to(device))
        return _distances(generator, codes, points[None])[0, :, 0].cpu().numpy()

    yield Progress(0, 1, "looking for the surface")
    near, inside = _blocks_near(values_at, resolution)
    index, faces = yield from surface_on_grid(values_at, near, inside, 0.0)
    # Windows go on beyond the last sample.
    faces = faces[(index[faces].min(1) < resolution - 1).all(1)]
    if not len(faces):
        raise _no_surface()
    used, flat = np.unique(faces, return_inverse=True)
    index, faces = index[used].astype(np.float32), flat.reshape(-1, 3)
    vertices, local = placed(torch.from_numpy(index).to(device))
    return Mesh(
        vertices.cpu().numpy().astype(np.float32),
        # Rows run down and depth runs back: the index is a mirror image of the world.
        faces[:, ::-1].astype(np.int32).copy(),
        normals=_normals(generator, codes, vertices),
        vertex_colours=_colours(generator, codes, vertices, F.normalize(local, dim=1)),
    )


def _blocks_near(values_at, resolution: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Blocks whose corners are on both sides of the surface or close to it, and those with all corners inside."""
    blocks = np.array(blocks_for((resolution - 1,) * 3))
    # Corners beyond the last sample are asked for as well: they only mark what is dropped later.
    corners = np.argwhere(np.ones(blocks + 1, bool)) * BLOCK
    values = np.concatenate([values_at(part) for part in np.array_split(corners, -(-len(corners) // CHUNK))])
    values = values.reshape(blocks + 1)
    low, high = values[:-1, :-1, :-1].copy(), values[:-1, :-1, :-1].copy()
    closest = np.abs(low)
    for shift in np.ndindex(2, 2, 2):
        part = values[tuple(slice(s, s + n) for s, n in zip(shift, blocks, strict=True))]
        np.minimum(low, part, out=low)
        np.maximum(high, part, out=high)
        np.minimum(closest, np.abs(part), out=closest)
    near = ((low < 0) & (high >= 0)) | (closest < GUARD * (high - low))
    return near, high < 0


@torch.no_grad()
def depth_fused_mesh(
    generator: StyleSDF,
    codes: Codes,
    resolution: int = 96,
    views: tuple[tuple[float, float], ...] = FUSED_VIEWS,
) -> Mesh:
    """The surface on which the depths rendered from several views agree, with the field's colours.

    Args:
        codes: of one head (N = 1).
        views: azimuth and elevation in radians of each.

    Raises:
        UsageError: the views show no surface.
    """
    settings, device = generator.settings.renderer, generator.device
    half = 0.5 * (settings.far - settings.near)
    axis = torch.linspace(-half, half, resolution, device=device)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)
    reach = 4 * 2 * half / resolution
    total, count = torch.zeros(grid.shape[1], device=device), torch.zeros(grid.shape[1], device=device)
    for azim, elev in views:
        angles = generator.angles(azim, elev, 1)
        seen = generator.volume(codes, *angles)
        poses = camera_poses(*angles)
        depth = torch.where(seen.mask, seen.depth, torch.full_like(seen.depth, settings.far + half))
        xy = projected(grid, calibrations(poses, settings.fov))
        # Nearest, as depths must not be mixed across the outline.
        there = F.grid_sample(depth, xy[:, :, None], mode="nearest", align_corners=False)[0, 0, :, 0]
        own = ((poses[:, None, :, 3] - grid) * poses[:, None, :, 2]).sum(-1)[0]
        gap = (there - own) / reach
        known = (xy.abs() <= 1).all(-1)[0] & (gap > -1)
        total += torch.where(known, gap.clamp(max=1), torch.zeros_like(gap))
        count += known
    # Where no view looks, behind the surface, is inside.
    # Signs: in front of the surface is outside, positive.
    values = torch.where(count > 0, total / count.clamp(min=1), -torch.ones_like(total))
    volume = values.view(resolution, resolution, resolution).cpu().numpy()
    index, faces = _zero_level(volume)
    vertices = torch.from_numpy((index / (resolution - 1) * 2 - 1) * half).float().to(device)
    towards = torch.zeros_like(vertices)
    towards[:, 2] = -1.0
    return Mesh(
        vertices.cpu().numpy(),
        faces.astype(np.int32),
        normals=_normals(generator, codes, vertices),
        vertex_colours=_colours(generator, codes, vertices, towards),
    )


def _no_surface() -> UsageError:
    return UsageError(
        "This head has no surface in front of the camera.", "Choose other codes or another edit."
    )


def _zero_level(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    if not values.min() < 0 < values.max():
        raise _no_surface()
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="descent")
    return vertices.astype(np.float32), faces


def _distances(generator: StyleSDF, codes: Codes, points: Tensor) -> Tensor:
    parts = [generator.renderer.sdf(part, codes.renderer) for part in points.split(CHUNK, dim=1)]
    return torch.cat(parts, dim=1)


def _normals(generator: StyleSDF, codes: Codes, vertices: Tensor) -> NDArray[np.float32]:
    found = []
    for part in vertices.split(CHUNK):
        with torch.enable_grad():
            points = part[None].detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(generator.renderer.sdf(points, codes.renderer).sum(), points)
        found.append(F.normalize(gradient[0], dim=1))
    return torch.cat(found).cpu().numpy()


def _colours(generator: StyleSDF, codes: Codes, vertices: Tensor, directions: Tensor) -> NDArray[np.uint8]:
    network, scale, found = generator.renderer.network, generator.settings.renderer.scale, []
    for points, towards in zip(vertices.split(CHUNK), directions.split(CHUNK), strict=True):
        _, features = network.geometry(points[None] * scale, codes.renderer)
        rgb, _ = network.colour(features, towards[None], codes.renderer)
        found.append(torch.sigmoid(rgb[0]))
    return (torch.cat(found) * 255 + 0.5).to(torch.uint8).cpu().numpy()
