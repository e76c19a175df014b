"""Three layers to one picture in a single pass over its rows.

For each sample the layers' shares of the picture are found first, from depth and opacity alone; only what shows is
coloured then. Rows are dealt out to all cores, which meet twice in a picture: after projecting, and at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.compiled import parallel
from inversion_core.rendering import Rendering
from inversion_core.shading import colour_of, opacity_of

LAYERS = 3
"""Head, shell and hair, in the order in which they cover one another at the same depth."""
CARRIED = 24
"""Columns of what a vertex carries: 15 attributes, light at 15, normal at 18; eight at a time are quickest."""
LIGHT, NORMAL = 15, 18
_ROWS = 8
"""Rows of the picture that one core draws before another's begin."""
# Plain numbers would make compiled loops count in double precision.
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_NEAREST = np.float32(0.05)
"""World units before the camera from which on triangles are drawn."""
_EDGE = np.float32(-2e-6)
_FAINT = np.float32(0.004)
"""Opacity up to which a layer counts as absent."""
_HIDDEN = np.float32(1e-4)
"""Share of the picture up to which a layer is not coloured."""
_AWAY = np.float32(0.15)
"""Cosine with the camera's axis from which on a side is an inner one."""


@dataclass(frozen=True)
class Stack:
    """The layers of a head as one mesh.

    Attributes:
        vertices: (V, 3) float32 world units; nearer: (V,) world units by which they count as nearer than they are.
        faces: (F, 3) int32; starts: (LAYERS + 1,) int64, where each layer's faces begin and the last ones end.
        carried: (V, CARRIED) float32.
    """

    vertices: NDArray[np.float32]
    nearer: NDArray[np.float32]
    faces: NDArray[np.int32]
    starts: NDArray[np.int64]
    carried: NDArray[np.float32]


class Sheet(NamedTuple):
    """A layer: (V, 3) vertices, (F, 3) faces, (V, 15) attributes, (V, 3) light and normals, (V,) nearer."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    attributes: NDArray[np.float32]
    light: NDArray[np.float32]
    normals: NDArray[np.float32]
    nearer: NDArray[np.float32]


def stacked(head: Sheet, shell: Sheet, hair: Sheet) -> Stack:
    """The layers as one mesh; one without faces is left out, whatever else it has."""
    sheets = [own if len(own.faces) else Sheet(*(part[:0] for part in own)) for own in (head, shell, hair)]
    firsts = [0, *accumulate(len(own.vertices) for own in sheets)]
    carried = np.zeros((firsts[-1], CARRIED), np.float32)
    for own, first in zip(sheets, firsts, strict=False):
        rows = carried[first : first + len(own.vertices)]
        rows[:, :LIGHT], rows[:, LIGHT:NORMAL] = own.attributes, own.light
        rows[:, NORMAL : NORMAL + 3] = own.normals
    return Stack(
        np.concatenate([own.vertices for own in sheets], dtype=np.float32),
        np.concatenate([own.nearer for own in sheets], dtype=np.float32),
        np.concatenate(
            [own.faces + first for own, first in zip(sheets, firsts, strict=False)], dtype=np.int32
        ),
        np.array([0, *accumulate(len(own.faces) for own in sheets)], np.int64),
        carried,
    )


@nb.njit(inline="always", fastmath=True)
def _project(vertices, nearer, camera, size, points, cells, start, stop):
    """Pixels and the reciprocal of depth, 0 where too near; and how many columns and rows have centres before them."""
    side = np.float32(size)
    for i in range(np.uintp(start), np.uintp(stop)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        across = camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3]
        down = camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]
        deep = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
        far = deep - nearer[i]
        ahead = min(far, deep) > _NEAREST
        scale = side / deep if ahead else _ZERO
        px, py = across * scale, down * scale
        points[i, 0], points[i, 1], points[i, 2] = px, py, _ONE / far if ahead else _ZERO
        column = int(min(max(px, _ZERO), side) + _HALF)
        row = int(min(max(py, _ZERO), side) + _HALF)
        cells[i] = column | row << 16


@nb.njit(inline="always", fastmath=True)
def _fill(points, cells, faces, start, stop, owner, part, layer, reached, face, near, shares):
    """The nearest triangles in the rows of one part; shares are those of two corners over their depths."""
    # Most triangles have no pixel's centre between their corners: without a branch those cost next to nothing.
    count = np.uintp(0)
    for f in range(np.uintp(start), np.uintp(stop)):
        p, q, r = cells[np.uintp(faces[f, 0])], cells[np.uintp(faces[f, 1])], cells[np.uintp(faces[f, 2])]
        apart = (p ^ q) | (p ^ r)
        reached[count] = f
        count += np.uintp((apart & 0xFFFF != 0) & (apart >> 16 != 0))
    for n in range(count):
        f = np.uintp(reached[n])
        i, j, k = np.uintp(faces[f, 0]), np.uintp(faces[f, 1]), np.uintp(faces[f, 2])
        p, q, r = cells[i], cells[j], cells[k]
        y0, y1 = min(p >> 16, q >> 16, r >> 16), max(p >> 16, q >> 16, r >> 16)
        if y1 - y0 <= _ROWS and owner[y0] != part and owner[y1 - 1] != part:
            continue
        x0, x1 = min(p & 0xFFFF, q & 0xFFFF, r & 0xFFFF), max(p & 0xFFFF, q & 0xFFFF, r & 0xFFFF)
        ia, ib, ic = points[i, 2], points[j, 2], points[k, 2]
        if ia == 0 or ib == 0 or ic == 0:
            continue
        ax, ay = points[i, 0], points[i, 1]
        bx, by = points[j, 0] - ax, points[j, 1] - ay
        cx, cy = points[k, 0] - ax, points[k, 1] - ay
        area = bx * cy - by * cx
        if abs(area) < np.float32(1e-12):
            continue
        inverse = _ONE / area
        for y in range(y0, y1):
            if owner[y] != part:
                continue
            py = np.float32(y) + _HALF - ay
            for x in range(x0, x1):
                px = np.float32(x) + _HALF - ax
                w1 = (px * cy - py * cx) * inverse
                w2 = (bx * py - by * px) * inverse
                w0 = _ONE - w1 - w2
                if min(w0, w1, w2) < _EDGE:
                    continue
                nearness = w0 * ia + w1 * ib + w2 * ic
                if nearness > near[layer, y, x]:
                    near[layer, y, x] = nearness
                    face[layer, y, x] = f
                    shares[layer, y, x, 0] = w1 * ib
                    shares[layer, y, x, 1] = w2 * ic


@nb.njit(inline="always", fastmath=True)
def _carry(carried, faces, layer, face, near, shares, y, x, v):
    """Write into ``v`` what a sample's vertices carry to it; its depth."""
    f, far = np.uintp(face[layer, y, x]), _ONE / near[layer, y, x]
    i, j, k = np.uintp(faces[f, 0]), np.uintp(faces[f, 1]), np.uintp(faces[f, 2])
    b, c = shares[layer, y, x, 0] * far, shares[layer, y, x, 1] * far
    a = _ONE - b - c
    for n in range(CARRIED):
        v[layer, n] = a * carried[i, n] + b * carried[j, n] + c * carried[k, n]
    return far


