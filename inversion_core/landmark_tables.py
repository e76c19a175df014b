"""What is known of MediaPipe's 478 face points before any photo is seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import MissingResource

COUNT = 478
"""Points of the face mesh with refined irises: 468 on the skin, then five for either iris."""
LEFT_EYE = (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466)
"""The head's own left eye: the rim of the lids."""
RIGHT_EYE = (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246)
LEFT_IRIS, RIGHT_IRIS = 473, 468
NOSE_TIP = 1
MOUTH_RIGHT, MOUTH_LEFT = 61, 291
CHIN = 152
CHEEK_RIGHT, CHEEK_LEFT = 234, 454
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The face's outline, a closed ring from the top of the forehead over the head's own left."""
LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181,
    185, 191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)  # fmt: skip
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""A closed ring round the lips' red."""
BROWS = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107, 276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
"""Both eyebrows, the head's own right one first."""

_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "landmarks"


@cache
def mean_points() -> NDArray[np.float32]:
    """(478, 3) float32 points of an average face in world units, symmetric about x = 0.

    Raises:
        MissingResource: the table is not installed.
    """
    points = _table("mean478.npy").astype(np.float32)
    points.setflags(write=False)
    return points


@cache
def mirror_index() -> NDArray[np.int64]:
    """(478,) int64: ``mirror_index()[i]`` is the point that ``i`` becomes when the picture is flipped."""
    index = _table("mirror478.npy").astype(np.int64)
    index.setflags(write=False)
    return index


def five_points(points: NDArray) -> NDArray[np.float64]:
    """(5, D): right eye, left eye, nose tip, right and left mouth corner of (478, D) points."""
    points = np.asarray(points, np.float64)
    right, left = points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)
    return np.stack([right, left, points[NOSE_TIP], points[MOUTH_RIGHT], points[MOUTH_LEFT]])


def _table(name: str) -> NDArray:
    try:
        return np.load(_FOLDER / name, allow_pickle=False)
    except OSError as error:
        raise MissingResource(
            f"The landmark table {name} is missing from the installation.", "Fetch the repository again."
        ) from error
