"""A head's layers as one signed distance: depths seen from many sides, truncated and averaged.

Source: Curless and Levoy 1996, "A Volumetric Method for Building Complex Models from Range Images".
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.head import Head
from inversion_core.generators.template import vertex_normals
from inversion_core.geometry.template_mesh import layer_opacity
from inversion_core.rasterise import interpolate, rasterise_screen
from inversion_core.render import HAIR, OPAQUE, PERSON
from inversion_core.shading import shade

BACK_OFF = 2.0
"""World units by which the parallel cameras stand off."""
TRUNCATION = 0.03
"""World units beyond which distances are all alike."""


@dataclass(frozen=True)
class DepthViews:
    """Parallel views of a head.

    Attributes:
        axes: (N, 3, 3) float32, rows right, down and forward of each view; centre: (3,) float32.
        half: world units from the middle to the edge of each view.
        depth: (N, S, S) float32 from the view's plane, 1e9 where nothing is; cosine: (N, S, S) float32 of the
            angle between the surface and the view.
        colour: (N, S, S, 3) float32 in [0, 1].
    """

    axes: NDArray[np.float32]
    centre: NDArray[np.float32]
    half: float
    depth: NDArray[np.float32]
    cosine: NDArray[np.float32]
    colour: NDArray[np.float32]


def _directions() -> NDArray[np.float64]:
    """Unit directions to look along: a cube's sides, edges and corners, but none up through the open neck."""
    sides = [np.array([x, y, z], float) for x in (-1, 0, 1) for y in (-1, 0) for z in (-1, 0, 1)]
    found = [side for side in sides if side.any()]
    # Gentle looks from below reach under chin and nose.
    found += [np.array([x, 0.6, -1.0]) for x in (-0.8, 0.0, 0.8)]
    return np.array([side / np.linalg.norm(side) for side in found])


def depth_views(head: Head, size: int) -> DepthViews:
    """Depth and colour of the head's opaque parts from all sides, (size, size) each."""
    detail = head.detail
    layers = [(head.head, head.light, detail.photo, OPAQUE, head.head.faces, head.normals)]
    for layer, light, other, mask in (
        (head.shell, head.shell_light, detail.photo, PERSON),
        (head.hair, head.hair_light, detail.hair_texture, HAIR),
    ):
        if not len(layer.faces):
            continue
        opacity = layer_opacity(layer.attributes, detail, mask)
        faces = np.ascontiguousarray(layer.faces[opacity[layer.faces].mean(1) > 0.5])
        if len(faces):
            layers.append((layer, light, other, mask, faces, vertex_normals(layer.vertices, layer.faces)))
    points = np.concatenate([layer.vertices[faces.ravel()] for layer, _, _, _, faces, _ in layers])
    centre = 0.5 * (points.min(0) + points.max(0))
    half = float(np.linalg.norm(points - centre, axis=1).max()) * 1.02
    axes, depths, cosines, colours = [], [], [], []
    for forward in _directions():
        up = np.array([0.0, 0.0, -1.0]) if abs(forward[1]) > 0.9 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        view = np.stack([right, np.cross(forward, right), forward])
        depth, cosine = np.full((size, size), 1e9, np.float32), np.ones((size, size), np.float32)
        colour = np.zeros((size, size, 3), np.float32)
        for layer, light, other, mask, faces, normals in layers:
            local = (layer.vertices - centre) @ view.T
            local[:, :2] = (local[:, :2] / half + 1) * size / 2
            local[:, 2] += BACK_OFF
            fragments = rasterise_screen(local.astype(np.float32), faces, size, size)
            nearer = fragments.depth < depth
            shaded = shade(
                fragments, faces, layer.attributes, light, detail.photo, other, detail.masks, mask, 0.0
            )
            facing = interpolate(fragments, faces, normals @ forward[:, None].astype(np.float32))[..., 0]
            depth[nearer] = fragments.depth[nearer]
            cosine[nearer] = np.clip(np.abs(facing[nearer]), 0.05, 1)
            colour[nearer] = shaded[nearer][:, :3]
        axes.append(view)
        depths.append(depth)
        cosines.append(cosine)
        colours.append(colour)
    return DepthViews(
        np.array(axes, np.float32),
        centre.astype(np.float32),
        half,
        np.stack(depths),
        np.stack(cosines),
        np.stack(colours),
    )


@nb.njit(cache=True, fastmath=True, parallel=True)
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


def fused_colours(
    views: DepthViews, points: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """(N, 3) uint8 colours of surface points, from the views that face them and see them."""
    size = views.depth.shape[1]
    total, weight = np.zeros((len(points), 3), np.float32), np.full(len(points), 1e-9, np.float32)
    for axes, depth, colour in zip(views.axes, views.depth, views.colour, strict=True):
        local = (points - views.centre) @ axes.T
        x, y = np.clip((local[:, :2] / views.half + 1) * size / 2, 0, size - 1).astype(int).T
        gap = np.abs(depth[y, x] - local[:, 2] - BACK_OFF)
        facing = np.clip(-(normals @ axes[2]), 0.001, 1)
        share = facing**6 * np.exp(-((gap / 0.008) ** 2)) + 1e-6 * facing * np.exp(-gap / 0.05)
        total += colour[y, x] * share[:, None]
        weight += share
    return np.round(np.clip(total / weight[:, None], 0, 1) * 255).astype(np.uint8)
