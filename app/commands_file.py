"""The commands of the File menu that read and write."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage, QPainter
from PySide6.QtWidgets import QFileDialog, QWidget

from app.activities import Activity
from app.controller import Controller
from app.dialog_batch import BatchDialog
from app.dialog_blend import BlendDialog
from app.dialog_export import ExportDialog
from app.dialog_turntable import TurntableDialog
from app.files import PROJECT, FileDesk
from app.view3d import View3D
from app.workshop import Shot

OPENABLE = "*.jpg *.jpeg *.png *.webp *.tif *.tiff *.bmp *.facet"
PICTURE_SIZE = 1024
"""Side in pixels of a saved picture."""


class FileCommands(QObject):
    """Asks where, and hands the work to the controller; ``do_NAME`` answers the command of that name."""

    open_asked = Signal(str)
    report_made = Signal(object)
    """The BatchReport on a folder that has been converted."""

    def __init__(self, window: QWidget, controller: Controller, files: FileDesk, viewport: View3D) -> None:
        super().__init__(window)
        self.window, self.controller, self.files, self.viewport = window, controller, files, viewport
        self.session = controller.session
        self.reveal: set[Path] = set()
        self.blend: BlendDialog | None = None
        controller.done.connect(self._on_done)

    def do_open(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self.window,
            self.tr("Open a photo or project"),
            "",
            self.tr("Photos and projects") + f" ({OPENABLE})",
        )
        if chosen:
            self.open_asked.emit(chosen)

    def do_add_photos(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(
            self.window,
            self.tr("Photos of the same person"),
            "",
            self.tr("Photos") + f" ({OPENABLE.replace(' *.facet', '')})",
        )
        if chosen:
            self.controller.head.add_photos([Path(name) for name in chosen])

    def do_blend(self) -> None:
        inversion = self.controller.session.inversion
        if inversion.blend is not None:
            self._show_blend(inversion.blend.other)
            return
        chosen, _ = QFileDialog.getOpenFileName(
            self.window,
            self.tr("The other person"),
            "",
            self.tr("Photos and projects") + f" ({OPENABLE})",
        )
        if chosen:
            self.controller.find_partner(Path(chosen))

    def _show_blend(self, other: object) -> None:
        if self.blend is not None:
            self.blend.close()
        self.blend = BlendDialog(self.session, self.controller, other, self.window)
        self.blend.show()

    def do_save(self) -> None:
        if self.session.path is not None:
            self.files.save(self.session.path)
        else:
            self.do_save_as()

    def do_save_as(self) -> None:
        path = self._ask_path(self.tr("Save project"), PROJECT, self.tr("Facet project"))
        if path is not None:
            self.files.save(path)

    def do_export(self) -> None:
        dialog = ExportDialog(self.files.suggestion(".glb"), self.window, self.files.settings)
        if dialog.exec():
            dialog.remember()
            if dialog.reveal.isChecked():
                self.reveal.add(dialog.path)
            self.controller.export_mesh(dialog.path, dialog.options)

    def do_screenshot(self) -> None:
        path = self._ask_path(self.tr("Save picture"), ".png", self.tr("Picture"))
        if path is not None and self.viewport.frame is not None:
            look, light = self.viewport.frame.request.look, self.viewport.frame.request.light
            shot = Shot(self.controller.camera(), PICTURE_SIZE, look, light, None)
            self.controller.screenshot(path, shot)

    def do_copy_picture(self) -> None:
        if self.viewport.frame is not None:
            image = self.viewport.picture()
            flat = QImage(image.size(), QImage.Format.Format_RGB32)
            flat.fill(self.viewport.theme.ground_top)
            painter = QPainter(flat)
            painter.drawImage(0, 0, image)
            painter.end()
            QGuiApplication.clipboard().setImage(flat)

    def do_turntable(self) -> None:
        dialog = TurntableDialog(self.files.suggestion("-turntable.mp4"), self.window)
        if dialog.exec():
            self.controller.export_turntable(dialog.path, dialog.seconds.value(), dialog.fps.value())

    def do_contact_sheet(self) -> None:
        path = self._ask_path(self.tr("Save contact sheet"), ".png", self.tr("Picture"), "-sheet.png")
        if path is not None:
            self.controller.export_sheet(path)

    def do_batch(self) -> None:
        self.convert(None)

    def convert(self, folder: Path | None) -> None:
        """Ask how a folder of photos is to be converted, and start."""
        dialog = BatchDialog(self.files.settings, self.window)
        if folder is not None:
            dialog.take(folder)
        if dialog.exec():
            dialog.remember()
            self.controller.run_batch(dialog.folder, dialog.out, dialog.options)

    def _ask_path(self, title: str, suffix: str, kind: str, ending: str = "") -> Path | None:
        chosen, _ = QFileDialog.getSaveFileName(
            self.window, title, str(self.files.suggestion(ending or suffix)), f"{kind} (*{suffix})"
        )
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)

    def _on_done(self, activity: Activity, result: object) -> None:
        if activity.kind == "partner" and self.session.inversion is activity.context:
            self._show_blend(result)
        if activity.kind == "batch":
            self.report_made.emit(result)
        if isinstance(result, Path) and result in self.reveal:
            self.reveal.discard(result)
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(result.parent)))
