"""Tangent frames of a textured mesh, and normals written in them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.image import to_uint8

RELIEF = 2.0
"""Slope for a step of e in brightness from one texel to the next, at 2048 texels across."""
STEEPEST = 0.45


def tangents(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    normals: NDArray[np.float32],
    uv: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(V, 4): unit tangents along growing u, square to the normals, and the sign of the bitangent (v up).

    Source: Lengyel 2001, "Computing Tangent Space Basis Vectors for an Arbitrary Mesh"; glTF 2.0 section 3.7.2.1.
    """
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    ua, ub, uc = (uv[faces[:, i]].astype(np.float64) for i in range(3))
    e1, e2, d1, d2 = b - a, c - a, ub - ua, uc - ua
    area = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    scale = np.sign(area)[:, None]
    # Not divided by the area: large triangles count for more, and slivers for nothing.
    along = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * scale
    across = (e2 * d1[:, :1] - e1 * d2[:, :1]) * scale
    total, other = np.zeros((len(vertices), 3)), np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], along[:, axis], len(vertices))
            other[:, axis] += np.bincount(faces[:, corner], across[:, axis], len(vertices))
    normals = normals.astype(np.float64)
    flat = total - normals * (normals * total).sum(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    # Where the texture has no direction, any direction square to the normal does.
    spare = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    spare /= np.maximum(np.linalg.norm(spare, axis=1, keepdims=True), 1e-12)
    flat = np.where(length > 1e-14, flat / np.maximum(length, 1e-14), spare)
    sign = np.where((np.cross(normals, flat) * other).sum(1) < 0, -1.0, 1.0)
    return np.concatenate([flat, sign[:, None]], 1).astype(np.float32)


def relief(image: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) unit normals in tangent space (v up) that a texture's fine shading suggests.

    Darker is taken as deeper, between single texels and some sixteen: pores, lines and strands, not shadows.

    Args:
        image: (H, W, 3) in [0, 1]; share: (H, W) in [0, 1], how much of it counts where.

    Source: "dark means deep", Langer and Bülthoff 2000, "Depth discrimination from shading under diffuse lighting".
    """
    scale = image.shape[1] / 2048
    bright = np.log(np.maximum(image.mean(2), 0.03)).astype(np.float32)
    fine = cv2.GaussianBlur(bright, (0, 0), max(1.0 * scale, 0.5))
    band = fine - cv2.GaussianBlur(bright, (0, 0), max(14.0 * scale, 2.0))
    across = cv2.Sobel(band, cv2.CV_32F, 1, 0, scale=1 / 8) / scale
    down = cv2.Sobel(band, cv2.CV_32F, 0, 1, scale=1 / 8) / scale
    slope = np.hypot(across, down) * RELIEF + 1e-9
    limited = STEEPEST * np.tanh(slope / STEEPEST) / slope * RELIEF * share
    normals = np.stack([-across * limited, down * limited, np.ones_like(limited)], 2)
    return normals / np.linalg.norm(normals, axis=2, keepdims=True)


def normal_picture(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of unit normals in tangent space."""
    return to_uint8(normals * 0.5 + 0.5)


def read_normals(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) unit normals of :func:`normal_picture`."""
    normals = picture.astype(np.float32) * np.float32(2 / 255) - 1
    return normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
