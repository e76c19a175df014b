"""A head's signed distance and colours on a grid: what a network says once, so that cameras need not ask it again.

Rays pass through as a StyleSDF network's own do, with the same samples; how far the surface is at least says how many
of them are passed over. Lengths are Facet's world units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import FOCAL, RADIUS, Camera
from inversion_core.compiled import parallel
from inversion_core.rendering import Rendering

UNSEEN = 1e-3
"""Share of a ray's light that may be left out."""


@dataclass(frozen=True)
class Lens:
    """How a network looks at its heads; all rays start on a plane and have the same samples.

    Attributes:
        distance: of the camera from the origin; tangent: of half the opening angle.
        near, far: depths along the camera's axis between which ``samples`` lie, the last one a step before far.
        foreground: rays whose mean depth is below this show the head.
    """

    distance: float
    tangent: float
    near: float
    far: float
    samples: int
    foreground: float

    @property
    def step(self) -> float:
        return (self.far - self.near) / self.samples


@dataclass(frozen=True)
class DistanceVolume:
    """Values at the corners of a grid of cubes about the origin.

    Attributes:
        values: (N, N, N, 4) float32 in the order z, y, x: red, green, blue in [0, 1], signed distance.
        half: half of the grid's side; beta: softness of the surface, see :func:`reach`.
        slope: the most by which the distance changes along a unit of length.
        lens: how the network looks at this head.
    """

    values: NDArray[np.float32]
    half: float
    beta: float
    slope: float
    lens: Lens

    @property
    def cells(self) -> int:
        return len(self.values) - 1

    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through a camera, (size, size), as the network would show it.

        Args:
            samples: side of the grid of rays in a pixel.
        """
        return traced(self, camera, size, samples)


@dataclass(frozen=True)
class Sight:
    """One of Facet's cameras as a network can follow it: its direction; zoom and shift move the picture.

    Attributes:
        rotation: (3, 3) camera axes (right, down, forward) in columns; origin: (3,) where rays start.
        scale, middle: side of the network's picture, and where its middle lies, in widths of the camera's.
        behind: what is added to depths for the camera's own.
    """

    rotation: NDArray[np.float32]
    origin: NDArray[np.float32]
    scale: float
    middle: tuple[float, float]
    behind: float


def sight(camera: Camera, lens: Lens) -> Sight:
    """How a network with this lens follows the camera."""
    place = camera.project(np.zeros((1, 3), np.float32))[0]
    pose = Camera.orbit(*camera.angles, lens.distance).cam2world
    scale = float(camera.intrinsics[0, 0] / place[2] / (FOCAL / RADIUS))
    return Sight(
        np.ascontiguousarray(pose[:3, :3]),
        np.ascontiguousarray(pose[:3, 3]),
        scale,
        (float(place[0]), float(place[1])),
        float(place[2]) - lens.distance,
    )


def reach(beta: float, length: float) -> float:
    """The distance from which on a surface of this softness takes no more than :data:`UNSEEN` of a ray's light.

    Args:
        length: of the ray. Source: StyleSDF, equation 3, for what is far outside.
    """
    return beta * max(math.log(length / (UNSEEN * beta)), 0.0)


def slope_of(distances: NDArray[np.float32], half: float) -> float:
    """The most by which trilinear values (N, N, N) change along a unit of length where they are positive: a bound,
    cell by cell."""
    squares = np.zeros(np.array(distances.shape) - 1, np.float32)
    outside = np.zeros(squares.shape, bool)
    for shift in np.ndindex(2, 2, 2):
        outside |= distances[tuple(slice(s, s + n) for s, n in zip(shift, squares.shape, strict=True))] > 0
    for axis in range(3):
        edges = np.abs(np.diff(distances, axis=axis))
        for other in {0, 1, 2} - {axis}:
            low, high = ([slice(None)] * 3 for _ in range(2))
            low[other], high[other] = slice(None, -1), slice(1, None)
            edges = np.maximum(edges[tuple(low)], edges[tuple(high)])
        squares += edges * edges
    return float(np.sqrt((squares * outside).max())) * (len(distances) - 1) / (2 * half)


def traced(volume: DistanceVolume, camera: Camera, size: int, samples: int = 1) -> Rendering:
    """See :meth:`DistanceVolume.view`. Normals are the field's own, where rays meet the surface."""
    lens, seen = volume.lens, sight(camera, volume.lens)
    rgb = np.empty((size, size, 3), np.float32)
    depth, opacity = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    normals = np.empty((size, size, 3), np.float32)
    view = (2 * lens.tangent / seen.scale, *seen.middle, lens.tangent, seen.behind)
    along = (lens.near, lens.step, lens.foreground)
    field = (
        volume.half,
        volume.beta,
        max(volume.slope, 1e-6),
        reach(volume.beta, lens.far - lens.near),
    )
    _trace(
        volume.values,
        seen.rotation,
        seen.origin,
        tuple(np.float32(x) for x in (*view, *along, *field)),
        lens.samples,
        samples,
        (rgb, depth, opacity, normals),
    )
    return Rendering(rgb, depth, opacity, normals)


