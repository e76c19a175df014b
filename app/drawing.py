"""Pictures of the head as it is now: requests to the live lane, of which the latest wins."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.engine_protocol import Engine
from app.frames import Frame, Request, Studio
from app.jobs import Lane
from inversion_core.task import Progress


class Drawing(QObject):
    """The live lane and the head that the viewport has already."""

    frame_ready = Signal(object)
    failed = Signal(str, object)
    """What was being done, and the exception."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._studio = Studio(engine)
        self._job = 0
        self._posed: Frame | None = None
        self._unseen: Request | None = None
        self._wished: Request | None = None
        self.lane = Lane("facet-live", self)
        self.lane.progressed.connect(self._on_preview)
        self.lane.finished.connect(self._on_frame)
        self.lane.failed.connect(self._on_failed)
        self.lane.cancelled.connect(self._on_cancelled)

    def ask(self, request: Request) -> None:
        """Earlier requests are forgotten; a head that the viewport has already comes at once.

        While the first picture of a request for the same photo is drawn, only the latest wish is kept: a hand that moves
        faster than pictures are made would never see one.
        """
        if self._posed is not None and self._posed.answers(request):
            self.lane.cancel()
            self._job, self._unseen, self._wished = 0, None, None
            self.frame_ready.emit(replace(self._posed, request=request, edit_milliseconds=0.0))
        elif self._unseen is not None and self._unseen.inversion is request.inversion and self.lane.busy:
            self._wished = request
        else:
            self._start(request)

    def _start(self, request: Request) -> None:
        self._unseen, self._wished = request, None
        self._job = self.lane.submit(_Frames(self._studio, request))

    def _seen(self) -> None:
        """Something came of the request: the latest wish is next."""
        self._unseen = None
        if self._wished is not None:
            self._start(self._wished)

    @Slot(int, object)
    def _on_preview(self, number: int, step: Progress) -> None:
        if number == self._job and isinstance(step.preview, Frame):
            self.frame_ready.emit(step.preview)
            self._seen()

    @Slot(int, object)
    def _on_frame(self, number: int, frame: Frame) -> None:
        if number == self._job:
            self._posed = frame if frame.drawn_by_viewport else None
            self.frame_ready.emit(frame)
            self._seen()

    @Slot(int, object)
    def _on_failed(self, number: int, error: Exception) -> None:
        if number == self._job:
            self.failed.emit(self.tr("Drawing the head"), error)
            self._seen()

    @Slot(int)
    def _on_cancelled(self, number: int) -> None:
        if number == self._job:
            self._seen()


@dataclass(frozen=True)
class _Frames:
    """The work of one picture, holding its own request."""

    studio: Studio
    request: Request

    def __call__(self) -> Generator[Progress, None, Any]:
        return self.studio.frames(self.request)
