"""Colouring fragments: photo, mirrored photo and carried colours, mixed by per-vertex weights."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel
from inversion_core.rasterise import Fragments

SPARED = 0.8
"""How far brightening hair (dark made fair) spares its highlights: 1 leads white to white."""


@nb.njit(inline="always", fastmath=True)
def _texel(image, u, v, channel):
    height, width = image.shape[0], image.shape[1]
    x = min(max(u * width - 0.5, 0.0), width - 1.001)
    y = min(max(v * height - 0.5, 0.0), height - 1.001)
    i, j = int(x), int(y)
    a, b = x - i, y - j
    return (image[j, i, channel] * (1 - a) + image[j, i + 1, channel] * a) * (1 - b) + (
        image[j + 1, i, channel] * (1 - a) + image[j + 1, i + 1, channel] * a
    ) * b


@parallel
def _shade(face, weights, faces, values, light, under, tones, photo, other, masks, channel, straight, out):
    height, width = face.shape
    for y in nb.prange(height):
        v = np.empty(15, np.float32)
        colour = np.empty(3, np.float32)
        for x in range(width):
            f = face[y, x]
            if f < 0:
                continue
            b, c = weights[y, x, 0], weights[y, x, 1]
            a = 1 - b - c
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            for n in range(15):
                v[n] = a * values[i, n] + b * values[j, n] + c * values[k, n]
            w = v[2] + (v[14] - v[2]) * straight
            w = min(max(w, 0.0), 1.0)
            m = min(max(v[5], 0.0), 1.0)
            opacity = v[12]
            if channel >= 0:
                seen = v[13] + (1 - v[13]) * straight
                opacity += seen * (_texel(masks, v[0], v[1], channel) - opacity)
            opacity = min(max(opacity, 0.0), 1.0)
            out[y, x, 3] = opacity
            # A fringe is half skin: recolouring hair must not burn a rim into the forehead.
            own = 1.0
            if channel >= 0:
                own = min(max((opacity - 0.5) / 0.48, 0.0), 1.0)
                own = own * own * (3 - 2 * own)
            along = 0.0
            apart = 0.0
            for n in range(3):
                rest = v[9 + n]
                if m > 0.003:
                    rest += m * (_texel(other, v[3], v[4], n) * v[6 + n] - rest)
                if w > 0.003:
                    rest += w * (_texel(photo, v[0], v[1], n) - rest)
                colour[n] = rest
                along += (rest - tones[0, n]) * (tones[1, n] - tones[0, n])
                apart += (tones[1, n] - tones[0, n]) ** 2
            if channel >= 0 and apart > 0.02:
                looks = min(max((along / apart - 0.4) / 0.45, 0.0), 1.0)
                whole = min(max((opacity - 0.9) / 0.095, 0.0), 1.0)
                own *= looks + (1 - looks) * whole
            for n in range(3):
                lit = a * light[i, n] + b * light[j, n] + c * light[k, n]
                factor = (1 + (lit - 1) * own) * (1 + (under[n] - 1) * (1 - own))
                if channel >= 0 and factor > 1:
                    factor /= 1 + SPARED * colour[n] * (factor - 1)
                out[y, x, n] = min(max(colour[n] * factor, 0.0), 1.0)


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
        masks: (H, W, 2) person and hair; ``mask_channel`` says which trims the layer, -1 none.
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
