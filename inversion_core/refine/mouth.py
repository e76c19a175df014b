"""What stands and lies between the lips: teeth, gums, tongue and the dark behind them, and what a photo shows of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from inversion_core.generators.template import EYES, TEETH, TONGUE, HeadTemplate
from inversion_core.landmark_tables import LEFT_EYE, RIGHT_EYE
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import DEPTH_SIZE

DEFAULT_COLOURS = {EYES: (0.70, 0.67, 0.65), TEETH: (0.74, 0.70, 0.62), TONGUE: (0.55, 0.28, 0.27)}
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""MediaPipe's ring round the mouth's opening."""
GUM_COLOUR = (0.60, 0.33, 0.32)
INTERIOR_COLOUR = (0.20, 0.075, 0.065)
BESIDE = 0.25
"""Share of the mouth's width from its opening within which teeth look as there."""


def openings(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(512, 512, 2) float32 in [0, 1]: within the lids (lashes included) and within the lips of (478, 3) landmarks."""
    size = DEPTH_SIZE
    points = landmarks[:, :2] * size
    between = float(np.linalg.norm(points[468] - points[473]))
    eyes, mouth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for ring in (LEFT_EYE, RIGHT_EYE):
        cv2.fillConvexPoly(eyes, cv2.convexHull(points[list(ring)].astype(np.int32)), 255)
    cv2.fillPoly(mouth, [points[list(INNER_LIPS)].astype(np.int32)], 255)
    lashes = 2 * int(0.02 * between) + 1
    eyes = cv2.dilate(eyes, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (lashes, lashes)))
    masks = np.stack([eyes, mouth], -1).astype(np.float32) / 255
    return cv2.GaussianBlur(masks, (0, 0), max(0.01 * between, 0.5))


def lip_gap(landmarks: NDArray[np.float32]) -> float:
    """Distance of the inner lips of (478, 2) landmarks, seen from the front, in distances between the eyes."""
    between = np.linalg.norm(landmarks[468] - landmarks[473])
    return float(np.linalg.norm(landmarks[13] - landmarks[14]) / max(between, 1e-6))


def mouth_light(gap: float) -> float:
    """Brightness of the mouth's inside between lips that are ``gap`` (see :func:`lip_gap`) apart."""
    return 0.25 + 0.75 * float(smoothstep(np.float32(gap), 0.02, 0.12))


def inside_mouth(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    uv: NDArray[np.float32],
    photo: NDArray[np.float32],
    mouth: NDArray[np.float32],
    gap: float,
    brightness: float,
    default: NDArray[np.float64],
) -> None:
    """Write into (V, 3) ``default`` what a mouth looks like inside where the photo does not show it.

    Args:
        fine: (V, 3) the head in the photo's pose; uv: (V, 2) where the photo would show it.
        mouth: (512, 512) within the lips, see :func:`openings`; gap: see :func:`lip_gap`.
        brightness: of the photo's skin, 1 where typical.
    """
    in_mouth = template.interior > 0.75
    default[in_mouth] = np.array(INTERIOR_COLOUR) * brightness
    teeth = np.flatnonzero(template.part == TEETH)
    lower = np.linalg.norm(template.unit_offsets[template.units.index("mouth-open")], axis=1) > 0.01
    lower = (template.subdivision @ lower.astype(np.float32))[teeth] > 0.5
    front = fine[teeth, 2] > fine[teeth, 2].max() - 0.03
    gums = np.zeros(len(teeth))
    for jaw, sign in ((~lower, 1), (lower, -1)):
        if (jaw & front).any():
            height = sign * fine[teeth[jaw], 1]
            height = height - (sign * fine[teeth[jaw & front], 1]).min()
            gums[jaw] = smoothstep(height, 0.018, 0.022)
            gum = gums[jaw, None]
            default[teeth[jaw]] = (1 - gum) * default[teeth[jaw]] + gum * np.array(GUM_COLOUR) * brightness
    # The farther back in the mouth, the nearer its corners and the closer the lips, the darker.
    for part in (TEETH, TONGUE):
        index = np.flatnonzero(template.part == part)
        back = (fine[index, 2].max() - fine[index, 2]) / 0.09
        aside = np.abs(fine[index, 0] - fine[index, 0].mean())
        shade = (1 - 0.75 * np.clip(back, 0, 1)) * (
            1 - 0.55 * smoothstep(aside / max(aside.max(initial=0), 1e-6), 0.4, 0.9)
        )
        default[index] *= shade[:, None] * mouth_light(gap)
    default[in_mouth] *= mouth_light(gap)
    beside, close = beside_the_opening(uv, photo, mouth, gap)
    default[teeth] += close[teeth] * (1 - 0.5 * (gums * lower)[:, None]) * (beside[teeth] - default[teeth])


def beside_the_opening(uv, photo, mouth, gap) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(V, 3) colours of the open mouth where it is nearest to each vertex's place, and (V, 1) how near that is: other
    views show more of the teeth, at the corners above all, and they go on as the photo has them."""
    opened = cv2.erode((mouth > 0.85).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    colours, close = np.zeros((len(uv), 3), np.float32), np.zeros((len(uv), 1), np.float32)
    if gap < 0.03 or opened.sum() < 30:
        return colours, close
    rows, columns = np.flatnonzero(opened.any(1)), np.flatnonzero(opened.any(0))
    reach = int(BESIDE * len(columns))
    top, left = max(rows[0] - reach, 0), max(columns[0] - reach, 0)
    window = (slice(top, rows[-1] + reach), slice(left, columns[-1] + reach))
    share = opened[window].astype(np.float32)
    soft = cv2.GaussianBlur(photo[window] * share[..., None], (0, 0), 2)
    soft /= np.maximum(cv2.GaussianBlur(share, (0, 0), 2), 1e-3)[..., None]
    away, nearest = distance_transform_edt(share < 0.5, return_indices=True)
    row, column = (uv[:, ::-1] * DEPTH_SIZE).astype(int).T - np.array([[top], [left]])
    near = (row >= 0) & (column >= 0) & (row < share.shape[0]) & (column < share.shape[1])
    row, column = row[near], column[near]
    colours[near] = soft[tuple(nearest[:, row, column])]
    close[near, 0] = 1 - smoothstep(away[row, column], 0.3 * reach, reach)
    return colours, close