@nb.njit(inline="always", fastmath=True)
def _cover(share, layer, alpha, far, opacity, depth):
    """Lay one more layer over the shares of those before it; the opacity then, and whether its depth is what shows."""
    front = depth == 0 or far < depth
    first = alpha if front else alpha * (_ONE - opacity)
    second = opacity * (_ONE - alpha) if front else opacity
    total = first + second
    if total > np.float32(1e-6):
        for n in range(layer):
            share[n] *= second / total
        share[layer] = first / total
    return total, front and alpha > _HALF


@nb.njit(inline="always", fastmath=True)
def _put(rgb, depth, opacity, normals, row, column, samples, summed, turned, cover, solid, axial):
    """Write a pixel from the sums over its samples."""
    count = np.float32(samples * samples)
    cover /= count
    opacity[row, column] = min(max(cover, _ZERO), _ONE)
    depth[row, column] = axial / np.float32(solid) if 2 * solid > samples * samples else _ZERO
    scale = _ONE if samples == 1 else _ONE / (count * max(cover, np.float32(1e-4)))
    length = np.sqrt(turned[0] * turned[0] + turned[1] * turned[1] + turned[2] * turned[2])
    unit = _ONE / length if length > np.float32(1e-3) * count else _ZERO
    for n in range(3):
        rgb[row, column, n] = min(max(summed[n] * scale, _ZERO), _ONE)
        normals[row, column, n] = turned[n] * unit


