"""Which pixels are the person."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray


def person_mask(image: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1], share of the person in each pixel of an aligned (H, W, 3) uint8 crop.

    Args:
        landmarks: (478, 2+) in crop widths; the part that holds the face is kept, islands are dropped.
    """
    coarse = _selfie(threading.get_ident())(np.ascontiguousarray(image)).segmentation_mask
    guide = image.astype(np.float32) / 255
    fine = cv2.ximgproc.guidedFilter(guide, np.ascontiguousarray(coarse), 8, 1e-4)
    return np.clip((fine - 0.5) * 1.6 + 0.5, 0, 1).astype(np.float32)


@lru_cache(maxsize=4)
def _selfie(thread: int) -> Callable:
    """MediaPipe's graph: costly to start and bound to one thread, so each thread keeps its own."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    return SelfieSegmentation(model_selection=0).process
