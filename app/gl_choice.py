"""What draws the viewport: the graphics card where there is one, the processor otherwise."""

from __future__ import annotations

import logging
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.frames import Frame
from app.gl_canvas import LOOKS, GLCanvas, probed
from app.jobs import Lane
from app.pictures import Look
from app.settings import Settings
from app.view3d import View3D
from inversion_core.gl.context import GLInfo, NoOpenGL

MARGIN = 0.8
"""Share of the processor's own renderer's time below which a software rasteriser is preferred to it: it draws in
the window's thread, which the other does not."""


class GLChoice(QObject):
    """Gives a viewport its canvas or takes it away; ``reason`` says why it has what it has."""

    changed = Signal()
    """Something else draws from now on."""
    painted = Signal(object)
    """A :class:`Frame` that was drawn with OpenGL."""

    def __init__(self, view: View3D, lane: Lane, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.view, self.settings = view, settings
        self.reason = ""
        self._lane = lane
        self._chosen = ""
        self._info: GLInfo | None = None
        self._undecided = False
        self._job = 0
        self._broken = ""
        lane.finished.connect(self._on_measured)
        lane.failed.connect(self._on_unmeasured)

    def draws(self, look: Look) -> bool:
        """Whether heads in this look are drawn with OpenGL."""
        return self.view.canvas is not None and look in LOOKS

    @property
    def marches(self) -> bool:
        """Whether volumes are worth drawing with OpenGL: on hardware."""
        return self._info is not None and not self._info.software

    def described(self) -> str:
        """What draws, and why, in a line."""
        return ("OpenGL" if self.view.canvas is not None else self.tr("processor")) + f" ({self.reason})"

    def settle(self) -> None:
        """Act on the settings: "automatic", "opengl" or "cpu"."""
        if self.view.canvas is not None:
            self.view.canvas.smooth = int(self.settings.number("smooth"))
        chosen = self.settings.text("renderer")
        if chosen == self._chosen:
            return
        self._chosen = chosen
        self._undecided = False
        if chosen == "cpu":
            self._use(False, self.tr("chosen in the settings"))
        elif self._broken:
            self._use(False, self._broken)
        else:
            self._look_for_gl(chosen)

    def _look_for_gl(self, chosen: str) -> None:
        try:
            self._info = self._info or probed()
        except NoOpenGL as error:
            self._use(False, str(error))
            return
        if chosen == "opengl" or not self._info.software:
            self._use(True, str(self._info))
        else:
            self._undecided = True
            self._use(False, self.tr("{driver}; not measured yet").format(driver=self._info))

    def consider(self, frame: Frame) -> None:
        """Measure a software rasteriser on the first finished picture, once."""
        if self._undecided and frame.final and frame.head is not None:
            self._undecided = False
            self._job = self._lane.enqueue(lambda: measured(frame))

    @Slot(int, object)
    def _on_measured(self, number: int, times: Any) -> None:
        if number != self._job or self._chosen != "automatic":
            return
        if times is None:
            self._use(False, self.tr("this model's heads are not drawn with OpenGL"))
            return
        ours, theirs = times
        told = self.tr("{driver}: {ours:.0f} ms, processor: {theirs:.0f} ms a picture")
        told = told.format(driver=self._info, ours=1000 * ours, theirs=1000 * theirs)
        self._use(ours < MARGIN * theirs, told)

    @Slot(int, object)
    def _on_unmeasured(self, number: int, error: Exception) -> None:
        if number == self._job:
            self._use(False, str(error))

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._broken = reason
        self._use(False, reason)

    def _use(self, wanted: bool, reason: str) -> None:
        self.reason = reason
        there = self.view.canvas is not None
        logging.getLogger("facet").info(
            "drawing with %s: %s", "OpenGL" if wanted else "the processor", reason
        )
        if wanted == there:
            return
        if wanted:
            canvas = GLCanvas(self.view)
            canvas.smooth = int(self.settings.number("smooth"))
            canvas.failed.connect(self._on_failed)
            canvas.painted.connect(self.painted)
            self.view.adopt(canvas)
        else:
            self.view.adopt(None)
        self.changed.emit()


def measured(frame: Frame) -> tuple[float, float] | None:
    """Seconds for a picture with OpenGL and with the processor; None for heads that have no shaders.

    Raises:
        NoOpenGL: there is no context without a window.
    """
    from inversion_core.gl.measure import compared

    return compared(frame.head, frame.request.camera)
