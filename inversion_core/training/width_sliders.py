"""Offsets of the sliders for the width of nose and jaw, which no target of the pack gives alone.

Both let what lies between them and the next feature give way over as wide a stretch as there is, so that folds bend
with them and do not break, and end before lips, eyelids and the mouth's lining.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from inversion_core.generators.template import SKIN
from inversion_core.landmark_tables import LEFT_EYE, RIGHT_EYE
from inversion_core.refine.ears import smoothstep

OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
"""MediaPipe's ring round the lips' red."""
STEP = 0.01
"""World units in which the strengths below are given: a fifth of what a nose is wide to either side."""


def outer_skin(
    subdivision: sparse.csr_matrix, part: NDArray[np.uint8], interior: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(C,) 1 on coarse vertices of outer skin, falling to 0 on those that half of the mouth's or the sockets' lining
    hangs on; arguments as in :class:`HeadTemplate`."""
    weight = subdivision.T
    total = np.maximum(np.asarray(weight.sum(1)).ravel(), 1e-6)
    inside = (weight @ (interior > 0.25).astype(np.float32)) / total
    skin = (weight @ (part == SKIN).astype(np.float32)) / total
    return (np.clip(1 - 2 * inside, 0, 1) * (skin > 0.5)).astype(np.float32)


def nose_offsets(
    mean: NDArray[np.float32], landmarks: NDArray[np.float32], movable: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(C, 3) offsets that widen and that narrow the nose, by as much as it can take.

    Narrowing takes more of the cheeks along than widening, which would push their folds into the corners of the mouth.

    Args:
        mean: (C, 3) the average head; landmarks: (478, 3) on it.
        movable: (C,) 1 on outer skin, 0 on what stays.
    """
    base, root, wing = landmarks[2], landmarks[168], landmarks[358]
    _, y, z = mean.T
    x = np.abs(mean[:, 0])
    across = np.clip(x / wing[0], 0, 1) * (1 - smoothstep(x, wing[0], wing[0] + 0.10))
    # Under the nose the lip stays; beside it the fold follows down to the mouth.
    beside = smoothstep(x, wing[0] - 0.013, wing[0] + 0.014)
    lowest, lower = base[1] - 0.016 - 0.041 * beside, base[1] + 0.004 - 0.016 * beside
    height = smoothstep((y - lowest) / (lower - lowest), 0, 1) * (
        1 - smoothstep(y, base[1] + 0.048, root[1] + 0.007)
    )
    eyes = _distance(mean, landmarks[[*LEFT_EYE, *RIGHT_EYE]])
    lips = _distance(mean, landmarks[list(OUTER_LIPS)])
    depth = smoothstep(z, wing[2] - 0.042, wing[2] - 0.012)
    clear = smoothstep(eyes, 0.008, 0.03)
    midface = across * height * depth * clear

    def ridge(place: tuple[float, float], wide: float, high: float) -> NDArray[np.float32]:
        round_it = ((x - place[0]) / wide) ** 2 + ((y - base[1] - place[1]) / high) ** 2
        middle = 1 - np.exp(-((x / 0.012) ** 2) / 2)
        return np.exp(-round_it / 2) * middle * clear * smoothstep(z, wing[2] - 0.09, wing[2] - 0.01)

    bridge, wings = ridge((0.02, 0.078), 0.012, 0.025), ridge((0.048, 0.018), 0.01, 0.016)
    wider = 1.65 * midface * smoothstep(lips, 0.018, 0.052) + 0.7 * bridge + 0.9 * wings
    narrower = 1.6 * midface * smoothstep(lips, 0.010, 0.034) + 0.4 * bridge
    return _sideways(mean, STEP * wider * movable), _sideways(mean, -STEP * narrower * movable)


def jaw_offsets(
    mean: NDArray[np.float32], landmarks: NDArray[np.float32], movable: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(C, 3) offsets that widen and that narrow the jaw between mouth and throat and leave chin tip, lips, nose and
    ears alone; arguments as for :func:`nose_offsets`."""
    chin, mouth, tip, ear = landmarks[152], landmarks[13], landmarks[4], landmarks[234]
    x, y, z = np.abs(mean[:, 0]), mean[:, 1], mean[:, 2]
    height = _bump(y, chin[1] - 0.05, chin[1] + 0.005, mouth[1] + 0.02, tip[1] + 0.03)
    height *= 1 - smoothstep(y, mouth[1], tip[1] + 0.02)
    depth = _bump(z, ear[2] - 0.10, ear[2] - 0.02, chin[2] - 0.02, chin[2] + 0.06)
    half = abs(ear[0])
    lips = _distance(mean, landmarks[list(OUTER_LIPS)])
    amount = half * np.clip(x / half, 0, 1) ** 4 * height * depth * smoothstep(lips, 0.015, 0.05) * movable
    return _sideways(mean, 0.24 * amount), _sideways(mean, -0.24 * amount)


def _sideways(mean: NDArray[np.float32], amount: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, 3) offsets away from the middle of the face."""
    offsets = np.zeros_like(mean)
    offsets[:, 0] = np.sign(mean[:, 0]) * amount
    return offsets


def _distance(mean: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    return cKDTree(points).query(mean)[0].astype(np.float32)


def _bump(x: NDArray, low: float, start: float, end: float, high: float) -> NDArray:
    """0 outside [low, high], 1 on [start, end], smooth between."""
    rise = np.clip((x - low) / (start - low), 0, 1)
    fall = np.clip((high - x) / (high - end), 0, 1)
    t = np.minimum(rise, fall)
    return t * t * (3 - 2 * t)
