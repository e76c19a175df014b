"""What the batch lane does, by name: its jobs as activities that can be shown, asked about and stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.jobs import Lane, Work
from inversion_core.portrait import Portrait
from inversion_core.task import Progress


@dataclass(frozen=True)
class Activity:
    """A job of the batch lane.

    Attributes:
        kind: "photo", "project", "fit", "more", "partner", "blend", "brush", "restore", "preview",
            "scratches", "pull", "stroke", "refine", "save", "autosave", "mesh",
            "turntable", "screenshot", "sheet", "faces", "picture", "align", "model", "batch", "parts", "install".
        doing: for people, "Opening photo.jpg"; context: what the job was asked with.
        note: the present step; fraction: in [0, 1]; started: monotonic seconds.
    """

    kind: str
    doing: str
    context: Any = None
    note: str = ""
    fraction: float = 0.0
    started: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """A guess from the pace so far; None while it would be worthless."""
        spent = time.monotonic() - self.started
        if self.fraction < 0.05 or spent < 1.0:
            return None
        return spent * (1 - self.fraction) / self.fraction


class Activities(QObject):
    """The batch lane, and which activity each of its jobs is; the oldest is the one that runs."""

    changed = Signal(object)
    """The running :class:`Activity`, or None."""
    portrait_found = Signal(object)
    """The aligned :class:`Portrait` of a photo whose head is still being fitted."""
    sketched = Signal(object)
    """A picture (S, S, 3) of the head that is being refined, as far as it is."""
    finished = Signal(object, object)
    """An :class:`Activity` and its result."""
    failed = Signal(object, object)
    """An :class:`Activity` and the exception."""
    stopped = Signal(object)
    """An :class:`Activity` that was cancelled."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._known: dict[int, Activity] = {}
        self.lane = Lane("facet-batch", self)
        self.lane.progressed.connect(self._on_progress)
        self.lane.finished.connect(self._on_finished)
        self.lane.failed.connect(self._on_failed)
        self.lane.cancelled.connect(self._on_cancelled)

    @property
    def running(self) -> Activity | None:
        return self._known.get(min(self._known, default=0))

    def has(self, kind: str) -> bool:
        """Whether one of that kind runs or waits."""
        return any(activity.kind == kind for activity in self._known.values())

    def start(self, activity: Activity, work: Work) -> None:
        """Do the work after all that waits already."""
        number = self.lane.enqueue(work)
        self._known[number] = replace(activity, started=time.monotonic())
        self._tell()

    def stop(self) -> None:
        """Cancel what runs and what waits."""
        waiting = [n for n in self._known if n != min(self._known)]
        for number in waiting:
            self.stopped.emit(self._known.pop(number))
        self.lane.cancel()

    def _tell(self) -> None:
        self.changed.emit(self.running)

    def _ended(self, number: int) -> Activity | None:
        activity = self._known.pop(number, None)
        self._tell()
        return activity

    @Slot(int, object)
    def _on_progress(self, number: int, step: Progress) -> None:
        if number in self._known:
            known = self._known[number]
            self._known[number] = replace(known, note=step.note, fraction=step.fraction)
            if isinstance(step.preview, Portrait):
                self.portrait_found.emit(step.preview)
            elif isinstance(step.preview, np.ndarray):
                self.sketched.emit(step.preview)
            self._tell()

    @Slot(int, object)
    def _on_finished(self, number: int, result: Any) -> None:
        activity = self._ended(number)
        if activity is not None:
            self.finished.emit(activity, result)

    @Slot(int, object)
    def _on_failed(self, number: int, error: Exception) -> None:
        activity = self._ended(number)
        if activity is not None:
            self.failed.emit(activity, error)

    @Slot(int)
    def _on_cancelled(self, number: int) -> None:
        activity = self._ended(number)
        if activity is not None:
            self.stopped.emit(activity)
