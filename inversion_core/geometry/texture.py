"""Baking: what a layer's shading gives, painted into the texture that its UV triangles cover."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.rasterise import Fragments, rasterise_screen


def texel_fragments(uv: NDArray[np.float32], faces: NDArray[np.int32], height: int, width: int) -> Fragments:
    """Which UV triangle covers each texel of a (height, width) texture, and where.

    Args:
        uv: (V, 2) in [0, 1], v up; faces: (F, 3) into uv.
    """
    points = np.ones((len(uv), 3), np.float32)
    points[:, 0] = uv[:, 0] * width
    points[:, 1] = (1 - uv[:, 1]) * height
    return rasterise_screen(points, faces, height, width)


def filled(image: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W, C) with unknown texels filled smoothly from known ones, so that seams show no background.

    Source: Gortler et al. 1996, "The Lumigraph", section 3.4 (push-pull).
    """
    weight = known.astype(np.float32)[..., None]
    levels = [(image * weight, weight)]
    while min(levels[-1][0].shape[:2]) > 1:
        total, weight = levels[-1]
        size = ((total.shape[1] + 1) // 2, (total.shape[0] + 1) // 2)
        total = cv2.resize(total, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
        # Weights saturate: a cell that is half known is as good as known.
        scale = np.minimum(weight * 4, 1) / np.maximum(weight, 1e-9)
        levels.append((total * scale, weight * scale))
    total, weight = levels.pop()
    coarse = total / np.maximum(weight, 1e-9)
    while levels:
        total, weight = levels.pop()
        size = (total.shape[1], total.shape[0])
        coarse = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
        coarse = total + coarse.reshape(total.shape) * (1 - weight)
    return coarse
