"""When the viewport's picture is asked for, and in which look."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QTimer

from app.controller import Controller
from app.gl_choice import GLChoice
from app.pictures import Look
from app.settings import Settings
from app.view3d import View3D


class Redraw(QObject):
    """Asks the controller for pictures of the session as the viewport wants to show it.

    Attributes:
        look: how the head is shown; light: yaw and pitch of the lamp in radians.
    """

    def __init__(
        self, viewport: View3D, controller: Controller, settings: Settings, gl: GLChoice, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewport, self._controller, self._settings, self._gl = viewport, controller, settings, gl
        self.look, self.light = Look.PHOTO, (float(np.radians(-35.0)), float(np.radians(28.0)))
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self.now)

    def soon(self, *_unused) -> None:
        """Ask for a picture once the event loop is reached, however many things changed."""
        self._timer.start()

    def stop(self) -> None:
        """Forget what was to be asked for."""
        self._timer.stop()

    def now(self) -> None:
        """Ask for a picture."""
        view = self._viewport
        ratio = view.devicePixelRatioF()
        self._controller.draw(
            round(view.longer * ratio),
            view.longer / view.shorter,
            self.look,
            self.light,
            view.wants_before,
            int(self._settings.number("smooth")),
            self._gl.draws(self.look),
            self._gl.marches,
        )

    def set_look(self, look: Look) -> None:
        self.look = look
        self.soon()

    def set_light(self, yaw: float, pitch: float) -> None:
        self.light = (yaw, pitch)
        self.soon()
