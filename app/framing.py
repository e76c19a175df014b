"""Where the artist looks from at first, and from named sides: far enough that the whole head is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.orbit import FIRST_ZOOM, View, photo_view
from inversion_core.camera import Camera
from inversion_core.edit import Inversion

AIR = 0.05
"""Above the head and beside it, in shares of the viewport's shorter side."""
FARTHEST = 0.6
"""The least magnification, however far the hair stands off."""


def first_view(inversion: Inversion) -> View:
    """The photo's point of view, from far enough that hair which the photo's crop cuts off is seen, too."""
    photo = inversion.portrait.camera
    return framed(photo_view(photo), photo, _head_points(inversion))


def view_from(inversion: Inversion, yaw: float) -> View:
    """The view from that many radians to the side, at the height of the eyes."""
    from inversion_core.pipeline import turntable_camera

    view = View(yaw, 0.0, FIRST_ZOOM)
    return framed(view, turntable_camera(inversion, yaw, 0.0), _head_points(inversion))


def framed(view: View, camera: Camera, points: NDArray[np.float32]) -> View:
    """The view from farther, and shifted as little as that takes, so that points have some air above and beside.

    Args:
        view: not shifted; camera: of its angles, at magnification 1.
        points: (N, 3) world units; the view is left as it is when there are none.
    """
    if not len(points):
        return view
    places = camera.project(points)[:, :2].astype(np.float64) - 0.5
    top, left, right = places[:, 1].min(), places[:, 0].min(), places[:, 0].max()
    zoom = min(view.zoom, (1 - AIR) / (0.5 - top), (1 - 2 * AIR) / max(right - left, 1e-6))
    zoom = max(float(zoom), FARTHEST)
    edge = (0.5 - AIR) / zoom
    across = min(max(0.0, -edge - float(left)), edge - float(right))
    return replace(view, zoom=zoom, pan=(across, max(0.0, -edge - float(top))))


def _head_points(inversion: Inversion) -> NDArray[np.float32]:
    """(N, 3) hair that is not transparent and skin, from the mouth up; none where the head is no mesh."""
    from inversion_core.refine.layer import OPACITY

    detail = inversion.detail
    if not hasattr(detail, "hair") or not hasattr(detail, "head"):
        return np.empty((0, 3), np.float32)
    photo, parts = inversion.portrait.camera, []
    for layer in (detail.head, detail.hair):
        shown = layer.vertices[layer.attributes[:, OPACITY] > 0.5]
        # Below are shoulders and the ends of long hair, which need not be seen whole.
        parts.append(shown[photo.project(shown)[:, 1] < 0.7])
    return np.concatenate(parts)
