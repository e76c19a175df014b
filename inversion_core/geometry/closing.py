"""Surfaces in which every edge has two triangles, as slicers and simulations want them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import BadInput
from inversion_core.generators.template import vertex_normals
from inversion_core.mesh import Mesh

PASSES = 4
"""Times that mending is tried on its own result."""


def is_closed(faces: NDArray[np.int32]) -> bool:
    """Whether every edge has exactly two triangles, which run along it in opposite directions."""
    if not len(faces):
        return False
    a, b = _edges(faces)
    size = int(faces.max()) + 1
    forward, count = np.unique(a * size + b, return_counts=True)
    return bool((count == 1).all()) and np.array_equal(forward, np.unique(b * size + a))


def closed(mesh: Mesh) -> Mesh:
    """The mesh as :func:`mended`, without UV and morphs.

    Raises:
        BadInput: the surface is too tangled for that.
    """
    if is_closed(mesh.faces):
        return mesh
    vertices, faces, origin = mended(mesh.vertices, mesh.faces)
    return Mesh(
        vertices,
        faces,
        vertex_normals(vertices, faces).astype(np.float32),
        vertex_colours=None if mesh.vertex_colours is None else mesh.vertex_colours[origin],
    )


def mended(
    vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """A closed surface: vertices (N, 3), faces, and (N,) which vertex each was, or next to which it was added.

    Folds of no volume are dropped, parts that touch along an edge or in a point are parted, open rims are capped.

    Raises:
        BadInput: the surface is too tangled for that.
    """
    origin = np.arange(len(vertices))
    for _ in range(PASSES):
        faces, which = _parted(_without_folds(faces), len(vertices))
        vertices, origin = vertices[which], origin[which]
        for rim in _rims(faces):
            # Against the rim's direction, so that the cap's triangles run along it the other way.
            cap = np.stack([np.roll(rim, -1), rim, np.full(len(rim), len(vertices))], 1)
            faces = np.concatenate([faces, cap.astype(np.int32)])
            vertices = np.concatenate([vertices, vertices[rim].mean(0, keepdims=True)])
            origin = np.append(origin, origin[rim[0]])
        if is_closed(faces):
            used, flat = np.unique(faces, return_inverse=True)
            return vertices[used].astype(np.float32), flat.reshape(-1, 3).astype(np.int32), origin[used]
    raise BadInput("This head's surface cannot be closed.", "Use another resolution, or leave it open.")


def _edges(faces: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of each triangle's three edges, (3F,): edge n belongs to triangle n mod F."""
    corners = faces.astype(np.int64)
    return corners[:, [0, 1, 2]].T.ravel(), corners[:, [1, 2, 0]].T.ravel()


def _without_folds(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The triangles without pairs on the same three points, which enclose nothing."""
    _, inverse, count = np.unique(np.sort(faces, 1), axis=0, return_inverse=True, return_counts=True)
    return faces[count[inverse.reshape(-1)] == 1]


def _parted(faces: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Faces whose points on edges without two triangles are one for each fan round them, and the points' origin."""
    a, b = _edges(faces)
    low, high = np.minimum(a, b), np.maximum(a, b)
    _, inverse, uses = np.unique(low * count + high, return_inverse=True, return_counts=True)
    odd = uses[inverse.reshape(-1)] != 2
    faces, origin = faces.copy(), list(range(count))
    for vertex in np.unique(np.concatenate([a[odd], b[odd]])):
        around = np.flatnonzero((faces == vertex).any(1))
        # A fan: triangles that hang together by the edges at this point which only they two share.
        sharing: dict[int, list[int]] = {}
        for place, face in enumerate(faces[around]):
            for other in face:
                if other != vertex:
                    sharing.setdefault(int(other), []).append(place)
        fan = np.arange(len(around))
        for places in sharing.values():
            if len(places) == 2:
                fan[fan == fan[places[1]]] = fan[places[0]]
        for number in np.unique(fan)[1:]:
            part = around[fan == number]
            faces[part] = np.where(faces[part] == vertex, len(origin), faces[part])
            origin.append(origin[vertex])
    return faces, np.array(origin)


def _rims(faces: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """The closed runs of edges that have one triangle, each along its triangles' direction."""
    a, b = _edges(faces)
    known = set(zip(a.tolist(), b.tolist(), strict=True))
    following = {start: end for start, end in known if (end, start) not in known}
    rims = []
    while following:
        start, at = following.popitem()
        rim = [start]
        while at != start and at in following:
            rim.append(at)
            at = following.pop(at)
        if at == start and len(rim) > 2:
            rims.append(np.array(rim))
    return rims
