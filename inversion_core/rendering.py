"""What a view of a head gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera


@dataclass(frozen=True)
class Rendering:
    """One picture.

    Attributes:
        rgb: (H, W, 3) float32 in [0, 1], sRGB, not multiplied by opacity.
        depth: (H, W) float32, distance along the camera's axis in world units; 0 where nothing was hit.
        opacity: (H, W) float32 in [0, 1].
        normals: (H, W, 3) float32 unit vectors in world axes, 0 where nothing was hit; None if not made.
    """

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    opacity: NDArray[np.float32]
    normals: NDArray[np.float32] | None = None

    def over(self, background=(0.5, 0.5, 0.5)) -> NDArray[np.float32]:
        """(H, W, 3) float32 picture on a plain background."""
        alpha = self.opacity[..., None]
        return self.rgb * alpha + np.asarray(background, np.float32) * (1 - alpha)


def depth_normals(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """(H, W, 3) float32 unit normals in world axes of a depth picture, towards the camera; 0 where nothing was hit.

    Args:
        depth: (H, W) along the camera's axis; 0 where nothing was hit.
    """
    size = len(depth)
    _, directions = camera.rays(size)
    directions = directions / (directions @ camera.cam2world[:3, 2])[:, None]
    points = directions.reshape(size, size, 3) * np.asarray(depth, np.float32)[..., None]
    down, across = np.gradient(points, axis=(0, 1))
    # World axes are right-handed, rows go down: this order points back at the camera.
    normals = np.cross(down, across)
    return unit_normals(np.where(depth[..., None] > 0, normals, 0))


def unit_normals(vectors: NDArray) -> NDArray[np.float32]:
    """(…, 3) float32 vectors of length 1; those without a length stay 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), 0).astype(np.float32)
