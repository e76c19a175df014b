"""A fine mesh's colours and normals painted into the texture of a coarser one that was made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.geometry.simplify import Simplified, joined
from inversion_core.geometry.tangents import normal_picture, read_normals, tangents
from inversion_core.geometry.texture import filled, texel_fragments
from inversion_core.image import to_float, to_uint8
from inversion_core.mesh import Mesh
from inversion_core.rasterise import interpolate

Colours = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.uint8]]
"""(N, 3) points and (N, 3) normals -> (N, 3) colours."""


@dataclass(frozen=True)
class Places:
    """Where points lie on a surface.

    Attributes:
        face: (N,) int32; weights: (N, 2) float32, barycentric coordinates of second and third corner.
    """

    face: NDArray[np.int32]
    weights: NDArray[np.float32]

    def carried(self, faces: NDArray[np.int32], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C) of (V, C) values at the corners."""
        corners = values[faces[self.face]]
        b, c = self.weights[:, :1], self.weights[:, 1:]
        return corners[:, 0] * (1 - b - c) + corners[:, 1] * b + corners[:, 2] * c


def nearest_places(
    points: NDArray[np.float32],
    start: NDArray[np.int32],
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
) -> Places:
    """The nearest places on a surface, found by walking along its edges.

    Walking stays on one sheet: a point of the upper lip never lands on the lower one, however near.

    Args:
        points: (N, 3); start: (N,) vertices to walk from.
    """
    count = len(vertices)
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    around = (order // 3).astype(np.int32)
    begin = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=count))]).astype(np.int32)
    face = np.zeros(len(points), np.int32)
    weights = np.zeros((len(points), 2), np.float32)
    _walk(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(start, np.int32),
        np.ascontiguousarray(vertices, np.float32),
        np.ascontiguousarray(faces, np.int32),
        around,
        begin,
        face,
        weights,
    )
    return Places(face, weights)


def rebaked(
    source: Mesh,
    coarse: Simplified,
    source_vertex: NDArray[np.int32],
    faces: NDArray[np.int32],
    uv: NDArray[np.float32],
    size: int,
    colours: Colours | None = None,
    normals: bool = False,
) -> Mesh:
    """The coarse surface with charts, a (size, size) texture and, if wanted, a normal map; morphs come along.

    Args:
        source: the fine mesh; coarse: made from its joined points; source_vertex, faces, uv: charts of the coarse one.
        colours: of places on the fine surface; its own texture or vertex colours when left out.
    """
    first, point = joined(source)
    fine_faces = point[source.faces].astype(np.int32)
    vertices, smooth = coarse.vertices[source_vertex], coarse.normals[source_vertex]
    fragments = texel_fragments(uv, faces, size, size)
    hit = fragments.hit
    owner = np.argmax(
        np.stack([1 - fragments.weights.sum(2), fragments.weights[..., 0], fragments.weights[..., 1]], 2)[
            hit
        ],
        1,
    )
    corner = faces[fragments.face[hit], owner]
    texels = interpolate(fragments, faces, vertices)[hit]
    places = nearest_places(texels, coarse.origin[source_vertex[corner]], source.vertices[first], fine_faces)
    fine_normals = _normals(source, first, fine_faces)
    found = places.carried(fine_faces, fine_normals)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    image = np.zeros((size, size, 3), np.float32)
    if colours is not None:
        image[hit] = to_float(colours(places.carried(fine_faces, source.vertices[first]), found))
    else:
        image[hit] = _own_colours(source, places)
    made = None
    if normals:
        made = _normal_map(source, places, found, fragments, faces, vertices, smooth, uv)
    return Mesh(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        normals=smooth.astype(np.float32),
        uv=uv.astype(np.float32),
        texture=to_uint8(np.clip(filled(image, hit), 0, 1)),
        morphs={
            name: offsets[first][coarse.origin][source_vertex] for name, offsets in source.morphs.items()
        },
        welded=source_vertex.astype(np.int32),
        normal_map=made,
    )


def _normals(source: Mesh, first: NDArray, faces: NDArray[np.int32]) -> NDArray[np.float32]:
    from inversion_core.generators.template import vertex_normals

    if source.normals is not None:
        return source.normals[first]
    return vertex_normals(source.vertices[first], faces).astype(np.float32)


def _own_colours(source: Mesh, places: Places) -> NDArray[np.float32]:
    if source.texture is not None and source.uv is not None:
        return _sampled(to_float(source.texture[..., :3]), places.carried(source.faces, source.uv))
    if source.vertex_colours is None:
        return np.full((len(places.face), 3), 0.5, np.float32)
    return places.carried(source.faces, to_float(source.vertex_colours))


