"""Drawing a head: each layer rasterised and shaded, then composited by depth."""

from __future__ import annotations

import cv2
import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.compiled import parallel
from inversion_core.generators.head import Head
from inversion_core.rasterise import Fragments, interpolate, rasterise
from inversion_core.refine.ears import smoothstep
from inversion_core.rendering import Rendering
from inversion_core.shading import shade

NEAR_PHOTO, FAR_FROM_PHOTO = np.radians(3.0), np.radians(11.0)
"""Angles from the photo's view between which trust in grazing pixels fades."""
HAIR_LEAD = 0.007
"""World units by which hair counts as nearer than it is: what lies close under it must not poke through."""
INNER_SHARE = 0.6
"""Brightness of the inner sides of open surfaces, which lie in shadow."""
PERSON, HAIR, OPAQUE = 0, 1, -1


def closeness(head: Head, camera: Camera) -> float:
    """1 for the photo's own view, 0 from :data:`FAR_FROM_PHOTO` on."""
    cosine = float(camera.cam2world[:3, 2] @ head.detail.camera.cam2world[:3, 2])
    near = 1 - smoothstep(np.arccos(np.clip(cosine, -1, 1)), NEAR_PHOTO, FAR_FROM_PHOTO)
    return float(near * (1 - head.detail.mixed))


def render(head: Head, camera: Camera, size: int, samples: int = 1) -> Rendering:
    """The head through ``camera``, (size, size).

    Args:
        samples: side of the grid of samples in each pixel; 2 smooths edges.
    """
    full = size * samples
    # Hair and clothes stay as the photo trims them while an edit moves the face below.
    trimmed = closeness(head, camera)
    detail = head.detail
    fragments = rasterise(head.head.vertices, head.head.faces, camera, full, head.behind)
    colour = shade(
        fragments,
        head.head.faces,
        head.head.attributes,
        head.light,
        detail.photo,
        detail.other,
        detail.masks,
        OPAQUE,
        trimmed,
    )
    depth = np.where(fragments.hit, fragments.depth, 0)
    normals = interpolate(fragments, head.head.faces, head.normals)
    buffers = [colour[..., :3], depth, colour[..., 3], normals]
    # The shell's edges are as soft in the photo's view as in any other.
    for layer, facing, light, other, mask, nearer, near_photo in (
        (head.shell, head.shell_normals, head.shell_light, detail.photo, PERSON, 0.0, 0.0),
        (head.hair, head.hair_normals, head.hair_light, detail.hair_texture, HAIR, HAIR_LEAD, trimmed),
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
            near_photo,
            head.skin_light if mask == HAIR else None,
            np.stack([detail.skin_colour, detail.hair_colour]) if mask == HAIR else None,
        )
        layer_normals = interpolate(above, layer.faces, facing)
        _inner_sides(shaded, layer_normals, camera.cam2world[:3, 2], INNER_SHARE)
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


@parallel
def _inner_sides(shaded, normals, forward, share):
    height, width = shaded.shape[0], shaded.shape[1]
    for y in nb.prange(height):
        for x in range(width):
            away = (
                normals[y, x, 0] * forward[0] + normals[y, x, 1] * forward[1] + normals[y, x, 2] * forward[2]
            )
            if away <= 0.15:
                continue
            for n in range(3):
                shaded[y, x, n] *= share
                normals[y, x, n] = -normals[y, x, n]


@parallel
def _composite(rgb, depth, opacity, below, face, near, shaded, normals):
    height, width = depth.shape
    for y in nb.prange(height):
        for x in range(width):
            alpha = shaded[y, x, 3]
            if face[y, x] < 0 or alpha <= 0.004:
                continue
            under = opacity[y, x]
            empty = depth[y, x] == 0
            front = empty or near[y, x] < depth[y, x]
            if front:
                first, second = alpha, under * (1 - alpha)
            else:
                first, second = alpha * (1 - under), under
            total = first + second
            if total > 1e-6:
                for n in range(3):
                    rgb[y, x, n] = (shaded[y, x, n] * first + rgb[y, x, n] * second) / total
            opacity[y, x] = total
            if front and alpha > 0.5:
                depth[y, x] = near[y, x]
                for n in range(3):
                    below[y, x, n] = normals[y, x, n]


def _over(buffers: list, above: Fragments, shaded: NDArray, normals: NDArray) -> None:
    """Composite a layer's fragments with what is there, nearer over farther; ``buffers`` are replaced."""
    for i in range(4):
        buffers[i] = np.ascontiguousarray(buffers[i], np.float32)
    _composite(*buffers, above.face, above.depth, shaded.astype(np.float32), normals.astype(np.float32))
