"""What a view of a head gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
