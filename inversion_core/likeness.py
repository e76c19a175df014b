"""How alike two pictures' faces are without a recognition network: textures brought to the same face and compared.

It is no identity score: it says whether features of the photo lie at the same place of the face in another view.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from inversion_core.image import to_float
from inversion_core.rasterise import interpolate, rasterise_screen

TURNS = (-25.0, 25.0)
"""Degrees from the photo's view at which other views are judged."""
SIDE = 128
"""Pixels across the common face."""
FOLDED = 0.35
"""Triangles that shrink below this share of the median shrinking are turned away and not compared."""


def face_texture_likeness(picture: NDArray, points: NDArray, photo: NDArray, photo_points: NDArray) -> float:
    """Correlation in [-1, 1] of the faces' band-passed luminance, both seen as the photo has the face.

    Args:
        picture, photo: (H, W, 3) uint8 or [0, 1]; points, photo_points: (478, 2+) MediaPipe's, in picture widths.
    """
    there = np.asarray(photo_points, np.float64)[:468, :2]
    low, high = there.min(0), there.max(0)
    common = (there - low) / (high - low).max() * (SIDE - 1)
    triangles = Delaunay(common).simplices.astype(np.int32)
    here = np.asarray(points, np.float64)[:468, :2]
    shrunk = _areas(here, triangles) / np.where(
        np.abs(_areas(there, triangles)) < 1e-9, 1e-9, _areas(there, triangles)
    )
    typical = np.median(shrunk[shrunk > 0]) if (shrunk > 0).any() else 1.0
    shown = triangles[shrunk > FOLDED * typical]
    if not len(shown):
        return 0.0
    screen = np.concatenate([common, np.ones((468, 1))], 1).astype(np.float32)
    fragments = rasterise_screen(screen, shown, SIDE, SIDE)
    face = fragments.hit.astype(np.float32)
    first, second = (
        _band(_warped(image, at, fragments, shown), face) for image, at in ((picture, here), (photo, there))
    )
    hit = cv2.erode(fragments.hit.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if np.count_nonzero(hit) < 50:
        return 0.0
    a, b = first[hit] - first[hit].mean(), second[hit] - second[hit].mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-12))


def _areas(points: NDArray, triangles: NDArray) -> NDArray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def _warped(image: NDArray, points: NDArray, fragments, triangles: NDArray) -> NDArray[np.float32]:
    places = interpolate(fragments, triangles, points.astype(np.float32)) * image.shape[1] - 0.5
    grey = np.ascontiguousarray(to_float(image).mean(2))
    return cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _band(image: NDArray[np.float32], face: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is finer than a twentieth of the face and coarser than a pixel of a small rendering, by local contrast.

    Args:
        face: (H, W), 1 where the image is of the face: what lies beside it, hair or a wall, must not count.
    """

    def smooth(values: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
        share = np.maximum(cv2.GaussianBlur(face, (0, 0), deviation), 1e-4)
        return cv2.GaussianBlur(values * face, (0, 0), deviation) / share

    band = smooth(image, 1.5) - smooth(image, 7)
    contrast = np.sqrt(smooth(band * band, 12)) + 0.01
    return band / contrast
