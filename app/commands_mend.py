"""Restoring the photo, pulling its shape and painting colours: the commands, and the notice on grey photos."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QPushButton

from app.activities import Activity
from app.controller import Controller
from app.dialog_restore import RestoreDialog
from app.paint_bar import PaintBar
from app.pictures import photo_picture
from app.view3d import View3D
from app.workshop import Opened
from inversion_core.restoration import Restoration


class MendCommands(QObject):
    """``do_NAME`` answers the command of that name."""

    def __init__(self, window: QMainWindow, controller: Controller, viewport: View3D) -> None:
        super().__init__(window)
        self.window, self.controller, self.viewport = window, controller, viewport
        self.session = controller.session
        self.actions: dict[str, QAction] = {}
        self.dialog: RestoreDialog | None = None
        self._tried: tuple[bytes, Restoration] | None = None
        self._pull = 0
        self.notice = QPushButton(self.tr("Colour this photo …"))
        self.notice.setToolTip(self.tr("The photo has no colours; the head could have some."))
        self.notice.setVisible(False)
        self.notice.clicked.connect(self._on_notice)
        window.statusBar().addPermanentWidget(self.notice)
        self.bar = PaintBar(viewport)
        self.bar.setVisible(False)
        window.statusBar().addPermanentWidget(self.bar)
        controller.done.connect(self._on_done)
        controller.sketched.connect(self._on_sketch)
        controller.activity_changed.connect(self._on_activity)
        self.session.document_changed.connect(self._on_document)
        viewport.pull_began.connect(self._on_began)
        viewport.pulled.connect(self._on_pulled)
        viewport.pull_ended.connect(controller.head.end_pull)
        viewport.coloured.connect(self._on_coloured)

    def do_restore(self) -> None:
        portrait = self.session.inversion.portrait
        begun = portrait.restoration or Restoration()
        # What was asked for and then stopped is not lost.
        if portrait.restoration is None and self._tried and self._tried[0] is portrait.source:
            begun = self._tried[1]
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = RestoreDialog(self.controller, self.session.inversion, begun, self.window)
        self.dialog.asked.connect(self._on_asked)
        self.dialog.show()

    def _on_notice(self) -> None:
        self.do_restore()
        self.dialog.colour_it()

    def _on_asked(self, restoration: Restoration) -> None:
        self._tried = (self.session.inversion.portrait.source, restoration)
        self.controller.head.restore(restoration)

    def _on_done(self, activity: Activity, result: object) -> None:
        if isinstance(result, Opened):
            self.notice.setVisible(result.grey)
        elif activity.kind == "restore":
            # Holes may have misled the first fit: look from where the photo was taken after all.
            self.session.reset_view()

    def _on_document(self) -> None:
        inversion = self.session.inversion
        if inversion is None or inversion.portrait.restoration is not None:
            self.notice.setVisible(False)

    def refresh(self) -> None:
        """Enable what the head that is open can take, and say why it cannot take the rest."""
        there = self.session.inversion is not None
        head = self.controller.head
        for name in ("restore", "pull_both"):
            self.actions[name].setEnabled(there and head.restores)
        for name in ("pull", "paint"):
            self.actions[name].setEnabled(there and head.takes_strokes)
        refine = self.actions["refine"]
        refine.setEnabled(there and self.controller.head.refines)
        why = self.tr("Go on from the codes towards the photo")
        if there and not self.controller.head.refines:
            why = self.tr("The bundled model's landmark fit has converged: more steps change nothing")
        refine.setToolTip(why)
        refine.setStatusTip(why)

    def do_refine(self) -> None:
        self.controller.head.refine()

    def _on_sketch(self, picture: object) -> None:
        self.viewport.show_sketch(photo_picture(picture))

    def _on_activity(self, activity: Activity | None) -> None:
        if self.viewport.sketch is not None and (
            activity is None or activity.kind not in ("refine", "stroke")
        ):
            self.viewport.show_sketch(None)

    def do_pull_both(self, on: bool) -> None:
        """Nothing but the check mark, which the next pull obeys."""

    def _on_began(self) -> None:
        self._pull += 1
        self.controller.head.begin_pull()

    def _on_pulled(self, start: tuple, end: tuple, aspect: float) -> None:
        both = self.actions["pull_both"].isChecked()
        self.controller.head.pull(start, end, both, aspect, f"pull {self._pull}")

    def show_tool(self, tool: str) -> None:
        """Offer colours while they are painted with."""
        self.bar.setVisible(tool == "paint")

    def _on_coloured(self, places: tuple, radius: float, aspect: float) -> None:
        self.controller.head.paint(places, radius, self.viewport.colour.getRgbF()[:3], aspect)
