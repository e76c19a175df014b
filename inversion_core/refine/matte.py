"""The photo without its background: colours at soft edges are those of the person alone."""

from __future__ import annotations

import cv2
import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel

INSIDE = 0.97
"""Pixels with a larger share of the person keep their own colour."""
FINE_ENOUGH = 5.0
"""Grid steps to a Gaussian's standard deviation."""
RIM = 7
"""Pixels by which the head's outline may fall short of the photo's face where hair begins."""


def decontaminated(
    image: NDArray[np.float32], person: NDArray[np.float32], margin: int = 2
) -> NDArray[np.float32]:
    """(H, W, 3) float32 photo whose colours outside the person's interior are carried out from it.

    A pyramid of normalised averages fills from near to far, so that a rim of hair keeps hair's colour and no
    background bleeds into cheek or neck.

    Args:
        image: (H, W, 3) in [0, 1]; person: (H, W) in [0, 1]; margin: pixels by which the interior is drawn in.
    """
    sure = (person >= INSIDE).astype(np.uint8)
    if margin:
        sure = cv2.erode(sure, np.ones((2 * margin + 1,) * 2, np.uint8))
    weight = sure.astype(np.float32)
    if weight.sum() < 16:
        return image.astype(np.float32)
    # Colours and what is known of them, blurred together.
    filled = np.dstack([image * weight[..., None], weight])
    result, left = filled[..., :3].copy(), 1 - weight
    size = 2.0
    while left.max() > 1e-3 and size < max(image.shape):
        _fill_up(result, left, widely_blurred(filled, size))
        size *= 1.8
    mean = filled[..., :3].sum((0, 1)) / weight.sum()
    result += mean * left[..., None]
    # Between interior and edge the photo's own pixels come back as far as they are the person's.
    own = np.clip((person - 0.9) / 0.1, 0, 1)[..., None] ** 2
    return (result * (1 - own) + image * own).astype(np.float32)


@parallel
def _fill_up(result, left, blurred):
    """Add colours as far as what is known of them nearby suffices, where something is left to fill."""
    for y in nb.prange(left.shape[0]):
        for x in range(left.shape[1]):
            known = blurred[y, x, 3]
            share = left[y, x] * min(known / np.float32(0.12), np.float32(1))
            left[y, x] -= share
            for n in range(3):
                result[y, x, n] += blurred[y, x, n] / max(known, np.float32(1e-6)) * share


def widely_blurred(image: NDArray[np.float32], size: float) -> NDArray[np.float32]:
    """(H, W, C) under a Gaussian of ``size`` pixels; a wide one is taken on a coarser grid, with next to no loss."""
    step = 1
    while size / step >= 2 * FINE_ENOUGH:
        step *= 2
    if step == 1:
        return cv2.GaussianBlur(image, (0, 0), size)
    height, width = image.shape[:2]
    shape = (-(-width // step), -(-height // step))
    small = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    # Averaging over squares and drawing lines between them blur as well.
    coarse = np.sqrt(size**2 - (step**2 - 1) / 12 - step**2 / 6) / step
    small = cv2.GaussianBlur(small, (0, 0), coarse, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def left_over_rim(
    person: NDArray[np.float32], hair: NDArray[np.float32], head: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(512, 512) share in [0, 1] of skin that the head's outline leaves over between itself and hair.

    Neither head nor hair would show it, and the background would shine through.

    Args:
        person, hair: soft masks; head: where the fitted head covers the photo.
    """
    sure = (hair > 0.8) & (person > 0.9) & ~head
    if not sure.any():
        return np.zeros_like(hair)
    rim = (person > 0.5) & ~head & (hair < 0.8)
    rim &= (_distance(sure) < 2 * RIM) & (_distance(head) < RIM)
    return (cv2.GaussianBlur(rim.astype(np.float32), (0, 0), 0.8) * ~head).astype(np.float32)


def _distance(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W) pixels to the nearest one that is set."""
    return cv2.distanceTransform((~where).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
