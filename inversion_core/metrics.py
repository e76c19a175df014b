"""Figures: how near two pictures are, and what a face measures when it is found again on a rendering."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import landmark_tables as table
from inversion_core.faces import averaged_mesh_points, find_faces
from inversion_core.image import to_float, to_uint8
from inversion_core.rendering import Rendering

WINDOW = (11, 11)
"""Pixels of the structural similarity's window."""


def psnr(picture: NDArray, truth: NDArray, mask: NDArray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) pictures, uint8 or [0, 1]; infinite when they are equal.

    Args:
        mask: (H, W) in [0, 1], the weight of each pixel; everything when left out.
    """
    error = ((to_float(picture) - to_float(truth)) ** 2).mean(-1)
    mean = float(np.average(error, weights=mask) if mask is not None else error.mean())
    return float("inf") if mean == 0 else float(-10 * np.log10(mean))


def ssim(picture: NDArray, truth: NDArray, mask: NDArray | None = None) -> float:
    """Structural similarity of (H, W, 3) pictures, uint8 or [0, 1]; 1 when they are equal.

    Source: Wang et al. 2004, Gaussian window of 1.5 pixels, mean over colours and (masked) places.
    """

    def around(values: NDArray) -> NDArray:
        return cv2.GaussianBlur(values, WINDOW, 1.5, borderType=cv2.BORDER_REFLECT)

    x, y = to_float(picture).astype(np.float64), to_float(truth).astype(np.float64)
    mean_x, mean_y = around(x), around(y)
    spread = around(x * x) - mean_x**2 + around(y * y) - mean_y**2
    together = around(x * y) - mean_x * mean_y
    places = (2 * mean_x * mean_y + 0.01**2) * (2 * together + 0.03**2)
    places /= (mean_x**2 + mean_y**2 + 0.01**2) * (spread + 0.03**2)
    return float(np.average(places.mean(-1), weights=mask))


def iou(first: NDArray, second: NDArray, threshold: float = 0.5, where: NDArray | bool = True) -> float:
    """Intersection over union, [0, 1], of two masks cut at ``threshold``, ``where`` both are known; 1 when both are
    empty."""
    a, b = (np.asarray(first) > threshold) & where, (np.asarray(second) > threshold) & where
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def face_mask(landmarks: NDArray, size: int) -> NDArray[np.float32]:
    """(size, size) float32, 1 inside the face's outline of (478, 2+) points in picture widths."""
    outline = np.asarray(landmarks)[list(table.OVAL), :2] * size
    # Sixteenths of a pixel; cv2 puts pixel centres on integers.
    corners = np.round((outline - 0.5) * 16).astype(np.int32)
    return cv2.fillPoly(np.zeros((size, size), np.uint8), [corners], 1, shift=4).astype(np.float32)


def redetected_landmarks(rendering: Rendering) -> NDArray[np.float32] | None:
    """(478, 3) float32, MediaPipe's points in picture widths, found on mid-grey; None without a face."""
    picture = to_uint8(rendering.over())
    points = averaged_mesh_points(picture)
    if points is None:
        # The mesh alone misses what is small or turned far away; look for the face first.
        faces = find_faces(picture)
        if not faces:
            return None
        points = faces[0].landmarks
    return (points / picture.shape[1]).astype(np.float32)


def eye_distance(landmarks: NDArray) -> float:
    """Distance of the eyes' middles (means of their corners), in the landmarks' own unit."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    return float(np.linalg.norm(points[[33, 133]].mean(0) - points[[263, 362]].mean(0)))


def landmark_error(found: NDArray, truth: NDArray) -> float:
    """Mean distance of the 468 skin points in inter-ocular distances of the truth."""
    apart = np.linalg.norm((np.asarray(found) - np.asarray(truth))[:468, :2], axis=1)
    return float(apart.mean()) / eye_distance(truth)


@dataclass(frozen=True)
class FaceMeasures:
    """What a face measures, in inter-ocular distances, along and across its own axis.

    Attributes:
        mouth_width: corner to corner.
        corner_lift: mean height of the mouth's corners over the nose's base, below zero; a smile raises it.
        lip_opening: between the inner rims of the lips.
        lip_height: both lips' red, opening left out.
        eye_opening: from the upper lids down to the lower ones, mean of both eyes, 0 where they meet or overlap;
            closing lids also slide past each other sideways, which opens nothing.
        eye_width: corner to corner, mean of both eyes.
        brow_height: middle of the brows over the line of the eyes.
        jaw_width: between the angles of the jaw.
        face_width: between the cheeks before the ears.
        nose_width: between the wings of the nose.
        nose_length: from between the eyes to the nose's base.
        chin_length: from the lower lip to the chin.
    """

    mouth_width: float
    corner_lift: float
    lip_opening: float
    lip_height: float
    eye_opening: float
    eye_width: float
    brow_height: float
    jaw_width: float
    face_width: float
    nose_width: float
    nose_length: float
    chin_length: float

    def changes(self, before: FaceMeasures) -> dict[str, float]:
        """Measure -> change since ``before`` in inter-ocular distances; relative for anything longer."""
        return {
            field.name: (getattr(self, field.name) - getattr(before, field.name))
            / max(getattr(before, field.name), 1.0)
            for field in fields(self)
        }


def measure_face(landmarks: NDArray, unit: float | None = None) -> FaceMeasures:
    """What the face of (478, 2+) points measures; meant for views from the front.

    Args:
        unit: the length to measure in; the face's own eye distance when left out. For one head before and
            after an edit give both the same, since MediaPipe moves the eyes' corners when lids close.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    unit = eye_distance(points) if unit is None else unit
    right, left = points[[33, 133]].mean(0), points[[263, 362]].mean(0)
    across = (left - right) / np.linalg.norm(left - right)
    down = np.array([-across[1], across[0]])
    place = (points - (left + right) / 2) @ np.stack([across, down], 1) / unit
    x, y = place.T

    def apart(first: int, second: int) -> float:
        return float(np.linalg.norm(place[first] - place[second]))

    return FaceMeasures(
        mouth_width=apart(61, 291),
        corner_lift=float(y[2] - (y[61] + y[291]) / 2),
        lip_opening=(apart(13, 14) + apart(82, 87) + apart(312, 317)) / 3,
        lip_height=apart(0, 13) + apart(14, 17),
        eye_opening=float(np.maximum(y[[145, 374, 153, 380]] - y[[159, 386, 158, 385]], 0).mean()),
        eye_width=(apart(33, 133) + apart(263, 362)) / 2,
        brow_height=-float((y[105] + y[334] + y[52] + y[282]) / 4),
        jaw_width=(float(x[397] - x[172]) + float(x[288] - x[58])) / 2,
        face_width=float(x[454] - x[234]),
        nose_width=(float(x[294] - x[64]) + float(x[358] - x[129])) / 2,
        nose_length=float(y[2] - y[168]),
        chin_length=float(y[152] - y[17]),
    )
