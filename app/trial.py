"""A trial start: the window closes by itself once a finished head is drawn, and says when that was."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QObject, QTimer
from PySide6.QtWidgets import QApplication

from app.window import MainWindow

PATIENCE = 180.0
"""Seconds to wait for the head."""


class Trial(QObject):
    """Prints "window" when the window has been drawn and "picture" with the first finished picture, then closes.

    Attributes:
        status: exit code; 1 until the picture has come.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window, self.status, self._shown = window, 1, False
        self._clock = QElapsedTimer()
        self._clock.start()
        self._timer = QTimer(self, interval=20)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """See how far the window is; runs some fifty times a second."""
        if not self._shown:
            self._shown = True
            print("window", flush=True)
        frame = self.window.viewport.frame
        if frame is not None and frame.final:
            print("picture", flush=True)
            self.status = 0
        elif self._clock.elapsed() < 1000 * PATIENCE:
            return
        self._timer.stop()
        self.window.session.open_nothing()
        self.window.close()
        QApplication.quit()
