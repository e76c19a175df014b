"""The commands of the Help menu."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app import dialog_help
from app.controller import Controller
from app.gl_choice import GLChoice
from app.settings import Settings
from app.status import Status


class HelpCommands(QObject):
    """``do_NAME`` answers the command of that name."""

    def __init__(
        self, window: QWidget, controller: Controller, settings: Settings, status: Status, gl: GLChoice
    ) -> None:
        super().__init__(window)
        self.window, self.controller, self.settings = window, controller, settings
        self.status, self.gl = status, gl

    def do_shortcuts(self) -> None:
        dialog_help.ShortcutsDialog(self.window).exec()

    def do_diagnostics(self) -> None:
        model, drawing = self.status.model.text(), self.gl.described()
        dialog_help.DiagnosticsDialog(self.settings, model, self.window, drawing).exec()

    def do_about(self) -> None:
        dialog_help.show_about(self.window, self.controller.model)
