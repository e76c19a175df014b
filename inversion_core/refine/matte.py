"""The photo without its background: colours at soft edges are those of the person alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

INSIDE = 0.97
"""Pixels with a larger share of the person keep their own colour."""
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
    filled, known = image * weight[..., None], weight.copy()
    result, left = filled.copy(), 1 - weight
    size = 2.0
    while left.max() > 1e-3 and size < max(image.shape):
        blurred = cv2.GaussianBlur(known, (0, 0), size)
        colour = cv2.GaussianBlur(filled, (0, 0), size) / np.maximum(blurred, 1e-6)[..., None]
        trust = np.clip(blurred / 0.12, 0, 1) * left
        result += colour * trust[..., None]
        left = left - trust
        size *= 1.8
    mean = filled.sum((0, 1)) / known.sum()
    result += mean * left[..., None]
    # Between interior and edge the photo's own pixels come back as far as they are the person's.
    own = np.clip((person - 0.9) / 0.1, 0, 1)[..., None] ** 2
    return (result * (1 - own) + image * own).astype(np.float32)


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
    rim &= (distance_transform_edt(~sure) < 2 * RIM) & (distance_transform_edt(~head) < RIM)
    return (cv2.GaussianBlur(rim.astype(np.float32), (0, 0), 0.8) * ~head).astype(np.float32)
