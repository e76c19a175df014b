"""The status bar: what runs, how long still, a button that stops it, and figures of the picture."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QStatusBar, QWidget

from app.activities import Activity
from app.frames import Frame

LONGEST = 220
"""Pixels that what is being done may take."""


class Status(QStatusBar):
    """Shows activities and frames; ``stop`` is the button to connect."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.work = QLabel()
        self.bar = QProgressBar()
        self.bar.setFixedWidth(170)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.stop = QPushButton(self.tr("Cancel"))
        self.stop.setFlat(True)
        self.model = QLabel()
        self.figures = QLabel()
        self.figures.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (self.work, self.bar, self.stop):
            self.addWidget(widget)
        for widget in (self.figures, self.model):
            self.addPermanentWidget(widget)
        self.show_activity(None)

    def show_activity(self, activity: Activity | None) -> None:
        """Show the running job, or that there is none."""
        quiet = activity is None or activity.kind == "autosave"
        for widget in (self.work, self.bar, self.stop):
            widget.setVisible(not quiet)
        if activity is None or quiet:
            return
        # A message lies over the progress and the button for as long as it is shown.
        self.clearMessage()
        # Names of files may be longer than the window is wide.
        text = self.fontMetrics().elidedText(activity.doing, Qt.TextElideMode.ElideMiddle, LONGEST)
        self.work.setToolTip(activity.doing if text != activity.doing else "")
        if activity.note:
            text += f" · {self.tr(activity.note)}"
        left = activity.seconds_left
        if left is not None:
            text += " · " + self.tr("about {seconds} s left").format(seconds=max(round(left), 1))
        self.work.setText(text)
        self.bar.setRange(0, 0 if activity.fraction == 0 else 1000)
        self.bar.setValue(round(activity.fraction * 1000))

    def show_frame(self, frame: Frame) -> None:
        """Show how long the picture took."""
        parts = []
        if frame.edit_milliseconds > 1:
            parts.append(self.tr("edit {ms:.0f} ms").format(ms=frame.edit_milliseconds))
        parts.append(self.tr("frame {ms:.0f} ms").format(ms=frame.milliseconds))
        parts.append("OpenGL" if frame.drawn_by_viewport else f"{frame.image.width()} px")
        self.figures.setText("  ·  ".join(parts))

    def show_model(self, title: str, device: str) -> None:
        self.model.setText(f"{title}  ·  {device.upper()}")
