"""The Model menu: which model is in use, and adding one from official files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget
from shiboken6 import isValid

from app.activities import Activity
from app.controller import Controller
from app.dialog_model import MODEL_ENDINGS, MODEL_FILES, ModelDialog
from app.engine import added_models
from app.settings import Settings


def are_model_files(files: list[str]) -> bool:
    """Whether all of the files are such as models are made from."""
    return bool(files) and all(Path(name).suffix.lower() in MODEL_ENDINGS for name in files)


class ModelCommands(QObject):
    """Fills the menu and leads through adding; ``do_NAME`` answers the command of that name.

    Args:
        may_replace: asks about unsaved work before another model fits the photo anew.
    """

    def __init__(
        self, window: QWidget, controller: Controller, settings: Settings, may_replace: Callable[[], bool]
    ) -> None:
        super().__init__(window)
        self.window, self.controller, self.settings = window, controller, settings
        self.may_replace = may_replace
        self.dialog: ModelDialog | None = None
        self.group = QActionGroup(self)
        self.group.setExclusive(True)
        controller.done.connect(self._on_done)
        controller.failed.connect(self._on_ended)
        controller.stopped.connect(self._on_ended)
        controller.model_ready.connect(self.refresh)

    def fill(self, menu: QMenu) -> None:
        """Take the menu that lists the models."""
        self.menu = menu
        menu.addSeparator()
        self.refresh()

    def refresh(self, *_unused) -> None:
        """List the models that are here now, the one in use checked."""
        model = self.controller.model
        known = {action.data(): action for action in self.group.actions()}
        for name, title, folder in self.controller.engine.models():
            action = known.pop(str(folder), None)
            if action is None:
                action = self.menu.addAction(f"{title} ({name})")
                action.setCheckable(True)
                action.setData(str(folder))
                action.triggered.connect(self._on_chosen)
                self.group.addAction(action)
            action.setChecked(model is not None and model.card.name == name)
        for action in known.values():
            self.group.removeAction(action)
            self.menu.removeAction(action)
            action.deleteLater()

    def do_add_model(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(
            self.window, self.tr("Files of the model"), "", self.tr("Official files") + f" ({MODEL_FILES})"
        )
        if chosen:
            self.add([Path(name) for name in chosen])

    def add(self, files: list[Path]) -> None:
        """Begin to add a model from these files; the rest is asked for."""
        self.dialog = None
        self.controller.identify(files)

    def use(self, folder: Path, title: str) -> None:
        """Work with the model of this folder, after asking about unsaved work."""
        if self.controller.session.inversion is None or self.may_replace():
            self.controller.change_model(folder, title)
        else:
            self.refresh()

    def _on_chosen(self) -> None:
        action = self.sender()
        self.use(Path(action.data()), action.text())

    def _on_done(self, activity: Activity, result: Any) -> None:
        if activity.kind == "parts":
            self._show(result)
        elif activity.kind == "install":
            self.refresh()
            self.use(result, activity.context)
        elif activity.kind == "model" and isinstance(activity.context, Path):
            self.settings.set_value("model", str(activity.context))

    def _on_ended(self, *_unused) -> None:
        self.refresh()

    def _show(self, parts: Any) -> None:
        if self.dialog is not None and isValid(self.dialog) and self.dialog.isVisible():
            self.dialog.show_parts(parts)
            return
        names = [n for n, _, folder in self.controller.engine.models() if folder.parent == added_models()]
        self.dialog = ModelDialog(parts, names, self.window)
        self.dialog.files_chosen.connect(self._on_files)
        self.dialog.add_asked.connect(self.controller.install_parts)
        self.dialog.open()

    def _on_files(self, files: list[Path]) -> None:
        self.controller.identify(files, self.dialog.parts)
