"""Scratches found, and holes filled for as long as no head says what belongs there."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import landmark_tables as table

WIDEST = 9
"""Width in pixels of the crop beyond which a line is no scratch."""
SHORTEST = 40
"""Length in pixels below which a line may be a lash, a wrinkle or a strand."""
DIRECTIONS = 12
NOSTRILS = (1, 2, 64, 98, 97, 294, 326, 327)
"""MediaPipe's points round the nose's underside."""
REACH = 70
"""Pixels round a hole from which pieces may come."""


def scratches(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.float32] | None = None,
    hair: NDArray[np.float32] | None = None,
    sensitivity: float = 0.5,
) -> NDArray[np.bool_]:
    """(H, W) fine straight lines, lighter or darker than both of their sides, that no face has.

    Args:
        landmarks: (478, 2+) in crop widths: eyes, brows and lips are spared but for long lines.
        hair: (H, W) in [0, 1]: among strands a line must be brighter than they are.
        sensitivity: in [0, 1], 1 finds most.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.7).astype(np.float32)
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (WIDEST, WIDEST))
    light = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, ring)
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, ring)
    feature = np.zeros(grey.shape, np.uint8)
    if landmarks is not None:
        half = len(table.BROWS) // 2
        for group in (
            table.LEFT_EYE,
            table.RIGHT_EYE,
            table.LIPS,
            table.BROWS[:half],
            table.BROWS[half:],
            NOSTRILS,
        ):
            points = np.round(landmarks[list(group), :2] * len(grey)).astype(np.int32)
            cv2.fillConvexPoly(feature, cv2.convexHull(points), 1)
        feature = cv2.dilate(feature, np.ones((13, 13), np.uint8))
    found = np.zeros(grey.shape, bool)
    # What stands out of the photo's own texture; a line is judged by its mean, so that it may be faint.
    least = 16 - 11 * sensitivity
    for contrast, spared in ((light, 1.0), (dark, 1.6)):
        around = cv2.blur(contrast, (31, 31))
        lines = np.max([_along(contrast, angle) for angle in _angles()], 0)
        limit = least * spared + 2.2 * around
        if hair is not None:
            limit = limit + 10 * hair
        strong = ((lines > limit) & (contrast > 0.5 * limit)).astype(np.uint8)
        strong = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
        for number in range(1, count):
            x, y, width, height, area = boxes[number]
            inside = labels[y : y + height, x : x + width] == number
            width_of_line = (
                2 * cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 3).max()
            )
            # Lines that cross are one piece: their length together is what their width leaves of the area.
            length = max(float(np.hypot(width, height)), area / width_of_line)
            over = float(feature[y : y + height, x : x + width][inside].mean())
            long_enough = length > SHORTEST * (1 + 3 * over)
            if long_enough and width_of_line < 1.3 * WIDEST and max(width, height) > 0.6 * SHORTEST:
                found[y : y + height, x : x + width] |= inside
    return cv2.dilate(found.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def _angles() -> list[float]:
    return [np.pi * k / DIRECTIONS for k in range(DIRECTIONS)]


def _along(contrast: NDArray[np.float32], angle: float, length: int = 25) -> NDArray[np.float32]:
    """Mean of the contrast along a short line of this direction through each pixel."""
    kernel = np.zeros((length, length), np.float32)
    middle = length // 2
    ends = [
        (
            round(middle + sign * middle * float(np.cos(angle))),
            round(middle + sign * middle * float(np.sin(angle))),
        )
        for sign in (-1, 1)
    ]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(contrast, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def filled(image: NDArray[np.uint8], damaged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 3) with the damage filled from its rim. Source: Telea 2004."""
    if not damaged.any():
        return image
    return cv2.inpaint(np.ascontiguousarray(image), damaged.astype(np.uint8), 4, cv2.INPAINT_TELEA)


def patched(image: NDArray[np.uint8], damaged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W, 3) with each hole filled by pieces from around it: for hair, clothes and what lies behind.

    Some seconds for a hole of a fifth of the picture's side. Source: He and Sun 2012, as OpenCV has it.
    """
    result = image.copy()
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(damaged.astype(np.uint8))
    for number in range(1, count):
        x, y, width, height, _ = boxes[number]
        around = max(REACH, width // 2, height // 2)
        rows = slice(max(y - around, 0), min(y + height + around, len(image)))
        columns = slice(max(x - around, 0), min(x + width + around, image.shape[1]))
        # Pixels of other holes are no source either.
        kept = np.where(damaged[rows, columns], 0, 255).astype(np.uint8)
        if kept.mean() < 51:
            continue
        lab = np.ascontiguousarray(cv2.cvtColor(image[rows, columns], cv2.COLOR_RGB2LAB))
        out = np.zeros_like(lab)
        cv2.xphoto.inpaint(lab, kept, out, cv2.xphoto.INPAINT_SHIFTMAP)
        here = labels[rows, columns] == number
        result[rows, columns][here] = cv2.cvtColor(out, cv2.COLOR_LAB2RGB)[here]
    return result


def wide(damaged: NDArray[np.bool_], thin: int = 13) -> NDArray[np.float32]:
    """(H, W) in [0, 1], 1 in holes wider than ``thin`` pixels; narrower ones are best filled from their rim."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thin, thin))
    core = cv2.morphologyEx(damaged.astype(np.uint8), cv2.MORPH_OPEN, disc)
    core = cv2.dilate(core, np.ones((5, 5), np.uint8)).astype(np.float32)
    return cv2.GaussianBlur(core, (0, 0), 1.5)


def blended(
    image: NDArray[np.uint8],
    wish: NDArray[np.float32],
    damaged: NDArray[np.bool_],
    known: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """(H, W, 3) whose damage has the wish's detail and meets the photo's colours along its rim.

    The difference between photo and wish on the rim is carried in harmonically. Source: Pérez et al. 2003.

    Args:
        image: with the damage filled somehow, which stays where the wish knows nothing.
        wish: (H, W, 3) sRGB in [0, 1]; known: (H, W) in [0, 1], how far the wish knows a pixel at all.
    """
    photo = image.astype(np.float32) / np.float32(255)
    hole = cv2.dilate(damaged.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    # Where the wish ends inside the hole, the filling is the rim.
    inner = hole & (known > 0.5)
    membrane = _membrane((photo - wish) * (known > 0.5)[..., None], inner, known > 0.5)
    share = (cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.0) * known)[..., None]
    share = np.where(inner[..., None], np.maximum(share, smooth_share(known)[..., None]), share)
    result = photo + (wish + membrane - photo) * share
    out = np.round(result.clip(0, 1) * 255).astype(np.uint8)
    near = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(near[..., None], out, image)


def smooth_share(known: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where ``known`` is above a half, fading to 0 below."""
    return np.clip((known - 0.2) / 0.5, 0, 1).astype(np.float32)


def _membrane(
    values: NDArray[np.float32], hole: NDArray[np.bool_], there: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(H, W, C) values, in the hole a smooth surface through those ``there`` round it (Laplace's equation)."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    count = int(hole.sum())
    if count == 0:
        return values
    height, width = hole.shape
    number = np.full(hole.shape, -1, np.int64)
    number[hole] = np.arange(count)
    rows, columns = np.nonzero(hole)
    degree, right = np.zeros(count), np.zeros((count, values.shape[2]))
    pairs_i, pairs_j = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        inside[inside] = there[y[inside], x[inside]]
        degree += inside
        at = np.flatnonzero(inside)
        neighbour = number[y[at], x[at]]
        free = neighbour >= 0
        pairs_i.append(at[free])
        pairs_j.append(neighbour[free])
        fixed = at[~free]
        np.add.at(right, fixed, values[y[fixed], x[fixed]])
    i, j = np.concatenate(pairs_i), np.concatenate(pairs_j)
    matrix = sparse.csc_matrix((-np.ones(len(i)), (i, j)), (count, count)) + sparse.diags(degree + 1e-9)
    result = values.copy()
    result[hole] = spsolve(matrix.tocsc(), right).reshape(count, -1)
    return result
