"""Drawing a head, and how far the photo's own view is trusted."""

from __future__ import annotations

import numpy as np

from inversion_core.camera import Camera
from inversion_core.drawing import draw
from inversion_core.generators.head import Head
from inversion_core.refine.ears import smoothstep
from inversion_core.rendering import Rendering

NEAR_PHOTO, FAR_FROM_PHOTO = np.radians(3.0), np.radians(11.0)
"""Angles from the photo's view between which trust in grazing pixels fades."""
INNER_SHARE = 0.6
"""Brightness of the inner sides of open surfaces, which lie in shadow."""
PERSON, HAIR, OPAQUE = 0, 1, -1


def closeness(head: Head, camera: Camera) -> float:
    """1 for the photo's own view, 0 from :data:`FAR_FROM_PHOTO` on."""
    cosine = float(camera.cam2world[:3, 2] @ head.detail.camera.cam2world[:3, 2])
    near = 1 - smoothstep(np.arccos(np.clip(cosine, -1, 1)), NEAR_PHOTO, FAR_FROM_PHOTO)
    return float(near * (1 - head.detail.mixed))


def render(head: Head, camera: Camera, size: int, samples: int = 1) -> Rendering:
    """The head through ``camera``, (size, size).

    Args:
        samples: side of the grid of samples in each pixel; 2 smooths edges.
    """
    # Hair and clothes stay as the photo trims them while an edit moves the face below.
    trimmed = closeness(head, camera)
    detail = head.detail
    return draw(
        head.stack,
        camera,
        size,
        samples,
        # The shell's edges are as soft in the photo's view as in any other.
        (trimmed, 0.0, trimmed),
        detail.photo,
        detail.other,
        detail.hair_texture,
        detail.trims,
        head.skin_light,
        np.stack([detail.skin_colour, detail.hair_colour]),
        INNER_SHARE,
    )
