"""Shoulders where the photo has them: the model's own are raised or lowered until their outline is the person's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from inversion_core.camera import Camera
from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.rasterise import rasterise
from inversion_core.refine.ears import smoothstep

GRID = 128
"""Columns across the photo in which outlines are compared."""
REACH = 3
"""Photo widths across which the model's shoulders lie."""
NECK, CLEAR = 0.10, 0.20
"""Canonical distances from the middle at which a shoulder begins to move and moves freely."""
THROAT, CHEST = 0.18, 0.28
"""Canonical depths below the middle of the head for the same."""
BASE, END = 0.36, 0.48
"""Canonical depths below the middle of the head between which the body comes to rest again."""
HIGHEST, LOWEST = 0.24, 0.08
"""World units by which shoulders can be raised and lowered."""
ROUNDS, SMOOTH = 3, 2.5
"""How often outlines are compared, and the deviation, in columns, by which their difference is smoothed."""
FEWEST = 5
"""Columns that have to show a shoulder for it to be moved."""


def met_shoulders(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    camera: Camera,
    person: NDArray[np.float32],
    hair: NDArray[np.float32],
    seen: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """(V, 3) offsets, up and down in the photo, that bring the shoulders' outline to that of the mask.

    Where hair hangs before a shoulder, and past the photo's sides, it goes on as its neighbours do.

    Args:
        fine: (V, 3) the head in the photo's pose; person, hair: (512, 512) in [0, 1].
        seen: (512, 512) True where the crop shows the photo.
    """
    freedom = _freedom(template)
    free = (freedom[template.faces] >= 0.05).any(1)
    shoulders = template.faces[free]
    head = rasterise(fine, template.faces[~free], camera, GRID).hit
    offsets = np.zeros_like(fine)
    reduced = _reduced(person, hair, seen)
    photo, before = None, None
    # Near the neck, where they are less free, shoulders need to be moved more than once.
    for _ in range(ROUNDS):
        points = camera.project(fine + offsets)
        model = _model_outline(shoulders, fine + offsets, camera)
        middle = int(np.clip(float(points[freedom > 0.3, 0].mean()) * GRID, 0, GRID - 1))
        if middle != before:
            photo, before = _photo_outline(*reduced, head, middle), middle
        shown, known, ends = photo
        beside = model[GRID : 2 * GRID]
        # A column without the person only says that the shoulder begins below.
        known = known & np.isfinite(beside) & (~ends | (beside < shown))
        if known.sum() < FEWEST:
            break
        columns = np.flatnonzero(known)
        difference = model[columns + GRID] - shown[columns]
        lift = np.interp(np.arange(REACH * GRID), columns + GRID, difference)
        lift = gaussian_filter1d(lift, SMOOTH)
        at = (points[:, 0] + 1) * GRID - 0.5
        moved = np.interp(at, np.arange(REACH * GRID), lift) * points[:, 2] / camera.intrinsics[1, 1]
        up = -(offsets @ camera.cam2world[:3, 1])
        moved = np.clip(moved * freedom, -LOWEST * freedom - up, HIGHEST * freedom - up)
        offsets -= (moved[:, None] * camera.cam2world[:3, 1]).astype(np.float32)
    return offsets


def _freedom(template: HeadTemplate) -> NDArray[np.float32]:
    """(V,) how freely each vertex follows, 0 on head and neck."""
    x, y = np.abs(template.canonical[:, 0]), -template.canonical[:, 1]
    free = smoothstep(x, NECK, CLEAR) * smoothstep(y, THROAT, CHEST) * (1 - smoothstep(y, BASE, END))
    return (free * (template.part == SKIN)).astype(np.float32)


def _model_outline(
    shoulders: NDArray[np.int32], fine: NDArray[np.float32], camera: Camera
) -> NDArray[np.float32]:
    """(REACH * GRID,) photo heights from the top at which the shoulders' faces begin in each column, NaN without one."""
    wide = camera.intrinsics.copy()
    wide[:2, :2] /= REACH
    hit = rasterise(fine, shoulders, Camera(camera.cam2world, wide), REACH * GRID).hit
    top = np.where(hit.any(0), hit.argmax(0), np.nan)
    return (top / GRID - 1).astype(np.float32)


def _reduced(
    person: NDArray[np.float32], hair: NDArray[np.float32], seen: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """(GRID, GRID) where there is a person, hair, and a photo at all."""
    shares = (person, 0.5), (hair, 0.3), (seen.astype(np.float32), 0.9)
    body, hairy, real = (
        cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_AREA) > least for mask, least in shares
    )
    return body, hairy, real


def _photo_outline(
    body: NDArray[np.bool_],
    hairy: NDArray[np.bool_],
    real: NDArray[np.bool_],
    head: NDArray[np.bool_],
    middle: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """(GRID,) heights at which the person's body begins above the photo's lower border, where nothing hides them, and
    where the photo ends without the person."""
    outline, known, ends = np.zeros(GRID, np.float32), np.zeros(GRID, bool), np.zeros(GRID, bool)
    for column in np.flatnonzero(real.any(0)):
        last = np.flatnonzero(real[:, column])[-1]
        bare = body[: last + 1, column] & ~hairy[: last + 1, column]
        gaps = np.flatnonzero(~bare)
        top = gaps[-1] + 1 if gaps.size else 0
        outline[column], ends[column] = top / GRID, top > last
        # No shoulder is known where hair hangs down to it, or between it and the neck.
        row = min(top, last)
        first, end = sorted((column, middle))
        hidden = hairy[max(row - 4, 0) : row + 1, first : end + 1].any()
        # Nor where what begins there is the head.
        known[column] = not hidden and not head[top : last + 1, column].any()
    return outline, known, ends
