"""Hours of work in minutes: ``python -m app.soak [--minutes N] [--seed S]``.

Drives the real window with random edits, undo, views, loads and exports on the sample portrait, without a display
where there is none, and tells what memory did and which exceptions came up.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 240.0
"""Seconds that one action may take."""
GROWTH = 0.10
"""Share of its memory after warming up by which the program may have grown at the end."""
RARE = 12
"""Edits and views for every load or export."""


@dataclass
class SoakReport:
    """What came out.

    Attributes:
        seconds: of work; actions: how often each kind was done; start, end, peak: megabytes of memory, ``start`` after
            everything has been done once; errors: messages of failures and of the log.
    """

    seconds: float = 0.0
    actions: Counter = field(default_factory=Counter)
    start: float = 0.0
    end: float = 0.0
    peak: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        return self.end / max(self.start, 1e-9) - 1

    def lines(self) -> list[str]:
        """For people."""
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.actions.items()))
        return [
            f"{self.actions.total()} actions in {self.seconds / 60:.1f} min: {done}",
            f"memory {self.start:.0f} MB -> {self.end:.0f} MB ({self.growth:+.1%}), peak {self.peak:.0f} MB",
            f"exceptions: {len(self.errors)}",
            *(f"  {error}" for error in self.errors[:20]),
        ]


class _Listener(logging.Handler):
    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(f"{record.name}: {record.getMessage()}")


class Soak:
    """Random work in a window; every action waits until the window has come to rest."""

    def __init__(self, window: Any, folder: Path, seed: int = 0) -> None:
        self.window, self.folder = window, folder
        self.random = random.Random(seed)
        self.report = SoakReport()
        window.controller.failed.connect(self._on_failed)
        self.project = folder / "work.facet"
        self.often: dict[str, Callable[[], None]] = {
            "edit": self._edit,
            "drag": self._drag,
            "undo": self._undo,
            "view": self._view,
            "look": self._look,
            "randomise": window.edit_commands.do_randomise,
            "reset": window.edit_commands.do_reset,
            "preset": self._preset,
            "compare": self._compare,
        }
        self.seldom: dict[str, Callable[[], None]] = {
            "photo": lambda: window.files.open("sample:astronaut"),
            "save": lambda: window.controller.save(self.project),
            "project": self._project,
            "mesh": self._mesh,
            "screenshot": self._screenshot,
            "sheet": lambda: window.controller.export_sheet(folder / "sheet.png"),
            "turntable": lambda: window.controller.export_turntable(folder / "turn.gif", 0.5, 8),
            "autosave": window.files.autosave,
        }

    def run(self, seconds: float, rounds: int = 2) -> SoakReport:
        """Everything in turn for some rounds, to warm up, then at random until the time is up."""
        self._do("photo", self.seldom["photo"])
        for _ in range(rounds):
            for name, action in {**self.seldom, **self.often}.items():
                self._do(name, action)
        self.report.start = self.report.peak = self._memory()
        self.report.actions.clear()
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            for _ in range(RARE):
                self._do(*self.random.choice(list(self.often.items())))
            self._do(*self.random.choice(list(self.seldom.items())))
            self.report.peak = max(self.report.peak, memory())
        self.report.seconds = time.monotonic() - started
        # The end is measured in the state of the start.
        for name in ("photo", "save", "project"):
            self._do(name, self.seldom[name])
        self.report.end = self._memory()
        return self.report

    def _do(self, name: str, action: Callable[[], None]) -> None:
        action()
        self.report.actions[name] += 1
        if not self._rested():
            self.report.errors.append(f"{name} did not come to an end in {PATIENCE:.0f} s")

    def _rested(self) -> bool:
        from PySide6.QtWidgets import QApplication

        controller, deadline = self.window.controller, time.monotonic() + PATIENCE
        calm = 0
        while time.monotonic() < deadline:
            QApplication.processEvents()
            calm = 0 if controller.batch.busy or controller.live.busy else calm + 1
            if calm > 3:
                return True
            time.sleep(0.004)
        return False

    def _memory(self) -> float:
        import gc

        self._rested()
        gc.collect()
        return memory()

    def _on_failed(self, doing: str, error: BaseException) -> None:
        self.report.errors.append(f"{doing}: {error!r}")
        for dialog in tuple(self.window.dialogs):
            dialog.close()

    # ---- actions ----------------------------------------------------------------------------------------------

    def _edit(self) -> None:
        slider = self.random.choice(self.window.session.sliders)
        value = self.random.uniform(slider.minimum, slider.maximum)
        self.window.session.set_move(slider.name, round(value, 3))

    def _drag(self) -> None:
        slider = self.random.choice(self.window.session.sliders)
        gesture = f"soak:{self.random.random()}"
        for step in range(12):
            share = step / 11
            value = slider.minimum * (1 - share) + slider.maximum * share
            self.window.session.set_move(slider.name, value, gesture)
            self.window.redraw.now()

    def _undo(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self.random.choice((self.window.session.undo, self.window.session.redo))()

    def _view(self) -> None:
        from app.orbit import View

        turn, tilt = self.random.uniform(-1.2, 1.2), self.random.uniform(-0.5, 0.5)
        self.window.session.set_view(View(turn, tilt, self.random.uniform(0.6, 3)))

    def _look(self) -> None:
        self.window.camera.look.setCurrentIndex(self.random.randrange(self.window.camera.look.count()))

    def _preset(self) -> None:
        from app.panel_presets import BUILT_IN

        self.window.presets.apply(self.random.choice(BUILT_IN))

    def _compare(self) -> None:
        self.window.actions_by_name[self.random.choice(("split", "side"))].toggle()

    def _mesh(self) -> None:
        from inversion_core.geometry.mesh_options import MeshOptions

        options = self.random.choice(
            (
                MeshOptions(texture_size=512),
                MeshOptions(texture_size=256, faces=6000, normal_map=True),
                MeshOptions("surface", 64, watertight=True),
            )
        )
        self.window.controller.export_mesh(self.folder / "head.glb", options)

    def _project(self) -> None:
        if self.project.is_file():
            self.window.files.open(str(self.project))
        else:
            self.window.controller.save(self.project)

    def _screenshot(self) -> None:
        from app.pictures import Look
        from app.workshop import Shot

        shot = Shot(self.window.controller.camera(), 512, self.random.choice(list(Look)), (0.3, 0.3), None)
        self.window.controller.screenshot(self.folder / "shot.png", shot)


def memory() -> float:
    """Megabytes that the process holds now; the most it ever held where the system tells no more."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform != "darwin" else most / 2**20