@nb.njit(inline="always", fastmath=True)
def _cell(values, x, y, z):
    """The lowest corner of the cell at a place in cells, and the shares of its far sides; kept within the grid."""
    last = np.float32(values.shape[0] - 1)
    x = min(max(x, np.float32(0)), last)
    y = min(max(y, np.float32(0)), last)
    z = min(max(z, np.float32(0)), last)
    i = min(int(x), values.shape[0] - 2)
    j = min(int(y), values.shape[0] - 2)
    k = min(int(z), values.shape[0] - 2)
    return i, j, k, x - np.float32(i), y - np.float32(j), z - np.float32(k)


@nb.njit(inline="always", fastmath=True)
def _value(values, x, y, z, channel):
    one = np.float32(1)
    i, j, k, a, b, c = _cell(values, x, y, z)
    low = values[k, j, i, channel] * (one - a) + values[k, j, i + 1, channel] * a
    high = values[k, j + 1, i, channel] * (one - a) + values[k, j + 1, i + 1, channel] * a
    front = low * (one - b) + high * b
    low = values[k + 1, j, i, channel] * (one - a) + values[k + 1, j, i + 1, channel] * a
    high = values[k + 1, j + 1, i, channel] * (one - a) + values[k + 1, j + 1, i + 1, channel] * a
    return front * (one - c) + (low * (one - b) + high * b) * c


@nb.njit(inline="always", fastmath=True)
def _along(values, start, move, s, channel):
    """The value at sample ``s`` of a ray, which may lie between two."""
    return _value(values, start[0] + s * move[0], start[1] + s * move[1], start[2] + s * move[2], channel)


@nb.njit(inline="always", fastmath=True)
def _in_grid(start, move, last, count):
    """The first and the number after the last of ``count`` samples that lie in the grid."""
    first, end = np.float32(0), np.float32(count - 1)
    for n in range(3):
        if abs(move[n]) < np.float32(1e-9):
            if start[n] < 0 or start[n] > last:
                end = np.float32(-1)
            continue
        one, other = -start[n] / move[n], (last - start[n]) / move[n]
        first = max(first, min(one, other))
        end = min(end, max(one, other))
    return math.ceil(first), math.floor(end) + 1


@nb.njit(inline="always", fastmath=True)
def _add_normal(values, start, move, s, total):
    """Add the field's unit normal at sample ``s`` to the last three of ``total``; differences over two cells."""
    one = np.float32(1)
    x, y, z = start[0] + s * move[0], start[1] + s * move[1], start[2] + s * move[2]
    # Four corners of a cube are enough.
    a = _value(values, x + one, y - one, z - one, 3)
    b = _value(values, x - one, y - one, z + one, 3)
    c = _value(values, x - one, y + one, z - one, 3)
    d = _value(values, x + one, y + one, z + one, 3)
    across, up, out = a - b - c + d, -a - b + c + d, -a + b - c + d
    length = math.sqrt(across * across + up * up + out * out)
    if length > np.float32(1e-10):
        total[4] += across / length
        total[5] += up / length
        total[6] += out / length


