"""A mesh with what a photo knows of each of its vertices, and how that is read off the photo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.rasterise import rasterise
from inversion_core.refine.ears import smoothstep

# Columns of a layer's attributes.
UV, WEIGHT, MIRROR_UV, MIRROR_WEIGHT, GAIN, COLOUR = slice(0, 2), 2, slice(3, 5), 5, slice(6, 9), slice(9, 12)
OPACITY, SEEN, SEEN_STRAIGHT = 12, 13, 14
CHANNELS = 15

DEPTH_SIZE = 512
TOLERANCE = 0.007
"""World units that a vertex may lie behind the depth buffer and still count as seen."""


@dataclass(frozen=True)
class Layer:
    """A mesh with everything that its shading needs.

    Attributes:
        vertices: (N, 3) float32 world units in the photo's pose; faces: (F, 3) int32.
        attributes: (N, CHANNELS) float32, in the columns named above; uv in photo widths.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    attributes: NDArray[np.float32]


def sampled(image: NDArray[np.float32], uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) bilinear samples of (H, W, C) at (N, 2) positions in picture widths, edges repeated."""
    size = image.shape[0]
    xy = (uv * size - 0.5).astype(np.float32)
    # cv2.remap takes at most 32767 columns.
    columns = 4096
    pad = (-len(xy)) % columns
    grid = np.pad(xy, ((0, pad), (0, 0))).reshape(-1, columns, 2)
    out = cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(-1, image.shape[2] if image.ndim == 3 else 1)[: len(uv)]


def seen_by(
    camera: Camera, vertices, normals, faces, others, behind=None
) -> tuple[NDArray, NDArray, NDArray]:
    """uv (N, 2), facing cosine (N,) and visibility (N,) of a layer's vertices; ``others`` hide it as well."""
    points = camera.project(vertices)
    uv = points[:, :2]
    towards = camera.position - vertices
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = (normals * towards).sum(1)
    depth = rasterise(vertices, faces, camera, DEPTH_SIZE, behind).depth
    if behind is not None:
        points[:, 2] += behind
    for other_vertices, other_faces in others:
        if len(other_faces):
            depth = np.minimum(depth, rasterise(other_vertices, other_faces, camera, DEPTH_SIZE).depth)
    x, y = np.clip(uv * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int).T
    near = depth[y, x]
    inside = ((uv > 0.004) & (uv < 0.996)).all(1)
    visible = smoothstep(near - points[:, 2], -2 * TOLERANCE, -TOLERANCE) * inside
    return uv, cosine, visible


def with_vertices(layer: Layer, vertices: NDArray[np.float32]) -> Layer:
    """The layer in another pose."""
    return replace(layer, vertices=vertices)