def soak(seconds: float, seed: int = 0, rounds: int = 2, size: tuple[int, int] = (1360, 860)) -> SoakReport:
    """The report on so many seconds of random work in a window of its own."""
    from PySide6.QtWidgets import QApplication

    from app.collector import Collector
    from app.settings import Settings
    from app.window import MainWindow

    application = QApplication.instance() or QApplication(sys.argv[:1])
    collector = Collector(application)
    logger, before = logging.getLogger("facet"), sys.excepthook
    with tempfile.TemporaryDirectory() as place:
        window = MainWindow(settings=Settings(Path(place) / "settings.ini"))
        work = Soak(window, Path(place), seed)
        listener = _Listener(work.report.errors)
        logger.addHandler(listener)
        sys.excepthook = lambda kind, error, trace: work.report.errors.append(repr(error))
        try:
            window.resize(*size)
            window.show()
            report = work.run(seconds, rounds)
        finally:
            sys.excepthook = before
            logger.removeHandler(listener)
            window.session.open_nothing()
            window.close()
            collector.stop()
    return report


def main(arguments: list[str] | None = None) -> int:
    """0 when memory stayed within 10 % and nothing failed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m app.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    report = soak(chosen.minutes * 60, chosen.seed)
    print("\n".join(report.lines()))
    return 0 if report.growth <= GROWTH and not report.errors else 1


if __name__ == "__main__":
    sys.exit(main())
