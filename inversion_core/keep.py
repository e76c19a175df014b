"""Painting on the head what edits must leave as it is in the photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.head import Head
from inversion_core.rasterise import rasterise
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import TOLERANCE

DEPTH_SIZE = 384


def brushed(
    head: Head,
    keep: NDArray[np.float32] | None,
    camera: Camera,
    places: NDArray[np.float32],
    radius: float,
    erase: bool = False,
) -> NDArray[np.float32]:
    """(V,) how far each vertex of the head is kept, in [0, 1], after a stroke of a soft brush.

    Args:
        keep: before the stroke; None is nowhere.
        places: (N, 2) of the brush in the widths of the square picture; radius: in the same, fading over its outer half.
        erase: take away instead.
    """
    points = camera.project(head.head.vertices)
    depth = rasterise(head.head.vertices, head.head.faces, camera, DEPTH_SIZE, head.behind).depth
    x, y = np.clip(points[:, :2] * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int).T
    seen = points[:, 2] + head.behind < depth[y, x] + 2 * TOLERANCE
    near = np.full(len(points), np.inf)
    for place in np.asarray(places, np.float64).reshape(-1, 2):
        near = np.minimum(near, np.linalg.norm(points[:, :2] - place, axis=1))
    stroke = (1 - smoothstep(near / max(radius, 1e-6), 0.5, 1.0)) * seen
    before = np.zeros(len(points)) if keep is None else keep
    after = before * (1 - stroke) if erase else np.maximum(before, stroke)
    # Projects keep 256 steps.
    return (np.round(after * 255) / 255).astype(np.float32)
