"""Black-and-white and toned photos: what the model adds to them has no colours of its own either."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.refine.ears import smoothstep

GREY, COLOURED = 2.5, 4.0
"""Lab units by which colours of a toned photo, and of any other, stray from what their lightness says.

Measured: a black-and-white photo .04, a faded one 2.3, colour photos 5.4 and more.
"""
DARK = 35.0
"""Lightness below which hue says nothing."""
STEPS = 12
"""Steps of lightness, each with a tone of its own."""


def in_the_photo_s_tones(
    colours: NDArray[np.float64], photo: NDArray[np.float32], person: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(N, 3) sRGB colours as a photo of one tone would show them; as they are where the photo has colours.

    Args:
        photo: (H, W, 3) float32 sRGB in [0, 1]; person: (H, W), what of it counts.
    """
    lab = cv2.cvtColor(cv2.resize(photo, (128, 128), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    shown = lab[cv2.resize(person, (128, 128), interpolation=cv2.INTER_AREA) > 0.9]
    if len(shown) < 200:
        return colours
    place = np.linspace(0, 100, STEPS)
    near = np.maximum(1 - np.abs(shown[:, :1] - place) / (place[1] - place[0]), 0)
    tones = (near.T @ shown[:, 1:] + shown[:, 1:].mean(0)) / (near.sum(0)[:, None] + 1)
    strays = np.linalg.norm(shown[:, 1:] - _toned(shown[:, 0], place, tones), axis=1)
    share = 1 - float(smoothstep(np.float64(np.quantile(strays, 0.9)), GREY, COLOURED))
    if share == 0:
        return colours
    own = cv2.cvtColor(np.clip(colours, 0, 1).astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    # What lies in the dark comes to light when a mouth opens: there it has the hue of shadows that can be seen.
    dark = np.minimum(own[:, :1] / DARK, 1)
    own[:, 1:] += share * (dark * _toned(np.maximum(own[:, 0], DARK), place, tones) - own[:, 1:])
    return np.clip(cv2.cvtColor(own[None], cv2.COLOR_LAB2RGB)[0], 0, 1).astype(np.float64)


def _toned(lightness: NDArray, place: NDArray, tones: NDArray) -> NDArray:
    """(N, 2) what a toned photo has for a and b at these lightnesses."""
    return np.stack([np.interp(lightness, place, tone) for tone in tones.T], 1)
