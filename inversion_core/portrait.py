"""What is known of a photo before any model has seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera

CROP_SIZE = 512
"""Side of the aligned crop in pixels. Source: EG3D, FFHQ preprocessing."""


@dataclass(frozen=True)
class Portrait:
    """An aligned photo.

    Attributes:
        image: (512, 512, 3) uint8 sRGB, the crop in EG3D's convention.
        camera: the crop's camera, as EG3D would label it.
        landmarks: (478, 3) float32, MediaPipe's points in the crop, x and y in [0, 1], z relative depth in crop widths.
        person: (512, 512) float32 in [0, 1], share of the person in each pixel (hair, neck, clothes included).
        source: the photo's bytes as they were opened.
        name: file name without folders, for titles and outputs.
        face: which of the photo's faces, 0 the largest.
        crop_to_photo: 2x3 float32, crop pixels -> photo pixels (after EXIF orientation).
    """

    image: NDArray[np.uint8]
    camera: Camera
    landmarks: NDArray[np.float32]
    person: NDArray[np.float32]
    source: bytes
    name: str
    face: int
    crop_to_photo: NDArray[np.float32]
