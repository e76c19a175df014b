"""The surface of a triplane's density on the official grid, without sampling where it cannot be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from inversion_core.errors import UsageError
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.sparse_grid import BLOCK, blocks_for, surface_on_grid
from inversion_core.mesh import Mesh
from inversion_core.task import Progress, Task

BORDER = 30 / 256
"""Share of the grid at each side in which the official script lets nothing be."""
GUARD = 0.25
"""Blocks count as near when a corner is this close to the level, as a share of how much the corners differ."""
_OUTSIDE = np.float32(1000)


def grid_points(index: torch.Tensor, resolution: int, box: float) -> torch.Tensor:
    """(N, 3) points of the official density grid from flat indices (N,) int64 in x, y, z order.

    Its x and y are quotients that were never rounded down, which shears the grid by up to one voxel.
    Source: EG3D, ``gen_samples.create_samples``.
    """
    row = index.float() / resolution
    voxels = torch.stack([(row / resolution) % resolution, row % resolution, (index % resolution).float()], 1)
    return voxels * (box / (resolution - 1)) - box / 2


def density_surface(
    generator: TriPlaneGenerator, planes: torch.Tensor, resolution: int, level: float
) -> Task[Mesh]:
    """The surface where raw density passes ``level``, closed, in world units, with the field's own colours.

    The same vertices as marching cubes finds on all ``resolution``³ samples, for every part of the surface that
    a grid of every fourth sample meets.

    Raises:
        UsageError: nothing in the volume is as dense as the level.
    """
    values_at = _negated_densities(generator, planes, resolution)
    yield Progress(0, 1, "looking for the surface")
    near, inside = _blocks_near(values_at, resolution, -level)
    vertices, faces = yield from surface_on_grid(values_at, near, inside, -level)
    if not len(faces):
        raise UsageError(
            f"Nothing in this volume has density {level:g}.", "Choose another level or another seed."
        )
    box = generator.settings.volume.box_warp
    vertices = (vertices * (box / (resolution - 1)) - box / 2).astype(np.float32)
    with torch.no_grad():
        points = torch.from_numpy(vertices)[None].to(planes.device)
        rgb = generator.query(planes, points)["rgb"][0, :, :3].clamp(0, 1)
    colours = (rgb.cpu().numpy() * 255 + 0.5).astype(np.uint8)
    return Mesh(vertices, faces, normals=vertex_normals(vertices, faces), vertex_colours=colours)


def _negated_densities(
    generator: TriPlaneGenerator, planes: torch.Tensor, resolution: int
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """Values at grid points (N, 3), lower inside; the border and what lies beyond it is empty."""
    pad = int(BORDER * resolution)
    box = generator.settings.volume.box_warp

    def values_at(index: NDArray[np.int64]) -> NDArray[np.float32]:
        within = ((index >= pad) & (index < resolution - pad)).all(1)
        values = np.full(len(index), _OUTSIDE, np.float32)
        if within.any():
            flat = index[within] @ np.array([resolution * resolution, resolution, 1])
            points = grid_points(torch.from_numpy(flat), resolution, box)[None].to(planes.device)
            values[within] = -generator.density(planes, points)[0, :, 0].cpu().numpy()
        return values

    return values_at


def _blocks_near(values_at, resolution: int, level: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Blocks whose corners are on both sides of the level or close to it, and those with all corners inside."""
    blocks = np.array(blocks_for((resolution - 1,) * 3))
    corners = np.argwhere(np.ones(blocks + 1, bool)) * BLOCK
    values = values_at(corners).reshape(blocks + 1) - level
    # Beyond the border counts as no emptier than the emptiest sample, or every block there would count as near.
    known = values[values < 0.5 * _OUTSIDE]
    values = np.minimum(values, known.max(initial=1.0))
    low, high = values[:-1, :-1, :-1].copy(), values[:-1, :-1, :-1].copy()
    closest = np.abs(low)
    for shift in np.ndindex(2, 2, 2):
        part = values[tuple(slice(s, s + n) for s, n in zip(shift, blocks, strict=True))]
        np.minimum(low, part, out=low)
        np.maximum(high, part, out=high)
        np.minimum(closest, np.abs(part), out=closest)
    near = ((low < 0) & (high >= 0)) | (closest < GUARD * (high - low))
    return near, high < 0
