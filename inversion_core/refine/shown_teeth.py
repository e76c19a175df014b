"""Teeth as far as an open mouth shows them: landmarks say where the lips are, and only the photo how long teeth are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.template import TEETH, HeadTemplate
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.mouth import INNER_LIPS, lip_gap

COLUMNS = 48
"""Samples from corner to corner of the mouth, and from lip to lip."""
OPEN = 0.03
"""Gap between the lips, in distances between the eyes, from which on teeth are looked for."""
BRIGHT, REDDER = 0.5, 0.13
"""Share of the opening's brightest that teeth have at least, and how much redder than those they are at most."""
SURE = 0.35
"""Share of the widest opening from which on columns are read; towards the corners teeth go on as beside them."""
CROWN = 0.04
"""World units above a tooth's edge up to which it is drawn out."""
FRONT = 0.09
"""World units behind the foremost tooth within which teeth are compared with the photo's."""
LONGEST, SHORTEST = 0.03, -0.008
"""World units by which teeth grow or shrink at most."""
WIDER = (1.05, 1.3)
"""How much wider crowns become at their edges and at the gums, where dark gaps between them would show."""
HIDDEN = 0.004
"""World units that teeth which reach the lower lip go on behind it."""
BEHIND, FORTH = 0.008, 0.015
"""World units that teeth stand behind the rim of the lips, and by which they come forward for that at most."""
OVERLAP, LIFT = 0.004, 0.015
"""World units that lower teeth reach up behind the upper ones, and by which they move for that at most."""


@dataclass(frozen=True)
class _Mouth:
    """The photo's mouth: its right corner and its way to the left one, both in picture widths, and its opening.

    Attributes:
        edge: (COLUMNS,) where the upper teeth end, down from the line of the corners, in widths of the mouth.
        touching: (COLUMNS,) how far they reach the lower lip, which hides their ends then.
        first, last: of the columns that say so.
    """

    corner: NDArray[np.float64]
    way: NDArray[np.float64]
    edge: NDArray[np.float64]
    touching: NDArray[np.float64]
    first: int
    last: int

    @property
    def width(self) -> float:
        return float(np.linalg.norm(self.way))

    def placed(self, points: NDArray) -> NDArray[np.float64]:
        """(N, 2) across from the right corner and down, in widths of the mouth, of (N, 2) in picture widths."""
        return (points - self.corner) @ _axes(self.way) / self.width


