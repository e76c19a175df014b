"""Where the viewport's camera stands, and how gestures move it: plain functions on frozen values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from inversion_core.camera import Camera

YAW_LIMIT, PITCH_LIMIT = np.radians(75.0), np.radians(40.0)
"""How far one photo carries: beyond it most of what is seen was guessed."""
ZOOM_RANGE = (0.4, 8.0)
FIRST_ZOOM = 0.9
"""Some air round the photo's framing, so that hair and shoulders can turn inside the viewport."""
PAN_LIMIT = 1.5
FIELD_RANGE = (np.radians(5.0), np.radians(60.0))
RADIANS_PER_VIEWPORT = np.radians(140.0)
"""Turn for a drag across the viewport's shorter side."""
ROLL_FADE = np.radians(15.0)


@dataclass(frozen=True)
class View:
    """A point of view on the head.

    Attributes:
        yaw, pitch: radians, absolute, in the sense of ``Camera.orbit``.
        zoom: magnification, 1 frames the head as the photo does.
        pan: shift of the picture right and down, in shares of the viewport's shorter side at zoom 1.
        field: vertical field of view in radians; None is the photo's. The head keeps its size when it changes.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = 1.0
    pan: tuple[float, float] = (0.0, 0.0)
    field: float | None = None


def photo_view(photo: Camera) -> View:
    """The photo's own point of view, from a little farther."""
    yaw, pitch = photo.angles
    return View(yaw, pitch, FIRST_ZOOM)


def clamped(view: View, yaw_limit: float = YAW_LIMIT, pitch_limit: float = PITCH_LIMIT) -> View:
    """The view inside all limits."""
    field = view.field
    return replace(
        view,
        yaw=float(np.clip(view.yaw, -yaw_limit, yaw_limit)),
        pitch=float(np.clip(view.pitch, -pitch_limit, pitch_limit)),
        zoom=float(np.clip(view.zoom, *ZOOM_RANGE)),
        pan=tuple(float(np.clip(shift, -PAN_LIMIT, PAN_LIMIT)) for shift in view.pan),
        field=None if field is None else float(np.clip(field, *FIELD_RANGE)),
    )


def orbited(view: View, right: float, down: float) -> View:
    """The view after a drag, in shares of the viewport's shorter side; the head follows the hand."""
    turn = RADIANS_PER_VIEWPORT
    return replace(view, yaw=view.yaw - right * turn, pitch=view.pitch + down * turn)


def panned(view: View, right: float, down: float) -> View:
    """The view after its picture was pushed, in shares of the viewport's shorter side."""
    return replace(view, pan=(view.pan[0] + right / view.zoom, view.pan[1] + down / view.zoom))


def zoomed(view: View, factor: float, at: tuple[float, float] = (0.0, 0.0)) -> View:
    """The view magnified; what lies ``at`` that offset from the centre stays there.

    Args:
        at: right and down of the viewport's centre, in shares of its shorter side.
    """
    zoom = float(np.clip(view.zoom * factor, *ZOOM_RANGE))
    shift = [p + a * (1 / zoom - 1 / view.zoom) for p, a in zip(view.pan, at, strict=True)]
    return replace(view, zoom=zoom, pan=(shift[0], shift[1]))


def field_of(photo: Camera) -> float:
    """Vertical field of view of the photo's crop in radians."""
    return float(2 * np.arctan(0.5 / photo.intrinsics[1, 1]))


def camera_of(
    view: View,
    photo: Camera,
    turntable: Callable[[float, float], Camera],
    aspect: float = 1.0,
) -> Camera:
    """The camera of a view, for a square picture whose middle part the viewport shows.

    Args:
        photo: the portrait's camera; at its angles the result equals it, roll included.
        turntable: absolute angles -> upright camera with the photo's distance and framing.
        aspect: longer over shorter side of the viewport, at least 1; the picture covers the longer.
    """
    camera = turntable(view.yaw, view.pitch)
    cam2world = np.array(camera.cam2world, np.float64)
    reach = float(-photo.position.astype(np.float64) @ photo.cam2world[:3, 2].astype(np.float64))
    pivot = cam2world[:3, 3] + reach * cam2world[:3, 2]
    cam2world[:3, :3] = _rolled(cam2world[:3, :3], view, photo, turntable)
    intrinsics = np.array(camera.intrinsics, np.float64)
    if view.field is not None:
        focal = 0.5 / np.tan(view.field / 2)
        cam2world[:3, 3] = pivot - cam2world[:3, 2] * reach * focal / intrinsics[1, 1]
        intrinsics[:2, :2] *= focal / intrinsics[1, 1]
    zoom = view.zoom / aspect
    intrinsics[:2, :2] *= zoom
    for axis in range(2):
        intrinsics[axis, 2] = 0.5 + (intrinsics[axis, 2] - 0.5 + view.pan[axis]) * zoom
    return Camera(cam2world.astype(np.float32), intrinsics.astype(np.float32))


def view_of(camera: Camera, photo: Camera) -> View:
    """The view whose camera this is; the inverse of :func:`camera_of` at aspect 1."""
    yaw, pitch = camera.angles
    reach = float(np.linalg.norm(photo.position))
    distance = float(np.linalg.norm(camera.position))
    magnified = float(camera.intrinsics[1, 1] / photo.intrinsics[1, 1])
    stretch = distance / reach
    field = None
    if abs(stretch - 1) > 0.02:
        field = float(2 * np.arctan(0.5 / (photo.intrinsics[1, 1] * stretch)))
        magnified /= stretch
    pan = tuple(
        float((camera.intrinsics[a, 2] - 0.5) / magnified - (photo.intrinsics[a, 2] - 0.5)) for a in range(2)
    )
    return clamped(View(yaw, pitch, magnified, pan, field), np.pi, np.pi / 2)


def tile(camera: Camera, left: float, top: float, share: float) -> Camera:
    """The camera of a square part of the picture, given by its corner and side in shares of the picture."""
    intrinsics = np.array(camera.intrinsics, np.float64)
    intrinsics[0] = (intrinsics[0] - left * intrinsics[2]) / share
    intrinsics[1] = (intrinsics[1] - top * intrinsics[2]) / share
    return Camera(camera.cam2world, intrinsics.astype(np.float32))


def _rolled(rotation, view: View, photo: Camera, turntable) -> np.ndarray:
    """The rotation with the photo's roll, fading with the angle from the photo's view."""
    yaw, pitch = photo.angles
    upright = turntable(yaw, pitch).cam2world[:3, :3]
    between = upright.T @ photo.cam2world[:3, :3]
    roll = float(np.arctan2(between[1, 0], between[0, 0]))
    away = np.hypot(view.yaw - yaw, view.pitch - pitch) / ROLL_FADE
    roll *= float(np.exp(-away * away))
    cos, sin = np.cos(roll), np.sin(roll)
    return rotation @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
