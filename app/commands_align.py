"""Aligning by hand: when it is asked for, and when no face is found in a photo whose model can do without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.activities import Activity
from app.controller import Controller
from app.dialog_align import AlignDialog
from app.engine_protocol import Picture
from app.theme import Theme
from inversion_core.errors import FacetError, UsageError
from inversion_core.portrait import FacePoints

PHOTOS = "*.jpg *.jpeg *.png *.webp *.tif *.tiff *.bmp"


class AlignCommands(QObject):
    """Leads from a photo to its marks and on; ``do_align`` answers the command.

    Args:
        theme: gives the theme of the window as it is when a dialog opens.
    """

    failed = Signal(str, object)

    def __init__(self, window: QWidget, controller: Controller, theme: Callable[[], Theme]) -> None:
        super().__init__(window)
        self.window, self.controller, self.theme = window, controller, theme
        self.dialog: AlignDialog | None = None
        self._wish: tuple[Any, str, object] = (None, "", None)
        """What the photo was asked for with, why it is marked, and the inversion that it is to replace."""
        controller.face_missed.connect(self._on_missed)
        controller.done.connect(self._on_done)

    def do_align(self) -> None:
        """Align the photo that is open by hand, or one that is asked for."""
        controller, inversion = self.controller, self.controller.session.inversion
        model = controller.model
        if model is None:
            return
        if not controller.engine.takes_by_hand(model):
            what = self.tr("{title} needs a face that Facet finds by itself.").format(title=model.card.title)
            hint = self.tr("Choose a model with GOAE or E3DGE in the Model menu.")
            self.failed.emit(self.tr("Aligning by hand"), UsageError(what, hint))
        elif inversion is not None:
            self._wish = (None, "", inversion)
            controller.look_at(inversion.portrait.source, inversion.portrait.name)
        else:
            chosen, _ = QFileDialog.getOpenFileName(
                self.window, self.tr("The photo"), "", self.tr("Photos") + f" ({PHOTOS})"
            )
            if chosen:
                self._wish = (Path(chosen), "", None)
                controller.look_at(Path(chosen))

    def _on_missed(self, activity: Activity, error: FacetError) -> None:
        source = activity.context
        reason = self.tr("{what} Put the square round it, or mark five points.").format(what=error.what)
        if isinstance(source, str):
            # A sample; those have faces, and what is no file cannot be marked.
            self.failed.emit(activity.doing, error)
            return
        self._wish = (source, reason, None)
        self.controller.look_at(source, "" if isinstance(source, Path) else "photo")

    def _on_done(self, activity: Activity, result: Any) -> None:
        if activity.kind == "picture" and isinstance(result, Picture):
            self._show(result)

    def _show(self, picture: Picture) -> None:
        _, reason, inversion = self._wish
        marks, with_points, engine = None, False, self.controller.engine
        if inversion is not None:
            marks = engine.marks_of(inversion.portrait)
            with_points = isinstance(inversion.portrait.marks, FacePoints)
        if self.dialog is not None:
            self.dialog.reject()
        self.dialog = AlignDialog(engine, picture, self.theme(), marks, reason, with_points, self.window)
        self.dialog.finished.connect(self._on_finished)
        self.dialog.open()

    def _on_finished(self, result: int) -> None:
        dialog, (source, _, inversion) = self.dialog, self._wish
        self.dialog = None
        dialog.deleteLater()
        if not result:
            return
        if inversion is None:
            self.controller.open_marked(dialog.picture, dialog.marks, source)
        elif inversion is self.controller.session.inversion:
            self.controller.head.realign(dialog.picture, dialog.marks)
