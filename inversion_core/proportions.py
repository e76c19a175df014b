"""Sliders of width in shares of the person's own width: everyone's nose changes by as many percent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import HeadTemplate

WIDTHS = {"nose_width": ((129, 358),), "jaw_width": ((58, 288), (172, 397))}
"""Shape directions and the pairs of MediaPipe's points between which they act."""


def in_proportion(
    template: HeadTemplate, at_rest: NDArray[np.float32], shape: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(S,) shape codes with those of widths scaled by how wide this head is against the average one.

    Args:
        at_rest: (C, 3) coarse vertices of the head without moves.
    """
    result = shape.copy()
    own, average = template.landmarks(at_rest), template.landmarks(template.mean)
    for name, pairs in WIDTHS.items():
        if name in template.shapes:
            result[template.shapes.index(name)] *= _width(own, pairs) / _width(average, pairs)
    return result


def _width(points: NDArray[np.float32], pairs: tuple[tuple[int, int], ...]) -> float:
    return float(sum(abs(points[a, 0] - points[b, 0]) for a, b in pairs))
