"""The commands of the View menu that concern the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QAction

from app.panel_camera import CameraPanel
from app.session import Session
from app.view3d import Compare, View3D

SPIN_STEP = np.radians(1.8)
"""How far the turntable preview's swing goes on in a tick."""


class ViewCommands(QObject):
    """Moves the session's view and sets how it is compared and shown; ``do_NAME`` answers a command."""

    changed = Signal()
    """Another picture is wanted of the same view."""
    tool_changed = Signal(str)
    """What the left button does now: "keep", "free", "pull", "paint", or "" where it orbits."""

    def __init__(
        self, session: Session, viewport: View3D, camera: CameraPanel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.viewport, self.camera = session, viewport, camera
        self.actions: dict[str, QAction] = {}
        self._spin_angle = 0.0
        self.timer = QTimer(self, interval=40)
        self.timer.timeout.connect(self._on_spin)

    def do_front(self) -> None:
        self._look_from(0)

    def do_three_quarter(self) -> None:
        self._look_from(40)

    def do_profile(self) -> None:
        self._look_from(75)

    def _look_from(self, degrees: float) -> None:
        self.session.look_from(float(np.radians(degrees)))

    def do_other_side(self) -> None:
        self.session.set_view(replace(self.session.view, yaw=-self.session.view.yaw))

    def do_reset_view(self) -> None:
        self.session.reset_view()

    def do_keep(self, on: bool) -> None:
        self._paint("keep" if on else "")

    def do_free(self, on: bool) -> None:
        self._paint("free" if on else "")

    def do_pull(self, on: bool) -> None:
        self._paint("pull" if on else "")

    def do_paint(self, on: bool) -> None:
        self._paint("paint" if on else "")

    def _paint(self, what: str) -> None:
        for name in ("keep", "free", "pull", "paint"):
            self.actions[name].blockSignals(True)
            self.actions[name].setChecked(name == what)
            self.actions[name].blockSignals(False)
        self.viewport.painting = what
        self.viewport.update()
        self.tool_changed.emit(what)

    def do_split(self, on: bool) -> None:
        self._compare(Compare.SPLIT if on else Compare.OFF, "side")

    def do_side(self, on: bool) -> None:
        self._compare(Compare.SIDE if on else Compare.OFF, "split")

    def do_compare_a(self, on: bool) -> None:
        self._with("A" if on else "")

    def do_compare_b(self, on: bool) -> None:
        self._with("B" if on else "")

    def clear_comparison(self) -> None:
        """Compare with the untouched head again; another document is open."""
        self.viewport.before_name = ""
        for name in ("compare_a", "compare_b"):
            self.actions[name].blockSignals(True)
            self.actions[name].setChecked(False)
            self.actions[name].blockSignals(False)

    def _with(self, name: str) -> None:
        for action, own in (("compare_a", "A"), ("compare_b", "B")):
            self.actions[action].blockSignals(True)
            self.actions[action].setChecked(own == name)
            self.actions[action].blockSignals(False)
        self.viewport.before_name = name
        self.session.compare_with(name)
        if name and self.viewport.compare is Compare.OFF:
            self.actions["split"].setChecked(True)

    def _compare(self, compare: Compare, other: str) -> None:
        self.actions[other].blockSignals(True)
        self.actions[other].setChecked(False)
        self.actions[other].blockSignals(False)
        self.viewport.compare = compare
        self.viewport.update()
        self.changed.emit()

    def do_look_photo(self) -> None:
        self.camera.look.setCurrentIndex(0)

    def do_look_clay(self) -> None:
        self.camera.look.setCurrentIndex(1)

    def do_look_normals(self) -> None:
        self.camera.look.setCurrentIndex(2)

    def do_look_depth(self) -> None:
        self.camera.look.setCurrentIndex(3)

    def do_look_relit(self) -> None:
        self.camera.look.setCurrentIndex(4)

    def do_look_wire(self) -> None:
        self.camera.look.setCurrentIndex(5)

    def do_spin(self, on: bool) -> None:
        self._spin_angle = 0.0
        self.timer.start() if on else self.timer.stop()
        if not on:
            self.session.reset_view()

    def _on_spin(self) -> None:
        if self.session.inversion is None:
            return
        self._spin_angle += SPIN_STEP
        start, _ = self.session.inversion.portrait.camera.angles
        yaw = start * np.exp(-self._spin_angle) + np.radians(50) * np.sin(self._spin_angle)
        self.session.set_view(replace(self.session.view, yaw=float(yaw)))
