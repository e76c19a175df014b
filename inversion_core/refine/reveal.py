"""What trims hair while the view leaves the photo's own: it grows out from behind the photo's outline, never see-through.

The photo's mask trims hair in the photo's own view; elsewhere the layer ends where its surface does. Mixing the two
by the angle would draw half of the head half transparent on the way.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

REACH = 0.1
"""Picture widths beyond the photo's outline that hair grows over on the way."""
_LEAST = 0.02


def hair_trim(masks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) the share of hair in [0, 1], and outside of the person the distance from the outline, as 0 … -1 of REACH.

    Args:
        masks: (H, W, 2) person and hair.
    """
    outside = ((masks[..., 0] < 0.5) & (masks[..., 1] < _LEAST)).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5) / (REACH * masks.shape[1])
    return np.where(outside > 0, -np.minimum(distance, 1), masks[..., 1]).astype(np.float32)