@parallel
def _trace(values, rotation, origin, settings, count, samples, out):
    """One picture; ``settings`` in the order in which :func:`traced` puts them."""
    rgb, depth, opacity, normals = out
    spread, middle_x, middle_y, tangent, behind = settings[:5]
    near, step, foreground, half, beta, slope, reach = settings[5:]
    size, zero, one = rgb.shape[0], np.float32(0), np.float32(1)
    pixel, share = one / np.float32(size), one / np.float32(samples)
    last = np.float32(values.shape[0] - 1)
    to_cells = last / (np.float32(2) * half)
    for row in nb.prange(size):
        start, move, total = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(7, np.float32)
        for column in range(size):
            total[:] = 0
            hits = 0
            for ray in range(samples * samples):
                u = (np.float32(column) + (np.float32(ray % samples) + np.float32(0.5)) * share) * pixel
                v = (np.float32(row) + (np.float32(ray // samples) + np.float32(0.5)) * share) * pixel
                x, y = (u - middle_x) * spread, (v - middle_y) * spread
                if abs(x) > tangent or abs(y) > tangent:
                    continue
                span = step * math.sqrt(x * x + y * y + one)
                for n in range(3):
                    along = rotation[n, 0] * x + rotation[n, 1] * y + rotation[n, 2]
                    start[n] = (origin[n] + near * along + half) * to_cells
                    move[n] = step * along * to_cells
                i, end = _in_grid(start, move, last, count)
                end = min(end, count - 1)
                light, mean, met = one, zero, -one
                least, closest = np.float32(1e9), zero
                red, green, blue = zero, zero, zero
                while i < end and light > UNSEEN:
                    s = np.float32(i)
                    distance = _along(values, start, move, s, 3)
                    if distance > reach:
                        i += max(1, int((distance - reach) / (slope * span)))
                        continue
                    if met < 0 and distance <= 0:
                        # The last sample but one was outside, whether it was passed over or not.
                        met, behind_it = max(s - one, zero), distance
                        ahead = _along(values, start, move, met, 3)
                        low, high = met, s
                        for _ in range(2):
                            if ahead > 0:
                                met = low + (high - low) * ahead / (ahead - behind_it)
                                here = _along(values, start, move, met, 3)
                                if here > 0:
                                    low, ahead = met, here
                                else:
                                    high, behind_it = met, here
                    if distance < least:
                        least, closest = distance, s
                    weight = light * (one - math.exp(-span / (beta * (one + math.exp(distance / beta)))))
                    light -= weight
                    mean += weight * s
                    if weight > np.float32(1e-4):
                        red += weight * _along(values, start, move, s, 0)
                        green += weight * _along(values, start, move, s, 1)
                        blue += weight * _along(values, start, move, s, 2)
                    i += 1
                # What is left ends at the last sample: a wall.
                wall = np.float32(count - 1)
                mean += light * wall
                if near + step * mean >= foreground:
                    continue
                total[0] += red + light * _along(values, start, move, wall, 0)
                total[1] += green + light * _along(values, start, move, wall, 1)
                total[2] += blue + light * _along(values, start, move, wall, 2)
                total[3] += near + step * mean
                hits += 1
                if met < 0:
                    # A ray that only grazes the surface, or a fog: the nearest that it comes.
                    low, high = closest - one, closest + one
                    for _ in range(8):
                        third = (high - low) / np.float32(3)
                        first = _along(values, start, move, low + third, 3)
                        if first < _along(values, start, move, high - third, 3):
                            high -= third
                        else:
                            low += third
                    met = np.float32(0.5) * (low + high)
                _add_normal(values, start, move, met, total)
            opacity[row, column] = np.float32(hits) * share * share
            shown = one / np.float32(max(hits, 1))
            length = math.sqrt(max(total[4] ** 2 + total[5] ** 2 + total[6] ** 2, np.float32(1e-20)))
            for n in range(3):
                rgb[row, column, n] = min(total[n] * shown, one)
                normals[row, column, n] = total[4 + n] / length
            depth[row, column] = total[3] * shown + behind if hits else zero
