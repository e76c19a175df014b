"""Marching cubes on a grid of which only the blocks along the surface are evaluated.

Blocks of 4 cells are evaluated or not. Where the surface leaves the evaluated ones, the block behind is evaluated
too, until it leaves none: every part of the surface that is met is complete, and the same as on a dense grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numba as nb
import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from inversion_core.task import Progress, Task

ValuesAt = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""(N, 3) grid points -> (N,) values, lower inside; any point may be asked for, also beyond the grid."""
BLOCK = 4
"""Cells across of the blocks that are either evaluated or not."""
WINDOW = 32
"""Cells across of what marching cubes takes at once."""
AT_ONCE = 64
"""Windows that are evaluated together: one call on many points is cheaper than many calls."""
_IN_WINDOW = WINDOW // BLOCK
_STEP = np.arange(WINDOW + 1)
_OWN, _BEFORE = _STEP // BLOCK + 1, (_STEP - 1) // BLOCK + 1
"""The two padded blocks to which a window's sample belongs along one axis; the same one off their common side."""


_compiled = nb.njit(cache=True, nogil=True)


@dataclass
class _Window:
    """What is known of one window: flat places of its samples, and their values."""

    wanted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((WINDOW + 1,) * 3, bool))
    values: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


def blocks_for(cells: tuple[int, int, int]) -> tuple[int, int, int]:
    """How many blocks along each axis cover so many cells, in whole windows."""
    return tuple(-(-n // WINDOW) * _IN_WINDOW for n in cells)


def surface_on_grid(
    values_at: ValuesAt, near: NDArray[np.bool_], inside: NDArray[np.bool_], level: float
) -> Task[tuple[NDArray[np.float64], NDArray[np.int32]]]:
    """A task that gives vertices (V, 3) in cells and faces (F, 3), counter-clockwise from outside.

    Args:
        near: the blocks to begin with, in whole windows (:func:`blocks_for`); changed: those that were evaluated.
        inside: on which side the other blocks lie.
    """
    _add_borders(near, inside)
    near_padded, inside_padded = np.pad(near, 1), np.pad(inside, 1, mode="edge")
    windows: dict[tuple[int, int, int], _Window] = {}
    due = np.zeros([n // _IN_WINDOW for n in near.shape], bool)
    _mark_windows(due, np.argwhere(near))
    while due.any():
        left = np.argwhere(due)
        batch = [tuple(corner) for corner in left[:AT_ONCE].tolist()]
        due[tuple(np.array(batch).T)] = False
        yield Progress(len(windows), len(windows) + len(left), "sampling the surface")
        _evaluate(values_at, {corner: windows.setdefault(corner, _Window()) for corner in batch}, near_padded)
        for corner in batch:
            values = _filled(windows[corner], corner, inside_padded, level)
            marks = np.zeros((_IN_WINDOW + 2,) * 3, bool)
            around = _around(near_padded, corner), _around(inside_padded, corner)
            _mark_left(values, np.float32(level), *around, marks)
            found = np.argwhere(marks) + np.array(corner) * _IN_WINDOW
            found = found[((found > 0) & (found <= near.shape)).all(1)]
            near_padded[tuple(found.T)] = True
            _mark_windows(due, found - 1)
    near[:] = near_padded[1:-1, 1:-1, 1:-1]
    vertices, faces, count = [], [], 0
    for number, (corner, window) in enumerate(sorted(windows.items())):
        yield Progress(number, len(windows), "marching")
        values = _filled(window, corner, inside_padded, level)
        if not values.min() < level < values.max():
            continue
        places, triangles, _, _ = marching_cubes(values, level, gradient_direction="descent")
        vertices.append(places.astype(np.float64) + np.array(corner) * WINDOW)
        faces.append(triangles + count)
        count += len(places)
    if not vertices:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    return _welded(np.concatenate(vertices), np.concatenate(faces))


def _add_borders(near: NDArray[np.bool_], inside: NDArray[np.bool_]) -> None:
    """Between blocks on different sides the surface passes, whatever was thought of them."""
    differ = np.zeros_like(near)
    for axis in range(3):
        apart = np.diff(inside, axis=axis)
        low, high = ([slice(None)] * 3 for _ in range(2))
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        differ[tuple(low)] |= apart
        differ[tuple(high)] |= apart
    near |= differ


def _mark_windows(due: NDArray[np.bool_], blocks: NDArray[np.int64]) -> None:
    """Mark the windows that hold samples of blocks: their own, and those whose far side these are."""
    for shift in np.ndindex(2, 2, 2):
        due[tuple(np.maximum((blocks - shift) // _IN_WINDOW, 0).T)] = True


def _around(blocks: NDArray, corner: tuple[int, int, int]) -> NDArray:
    """A window's blocks and one more on each side, of a padded array."""
    return blocks[tuple(slice(n * _IN_WINDOW, (n + 1) * _IN_WINDOW + 2) for n in corner)]


def _evaluate(values_at, windows: dict[tuple[int, int, int], _Window], near: NDArray[np.bool_]) -> None:
    """Ask, all at once, for what is wanted in the windows and not yet known."""
    masks, places = [], []
    for corner, window in windows.items():
        wanted = _around(near, corner)
        for axis in range(3):
            wanted = np.take(wanted, _OWN, axis) | np.take(wanted, _BEFORE, axis)
        masks.append(wanted)
        places.append(np.argwhere(wanted & ~window.wanted))
    corners = np.repeat(np.array(list(windows)) * WINDOW, [len(place) for place in places], axis=0)
    asked = values_at(np.concatenate(places) + corners)
    parts = np.split(asked, np.cumsum([len(place) for place in places])[:-1])
    for window, wanted, place, part in zip(windows.values(), masks, places, parts, strict=True):
        values = np.empty(wanted.shape, np.float32)
        values[window.wanted] = window.values
        values[tuple(place.T)] = part
        window.wanted, window.values = wanted, values[wanted]


def _filled(window: _Window, corner, inside: NDArray[np.bool_], level: float) -> NDArray[np.float32]:
    """(33, 33, 33) values; where nothing was evaluated, some value on the right side of the level."""
    out = np.empty(window.wanted.shape, np.float32)
    _fill(window.wanted, window.values, _around(inside, corner), np.float32(level), out)
    return out


@_compiled
def _fill(wanted, values, inside, level, out):
    count = 0
    side = wanted.shape[0]
    for i in range(side):
        for j in range(side):
            for k in range(side):
                if wanted[i, j, k]:
                    out[i, j, k] = values[count]
                    count += 1
                elif inside[i // BLOCK + 1, j // BLOCK + 1, k // BLOCK + 1]:
                    out[i, j, k] = level - 1
                else:
                    out[i, j, k] = level + 1


@_compiled
def _mark_left(values, level, near, inside, found):
    """Mark blocks not evaluated whose common side with one that is shows the other sign; all arrays padded."""
    blocks = near.shape[0] - 2
    for i in range(blocks + 2):
        for j in range(blocks + 2):
            for k in range(blocks + 2):
                if near[i, j, k]:
                    continue
                here = (i, j, k)
                for axis in range(3):
                    first, second = (axis + 1) % 3, (axis + 2) % 3
                    if not (0 < here[first] <= blocks and 0 < here[second] <= blocks):
                        continue
                    for step in (-1, 1):
                        other = here[axis] + step
                        if not 0 <= other <= blocks + 1:
                            continue
                        x = other if axis == 0 else i
                        y = other if axis == 1 else j
                        z = other if axis == 2 else k
                        plane = (here[axis] - 1 + (step > 0)) * BLOCK
                        if not near[x, y, z] or not 0 <= plane <= blocks * BLOCK:
                            continue
                        for a in range((here[first] - 1) * BLOCK, here[first] * BLOCK + 1):
                            for b in range((here[second] - 1) * BLOCK, here[second] * BLOCK + 1):
                                if axis == 0:
                                    value = values[plane, a, b]
                                elif axis == 1:
                                    value = values[b, plane, a]
                                else:
                                    value = values[a, b, plane]
                                if (value < level) != inside[i, j, k]:
                                    found[i, j, k] = True


def _welded(grid: NDArray[np.float64], faces: NDArray) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """One vertex for each place; windows share those on their common sides."""
    steps = np.round(grid * 512).astype(np.int64)
    key = (steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    a, b, c = faces.T
    return grid[first], faces[(a != b) & (b != c) & (c != a)].astype(np.int32)
