"""A head's layers as one signed distance: depths seen from many sides, truncated and averaged.

Source: Curless and Levoy 1996, "A Volumetric Method for Building Complex Models from Range Images".
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel
from inversion_core.generators.head import Head
from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.template_mesh import layer_opacity
from inversion_core.rasterise import NOTHING, Fragments, rasterise_into
from inversion_core.render import HAIR, OPAQUE, PERSON
from inversion_core.shading import shade

BACK_OFF = 2.0
"""World units by which the parallel cameras stand off."""
TRUNCATION = 0.03
"""World units beyond which distances are all alike."""


SEEN_BY = 3
"""Views that colour a vertex, the best ones."""


@dataclass(frozen=True)
class Surfaces:
    """A head's opaque faces, all layers in one list.

    Attributes:
        head: whose; starts: the first face of each layer and the number of all; masks: what trims each layer.
        vertices, normals: (V, 3) float32; faces: (F, 3) int32.
        attributes: (V, CHANNELS) and light: (V, 3) float32, for the shading.
    """

    head: Head
    starts: tuple[int, ...]
    masks: tuple[int, ...]
    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    attributes: NDArray[np.float32]
    light: NDArray[np.float32]


@dataclass(frozen=True)
class DepthViews:
    """Parallel views of a head.

    Attributes:
        surfaces: what is seen.
        axes: (N, 3, 3) float32, rows right, down and forward of each view; centre: (3,) float32.
        half: world units from the middle to the edge of each view.
        depth: (N, S, S) float32 from the view's plane, 1e9 where nothing is; cosine: (N, S, S) float32 of the
            angle between the surface and the view.
        face: (N, S, S) int32, -1 where nothing is; weights: (N, S, S, 2) float32 of its second and third corner.
    """

    surfaces: Surfaces
    axes: NDArray[np.float32]
    centre: NDArray[np.float32]
    half: float
    depth: NDArray[np.float32]
    cosine: NDArray[np.float32]
    face: NDArray[np.int32]
    weights: NDArray[np.float32]


def _directions() -> NDArray[np.float64]:
    """Unit directions to look along: a cube's sides, edges and corners, but none up through the open neck."""
    sides = [np.array([x, y, z], float) for x in (-1, 0, 1) for y in (-1, 0) for z in (-1, 0, 1)]
    found = [side for side in sides if side.any()]
    # Gentle looks from below reach under chin and nose.
    found += [np.array([x, 0.6, -1.0]) for x in (-0.8, 0.0, 0.8)]
    return np.array([side / np.linalg.norm(side) for side in found])


