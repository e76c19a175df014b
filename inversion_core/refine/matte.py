"""The photo without its background: colours at soft edges are those of the person alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

INSIDE = 0.97
"""Pixels with a larger share of the person keep their own colour."""


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
