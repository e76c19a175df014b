"""What is known of a photo before any model has seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.restoration import Restoration

CROP_SIZE = 512
"""Side of the aligned crop in pixels. Source: EG3D, FFHQ preprocessing."""


@dataclass(frozen=True)
class Square:
    """A square that somebody put round a face, and the angles that they saw it from.

    Attributes:
        centre, side: photo pixels after EXIF orientation; roll: radians by which the square is turned, clockwise.
        yaw, pitch: radians of the camera, in the sense of :meth:`Camera.orbit`.
    """

    centre: tuple[float, float]
    side: float
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True)
class FacePoints:
    """Five points that somebody marked.

    Attributes:
        points: x and y in photo pixels of right eye, left eye, nose tip, right and left mouth corner, as the face
            itself would call them (its right eye is at the left of the picture).
    """

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class CropLabel:
    """That the whole photo is an aligned crop whose camera is known.

    Attributes:
        label: EG3D's 25 numbers, row-major cam2world (16) and normalised intrinsics (9).
    """

    label: tuple[float, ...]


Marks = Square | FacePoints | CropLabel
"""How a photo was aligned without a face that was found."""


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
        marks: how it was aligned by hand, or None. Its landmarks are then not a number, its person mask is full.
        restoration: how ``image`` was restored from the photo, or None; ``source`` always is the photo as it was.
    """

    image: NDArray[np.uint8]
    camera: Camera
    landmarks: NDArray[np.float32]
    person: NDArray[np.float32]
    source: bytes
    name: str
    face: int
    crop_to_photo: NDArray[np.float32]
    marks: Marks | None = None
    restoration: Restoration | None = None
