"""Marching cubes that evaluates only blocks which can hold the surface."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from inversion_core.generators.head import Head
from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.sparse_grid import BLOCK, WINDOW, blocks_for, surface_on_grid
from inversion_core.geometry.voxels import TRUNCATION, depth_views, fused_colours, fused_distance
from inversion_core.mesh import Mesh
from inversion_core.task import Progress, Task, finish

Sample = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(N, 3) points -> (N,) values."""
MARGIN = 0.03
"""World units that the box reaches beyond the head."""


def isosurface(
    sample: Sample,
    box: tuple[NDArray, NDArray],
    resolution: int,
    level: float = 0.0,
    lipschitz: float = 1.0,
    reach: float = np.inf,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (V, 3) and faces (F, 3) where ``sample`` passes ``level``, lower inside; closed at the box's sides.

    Blocks are skipped when the value in their middle is farther from the level than the field can change on the
    way to their corners; blocks into which the surface runs are evaluated whatever their middle says.

    Args:
        box: lower and upper corner (3,); resolution: cells along its longest side.
        lipschitz: the most by which the value changes per world unit; 1 for a signed distance.
        reach: values farther from the level than this say only that it is far.
    """
    return finish(isosurface_task(sample, box, resolution, level, lipschitz, reach))


def isosurface_task(
    sample: Sample,
    box: tuple[NDArray, NDArray],
    resolution: int,
    level: float = 0.0,
    lipschitz: float = 1.0,
    reach: float = np.inf,
) -> Task[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """:func:`isosurface` as a task."""
    low, high = (np.asarray(corner, np.float64) for corner in box)
    cell = float((high - low).max()) / resolution
    number = np.array(blocks_for(tuple(np.ceil((high - low) / cell - 1e-9).astype(int))))
    near, inside = _blocks_near(sample, low, cell, number, level, (lipschitz, reach))
    last = number * BLOCK

    def values_at(index: NDArray[np.int64]) -> NDArray[np.float32]:
        values = sample((low + index * cell).astype(np.float32))
        side = ((index == 0) | (index == last)).any(1)
        return np.where(side, np.maximum(values, np.float32(level + cell * lipschitz)), values)

    vertices, faces = yield from surface_on_grid(values_at, near, inside, level)
    return (low + vertices * cell).astype(np.float32), faces


def _blocks_near(
    sample: Sample,
    low: NDArray[np.float64],
    cell: float,
    number: NDArray[np.int64],
    level: float,
    bounds: tuple[float, float],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which blocks may hold the surface, found from coarse to fine, and which middles are inside."""
    lipschitz, reach = bounds
    half_diagonal = 0.5 * np.sqrt(3) * cell * lipschitz
    size = WINDOW
    while size > BLOCK and half_diagonal * size > reach:
        size //= 2
    near, inside = np.zeros(number, bool), np.zeros(number, bool)
    index = np.argwhere(np.ones(number * BLOCK // size, bool))
    children = np.array(list(np.ndindex(2, 2, 2)))
    while True:
        values = sample((low + (index + 0.5) * (size * cell)).astype(np.float32)) - level
        across = size // BLOCK
        grouped = inside.reshape([n for count in number // across for n in (count, across)])
        x, y, z = index.T
        grouped[x, :, y, :, z, :] = (values < 0)[:, None, None, None]
        index = index[np.abs(values) <= half_diagonal * size]
        if size == BLOCK:
            break
        index, size = (2 * index[:, None] + children).reshape(-1, 3), size // 2
    near[tuple(index.T)] = True
    # Sides of the box close the surface, so their blocks count wherever they are inside.
    rim = np.ones_like(near)
    rim[1:-1, 1:-1, 1:-1] = False
    return near | (rim & inside), inside


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
    vertices, faces = yield from isosurface_task(
        lambda p: fused_distance(views, p), (low, high), resolution, reach=TRUNCATION
    )
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
