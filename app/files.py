"""The window's desk for files: what is opened, saved, kept safe, and found again after a crash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage, QPixmap

from app.activities import Activity
from app.controller import Controller
from app.engine_protocol import SAMPLES
from app.recovery import Leftover, Recovery, forget
from app.session import Session, Step
from app.settings import Settings
from app.welcome import sample_thumbnail
from app.workshop import encoded
from inversion_core.errors import FacetError
from inversion_core.image import write_atomic

PROJECT = ".facet"
THUMBNAIL = 160


class FileDesk(QObject):
    """Keeps recent files, thumbnails and the recovery file; asks nobody anything."""

    recent_changed = Signal()

    def __init__(
        self, session: Session, controller: Controller, settings: Settings, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.controller, self.settings = session, controller, settings
        self.recovery = Recovery(settings.recovery)
        self.after_save: Callable[[], None] | None = None
        self._kept: Step | None = None
        self._recovered: Path | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.autosave)
        self.set_interval()
        controller.done.connect(self._on_done)
        controller.failed.connect(self._on_failed)

    def set_interval(self) -> None:
        """Take the autosave interval from the settings; 0 switches it off."""
        seconds = self.settings.number("autosave_seconds")
        self._timer.start(int(seconds * 1000)) if seconds > 0 else self._timer.stop()

    def open(self, name: str) -> None:
        """Open a photo, a project, or "sample:NAME"; what is open now is replaced when that has worked."""
        if name.startswith(SAMPLES):
            self.controller.open_photo(name)
        elif Path(name).suffix.lower() == PROJECT:
            self.controller.open_project(Path(name))
        else:
            self.controller.open_photo(Path(name))

    def save(self, path: Path, then: Callable[[], None] | None = None) -> None:
        """Save the project, and do something once it is safe."""
        self.after_save = then
        self.controller.save(path)

    def autosave(self) -> None:
        """Write the recovery file when there is something new that no file holds."""
        session = self.session
        if not session.dirty or session.step is self._kept:
            return
        try:
            path = self.recovery.prepare(session.title, session.path)
        except FacetError:
            # The folder cannot be used; the artist's own saves are not concerned, and the next tick tries again.
            return
        self._kept = session.step
        self.controller.save(path, "autosave")

    def recover(self, leftover: Leftover) -> None:
        """Open what another window left behind; its file goes once this window has saved or closed."""
        self._recovered = leftover.project
        self.controller.open_project(leftover.project)

    def close(self) -> None:
        """The window closes in order: nothing needs to be recovered."""
        self._timer.stop()
        self.recovery.discard()
        if self._recovered is not None:
            forget(self._recovered)

    def suggestion(self, suffix: str) -> Path:
        """Where a file about this document could go: beside the project, or in the home folder."""
        folder = self.session.path.parent if self.session.path else Path.home()
        return folder / f"{self.session.title or 'portrait'}{suffix}"

    def cards(self) -> list[tuple[str, str, QPixmap]]:
        """(key, name, picture) of the sample and the recent files."""
        found = [(f"{SAMPLES}astronaut", self.tr("Sample: astronaut"), sample_thumbnail("astronaut"))]
        for path in self.settings.recent():
            found.append((str(path), path.name, QPixmap(str(self._thumbnail(path)))))
        return found

    def keep_thumbnail(self, path: Path, image: QImage) -> None:
        """Remember a small picture for a recent file."""
        small = image.scaledToHeight(THUMBNAIL)
        try:
            self.settings.thumbnails.mkdir(parents=True, exist_ok=True)
            write_atomic(self._thumbnail(path), encoded(small))
        except (OSError, FacetError):
            return
        self.recent_changed.emit()

    def _thumbnail(self, path: Path) -> Path:
        digest = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:24]
        return self.settings.thumbnails / f"{digest}.png"

    def _on_done(self, activity: Activity, result: object) -> None:
        if activity.kind == "save" and isinstance(result, Path):
            self._remember(result)
            if not self.session.dirty:
                self.recovery.discard()
                if self._recovered is not None:
                    forget(self._recovered)
                    self._recovered = None
            then, self.after_save = self.after_save, None
            if then is not None:
                then()
        elif activity.kind in ("photo", "project"):
            self._kept = None
            self.recovery.discard()
            source = activity.context
            if isinstance(source, Path) and source == self._recovered:
                # It lives in the recovery folder: not a place to save to.
                self.session.path = None
                self.session.mark_unsaved()
            elif isinstance(source, Path):
                self._remember(source)

    def _on_failed(self, _doing: str, _error: object) -> None:
        self.after_save = None

    def _remember(self, path: Path) -> None:
        from app.pictures import photo_picture

        self.settings.add_recent(path)
        if self.session.inversion is not None:
            self.keep_thumbnail(path, photo_picture(self.session.inversion.portrait.image))
