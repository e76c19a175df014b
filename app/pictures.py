"""Renderings as Qt pictures, in the ways the viewport can show them."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from inversion_core.camera import Camera
from inversion_core.image import to_uint8
from inversion_core.rendering import Rendering

DEPTH_NEAR, DEPTH_FAR = 0.4, 0.3
"""World units before and behind the head's middle between which the depth look goes from white to dark."""


class Look(Enum):
    """What the viewport shows of the head."""

    PHOTO = "photo"
    CLAY = "clay"
    NORMALS = "normals"
    DEPTH = "depth"
    RELIT = "relit"
    WIRE = "wire"


OF_SURFACES = (Look.CLAY, Look.NORMALS)
"""Looks that show nothing but the surface's normals."""


def picture(
    rendering: Rendering, look: Look, light: tuple[float, float] = (-0.6, 0.5), distance: float = 2.7
) -> QImage:
    """The rendering as a premultiplied picture with transparency.

    Args:
        light: yaw and pitch in radians of the lamp of the clay look, in the world's axes.
        distance: of the camera from the head's middle in world units, for the depth look.
    """
    rgb = _depth(rendering, distance) if look is Look.DEPTH else _LOOKS[look](rendering, light)
    opacity = rendering.opacity[..., None]
    return _premultiplied(rgb * opacity, opacity)


def drawn(
    engine: Any,
    head: Any,
    inversion: Any,
    camera: Camera,
    size: int,
    samples: int,
    look: Look,
    light: tuple[float, float],
    distance: float,
) -> QImage:
    """The head through a camera in a look, (size, size); see :func:`picture` for the rest."""
    if look in OF_SURFACES and hasattr(type(head), "distances"):
        # Its network's pictures have no normals; those of their coarse depths would be worse.
        head = head.distances.finished()
    rendering = engine.view(head, camera, size, samples)
    if look is Look.RELIT:
        rendering = engine.relit(rendering, inversion, light)
    elif look is Look.WIRE:
        rendering = engine.wired(rendering, head, camera, size)
    return picture(rendering, look, light, distance)


def photo_picture(image: NDArray[np.uint8]) -> QImage:
    """An (H, W, 3) uint8 picture, copied."""
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    return QImage(image.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def pixels(image: QImage) -> NDArray[np.uint8]:
    """(H, W, 4) uint8, straight alpha."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return flat[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()


def _premultiplied(rgb: NDArray, opacity: NDArray) -> QImage:
    rgba = to_uint8(np.concatenate([rgb, opacity], 2))
    # Rounding may leave a colour a step above its alpha, which premultiplied formats forbid.
    np.minimum(rgba[..., :3], rgba[..., 3:], out=rgba[..., :3])
    rgba = np.ascontiguousarray(rgba)
    height, width = rgba.shape[:2]
    made = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888_Premultiplied)
    return made.copy()


def _photo(rendering: Rendering, _light) -> NDArray:
    return rendering.rgb


def _normals(rendering: Rendering, _light) -> NDArray:
    return _unit_normals(rendering) * 0.5 + 0.5


def _clay(rendering: Rendering, light) -> NDArray:
    yaw, pitch = light
    lamp = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], np.float32)
    normals = _unit_normals(rendering)
    key = np.clip(normals @ lamp, 0, 1)
    sky = normals[..., 1] * 0.5 + 0.5
    shade = 0.16 + 0.62 * key + 0.22 * sky
    return np.clip(shade[..., None] * np.array([0.86, 0.84, 0.82], np.float32), 0, 1)


def _depth(rendering: Rendering, distance: float) -> NDArray:
    near, far = distance - DEPTH_NEAR, distance + DEPTH_FAR
    grey = 1 - 0.9 * np.clip((rendering.depth - near) / (far - near), 0, 1)
    return np.repeat(np.where(rendering.depth > 0, grey, 0)[..., None], 3, 2)


def _unit_normals(rendering: Rendering) -> NDArray:
    if rendering.normals is None:
        return np.broadcast_to(np.array([0, 0, 1], np.float32), rendering.rgb.shape)
    return rendering.normals


_LOOKS = {Look.PHOTO: _photo, Look.RELIT: _photo, Look.WIRE: _photo, Look.CLAY: _clay, Look.NORMALS: _normals}
