"""Triangles to pixels: depth buffer, face index and barycentric coordinates, on all cores.

The surface of the bundled model is drawn by moving the canonical surface forward and rasterising it: first hits
are exact and lips or lids that touch stay apart, which no inverse map achieves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.compiled import parallel

NOTHING = -1
"""Face index of an empty pixel."""
_FAR = np.float32(1e9)


@dataclass(frozen=True)
class Fragments:
    """What a rasterised surface shows in each pixel.

    Attributes:
        face: (H, W) int32, NOTHING where empty.
        weights: (H, W, 2) float32, perspective-correct barycentric coordinates of the second and third corner.
        depth: (H, W) float32 along the camera's axis, 1e9 where empty.
    """

    face: NDArray[np.int32]
    weights: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def hit(self) -> NDArray[np.bool_]:
        return self.face != NOTHING


@parallel
def _rasterise(points, faces, face, weights, depth, bands):
    height, width = face.shape
    for band in nb.prange(bands):
        top = band * height // bands
        bottom = (band + 1) * height // bands
        # Unsigned numbers need no test whether they count from the end.
        for f in range(np.uintp(len(faces))):
            i, j, k = np.uintp(faces[f, 0]), np.uintp(faces[f, 1]), np.uintp(faces[f, 2])
            ay, by, cy = points[i, 1], points[j, 1], points[k, 1]
            low = min(ay, by, cy)
            high = max(ay, by, cy)
            if high < top or low > bottom:
                continue
            az, bz, cz = points[i, 2], points[j, 2], points[k, 2]
            if az <= 0.05 or bz <= 0.05 or cz <= 0.05:
                continue
            ax, bx, cx = points[i, 0], points[j, 0], points[k, 0]
            x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
            x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
            y0 = max(top, int(np.ceil(low - 0.5)))
            y1 = min(bottom - 1, int(np.floor(high - 0.5)))
            if x0 > x1 or y0 > y1:
                continue
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if abs(area) < 1e-12:
                continue
            inverse = 1.0 / area
            ia, ib, ic = 1.0 / az, 1.0 / bz, 1.0 / cz
            for y in range(np.uintp(y0), np.uintp(y1 + 1)):
                py = y + 0.5
                for x in range(np.uintp(x0), np.uintp(x1 + 1)):
                    px = x + 0.5
                    w1 = ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) * inverse
                    w2 = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) * inverse
                    w0 = 1.0 - w1 - w2
                    if min(w0, w1, w2) < -1e-6:
                        continue
                    z = 1.0 / (w0 * ia + w1 * ib + w2 * ic)
                    if z < depth[y, x]:
                        depth[y, x] = z
                        face[y, x] = f
                        weights[y, x, 0] = w1 * ib * z
                        weights[y, x, 1] = w2 * ic * z


def rasterise(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    camera: Camera,
    size: int,
    behind: NDArray[np.float32] | None = None,
) -> Fragments:
    """The nearest surface in each pixel of a (size, size) picture.

    Args:
        vertices: (V, 3) world units; faces: (F, 3); both sides of a face are drawn.
        behind: (V,) world units by which vertices count as farther away than they are.
    """
    points = camera.project(vertices)
    if behind is not None:
        points[:, 2] += behind
    points[:, :2] *= size
    return rasterise_screen(points, faces, size, size)


def rasterise_screen(
    points: NDArray[np.float32], faces: NDArray[np.int32], height: int, width: int
) -> Fragments:
    """As :func:`rasterise`, from (V, 3) pixel coordinates and depth; pixel centres lie at +0.5."""
    face = np.full((height, width), NOTHING, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    depth = np.full((height, width), _FAR, np.float32)
    rasterise_into(points, faces, (face, weights, depth))
    return Fragments(face, weights, depth)


def rasterise_into(
    points: NDArray[np.float32], faces: NDArray[np.int32], buffers: tuple[NDArray, NDArray, NDArray]
) -> None:
    """As :func:`rasterise_screen`, over what face, weights and depth of one picture already show."""
    face, weights, depth = buffers
    bands = max(1, min(2 * nb.get_num_threads(), len(face) // 16))
    points = np.ascontiguousarray(points, np.float32)
    _rasterise(points, np.ascontiguousarray(faces, np.int32), face, weights, depth, bands)


@parallel
def _interpolate(face, weights, faces, values, out):
    height, width = face.shape
    channels = values.shape[1]
    for y in nb.prange(height):
        for x in range(width):
            f = face[y, x]
            if f < 0:
                continue
            b, c = weights[y, x, 0], weights[y, x, 1]
            a = 1 - b - c
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            for n in range(channels):
                out[y, x, n] = a * values[i, n] + b * values[j, n] + c * values[k, n]


def interpolate(
    fragments: Fragments, faces: NDArray[np.int32], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, W, N) values of (V, N) vertices carried to the pixels; 0 where empty."""
    height, width = fragments.face.shape
    out = np.zeros((height, width, values.shape[1]), np.float32)
    _interpolate(fragments.face, fragments.weights, faces, np.ascontiguousarray(values, np.float32), out)
    return out
