"""Skin that goes on above the face's outline: high foreheads, receding hair, bald heads."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

REACH = 16.0
"""Pixels round a place whose skin says how bright and of which hue skin is there."""
ROUNDS = 3
DARKEST, BRIGHTEST = 0.6, 3.5
"""Linear light of skin, times that of the skin near it: hair and shadow below, background above."""
LEAST_DIFFUSE = 0.65
"""Share of skin's own colour that is left under gloss: less is white hair."""
OFF_HUE = 0.10
"""How far, relative to its light, skin may be from a mixture of skin near it and white: fair hair is yellower."""
ROUGH = 0.11
"""Contrast within a few pixels that skin has at most; strands have more."""
SURROUNDED = 0.65
"""Share of a bright patch's rim that is skin when it is gloss on it."""


def bare_skin(
    picture: NDArray[np.float32], cheeks: NDArray[np.bool_], face: NDArray[np.bool_], solid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(H, W) True on skin that hangs together with the face's.

    Skin is its own diffuse colour, under the light that there is, and white gloss on top; both follow slowly from
    the skin beside. Source of the mixture: Shafer 1985, "Using color to separate reflection components".

    Args:
        picture: (H, W, 3) sRGB in [0, 1].
        cheeks: where nothing but skin, its shadow and beard are expected; face: also where hair may fall.
        solid: where skin may be.
    """
    light = picture**2.2
    mean = light.mean(-1)
    grey = picture.mean(-1)
    spread = _blur(grey**2, 2) - _blur(grey, 2) ** 2
    rough = np.sqrt(np.maximum(spread, 0)) / (_blur(grey, 2) + 0.03)
    if cheeks.sum() < 100:
        return np.zeros(picture.shape[:2], bool)
    typical = np.median(light[cheeks], 0).astype(np.float32)
    _, off = _mixture(light, np.broadcast_to(typical, light.shape))
    least = np.where(cheeks, 0.4, DARKEST) * typical.mean()
    seed = face & (off < 1.2 * OFF_HUE) & (mean > least) & (rough < 1.4 * ROUGH)
    skin = seed
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for _ in range(ROUNDS):
        weight = skin.astype(np.float32)
        near = (_blur(light * weight[..., None], REACH) + 1e-4 * typical) / (
            _blur(weight, REACH)[..., None] + 1e-4
        )
        diffuse, off = _mixture(light, near)
        relative = mean / near.mean(-1)
        alike = (relative > DARKEST) & (relative < BRIGHTEST) & (diffuse > LEAST_DIFFUSE)
        alike = (alike & (off < OFF_HUE) & (rough < ROUGH)) | seed
        alike = cv2.morphologyEx((alike & solid).astype(np.uint8), cv2.MORPH_OPEN, disc)
        count, pieces = cv2.connectedComponents(alike)
        held = np.zeros(count, bool)
        held[pieces[seed]] = True
        held[0] = False
        skin = held[pieces]
    return skin | _gloss(skin, solid & (relative > 1) & ~skin)


def _gloss(skin: NDArray[np.bool_], bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True on those bright patches that skin all but surrounds: burnt-out gloss, not white hair at its rim."""
    count, pieces = cv2.connectedComponents(bright.astype(np.uint8), connectivity=4)
    rim = np.zeros((2, count))
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        beside = np.roll(pieces, shift, axis)
        outer = (beside > 0) & (pieces == 0)
        rim += [np.bincount(beside[outer & which], minlength=count) for which in (skin, ~skin)]
    return bright & (rim[0] > SURROUNDED * rim.sum(0))[pieces]


def _mixture(light: NDArray, skin: NDArray) -> tuple[NDArray, NDArray]:
    """Share of ``skin`` in ``light`` when the rest is white, and what neither explains, relative to the light."""
    square, plain = (skin * skin).sum(-1), skin.sum(-1)
    along, total = (light * skin).sum(-1), light.sum(-1)
    both = 3 * square - plain * plain + 1e-6
    share = (3 * along - plain * total) / both
    white = (square * total - plain * along) / both
    rest = light - share[..., None] * skin - white[..., None]
    return share, np.sqrt((rest * rest).sum(-1)) / (total / 3 + 0.02)


def _blur(field: NDArray, sigma: float) -> NDArray[np.float32]:
    return cv2.GaussianBlur(np.asarray(field, np.float32), (0, 0), sigma)
