"""The mesh record that geometry makes and mesh files hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mesh:
    """Triangles in world units, +y up, +z out of the face.

    Attributes:
        vertices: (V, 3) float32.
        faces: (F, 3) int32, counter-clockwise from outside.
        normals: (V, 3) float32, unit length, or None.
        uv: (V, 2) float32 in [0, 1], v up (OpenGL and glTF-after-flip: row = (1 - v) * height), or None.
        texture: (H, W, 3) or (H, W, 4) uint8 sRGB, or None.
        vertex_colours: (V, 3) uint8 sRGB, or None.
        morphs: name -> (V, 3) float32 offsets at full strength, added to ``vertices``.
        welded: (V,) int32, equal numbers are one point that a UV seam split, or None where nothing is split.
        normal_map: (H, W, 3) uint8 in tangent space, green up the texture, or None.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None
    uv: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None
    vertex_colours: NDArray[np.uint8] | None = None
    morphs: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    welded: NDArray[np.int32] | None = None
    normal_map: NDArray[np.uint8] | None = None


METRES_PER_UNIT = 0.4
"""World units to metres: a head of 0.545 units from chin to crown becomes 0.22 m."""
