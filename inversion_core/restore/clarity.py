"""Noise taken off and blur undone, by what the photo itself holds; nothing is invented."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ROUNDS = 8
"""Steps of the deconvolution; more of them sharpen noise."""


def estimated_noise(image: NDArray[np.uint8]) -> float:
    """Standard deviation of the noise in 255ths. Source: Immerkaer 1996, with the median in place of the mean."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rest = np.abs(cv2.filter2D(grey, -1, kernel))[1:-1, 1:-1]
    return float(np.median(rest) / 0.6745 / 6)


def denoised(image: NDArray[np.uint8], deviation: float) -> NDArray[np.uint8]:
    """(H, W, 3) without noise of this standard deviation (255ths). Source: Buades et al. 2005, non-local means."""
    if deviation <= 0:
        return image
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    light = cv2.fastNlMeansDenoising(lab[..., 0], None, float(deviation), 5, 15)
    # Noise in colour is coarse once a photo has been enlarged: hues are smoothed wider, up to the edges of the light.
    hue = [cv2.ximgproc.guidedFilter(light, lab[..., i], 9, (1.2 * deviation) ** 2) for i in (1, 2)]
    return cv2.cvtColor(np.stack([light, *hue], -1), cv2.COLOR_LAB2RGB)


def sharpened(image: NDArray[np.uint8], blur: float) -> NDArray[np.uint8]:
    """(H, W, 3) whose lightness, blurred again by ``blur`` pixels (standard deviation), would be the photo's.

    Source: Van Cittert 1931; steps are held back where they would ring.
    """
    if blur <= 0:
        return image
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    photo = lab[..., 0].copy()
    guess = photo.copy()
    reach = 2 * int(np.ceil(1.5 * blur)) + 1
    ring = np.ones((reach, reach), np.uint8)
    low, high = cv2.erode(photo, ring) - 4, cv2.dilate(photo, ring) + 4
    for _ in range(ROUNDS):
        rest = photo - cv2.GaussianBlur(guess, (0, 0), blur)
        guess = np.clip(guess + rest, low, high)
    lab[..., 0] = guess.clip(0, 100)
    return np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).astype(np.uint8)