@parallel
def _draw(
    vertices,
    nearer,
    faces,
    starts,
    carried,
    camera,
    samples,
    straight,
    photo,
    other,
    strands,
    masks,
    under,
    tones,
    inner,
    parts,
    rgb,
    depth,
    opacity,
    normals,
):
    side = rgb.shape[0]
    size = side * samples
    count = len(vertices)
    points, cells = np.empty((count, 3), np.float32), np.empty(count, np.int32)
    for part in nb.prange(parts):
        start, stop = count * part // parts, count * (part + 1) // parts
        _project(vertices, nearer, camera, size, points, cells, start, stop)
    plain, alike = np.ones(3, np.float32), np.zeros((2, 3), np.float32)
    owner = np.empty(size, np.int32)
    for y in range(size):
        owner[y] = y // (_ROWS * samples) % parts
    face, near = np.empty((LAYERS, size, size), np.int32), np.empty((LAYERS, size, size), np.float32)
    shares = np.empty((LAYERS, size, size, 2), np.float32)
    for part in nb.prange(parts):
        reached = np.empty(len(faces) + 1, np.int32)
        for layer in range(LAYERS):
            for y in range(size):
                if owner[y] == part:
                    for x in range(size):
                        face[layer, y, x], near[layer, y, x] = -1, 0
            first, last = starts[layer], starts[layer + 1]
            _fill(points, cells, faces, first, last, owner, part, layer, reached, face, near, shares)
        v, colour = np.empty((LAYERS, CARRIED), np.float32), np.empty(3, np.float32)
        share, alpha = np.empty(LAYERS, np.float32), np.empty(LAYERS, np.float32)
        summed, turned = np.empty(3, np.float32), np.empty(3, np.float32)
        for row in range(side):
            if owner[row * samples] != part:
                continue
            for column in range(side):
                for n in range(3):
                    summed[n], turned[n] = 0, 0
                cover, solid, axial = _ZERO, 0, _ZERO
                for sample in range(samples * samples):
                    y, x = row * samples + sample // samples, column * samples + sample % samples
                    total, reach, shown = _ZERO, _ZERO, -1
                    for layer in range(LAYERS):
                        share[layer] = 0
                        if face[layer, y, x] < 0:
                            continue
                        far = _carry(carried, faces, layer, face, near, shares, y, x, v)
                        # The head is trimmed by no mask, the shell by the first and hair by the second.
                        alpha[layer] = opacity_of(v[layer], masks, layer - 1, straight[layer])
                        # The head hides what lies behind it even where it fades.
                        if layer == 0 or alpha[layer] > _FAINT:
                            total, hides = _cover(share, layer, alpha[layer], far, total, reach)
                            if layer == 0 or hides:
                                reach, shown = far, layer
                    for layer in range(LAYERS):
                        if share[layer] <= _HIDDEN:
                            continue
                        if layer == 0:
                            colour_of(v[0], _ONE, plain, alike, photo, other, False, straight[0], colour)
                        elif layer == 1:
                            colour_of(v[1], alpha[1], plain, alike, photo, photo, True, straight[1], colour)
                        else:
                            colour_of(v[2], alpha[2], under, tones, photo, strands, True, straight[2], colour)
                        weight, turn = share[layer] if samples == 1 else share[layer] * total, _ONE
                        away = _ZERO
                        for n in range(3):
                            away += v[layer, NORMAL + n] * camera[2, n]
                        if layer > 0 and away > _AWAY:
                            weight, turn = weight * inner, -_ONE
                        for n in range(3):
                            summed[n] += weight * colour[n]
                            if layer == shown:
                                turned[n] += turn * v[layer, NORMAL + n]
                    cover += total
                    if shown >= 0:
                        solid += 1
                        axial += reach
                _put(rgb, depth, opacity, normals, row, column, samples, summed, turned, cover, solid, axial)


def draw(
    stack: Stack,
    camera: Camera,
    size: int,
    samples: int,
    straight: tuple[float, float, float],
    photo: NDArray[np.float32],
    other: NDArray[np.float32],
    strands: NDArray[np.float32],
    masks: NDArray[np.float32],
    under: NDArray[np.float32],
    tones: NDArray[np.float32],
    inner: float,
) -> Rendering:
    """The layers through ``camera``, (size, size), coloured as by :func:`inversion_core.shading.shade`.

    Args:
        samples: side of the grid of samples in each pixel.
        straight: of each layer, how near the view is to the photo's own.
        other, strands: (H, W, 3), what the mirrored positions of head and hair refer to; the shell's, to the photo.
        masks: (H, W, 2), the first trims the shell and the second hair, as :func:`shading.shade` takes them.
        under, tones: of hair.
        inner: brightness of the inner sides of shell and hair.
    """
    rotation, translation = camera.world2cam
    matrix = np.concatenate([rotation, translation[:, None]], 1)
    matrix[:2] = (camera.intrinsics @ matrix)[:2]
    rgb, normals = np.empty((2, size, size, 3), np.float32)
    depth, opacity = np.empty((2, size, size), np.float32)
    _draw(
        stack.vertices,
        stack.nearer,
        stack.faces,
        stack.starts,
        stack.carried,
        matrix,
        samples,
        np.array(straight, np.float32),
        photo,
        other,
        strands,
        masks,
        under,
        tones,
        np.float32(inner),
        nb.get_num_threads(),
        rgb,
        depth,
        opacity,
        normals,
    )
    return Rendering(rgb, depth, opacity, normals)
