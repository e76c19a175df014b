"""Drawing a head: each layer rasterised and shaded, then composited by depth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.head import Head
from inversion_core.generators.template import vertex_normals
from inversion_core.rasterise import Fragments, interpolate, rasterise
from inversion_core.refine.canonical import MIRROR_UV, Layer, smoothstep
from inversion_core.refine.hair import DOME_ROWS, ROWS
from inversion_core.rendering import Rendering
from inversion_core.shading import shade

NEAR_PHOTO, FAR_FROM_PHOTO = np.radians(4.0), np.radians(20.0)
"""Angles from the photo's view between which trust in grazing pixels fades."""
HAIR_LEAD = 0.007
"""World units by which hair counts as nearer than it is: what lies close under it must not poke through."""
PERSON, HAIR, OPAQUE = 0, 1, -1


def closeness(head: Head, camera: Camera) -> float:
    """1 for the photo's own view, 0 from :data:`FAR_FROM_PHOTO` on."""
    cosine = float(camera.cam2world[:3, 2] @ head.detail.camera.cam2world[:3, 2])
    return float(1 - smoothstep(np.arccos(np.clip(cosine, -1, 1)), NEAR_PHOTO, FAR_FROM_PHOTO))


def render(head: Head, camera: Camera, size: int, samples: int = 1) -> Rendering:
    """The head through ``camera``, (size, size).

    Args:
        samples: side of the grid of samples in each pixel; 2 smooths edges.
    """
    full = size * samples
    straight = closeness(head, camera) * head.likeness
    detail = head.detail
    fragments = rasterise(head.head.vertices, head.head.faces, camera, full, head.behind)
    colour = shade(
        fragments,
        head.head.faces,
        head.head.attributes,
        head.light,
        detail.photo,
        detail.photo,
        detail.masks,
        OPAQUE,
        straight,
    )
    depth = np.where(fragments.hit, fragments.depth, 0)
    normals = interpolate(fragments, head.head.faces, head.normals)
    buffers = [colour[..., :3], depth, colour[..., 3], normals]
    for layer, light, other, mask, inner, nearer in (
        (head.shell, head.shell_light, detail.photo, PERSON, 0.6, 0.0),
        (head.hair, head.hair_light, detail.hair_texture, HAIR, 0.6, HAIR_LEAD),
    ):
        if not len(layer.faces):
            continue
        above = rasterise(
            layer.vertices, layer.faces, camera, full, np.full(len(layer.vertices), -nearer, np.float32)
        )
        shaded = shade(
            above,
            layer.faces,
            layer.attributes,
            light,
            detail.photo,
            other,
            detail.masks,
            mask,
            straight,
            head.skin_light if mask == HAIR else None,
            np.stack([detail.skin_colour, detail.hair_colour]) if mask == HAIR else None,
        )
        layer_normals = interpolate(above, layer.faces, vertex_normals(layer.vertices, layer.faces))
        if mask == HAIR:
            _open_dome(above, shaded, layer, layer_normals, camera)
        _darken_inside(shaded, layer_normals, camera, full, inner)
        _over(buffers, above, shaded, layer_normals)
    rgb, depth, opacity, normals = buffers
    if samples > 1:
        shape = (size, size)
        premultiplied = cv2.resize(rgb * opacity[..., None], shape, interpolation=cv2.INTER_AREA)
        covered = cv2.resize(opacity, shape, interpolation=cv2.INTER_AREA)
        solid = cv2.resize((depth > 0).astype(np.float32), shape, interpolation=cv2.INTER_AREA)
        depth = cv2.resize(depth, shape, interpolation=cv2.INTER_AREA) / np.maximum(solid, 1e-6)
        depth = np.where(solid > 0.5, depth, 0)
        normals = cv2.resize(normals, shape, interpolation=cv2.INTER_AREA)
        rgb, opacity = premultiplied / np.maximum(covered, 1e-4)[..., None], covered
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = np.where(length > 1e-3, normals / np.maximum(length, 1e-6), 0)
    return Rendering(
        np.clip(rgb, 0, 1).astype(np.float32),
        depth.astype(np.float32),
        np.clip(opacity, 0, 1).astype(np.float32),
        normals.astype(np.float32),
    )


def _darken_inside(shaded: NDArray, normals: NDArray, camera: Camera, size: int, share: float) -> None:
    """Inner sides of open surfaces lie in shadow."""
    away = (normals @ camera.cam2world[:3, 2]) > 0.15
    shaded[..., :3] *= np.where(away, share, 1.0)[..., None]
    normals *= np.where(away, -1.0, 1.0)[..., None]


def _open_dome(above: Fragments, shaded: NDArray, layer: Layer, normals: NDArray, camera: Camera) -> None:
    """Above the ears hair lies on the skull: its inner side is never seen, only that of hair that hangs."""
    row = interpolate(above, layer.faces, layer.attributes[:, MIRROR_UV])[..., 1]
    inside = (normals @ camera.cam2world[:3, 2] > 0.15) & (row < DOME_ROWS / ROWS)
    shaded[..., 3] *= ~inside


def _over(buffers: list, above: Fragments, shaded: NDArray, normals: NDArray) -> None:
    """Composite a layer's fragments with what is there, nearer over farther."""
    rgb, depth, opacity, below = buffers
    present = above.hit & (shaded[..., 3] > 0.004)
    front = present & ((above.depth < depth) | (depth == 0))
    alpha = np.where(front, shaded[..., 3], 0)
    total = alpha + opacity * (1 - alpha)
    mixed = shaded[..., :3] * alpha[..., None] + rgb * (opacity * (1 - alpha))[..., None]
    colour = np.where(front[..., None], mixed / np.maximum(total, 1e-6)[..., None], rgb)
    behind = present & ~front & (opacity < 0.999)
    rest = np.where(behind, shaded[..., 3] * (1 - opacity), 0)
    whole = total + rest
    colour = np.where(
        behind[..., None],
        (colour * total[..., None] + shaded[..., :3] * rest[..., None]) / np.maximum(whole, 1e-6)[..., None],
        colour,
    )
    solid = front & (shaded[..., 3] > 0.5)
    buffers[0] = colour
    buffers[1] = np.where(solid | (present & (depth == 0) & (shaded[..., 3] > 0.5)), above.depth, depth)
    buffers[2] = whole
    buffers[3] = np.where(solid[..., None], normals, below)
