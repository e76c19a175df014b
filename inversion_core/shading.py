"""Colouring fragments: photo, mirrored photo and carried colours, mixed by per-vertex weights."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel
from inversion_core.rasterise import Fragments

SOFT = 0.12
"""Share of the way from the photo's own view that an edge takes, each at its distance from the photo's outline."""
CLOSING = (0.5, 2.5)
"""Slope with which the outline closes above the photo, and how much more it leans for each picture width."""
SPARED = 0.8
"""How far brightening hair (dark made fair) spares its highlights: 1 leads white to white."""
# Plain numbers would make compiled loops count in double precision.
_ZERO, _ONE, _HALF, _SPARED = np.float32(0), np.float32(1), np.float32(0.5), np.float32(SPARED)
_SOFT = np.float32(SOFT)
_SLOPE, _BEND = np.float32(CLOSING[0]), np.float32(CLOSING[1])
_NONE, _MARGIN = np.float32(0.003), np.float32(1.001)


@nb.njit(inline="always", fastmath=True)
def _texel(image, u, v, channel):
    """The bilinear sample of one channel, edges repeated."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(u * np.float32(width) - _HALF, _ZERO), np.float32(width) - _MARGIN)
    y = min(max(v * np.float32(height) - _HALF, _ZERO), np.float32(height) - _MARGIN)
    i, j = int(x), int(y)
    a, b = x - np.float32(i), y - np.float32(j)
    i, j = np.uintp(i), np.uintp(j)
    one = np.uintp(1)
    upper = image[j, i, channel] + (image[j, i + one, channel] - image[j, i, channel]) * a
    lower = image[j + one, i, channel] + (image[j + one, i + one, channel] - image[j + one, i, channel]) * a
    return upper + (lower - upper) * b


@nb.njit(inline="always", fastmath=True)
def opacity_of(v, masks, channel, straight):
    """Opacity of a fragment with the attributes ``v``; the rest as in :func:`shade`."""
    opacity = v[12]
    if channel >= 0:
        # Past the photo's upper border its outline goes on closing.
        past = max(-v[1], _ZERO)
        aside = past * (_SLOPE + _BEND * past)
        mask = _texel(masks, v[0] + aside if v[0] > _HALF else v[0] - aside, v[1], channel)
        # From the photo's outline on, the farther the view is from the photo's, the farther out is the layer's own.
        trusted = _ONE - ((_ONE - straight) * (_ONE + _SOFT) + min(mask, _ZERO)) / _SOFT
        trusted = min(max(trusted, _ZERO), _ONE)
        seen = v[13] + (_ONE - v[13]) * trusted
        opacity += seen * (max(mask, _ZERO) - opacity)
    return min(max(opacity, _ZERO), _ONE)


@nb.njit(inline="always", fastmath=True)
def colour_of(v, opacity, under, tones, photo, other, trimmed, straight, colour):
    """Write into ``colour`` (3,) what a fragment shows; ``v`` (18,) are its attributes and the light on it."""
    w = min(max(v[2] + (v[14] - v[2]) * straight, _ZERO), _ONE)
    m = min(max(v[5], _ZERO), _ONE)
    for n in range(3):
        rest = v[9 + n]
        if m > _NONE:
            rest += m * (_texel(other, v[3], v[4], n) * v[6 + n] - rest)
        if w > _NONE:
            rest += w * (_texel(photo, v[0], v[1], n) - rest)
        colour[n] = rest
    # A fringe is half skin: recolouring hair must not burn a rim into the forehead.
    own = _ONE
    if trimmed:
        own = min(max((opacity - _HALF) / np.float32(0.48), _ZERO), _ONE)
        own = own * own * (np.float32(3) - np.float32(2) * own)
        along, apart = _ZERO, _ZERO
        for n in range(3):
            between = tones[1, n] - tones[0, n]
            along += (colour[n] - tones[0, n]) * between
            apart += between * between
        if apart > np.float32(0.02):
            looks = min(max((along / apart - np.float32(0.4)) / np.float32(0.45), _ZERO), _ONE)
            whole = min(max((opacity - np.float32(0.9)) / np.float32(0.095), _ZERO), _ONE)
            own *= looks + (_ONE - looks) * whole
    for n in range(3):
        factor = (_ONE + (v[15 + n] - _ONE) * own) * (_ONE + (under[n] - _ONE) * (_ONE - own))
        if trimmed and factor > _ONE:
            factor /= _ONE + _SPARED * colour[n] * (factor - _ONE)
        colour[n] = min(max(colour[n] * factor, _ZERO), _ONE)


@parallel
def _shade(face, weights, faces, values, light, under, tones, photo, other, masks, channel, straight, out):
    height, width = face.shape
    for y in nb.prange(height):
        v, colour = np.empty(18, np.float32), np.empty(3, np.float32)
        for x in range(width):
            f = face[y, x]
            if f < 0:
                continue
            b, c = weights[y, x, 0], weights[y, x, 1]
            a = _ONE - b - c
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            for n in range(15):
                v[n] = a * values[i, n] + b * values[j, n] + c * values[k, n]
            for n in range(3):
                v[15 + n] = a * light[i, n] + b * light[j, n] + c * light[k, n]
            opacity = opacity_of(v, masks, channel, np.float32(straight))
            colour_of(v, opacity, under, tones, photo, other, channel >= 0, np.float32(straight), colour)
            out[y, x, 3] = opacity
            for n in range(3):
                out[y, x, n] = colour[n]


def shade(
    fragments: Fragments,
    faces: NDArray[np.int32],
    attributes: NDArray[np.float32],
    light: NDArray[np.float32],
    photo: NDArray[np.float32],
    other: NDArray[np.float32],
    masks: NDArray[np.float32],
    mask_channel: int,
    straight: float,
    under: NDArray[np.float32] | None = None,
    tones: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """(H, W, 4) colour in [0, 1] and opacity of rasterised fragments, 0 where empty.

    Args:
        attributes: (V, 15), columns as in :mod:`inversion_core.refine.canonical`.
        light: (V, 3) factors on the colour: edits of tone, age and light.
        under: (3,) factors on what shines through where a layer is not opaque.
        tones: (2, 3) typical skin and hair: a fringe is recoloured as far as it looks like hair.
        other: (H, W, 3) the picture that the mirrored positions refer to.
        masks: (H, W, 2) person and hair, below 0 as by :func:`inversion_core.refine.reveal.hair_trim`;
            ``mask_channel`` says which trims the layer, -1 none.
        straight: 0 … 1, how near the view is to the photo's own: 1 trusts every pixel the photo shows.
    """
    height, width = fragments.face.shape
    out = np.zeros((height, width, 4), np.float32)
    _shade(
        fragments.face,
        fragments.weights,
        faces,
        attributes,
        light,
        np.ones(3, np.float32) if under is None else under,
        np.zeros((2, 3), np.float32) if tones is None else tones,
        photo,
        other,
        masks,
        mask_channel,
        straight,
        out,
    )
    return out
