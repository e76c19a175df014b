"""A rendering under another lamp, as a preview: the photo's own light is divided out as far as it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inversion_core.appearance import sh_basis
from inversion_core.rendering import Rendering

AMBIENT, KEY = 0.34, 1.05
"""Light from everywhere and from the lamp."""
DARKEST, STRONGEST = 0.4, 1.9
"""Least share of the photo's light that is divided out, and the largest factor on a colour."""


def lamp_direction(yaw: float, pitch: float) -> NDArray[np.float32]:
    """(3,) unit vector towards a lamp; angles in radians as a camera's."""
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], np.float32)


def relit_rendering(
    rendering: Rendering, yaw: float, pitch: float, light: NDArray[np.float32] | None = None
) -> Rendering:
    """The rendering with its colours under a lamp from ``yaw`` and ``pitch``.

    Args:
        light: (9,) harmonics of the photo's light as :func:`inversion_core.appearance.estimate_light` gives them;
            an even light when left out. Cast shadows of the photo stay where they are.
    """
    if rendering.normals is None:
        return rendering
    normals = rendering.normals
    lamp = AMBIENT + KEY * np.clip(normals @ lamp_direction(yaw, pitch), 0, None)
    own = np.ones(lamp.shape, np.float32)
    if light is not None:
        basis = sh_basis(normals.reshape(-1, 3))
        own = np.maximum((basis @ np.asarray(light, np.float32)).reshape(lamp.shape), DARKEST)
    factor = np.where(rendering.depth > 0, np.minimum(lamp / own, STRONGEST), 1)[..., None]
    # In linear light, so that shadows keep their colour.
    linear = rendering.rgb**2.2 * factor
    rolled = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
    return replace(rendering, rgb=(rolled ** (1 / 2.2)).astype(np.float32))
