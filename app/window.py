"""The main window: puts the parts together and answers the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QDialog, QMainWindow, QStackedWidget

from app import dialog_help
from app.actions import build_menus
from app.activities import Activity
from app.commands_align import AlignCommands
from app.commands_edit import EditCommands
from app.commands_file import FileCommands
from app.commands_help import HelpCommands
from app.commands_mend import MendCommands
from app.commands_model import ModelCommands, are_model_files
from app.commands_view import ViewCommands
from app.controller import Controller
from app.dialog_message import ask_unsaved
from app.dialog_settings import SettingsDialog
from app.docks import arrange, make_docks
from app.engine_protocol import Engine
from app.files import FileDesk
from app.frames import Frame
from app.gestures import chosen_scheme
from app.gl_choice import GLChoice
from app.icons import application_icon, icon
from app.notices import Notices
from app.panel_attributes import AttributePanel
from app.panel_camera import CameraPanel
from app.panel_history import HistoryPanel
from app.panel_photo import PhotoPanel
from app.panel_presets import PresetPanel
from app.pictures import photo_picture
from app.redraw import Redraw
from app.session import Session
from app.settings import Settings
from app.status import Status
from app.theme import apply_theme, chosen_theme
from app.toolbar import CommandBar
from app.view3d import View3D
from app.welcome import WelcomePage
from inversion_core.portrait import Portrait


class MainWindow(QMainWindow):
    """One document, its viewport and its panels."""

    def __init__(self, engine: Engine | None = None, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.theme = chosen_theme(self.settings.text("theme"))
        apply_theme(QApplication.instance(), self.theme)
        self.session = Session(self)
        self.controller = Controller(self.session, engine, self)
        self.files = FileDesk(self.session, self.controller, self.settings, self)
        self.setObjectName("facet")
        self.setWindowIcon(application_icon())
        self.setAcceptDrops(True)
        self.resize(1360, 860)
        self._make_parts()
        self.notices = Notices(self, self.status)
        self.gl = GLChoice(self.viewport, self.controller.batch, self.settings, self)
        self.redraw = Redraw(self.viewport, self.controller, self.settings, self.gl, self)
        self.file_commands = FileCommands(self, self.controller, self.files, self.viewport)
        self.edit_commands = EditCommands(self.session, self)
        self.view_commands = ViewCommands(self.session, self.viewport, self.camera, self)
        self.model_commands = ModelCommands(self, self.controller, self.settings, self._may_replace)
        self.align_commands = AlignCommands(self, self.controller, lambda: self.theme)
        self.mend_commands = MendCommands(self, self.controller, self.viewport)
        self.help_commands = HelpCommands(self, self.controller, self.settings, self.status, self.gl)
        self.actions_by_name, self.menus = build_menus(self, self._handler)
        self.model_commands.fill(self.menus["Model"])
        self.view_commands.actions = self.mend_commands.actions = self.actions_by_name
        self.recent_menu = self.menus["File"].addMenu(self.tr("Open &recent"))
        self.menus["File"].insertMenu(self.actions_by_name["welcome"], self.recent_menu)
        self.docks = make_docks(
            self,
            {
                "photo": (self.tr("Photo"), self.photo),
                "camera": (self.tr("Camera"), self.camera),
                "history": (self.tr("History"), self.history),
                "attributes": (self.tr("Attributes"), self.attributes),
                "presets": (self.tr("Presets"), self.presets),
            },
        )
        panels = self.menus["View"].addMenu(self.tr("&Panels"))
        for dock in self.docks.values():
            panels.addAction(dock.toggleViewAction())
        self.toolbar = CommandBar(self.actions_by_name)
        self.addToolBar(self.toolbar)
        self._connect()
        self.take_settings()
        self._restore_layout()
        self._refresh()
        self.controller.warm_up(self.settings.text("model"))

    # ---- putting together -------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        self.viewport = View3D(self.theme)
        self.welcome = WelcomePage()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(self.viewport)
        self.setCentralWidget(self.pages)
        self.attributes = AttributePanel(self.session, self.theme)
        self.photo = PhotoPanel(self.session, self.theme)
        self.camera = CameraPanel(self.session)
        self.history = HistoryPanel(self.session)
        self.presets = PresetPanel(self.session, self.settings)
        self.status = Status()
        self.setStatusBar(self.status)

    def _connect(self) -> None:
        session, controller, viewport = self.session, self.controller, self.viewport
        session.document_changed.connect(self._on_document)
        session.moves_changed.connect(self.redraw.soon)
        session.view_changed.connect(self._on_view)
        session.history_changed.connect(self._refresh)
        controller.model_ready.connect(self._on_model)
        controller.frame_ready.connect(self._on_frame)
        controller.activity_changed.connect(self.status.show_activity)
        controller.done.connect(self._on_done)
        controller.portrait_found.connect(self._on_portrait)
        controller.stopped.connect(self._show_page)
        controller.failed.connect(self.show_error)
        viewport.view_asked.connect(session.set_view)
        viewport.reset_asked.connect(session.reset_view)
        viewport.peek_changed.connect(self.redraw.soon)
        viewport.resized.connect(self.redraw.soon)
        viewport.stroked.connect(self._on_stroke)
        self.gl.changed.connect(self.redraw.soon)
        self.gl.painted.connect(self.status.show_frame)
        self.status.stop.clicked.connect(controller.stop)
        self.welcome.open_asked.connect(self.file_commands.do_open)
        self.file_commands.open_asked.connect(self.open)
        self.file_commands.report_made.connect(self.notices.report)
        self.welcome.file_asked.connect(self.open)
        self.files.recent_changed.connect(self._show_recent)
        self.camera.look_changed.connect(self.redraw.set_look)
        self.camera.light_changed.connect(self.redraw.set_light)
        self.photo.correction_asked.connect(controller.head.correct)
        self.photo.faces_asked.connect(controller.find_faces)
        self.photo.face_chosen.connect(self._on_face)
        self.photo.align_asked.connect(self.align_commands.do_align)
        self.align_commands.failed.connect(self.show_error)
        self.presets.failed.connect(self.show_error)
        self.edit_commands.failed.connect(self.show_error)
        self.view_commands.changed.connect(self.redraw.soon)
        self.view_commands.tool_changed.connect(self.mend_commands.show_tool)

    def _handler(self, name: str) -> Callable:
        """The method that answers a command."""
        commands = (self.file_commands, self.edit_commands, self.view_commands, self.model_commands)
        owners = (self, *commands, self.align_commands, self.mend_commands, self.help_commands)
        return next(getattr(owner, f"do_{name}") for owner in owners if hasattr(owner, f"do_{name}"))

    def take_settings(self) -> None:
        """Put the settings into effect."""
        settings, session = self.settings, self.session
        self.theme = chosen_theme(settings.text("theme"))
        apply_theme(QApplication.instance(), self.theme)
        self.viewport.theme = self.photo.canvas.theme = self.theme
        self.viewport.scheme = chosen_scheme(settings.text("scheme"))
        self.gl.settle()
        session.limits = (
            float(np.radians(settings.number("yaw_limit"))),
            float(np.radians(settings.number("pitch_limit"))),
        )
        self.attributes.theme = self.theme
        self.attributes.build()
        for name, action in self.actions_by_name.items():
            drawn = next((c.icon for c in dialog_help.all_commands() if c.name == name), "")
            if drawn:
                action.setIcon(icon(drawn, self.theme.text, self.theme.accent))
        self.files.set_interval()
        self._show_recent()
        self.redraw.soon()

    # ---- session → window -------------------------------------------------------------------------------------

    def _show_page(self, *_unused) -> None:
        self.pages.setCurrentWidget(self.viewport if self.session.inversion else self.welcome)

    def _on_portrait(self, portrait: Portrait) -> None:
        if self.session.inversion is None:
            self.viewport.show_frame(None)
            self.viewport.await_head(photo_picture(portrait.image))
            self.pages.setCurrentWidget(self.viewport)

    def _on_document(self) -> None:
        self._show_page()
        if not self.session.compared:
            self.view_commands.clear_comparison()
        if self.session.inversion is None:
            self.viewport.show_frame(None)
        self.viewport.setFocus()
        self.redraw.soon()

    def _on_view(self) -> None:
        self.viewport.view = self.session.view
        self.redraw.soon()

    def _on_model(self, model) -> None:
        self.attributes.build()
        self.photo.align.setVisible(self.controller.engine.takes_by_hand(model))
        self.status.show_model(model.card.title, model.device)

    def _refresh(self) -> None:
        session, actions = self.session, self.actions_by_name
        there = session.inversion is not None
        for command in dialog_help.all_commands():
            if command.needs_head:
                actions[command.name].setEnabled(there)
        self.mend_commands.refresh()
        actions["undo"].setEnabled(session.can_undo)
        actions["redo"].setEnabled(session.can_redo)
        self.setWindowTitle(f"{session.title}[*] — Facet" if there else "Facet[*]")
        self.setWindowModified(session.dirty)

    def _on_frame(self, frame: Frame) -> None:
        self.viewport.show_frame(frame)
        if not frame.drawn_by_viewport:
            self.status.show_frame(frame)
        self.gl.consider(frame)

    def _on_done(self, activity: Activity, result) -> None:
        self.notices.written(activity, result)
        if activity.kind == "faces" and self.session.inversion is not None:
            self.photo.show_faces(activity.context, result)

    def show_error(self, doing: str, error: BaseException) -> None:
        """Say what went wrong; everything stays as it was."""
        if self.session.inversion is None:
            self._show_page()
        self.notices.error(doing, error)

    @property
    def dialogs(self) -> list[QDialog]:
        """The notices that are open, the latest last."""
        return self.notices.dialogs

    def _on_stroke(self, places: tuple, radius: float, erase: bool) -> None:
        self.controller.head.brush(places, radius, erase, self.viewport.longer / self.viewport.shorter)

    def _on_face(self, face: int) -> None:
        portrait = self.session.inversion.portrait
        if self._may_replace():
            self.controller.open_photo(portrait.source, portrait.name, face)

    def _show_recent(self) -> None:
        self.welcome.show_files(self.files.cards())
        self.recent_menu.clear()
        for path in self.settings.recent():
            action = self.recent_menu.addAction(path.name)
            action.setData(str(path))
            action.setToolTip(str(path))
            action.triggered.connect(self._on_recent)
        self.recent_menu.setEnabled(bool(self.settings.recent()))

    def _on_recent(self) -> None:
        self.open(self.sender().data())

    # ---- files ------------------------------------------------------------------------------------------------

    def open(self, name: str) -> None:
        """Open a photo, a project or "sample:NAME", after asking about unsaved work."""
        if self._may_replace():
            self.files.open(name)

    def _may_replace(self) -> bool:
        session = self.session
        # A photo that was only looked at can be opened again: nothing to ask about.
        if not session.dirty or not (session.can_undo or session.path):
            return True
        answer = ask_unsaved(session.title, self)
        if answer == "save":
            self.file_commands.do_save()
            self.controller.batch.drain(60)
            QApplication.processEvents()
            return not session.dirty
        return answer == "discard"

    def do_welcome(self) -> None:
        there = self.pages.currentWidget() is self.welcome and self.session.inversion is not None
        self.pages.setCurrentWidget(self.viewport if there else self.welcome)

    def do_quit(self) -> None:
        self.close()

    # ---- settings and layout ---------------------------------------------------------------------------------------

    def do_settings(self) -> None:
        dialog = SettingsDialog(self.settings, self)
        dialog.changed.connect(self.take_settings)
        dialog.exec()

    def do_light_theme(self) -> None:
        self.settings.set_value("theme", "dark" if self.theme.name == "light" else "light")
        self.take_settings()

    def do_default_layout(self) -> None:
        arrange(self, self.docks)

    def _restore_layout(self) -> None:
        layout = self.settings.layout()
        if layout is not None:
            self.restoreGeometry(layout[0])
            self.restoreState(layout[1])

    # ---- help and events --------------------------------------------------------------------------------------

    def dragEnterEvent(self, event) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event) -> None:
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            # Whoever gave the files waits until this returns, and questions may follow.
            QTimer.singleShot(0, lambda: self._take_dropped(files))

    def _take_dropped(self, files: list[str]) -> None:
        if are_model_files(files):
            self.model_commands.add([Path(name) for name in files])
        elif len(files) == 1 and Path(files[0]).is_dir():
            self.file_commands.convert(Path(files[0]))
        else:
            self.open(files[0])

    def closeEvent(self, event) -> None:
        if not self._may_replace():
            event.ignore()
            return
        self.view_commands.timer.stop()
        self.redraw.stop()
        self.settings.set_layout(self.saveGeometry(), self.saveState())
        self.controller.close()
        self.files.close()
        event.accept()
