"""Meshes with fewer triangles, and what their vertices were before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.closing import is_closed, mended
from inversion_core.mesh import Mesh

SMALL_PARTS = 0.7
"""Share of its fair number of triangles that every connected part keeps at least."""
LEAST = 24
"""Triangles that every part keeps."""


@dataclass(frozen=True)
class Simplified:
    """A coarser surface.

    Attributes:
        vertices: (N, 3) float32; faces: (F, 3) int32; normals: (N, 3) float32 of this surface.
        origin: (N,) int32, for each vertex the nearest of those in the joined mesh that became it.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    origin: NDArray[np.int32]


def joined(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """First split vertex of each point (P,), and the point of each split vertex (V,): UV seams undone."""
    numbers = mesh.welded if mesh.welded is not None else np.arange(len(mesh.vertices))
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1).astype(np.int32)


def simplified(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], target: int, closed: bool = False
) -> Simplified:
    """The surface with about ``target`` triangles, or as it is if it has no more.

    Args:
        closed: the surface is closed and must stay so; what collapses broke is mended.

    Raises:
        BadInput: it cannot be mended.

    Source: Garland and Heckbert 1997, "Surface Simplification Using Quadric Error Metrics", by fast-simplification.
    """
    points = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(faces, np.int32)
    if target >= len(triangles):
        return Simplified(points, triangles, _unit(points, triangles), np.arange(len(points), dtype=np.int32))
    parts = [_part(points, triangles[part], share) for part, share in _shares(points, triangles, target)]
    counts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    kept = np.concatenate([part.faces + n for part, n in zip(parts, counts, strict=True)]).astype(np.int32)
    moved = np.concatenate([part.vertices for part in parts])
    origin = np.concatenate([part.origin for part in parts])
    if closed and not is_closed(kept):
        moved, kept, which = mended(moved, kept)
        origin = origin[which]
    return Simplified(moved, kept, _unit(moved, kept), origin.astype(np.int32))


def _shares(
    points: NDArray[np.float32], faces: NDArray[np.int32], target: int
) -> list[tuple[NDArray[np.bool_], int]]:
    """The connected parts and their triangles: by need, but teeth and eyes must not vanish for being small."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    shape = (len(points), len(points))
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape)
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    numbers, inverse, size = np.unique(label, return_inverse=True, return_counts=True)
    if len(numbers) == 1:
        return [(label == numbers[0], target)]
    together = _part(points, faces, target)
    part = np.zeros(len(points), np.int64)
    part[faces.ravel()] = np.repeat(inverse.reshape(-1), 3)
    needed = np.bincount(part[together.origin[together.faces[:, 0]]], minlength=len(numbers))
    least = np.minimum(size, np.maximum(SMALL_PARTS * target * size / len(faces), LEAST))
    wanted = np.maximum(needed, least)
    return [(label == number, int(share)) for number, share in zip(numbers, wanted, strict=True)]


def _part(points: NDArray[np.float32], triangles: NDArray[np.int32], target: int) -> Simplified:
    used, flat = np.unique(triangles, return_inverse=True)
    own, corners = points[used], np.ascontiguousarray(flat.reshape(-1, 3), np.int32)
    if target >= len(corners):
        return Simplified(own, corners, own, used)
    _, _, collapses = fast_simplification.simplify(own, corners, target_count=target, return_collapses=True)
    moved, kept, place = fast_simplification.replay_simplification(own, corners, collapses)
    kept = np.asarray(kept, np.int32)
    if not len(kept):
        return Simplified(own, corners, own, used)
    result = _finished(own, np.asarray(moved, np.float32), kept, np.asarray(place))
    return replace(result, origin=used[result.origin])


def _finished(points, moved, kept, place) -> Simplified:
    used, flat = np.unique(kept, return_inverse=True)
    kept = flat.reshape(-1, 3).astype(np.int32)
    number = np.full(len(moved), -1)
    number[used] = np.arange(len(used))
    became = number[place]
    away = np.linalg.norm(points - moved[np.clip(place, 0, len(moved) - 1)], axis=1)
    order = np.argsort(-away, kind="stable")
    order = order[became[order] >= 0]
    origin = np.zeros(len(used), np.int32)
    # The last one written is the nearest.
    origin[became[order]] = order
    return Simplified(moved[used], kept, moved[used], origin)


def _unit(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    normals = vertex_normals(vertices, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals.astype(np.float32)
