"""What buttons, wheel and keys mean in the viewport: plain functions from events to views."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent

from app.orbit import View, orbited, panned, zoomed

WHEEL_FACTOR = 1.0015
"""Magnification for a unit of wheel angle (an eighth of a degree)."""
KEY_TURN = float(np.radians(5.0))


class Scheme(Enum):
    """Which buttons do what."""

    FACET = "facet"
    BLENDER = "blender"
    MAYA = "maya"
    TRACKPAD = "trackpad"


def chosen_scheme(name: str) -> Scheme:
    """The scheme of that name; Facet's own where settings hold one that is unknown here."""
    return next((scheme for scheme in Scheme if scheme.value == name), Scheme.FACET)


def gesture(event: QMouseEvent, scheme: Scheme) -> str:
    """ "orbit", "pan", "zoom" or "" for a button press."""
    button, keys = event.button(), event.modifiers()
    left, middle, right = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
    shift = bool(keys & Qt.KeyboardModifier.ShiftModifier)
    control = bool(keys & Qt.KeyboardModifier.ControlModifier)
    alt = bool(keys & Qt.KeyboardModifier.AltModifier)
    if scheme is Scheme.BLENDER and button == middle:
        return "pan" if shift else "zoom" if control else "orbit"
    if scheme is Scheme.MAYA and alt:
        return {left: "orbit", middle: "pan", right: "zoom"}.get(button, "")
    # In the other schemes the left button still orbits, so that nobody is stuck without a middle button or Alt.
    if button == left:
        return "pan" if shift else "zoom" if control else "orbit"
    return "pan" if button in (middle, right) else ""


def after_drag(view: View, held: str, right: float, down: float) -> View:
    """The view after a drag with that gesture, in shares of the viewport's shorter side."""
    if held == "orbit":
        return orbited(view, right, down)
    if held == "pan":
        return panned(view, right, down)
    return zoomed(view, float(np.exp(2.5 * (right - down))))


def after_wheel(view: View, event: QWheelEvent, scheme: Scheme, middle: QPointF, shorter: int) -> View:
    """The view after a turn of the wheel, or two fingers' move; ``middle`` and ``shorter`` in pixels."""
    turn, keys = event.angleDelta(), event.modifiers()
    if scheme is Scheme.TRACKPAD and not keys & Qt.KeyboardModifier.ControlModifier:
        moved = QPointF(event.pixelDelta()) if not event.pixelDelta().isNull() else QPointF(turn) / 4
        move = panned if keys & Qt.KeyboardModifier.ShiftModifier else orbited
        return move(view, moved.x() / shorter, moved.y() / shorter)
    offset = (event.position() - middle) / shorter
    return zoomed(view, WHEEL_FACTOR ** turn.y(), (offset.x(), offset.y()))


def after_key(view: View, event: QKeyEvent) -> View | None:
    """The view after a key that turns or zooms; None for any other."""
    turn = KEY_TURN * (0.2 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0)
    turns = {
        Qt.Key.Key_Left: (-turn, 0.0),
        Qt.Key.Key_Right: (turn, 0.0),
        Qt.Key.Key_Up: (0.0, turn),
        Qt.Key.Key_Down: (0.0, -turn),
    }
    key = event.key()
    if key in turns:
        yaw, pitch = turns[key]
        return replace(view, yaw=view.yaw + yaw, pitch=view.pitch + pitch)
    if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
        return zoomed(view, 1.1)
    return zoomed(view, 1 / 1.1) if key == Qt.Key.Key_Minus else None