def _normal_map(source, places, found, fragments, faces, vertices, smooth, uv) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the fine surface's normals, its own normal map included, in the coarse one's frames."""
    if source.normal_map is not None and source.uv is not None:
        frame = tangents(source.vertices, source.faces, source.normals, source.uv)
        along, across = _frame(places.carried(source.faces, frame), found)
        fine = _sampled(read_normals(source.normal_map), places.carried(source.faces, source.uv))
        found = along * fine[:, :1] + across * fine[:, 1:2] + found * fine[:, 2:]
    frame = tangents(vertices, faces, smooth, uv)
    hit = fragments.hit
    base = interpolate(fragments, faces, np.ascontiguousarray(smooth, np.float32))[hit]
    base /= np.maximum(np.linalg.norm(base, axis=1, keepdims=True), 1e-9)
    along, across = _frame(interpolate(fragments, faces, frame)[hit], base)
    local = np.stack([(found * axis).sum(1) for axis in (along, across, base)], 1)
    # Facing away from the coarse surface is a fold that no normal map can show.
    local[:, 2] = np.maximum(local[:, 2], 0.1)
    picture = np.zeros((*hit.shape, 3), np.float32)
    picture[hit] = local / np.linalg.norm(local, axis=1, keepdims=True)
    picture = filled(picture, hit)
    return normal_picture(picture / np.maximum(np.linalg.norm(picture, axis=2, keepdims=True), 1e-6))


def _frame(carried: NDArray[np.float32], normals: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    along = carried[:, :3] - normals * (normals * carried[:, :3]).sum(1, keepdims=True)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return along, np.cross(normals, along) * np.sign(carried[:, 3:])


def _sampled(image: NDArray[np.float32], uv: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty((len(uv), image.shape[2]), np.float32)
    _sample(np.ascontiguousarray(image), np.ascontiguousarray(uv, np.float32), out)
    return out


@nb.njit(cache=True, parallel=True)
def _sample(image, uv, out):
    height, width = image.shape[0], image.shape[1]
    for n in nb.prange(len(uv)):
        x = min(max(uv[n, 0] * width - 0.5, 0.0), width - 1.001)
        y = min(max((1 - uv[n, 1]) * height - 0.5, 0.0), height - 1.001)
        i, j = int(x), int(y)
        a, b = x - i, y - j
        for c in range(image.shape[2]):
            out[n, c] = (image[j, i, c] * (1 - a) + image[j, i + 1, c] * a) * (1 - b) + (
                image[j + 1, i, c] * (1 - a) + image[j + 1, i + 1, c] * a
            ) * b


@nb.njit(cache=True, inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@nb.njit(cache=True)
def _closest(px, py, pz, vertices, i, j, k):
    """Squared distance, and weights of the second and third corner, of the triangle's point next to p.

    Source: Ericson 2005, "Real-Time Collision Detection", section 5.1.5.
    """
    ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    ab = (vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az)
    ac = (vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az)
    ap = (px - ax, py - ay, pz - az)
    bp = (px - vertices[j, 0], py - vertices[j, 1], pz - vertices[j, 2])
    cp = (px - vertices[k, 0], py - vertices[k, 1], pz - vertices[k, 2])
    d1, d2, d3, d4 = _dot(ab, ap), _dot(ac, ap), _dot(ab, bp), _dot(ac, bp)
    d5, d6 = _dot(ab, cp), _dot(ac, cp)
    vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
    v, w = np.float32(0), np.float32(0)
    if d1 <= 0 and d2 <= 0:
        pass
    elif d3 >= 0 and d4 <= d3:
        v = np.float32(1)
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / (d1 - d3) if d1 != d3 else np.float32(0)
    elif d6 >= 0 and d5 <= d6:
        w = np.float32(1)
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / (d2 - d6) if d2 != d6 else np.float32(0)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        total = (d4 - d3) + (d5 - d6)
        w = (d4 - d3) / total if total > 0 else np.float32(0)
        v = np.float32(1) - w
    else:
        total = va + vb + vc
        if total > 0:
            v, w = vb / total, vc / total
    x = ap[0] - ab[0] * v - ac[0] * w
    y = ap[1] - ab[1] * v - ac[1] * w
    z = ap[2] - ab[2] * v - ac[2] * w
    return x * x + y * y + z * z, v, w


@nb.njit(cache=True, parallel=True)
def _walk(points, start, vertices, faces, around, begin, face, weights):
    for n in nb.prange(len(points)):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        here = start[n]
        best = np.float32(1e18)
        for _ in range(400):
            # The faces round this vertex; then on to the nearest other corner of the nearest of them.
            better = False
            for slot in range(begin[here], begin[here + 1]):
                f = around[slot]
                distance, v, w = _closest(px, py, pz, vertices, faces[f, 0], faces[f, 1], faces[f, 2])
                if distance < best:
                    best, better = distance, True
                    face[n], weights[n, 0], weights[n, 1] = f, v, w
            if not better:
                break
            nearest, gap = here, np.float32(1e18)
            for corner in range(3):
                i = faces[face[n], corner]
                x, y, z = vertices[i, 0] - px, vertices[i, 1] - py, vertices[i, 2] - pz
                distance = x * x + y * y + z * z
                if distance < gap and i != here:
                    nearest, gap = i, distance
            if nearest == here:
                break
            here = nearest