def _surfaces(head: Head) -> Surfaces:
    detail = head.detail
    layers = [(head.head, head.light, OPAQUE, head.head.faces, head.normals)]
    for layer, light, mask in ((head.shell, head.shell_light, PERSON), (head.hair, head.hair_light, HAIR)):
        if not len(layer.faces):
            continue
        opacity = layer_opacity(layer.attributes, detail, mask)
        faces = layer.faces[opacity[layer.faces].mean(1) > 0.5]
        if len(faces):
            layers.append((layer, light, mask, faces, vertex_normals(layer.vertices, layer.faces)))
    first = np.cumsum([0, *(len(layer.vertices) for layer, *_ in layers)])
    return Surfaces(
        head,
        tuple(np.cumsum([0, *(len(faces) for *_, faces, _ in layers)]).tolist()),
        tuple(mask for _, _, mask, _, _ in layers),
        np.concatenate([layer.vertices for layer, *_ in layers]).astype(np.float32),
        np.concatenate([normals for *_, normals in layers]).astype(np.float32),
        np.concatenate([faces + start for (*_, faces, _), start in zip(layers, first, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([layer.attributes for layer, *_ in layers]).astype(np.float32),
        np.concatenate([light for _, light, *_ in layers]).astype(np.float32),
    )


def depth_views(head: Head, size: int) -> DepthViews:
    """Depths of the head's opaque parts from all sides, (size, size) each."""
    surfaces = _surfaces(head)
    points = surfaces.vertices[np.unique(surfaces.faces)]
    centre = 0.5 * (points.min(0) + points.max(0))
    half = float(np.linalg.norm(points - centre, axis=1).max()) * 1.02
    directions = _directions()
    count = len(directions)
    axes, depth = np.empty((count, 3, 3), np.float32), np.full((count, size, size), 1e9, np.float32)
    face = np.full((count, size, size), NOTHING, np.int32)
    weights, cosine = np.empty((count, size, size, 2), np.float32), np.empty_like(depth)
    for number, forward in enumerate(directions):
        up = np.array([0.0, 0.0, -1.0]) if abs(forward[1]) > 0.9 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        view = np.stack([right, np.cross(forward, right), forward]).astype(np.float32)
        local = (surfaces.vertices - centre) @ view.T
        local[:, :2] = (local[:, :2] / half + 1) * np.float32(size / 2)
        local[:, 2] += BACK_OFF
        axes[number] = view
        rasterise_into(local, surfaces.faces, (face[number], weights[number], depth[number]))
        facing = surfaces.normals @ view[2]
        _cosines(face[number], weights[number], surfaces.faces, facing, cosine[number])
    return DepthViews(surfaces, axes, centre.astype(np.float32), half, depth, cosine, face, weights)


@parallel
def _cosines(face, weights, faces, facing, out):
    height, width = face.shape
    for y in nb.prange(height):
        for x in range(width):
            f = face[y, x]
            out[y, x] = 1
            if f >= 0:
                b, c = weights[y, x, 0], weights[y, x, 1]
                value = (1 - b - c) * facing[faces[f, 0]] + b * facing[faces[f, 1]] + c * facing[faces[f, 2]]
                out[y, x] = min(max(abs(value), np.float32(0.05)), np.float32(1))


@parallel
def _fused(points, axes, centre, depth, cosine, half, back, truncation, out):
    size = depth.shape[1]
    for i in nb.prange(points.shape[0]):
        x = points[i, 0] - centre[0]
        y = points[i, 1] - centre[1]
        z = points[i, 2] - centre[2]
        total = np.float32(0)
        weight = np.float32(0)
        clear = np.float32(0)
        for v in range(axes.shape[0]):
            u = ((axes[v, 0, 0] * x + axes[v, 0, 1] * y + axes[v, 0, 2] * z) / half + 1) * size * 0.5 - 0.5
            w = ((axes[v, 1, 0] * x + axes[v, 1, 1] * y + axes[v, 1, 2] * z) / half + 1) * size * 0.5 - 0.5
            t = axes[v, 2, 0] * x + axes[v, 2, 1] * y + axes[v, 2, 2] * z + back
            if u < 0 or w < 0 or u > size - 1.001 or w > size - 1.001:
                clear += 1
                continue
            j, k = int(u), int(w)
            a, b = u - j, w - k
            d00, d01 = depth[v, k, j], depth[v, k, j + 1]
            d10, d11 = depth[v, k + 1, j], depth[v, k + 1, j + 1]
            if max(d00, d01, d10, d11) - min(d00, d01, d10, d11) < truncation:
                d = (d00 * (1 - a) + d01 * a) * (1 - b) + (d10 * (1 - a) + d11 * a) * b
            else:
                # An edge: interpolating across it would invent a slanted wall.
                d = depth[v, k + int(b + 0.5), j + int(a + 0.5)]
            c = cosine[v, k + int(b + 0.5), j + int(a + 0.5)]
            gap = (d - t) * c
            if gap > truncation:
                clear += 1
            elif gap > -truncation:
                share = c * c * c
                total += share * gap
                weight += share
        if weight > 0:
            # Free sight counts little beside a surface, and decides alone where there is none.
            out[i] = (total + 0.02 * clear * truncation) / (weight + 0.02 * clear)
        else:
            out[i] = truncation if clear > 0 else -truncation


def fused_distance(views: DepthViews, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) distance to the outer surface of (N, 3) points, negative inside, within ± :data:`TRUNCATION`."""
    out = np.empty(len(points), np.float32)
    _fused(
        np.ascontiguousarray(points, np.float32),
        views.axes,
        views.centre,
        views.depth,
        views.cosine,
        np.float32(views.half),
        np.float32(BACK_OFF),
        np.float32(TRUNCATION),
        out,
    )
    return out


@parallel
def _best_views(points, normals, axes, centre, depth, half, back, place, share):
    """The views that see each point best: their pixels, and how much each counts."""
    size, kept = depth.shape[1], place.shape[1]
    for i in nb.prange(points.shape[0]):
        x = points[i, 0] - centre[0]
        y = points[i, 1] - centre[1]
        z = points[i, 2] - centre[2]
        for v in range(axes.shape[0]):
            u = ((axes[v, 0, 0] * x + axes[v, 0, 1] * y + axes[v, 0, 2] * z) / half + 1) * size * 0.5
            w = ((axes[v, 1, 0] * x + axes[v, 1, 1] * y + axes[v, 1, 2] * z) / half + 1) * size * 0.5
            t = axes[v, 2, 0] * x + axes[v, 2, 1] * y + axes[v, 2, 2] * z + back
            j, k = min(max(int(u), 0), size - 1), min(max(int(w), 0), size - 1)
            if depth[v, k, j] > 1e8:
                continue
            gap = abs(depth[v, k, j] - t)
            facing = -(
                normals[i, 0] * axes[v, 2, 0] + normals[i, 1] * axes[v, 2, 1] + normals[i, 2] * axes[v, 2, 2]
            )
            facing = min(max(facing, np.float32(0.001)), np.float32(1))
            own = 1e-6 * facing * np.exp(-gap / 0.05)
            if gap < 0.04:
                cube = facing * facing * facing
                own += cube * cube * np.exp(-((gap / 0.008) ** 2))
            pixel = (v * size + k) * size + j
            for n in range(kept):
                if own > share[i, n]:
                    own, share[i, n] = share[i, n], own
                    pixel, place[i, n] = place[i, n], pixel


def fused_colours(
    views: DepthViews, points: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """(N, 3) uint8 colours of surface points, from the views that face them and see them."""
    place = np.zeros((len(points), SEEN_BY), np.int64)
    share = np.zeros((len(points), SEEN_BY), np.float32)
    constants = (np.float32(views.half), np.float32(BACK_OFF))
    _best_views(points, normals, views.axes, views.centre, views.depth, *constants, place, share)
    surfaces, head = views.surfaces, views.surfaces.head
    detail = head.detail
    face = views.face.ravel()[place]
    weights = views.weights.reshape(-1, 2)[place]
    # What counts next to nothing is not worth shading.
    share[(share < 0.05 * share[:, :1]) | (face < 0)] = 0
    face[share == 0] = NOTHING
    colour = np.zeros((*place.shape, 3), np.float32)
    for first, last, mask in zip(surfaces.starts, surfaces.starts[1:], surfaces.masks, strict=False):
        own = np.where((face >= first) & (face < last), face, NOTHING)
        other = detail.hair_texture if mask == HAIR else detail.other if mask == OPAQUE else detail.photo
        shown = Fragments(own, weights, share)
        pictures = (detail.photo, other, detail.masks)
        colour += shade(shown, surfaces.faces, surfaces.attributes, surfaces.light, *pictures, mask, 0.0)[
            ..., :3
        ]
    mixed = (colour * share[..., None]).sum(1) / np.maximum(share.sum(1), 1e-9)[:, None]
    return np.round(np.clip(mixed, 0, 1) * 255).astype(np.uint8)