def teeth_of_the_photo(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    camera: Camera,
    photo: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    rim: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(V, 3) offsets in world units: upper teeth end where the photo's do, lower ones begin right behind.

    Args:
        fine: (V, 3) the head in the photo's pose; photo: (H, H, 3) in [0, 1]; landmarks: (478, 2+) of the photo.
        rim: (20, 3) the lips' inner rim in the order of INNER_LIPS, in world units.
    """
    result = np.zeros_like(fine)
    mouth = _shown(photo, landmarks) if lip_gap(landmarks[:, :2]) > OPEN else None
    if mouth is None:
        return result
    teeth, crowns, lower = np.flatnonzero(template.part == TEETH), template.tooth, template.lower_teeth
    crown, upper = crowns > 0, ~lower
    projected = camera.project(fine[teeth])
    aside, height = mouth.placed(projected[:, :2]).T
    column = np.floor(aside * COLUMNS).astype(int)
    front = fine[teeth, 2] > fine[teeth[crown & upper], 2].max() - FRONT
    within = front & crown & upper & (column >= 0) & (column < COLUMNS)
    lowest = np.full(COLUMNS, -np.inf)
    np.maximum.at(lowest, column[within], height[within])
    # A tooth's edge is the lowest of a few columns; between teeth it is higher.
    lowest = _windows(lowest, 2).max(-1)
    known = np.isfinite(lowest)
    if known.sum() < COLUMNS // 4:
        return result
    columns = (np.arange(COLUMNS) + 0.5) / COLUMNS
    lowest = _smooth(np.interp(columns, columns[known], lowest[known]))
    unit = mouth.width * float(np.median(projected[:, 2])) / float(camera.intrinsics[1, 1])
    lacking = ((mouth.edge - lowest) * unit + HIDDEN * mouth.touching)[
        np.clip(np.arange(COLUMNS), mouth.first, mouth.last)
    ]
    lacking = _smooth(np.clip(lacking, SHORTEST, LONGEST))
    above = ((np.interp(aside, columns, lowest) - height) * unit).astype(np.float32)
    share = (1 - smoothstep(above, 0.0, CROWN)) * upper
    result[teeth, 1] = -np.interp(aside, columns, lacking) * share
    result[teeth[lower], 1] = _lifted(fine + result, teeth[crown & upper], teeth[crown & lower])
    foremost = np.full(COLUMNS, -np.inf)
    np.maximum.at(foremost, column[within], fine[teeth[within], 2])
    foremost = _windows(foremost, 2).max(-1)
    known = np.isfinite(foremost)
    across = mouth.placed(camera.project(rim)[:, :2])[:, 0]
    lips = np.minimum(*(np.interp(columns, *half) for half in _halves(np.column_stack([across, rim[:, 2]]))))
    forth = lips - BEHIND - np.interp(columns, columns[known], foremost[known])
    result[teeth, 2] = np.interp(aside, columns, _smooth(np.clip(forth, 0, FORTH)))
    widened = crown & upper
    ends, starts = WIDER
    wider = (starts + (ends - starts) * share[widened])[:, None] - 1
    result[teeth[widened][:, None], [0, 2]] += wider * _from_the_middle(fine[teeth[widened]], crowns[widened])
    return result


def _axes(way: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 2) columns: along the mouth and down from it."""
    across = way / np.linalg.norm(way)
    return np.array([across, [-across[1], across[0]]]).T


def _shown(photo: NDArray[np.float32], landmarks: NDArray[np.float32]) -> _Mouth | None:
    """Where the upper teeth end in the photo, None where there are none."""
    ring = landmarks[list(INNER_LIPS), :2].astype(np.float64)
    corner, way = ring[0], ring[10] - ring[0]
    width = np.linalg.norm(way)
    place = (ring - corner) @ _axes(way) / width
    columns = (np.arange(COLUMNS) + 0.5) / COLUMNS
    top, bottom = (np.interp(columns, *half) for half in _halves(place))
    rows = top + (bottom - top) * columns[:, None]
    spots = np.stack([np.broadcast_to(columns, rows.shape), rows], -1) * width @ _axes(way).T + corner
    at = (spots * len(photo) - 0.5).astype(np.float32)
    seen = cv2.remap(photo, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # Lips and tongue are as bright in red alone.
    bright = cv2.GaussianBlur(seen[..., 1:].mean(-1), (0, 0), 1.0)
    pale = bright / np.maximum(seen[..., 0], 0.03)
    palest = np.median(pale[bright > np.quantile(bright, 0.8)])
    tooth = (bright > BRIGHT * np.quantile(bright, 0.9)) & (pale > palest - REDDER)
    known = tooth.any(0)
    opened = bottom - top
    sure = np.flatnonzero(opened > SURE * opened.max())
    if known.sum() < COLUMNS // 4:
        return None
    reached = 1 - np.argmax(tooth[::-1], 0) / COLUMNS
    reached = np.median(_windows(np.interp(columns, columns[known], reached[known]), 4), -1)
    touching = smoothstep(reached.astype(np.float32), 0.85, 0.97)
    return _Mouth(corner, way, top + opened * reached, touching, int(sure[0]), int(sure[-1]))


def _halves(ring: NDArray) -> tuple[NDArray, NDArray]:
    """(2, 11) of the upper and of the lower lip of (20, 2) points on the lips' rim, in the order of their first number."""
    return tuple(half[np.argsort(half[:, 0])].T for half in (ring[:11], np.r_[ring[10:], ring[:1]]))


def _lifted(head: NDArray[np.float32], upper: NDArray[np.intp], lower: NDArray[np.intp]) -> float:
    """World units by which the lower teeth must move up to begin behind the upper ones' edge."""
    ahead = [crowns[head[crowns, 2] > head[crowns, 2].max() - 0.03] for crowns in (upper, lower)]
    lift = float(head[ahead[0], 1].min()) + OVERLAP - float(np.quantile(head[ahead[1], 1], 0.97))
    return float(np.clip(lift, -LIFT, LIFT))


def _from_the_middle(vertices: NDArray[np.float32], crown: NDArray[np.int32]) -> NDArray:
    """(N, 2) sideways and forwards from the middle of the crown that each vertex belongs to, by its number."""
    flat = vertices[:, [0, 2]]
    sums = np.stack([np.bincount(crown, flat[:, k]) for k in range(2)], 1)
    return flat - (sums / np.maximum(np.bincount(crown), 1)[:, None])[crown]


def _windows(values: NDArray, reach: int) -> NDArray:
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, "edge"), 2 * reach + 1)


def _smooth(values: NDArray) -> NDArray[np.float64]:
    kernel = np.exp(-0.5 * (np.arange(-7, 8) / 2.5) ** 2)
    return _windows(values, 7) @ (kernel / kernel.sum())
