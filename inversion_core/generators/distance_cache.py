"""Filling a :class:`DistanceVolume` from a network: all of a coarse grid, then only what lies along the surface.

Every step takes a fraction of a second, and between any two of them a newer wish may come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.distance_volume import DistanceVolume, Lens, reach, slope_of
from inversion_core.task import Task

PointField = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(M, 3) points in world units -> (M, 4): red, green, blue in [0, 1], signed distance in world units."""
LEVELS = (24, 48, 96)
"""Cells along a side of one grid after another; each divides the next."""
AT_ONCE = 1 << 13
"""Points that a step asks for."""
PENETRATION = 7.0
"""Softnesses below the surface at which a thousandth of the light is left."""


@dataclass(frozen=True)
class Field:
    """What a network says of one head.

    Attributes:
        points: the network itself; beta: softness of its surface, world units.
        half: half the side of the cube about the origin in which it is asked.
    """

    points: PointField
    beta: float
    half: float
    lens: Lens


class DistanceCache:
    """The volume of one head, better from step to step; for one thread at a time."""

    def __init__(
        self, first: Field, later: Callable[[], Task[Field]] | None = None, levels: tuple[int, ...] = LEVELS
    ) -> None:
        """Ask ``first`` for the first grid, and for the others what the task ``later`` gives: more, but not as soon."""
        self.volume: DistanceVolume | None = None
        self.asked = 0
        """Points that the network was asked for."""
        self._levels = levels
        self._steps = self._grown(first, later)

    def step(self) -> bool:
        """Whether there was anything left to do."""
        return next(self._steps, None) is not None

    def begun(self) -> DistanceVolume:
        """The volume, on the coarsest grid if it is the first, after as many steps as that needs."""
        while self.volume is None and self.step():
            pass
        assert self.volume is not None
        return self.volume

    def finished(self) -> DistanceVolume:
        """The volume on the finest grid, after all steps."""
        while self.step():
            pass
        assert self.volume is not None
        return self.volume

    def _grown(self, field: Field, later: Callable[[], Task[Field]] | None) -> Iterator[object]:
        values = np.zeros((self._levels[0] + 1,) * 3 + (4,), np.float32)
        wanted = np.ones(values.shape[:3], bool)
        known = np.zeros_like(wanted)
        for number, cells in enumerate(self._levels):
            if number == 1 and later is not None:
                field = yield from later()
                known[:] = False
            if number:
                times = cells // (len(values) - 1)
                if reach(field.beta, field.lens.far - field.lens.near) > field.half:
                    # A fog throughout, without a surface: as coarse as it is, it is fine enough.
                    break
                wanted = _worth_asking(values[..., 3], times, field)
                values = _stretched(values, times)
                # What the coarser grid has asked for stays.
                wanted[::times, ::times, ::times] &= ~known
            places = np.argwhere(wanted)
            for first in range(0, len(places), AT_ONCE):
                part = places[first : first + AT_ONCE]
                points = (part[:, ::-1] * (2 * field.half / cells) - field.half).astype(np.float32)
                values[tuple(part.T)] = field.points(points)
                self.asked += len(part)
                # The last step of a level ends with its volume.
                if first + AT_ONCE < len(places):
                    yield True
            if number:
                wanted[::times, ::times, ::times] |= known
            known = wanted
            slope = slope_of(values[..., 3], field.half)
            self.volume = DistanceVolume(values, field.half, field.beta, slope, field.lens)
            yield True


def _worth_asking(distances: NDArray[np.float32], times: int, field: Field) -> NDArray[np.bool_]:
    """Which corners of a grid ``times`` as fine lie where light passes or ends, by what the coarser one says."""
    count = len(distances) - 1
    # Outside as far as light is lost; inside as far as it gets, and a ray's stride. A coarse cell more for its errors.
    outer = reach(field.beta, field.lens.far - field.lens.near)
    inner = PENETRATION * field.beta + field.lens.step
    low, high = distances[:-1, :-1, :-1].copy(), distances[:-1, :-1, :-1].copy()
    for shift in np.ndindex(2, 2, 2):
        part = distances[tuple(slice(s, s + count) for s in shift)]
        np.minimum(low, part, out=low)
        np.maximum(high, part, out=high)
    near = _spread((low <= outer) & (high >= -inner))
    padded = np.pad(near.repeat(times, 0).repeat(times, 1).repeat(times, 2), 1)
    wanted = np.zeros((count * times + 1,) * 3, bool)
    for shift in np.ndindex(2, 2, 2):
        wanted |= padded[tuple(slice(s, s + len(wanted)) for s in shift)]
    return wanted


def _spread(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked cells and those beside them."""
    result = marked.copy()
    for axis in range(3):
        low, high = ([slice(None)] * 3 for _ in range(2))
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        grown = result.copy()
        grown[tuple(low)] |= result[tuple(high)]
        grown[tuple(high)] |= result[tuple(low)]
        result = grown
    return result


def _stretched(values: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """Values (N, N, N, 4) at the corners of a grid ``times`` as fine, linear in between."""
    for axis in range(3):
        values = np.moveaxis(values, axis, 0)
        finer = np.empty(((len(values) - 1) * times + 1, *values.shape[1:]), np.float32)
        for n in range(times):
            share = np.float32(n / times)
            finer[n : len(finer) - 1 : times] = values[:-1] * (1 - share) + values[1:] * share
        finer[-1] = values[-1]
        values = np.moveaxis(finer, 0, axis)
    return np.ascontiguousarray(values)
