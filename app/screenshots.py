"""Pictures of the window for the documentation: ``python -m app.screenshots FOLDER``.

Works without a display (QT_QPA_PLATFORM=offscreen); takes the sample portrait.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 90.0
"""Seconds to wait for a finished picture."""


def main(arguments: list[str] | None = None) -> int:
    """Write window.png and window-light.png; exit status 2 on a wrong call."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        print("Usage: python -m app.screenshots FOLDER", file=sys.stderr)
        return 2
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from app.orbit import View
    from app.settings import Settings
    from app.window import MainWindow

    application = QApplication.instance() or QApplication([])
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        window = MainWindow(settings=Settings(Path(place) / "settings.ini"))
        window.show()

        def wait(seconds: float, done: Callable[[], bool] = lambda: False) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not done():
                application.processEvents()
                time.sleep(0.005)

        def finished() -> bool:
            return window.viewport.frame is not None and window.viewport.frame.final

        window.open("sample:astronaut")
        wait(PATIENCE, finished)
        window.session.set_move("smile", 0.4)
        window.session.set_move("age", 0.6)
        window.session.set_view(View(0.35, 0.02, 1.0))
        wait(0.4)
        wait(PATIENCE, finished)
        window.grab().save(str(folder / "window.png"))
        window.do_light_theme()
        wait(0.4)
        wait(PATIENCE, finished)
        window.grab().save(str(folder / "window-light.png"))
        window.session.open_nothing()
        window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
