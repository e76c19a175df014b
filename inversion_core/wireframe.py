"""The edges of a head's own topology, as they are seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.head import Head
from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.rasterise import rasterise

TOLERANCE = 0.012
"""World units that an edge's end may lie behind the nearest surface and still be drawn."""
SHIFT = 4
"""Binary digits of a pixel to which lines are placed."""
INK, FADED = np.array([0.93, 0.95, 1.0], np.float32), 0.62
"""Colour of the lines, and brightness of what lies under them."""


def wire_edges(template: HeadTemplate) -> NDArray[np.int32]:
    """(E, 2) fine vertices: the edges of the skin's mesh before it was subdivided, each in halves."""
    matrix = template.subdivision.tocsr()
    entries = np.diff(matrix.indptr)
    largest = np.maximum.reduceat(matrix.data, matrix.indptr[:-1])
    # A point in the middle of a face is the mean of its corners; no old edge ends there.
    middle = (entries == 4) & np.isclose(largest, 0.25)
    faces = template.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, 1), axis=0)
    kept = ~middle[edges].any(1) & (template.part[edges[:, 0]] == SKIN)
    return edges[kept].astype(np.int32)


def wireframe(head: Head, edges: NDArray[np.int32], camera: Camera, size: int) -> NDArray[np.float32]:
    """(size, size) in [0, 1]: where a line is seen on the head's skin; hair hides no lines.

    Args:
        edges: (E, 2) of the head's layer; see :func:`wire_edges`.
    """
    coarse = min(size, 512)
    depth = rasterise(head.head.vertices, head.head.faces, camera, coarse, head.behind).depth
    points = camera.project(head.head.vertices)
    away = points[:, 2] + head.behind
    x, y = (np.clip(points[:, i] * coarse, 0, coarse - 1).astype(int) for i in range(2))
    # The farthest of the neighbours: at the outline the pixel beside it may be far behind.
    farthest = cv2.dilate(np.where(depth < 1e8, depth, 0), np.ones((3, 3), np.uint8))
    inside = (points[:, :2] > -0.5).all(1) & (points[:, :2] < 1.5).all(1) & (points[:, 2] > 0.05)
    seen = inside & (away <= farthest[y, x] + TOLERANCE)
    shown = edges[seen[edges].all(1)]
    ends = np.round((points[:, :2][shown] * size - 0.5) * 2**SHIFT).astype(np.int32)
    picture = np.zeros((size, size), np.uint8)
    cv2.polylines(picture, list(ends), False, 255, 1, cv2.LINE_AA, SHIFT)
    return picture.astype(np.float32) / 255


def overlaid(rgb: NDArray[np.float32], lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) the picture, dimmed, with the lines over it."""
    share = 0.75 * lines[..., None]
    return (rgb * FADED * (1 - share) + INK * share).astype(np.float32)
