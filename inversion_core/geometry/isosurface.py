"""Marching cubes that evaluates only blocks which can hold the surface."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.measure import marching_cubes

from inversion_core.generators.head import Head
from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.voxels import depth_views, fused_colours, fused_distance
from inversion_core.mesh import Mesh
from inversion_core.task import Progress, Task

Sample = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(N, 3) points -> (N,) values."""
CELLS = 8
"""Cells across of the small blocks that are either evaluated or not."""
MARGIN = 0.03
"""World units that the box reaches beyond the head."""


def isosurface(
    sample: Sample,
    box: tuple[NDArray, NDArray],
    resolution: int,
    level: float = 0.0,
    block: int = 32,
    lipschitz: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (V, 3) and faces (F, 3) where ``sample`` passes ``level``, lower inside; closed at the box's sides.

    Small blocks are skipped when the value in their middle is farther from the level than the field can change on
    the way to their corners.

    Args:
        box: lower and upper corner (3,); resolution: cells along its longest side.
        block: cells across of what marching cubes takes at once, a multiple of 8.
        lipschitz: the most by which the value changes per world unit; 1 for a signed distance.
    """
    low, high = (np.asarray(corner, np.float64) for corner in box)
    cell = float((high - low).max()) / resolution
    small = block // CELLS
    blocks = np.ceil((high - low) / cell / block - 1e-9).astype(int)
    number = blocks * small
    middles = np.stack(np.meshgrid(*[np.arange(n) for n in number], indexing="ij"), -1).reshape(-1, 3) + 0.5
    coarse = sample((low + middles * CELLS * cell).astype(np.float32)).reshape(number)
    near = np.abs(coarse - level) <= lipschitz * 0.5 * np.sqrt(3) * CELLS * cell
    # Sides of the box close the surface, so their blocks count wherever they are inside.
    rim = np.ones_like(near)
    rim[1:-1, 1:-1, 1:-1] = False
    near |= rim & (coarse < level)
    padded = np.pad(near, 1)
    held = np.pad(coarse, 1, mode="edge")
    occupied = near.reshape(blocks[0], small, blocks[1], small, blocks[2], small).any((1, 3, 5))
    step = np.arange(block + 1)
    own, before = step // CELLS + 1, (step - 1) // CELLS + 1
    vertices, faces, count = [], [], 0
    for corner in np.argwhere(occupied):
        start = corner * small
        window = tuple(slice(s, s + small + 2) for s in start)
        wanted = padded[window]
        for axis in range(3):
            wanted = np.take(wanted, own, axis) | np.take(wanted, before, axis)
        values = held[window][np.ix_(own, own, own)].astype(np.float32)
        index = np.argwhere(wanted) + corner * block
        values[wanted] = sample((low + index * cell).astype(np.float32))
        for axis in range(3):
            for place, edge in ((0, 0), (block, blocks[axis] - 1)):
                if corner[axis] == edge:
                    side = [slice(None)] * 3
                    side[axis] = place
                    values[tuple(side)] = np.maximum(values[tuple(side)], level + cell * lipschitz)
        if not values.min() < level < values.max():
            continue
        found, triangles, _, _ = marching_cubes(values, level, gradient_direction="descent")
        vertices.append(found.astype(np.float64) + corner * block)
        faces.append(triangles + count)
        count += len(found)
    if not vertices:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    return _welded(np.concatenate(vertices), np.concatenate(faces), low, cell)


def _welded(
    grid: NDArray[np.float64], faces: NDArray, low: NDArray, cell: float
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One vertex for each place; blocks share those on their common sides."""
    steps = np.round(grid * 512).astype(np.int64)
    key = (steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    return (low + grid[first] * cell).astype(np.float32), faces.astype(np.int32)


def sculpt_volume(head: Head, resolution: int) -> Task[Mesh]:
    """A task that makes the head's outer surface by marching cubes: closed, with normals and vertex colours.

    Args:
        resolution: cells along the longest side of the head's box; world units, +y up.
    """
    yield Progress(0, 3, "looking from all sides")
    views = depth_views(head, int(np.clip(1.5 * resolution, 256, 640)))
    yield Progress(1, 3, "marching")
    used = [layer.vertices[layer.faces.ravel()] for layer in (head.head, head.hair) if len(layer.faces)]
    points = np.concatenate(used)
    low, high = points.min(0) - MARGIN, points.max(0) + MARGIN
    # The bust is cut above its open rim.
    low[1] = head.head.vertices[:, 1].min() + 0.02
    vertices, faces = isosurface(lambda p: fused_distance(views, p), (low, high), resolution)
    faces = _largest_part(faces, len(vertices))
    kept, flat = np.unique(faces, return_inverse=True)
    vertices, faces = vertices[kept], flat.reshape(-1, 3).astype(np.int32)
    yield Progress(2, 3, "colouring")
    normals = vertex_normals(vertices, faces)
    return Mesh(vertices, faces, normals, vertex_colours=fused_colours(views, vertices, normals))


def _largest_part(faces: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The faces of the connected part that has most of them."""
    if not len(faces):
        return faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    return faces[label == np.bincount(label).argmax()]
