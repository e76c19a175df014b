"""Python's garbage collector, kept to the window's thread: a lane that collected widgets would end the program."""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL = 2000
"""Milliseconds between looks at how much there is to collect."""
OLDER = 10
"""Collections of the young after which everything is looked at."""


class Collector(QObject):
    """Collects on a timer instead of wherever an allocation happens to fall; stands as long as it lives."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        self._count = 0
        self._timer = QTimer(self, interval=INTERVAL)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect what is young, and now and then everything."""
        self._count += 1
        gc.collect(2 if self._count % OLDER == 0 else 1)

    def stop(self) -> None:
        """Leave the collector to Python again."""
        self._timer.stop()
        gc.enable()
