"""Pictures of every part of the window: ``python -m app.screenshots FOLDER [--theme dark|light|both] [--twice]``.

Works without a display (QT_QPA_PLATFORM=offscreen); takes the sample portrait. ``--twice`` writes them a second time
at double scale into FOLDER/2x. The documentation's pictures are made with it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from inversion_core.portrait import Square

PATIENCE = 120.0
"""Seconds to wait for a finished picture."""
SIZE = (1280, 800)
CAT = Square((226, 142), 290, 0.19, -0.3, 0.05)
POSED = {"smile": 0.35, "age": 0.55, "jaw_width": 0.3}


class Photographer:
    """Puts one window into every state that is worth a picture."""

    def __init__(self, window: Any, application: Any) -> None:
        self.window, self.application = window, application

    def wait(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not done():
            self.application.processEvents()
            time.sleep(0.005)

    def rest(self) -> None:
        """Wait until the full picture of what is wished for is there, and nothing runs."""
        self.wait(0.3)
        controller = self.window.controller
        self.wait(PATIENCE, lambda: not controller.live.busy and not controller.batch.busy)
        self.wait(0.2)

    def scenes(self) -> Iterator[tuple[str, Any]]:
        """(name, widget to be pictured), each in its state when it is given."""
        window = self.window
        session, camera, actions = window.session, window.camera, window.actions_by_name
        window.do_welcome()
        window.pages.setCurrentWidget(window.welcome)
        yield "welcome", window
        window.pages.setCurrentWidget(window.viewport)
        session.set_moves(POSED, "Pose")
        session.look_from(-0.11)
        yield "window", window
        for look in ("relit", "wire", "clay", "normals", "depth"):
            actions[f"look_{look}"].trigger()
            yield f"look-{look}", window
        actions["look_photo"].trigger()
        for compare in ("split", "side"):
            actions[compare].setChecked(True)
            yield compare, window
            actions[compare].setChecked(False)
        window.photo.points.setChecked(True)
        yield "panel-photo", window.docks["photo"]
        window.photo.points.setChecked(False)
        for name in ("camera", "history", "attributes", "presets"):
            window.docks[name].raise_()
            if name == "camera":
                camera.look.setCurrentIndex(4)
            yield f"panel-{name}", window.docks[name]
        camera.look.setCurrentIndex(0)
        for name in ("camera", "attributes"):
            window.docks[name].raise_()
        for name, dialog in self.dialogs():
            dialog.show()
            yield f"dialog-{name}", dialog
            dialog.close()
        for title, menu in window.menus.items():
            menu.popup(window.mapToGlobal(window.rect().topLeft()))
            yield f"menu-{title.lower()}", menu
            menu.hide()

    def dialogs(self) -> Iterator[tuple[str, Any]]:
        """Every dialog, as its command would open it."""
        from app.dialog_align import AlignDialog
        from app.dialog_batch import BatchDialog, BatchResultDialog
        from app.dialog_export import ExportDialog
        from app.dialog_help import DiagnosticsDialog, ShortcutsDialog
        from app.dialog_message import MessageDialog
        from app.dialog_model import ModelDialog
        from app.dialog_settings import SettingsDialog
        from app.dialog_turntable import TurntableDialog
        from app.messages import explain
        from inversion_core.batch import BatchEntry, BatchReport
        from inversion_core.checkpoints.companions import Parts
        from inversion_core.errors import NoFace

        window = self.window
        place = Path("portraits") / "astronaut"
        yield "export", ExportDialog(place.with_suffix(".glb"), window)
        yield "turntable", TurntableDialog(place.with_suffix(".mp4"), window)
        yield "batch", BatchDialog(window.settings, window)
        found = BatchEntry(
            "group.jpg", "group", "failed", "No face was found.", "Choose a photo that shows one."
        )
        entries = (BatchEntry("astronaut.png", "astronaut", "done"), found)
        yield "batch-result", BatchResultDialog(BatchReport(entries, Path()), window)
        parts = Parts(
            {"EG3D generator": Path("ffhqrebalanced512-128.pkl"), "GOAE encoder": Path("encoder_FFHQ.pt")}
        )
        yield "model", ModelDialog(parts, [], window)
        # Chelsea, by Stéfan van der Walt (CC0), comes with scikit-image.
        cat = window.controller.engine.picture(*window.controller.engine.sample("chelsea"))
        reason = "No face was found in chelsea.png. Put the square round it, or mark five points."
        marks = (CAT, window.controller.engine.hand_preview(cat, CAT, 8).points)
        yield "align", AlignDialog(window.controller.engine, cat, window.theme, marks, reason, parent=window)
        yield "settings", SettingsDialog(window.settings, window)
        yield "shortcuts", ShortcutsDialog(window)
        yield "diagnostics", DiagnosticsDialog(window.settings, window.status.model.text(), window)
        error = NoFace(
            "No face was found in group.jpg.", "Choose a photo that shows a face of 30 pixels or more."
        )
        yield "error", MessageDialog(explain("Opening group.jpg", error), window)


def take(
    folder: Path, themes: tuple[str, ...], only: tuple[str, ...] = (), ending: str = "png"
) -> list[Path]:
    """The files of all scenes, NAME.png for the dark theme and NAME-light.png for the light one.

    Args:
        only: names of scenes; all of them when left out. ending: "png" or "jpg".
    """
    from PySide6.QtWidgets import QApplication

    from app.settings import Settings
    from app.window import MainWindow

    application = QApplication.instance() or QApplication(sys.argv[:1])
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as place:
        window = MainWindow(settings=Settings(Path(place) / "settings.ini"))
        window.resize(*SIZE)
        window.show()
        photographer = Photographer(window, application)
        window.open("sample:astronaut")
        photographer.wait(PATIENCE, lambda: window.session.inversion is not None)
        photographer.rest()
        try:
            for theme in themes:
                if window.theme.name != theme:
                    window.do_light_theme()
                window.session.reset_view()
                for name, widget in photographer.scenes():
                    if only and name not in only:
                        continue
                    photographer.rest()
                    path = folder / f"{name}{'' if theme == 'dark' else '-light'}.{ending}"
                    widget.grab().save(str(path), quality=88 if ending == "jpg" else -1)
                    written.append(path)
        finally:
            window.session.open_nothing()
            window.close()
    return written


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures; exit status 2 on a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m app.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--theme", choices=("dark", "light", "both"), default="both")
    parser.add_argument("--twice", action="store_true", help="also at double scale, into FOLDER/2x")
    parser.add_argument("--only", default="", help="names of scenes, with commas between them")
    parser.add_argument("--ending", choices=("png", "jpg"), default="png")
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    themes = ("dark", "light") if chosen.theme == "both" else (chosen.theme,)
    only = tuple(name for name in chosen.only.split(",") if name)
    for path in take(chosen.folder, themes, only, chosen.ending):
        print(path)
    if chosen.twice:
        # The scale is read once, when Qt starts.
        words = [
            str(chosen.folder / "2x"),
            "--theme",
            chosen.theme,
            "--only",
            chosen.only,
            "--ending",
            chosen.ending,
        ]
        scaled = {**os.environ, "QT_SCALE_FACTOR": "2"}
        return subprocess.call([sys.executable, "-m", "app.screenshots", *words], env=scaled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
