"""The bar of the commands that are used most."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QSizePolicy, QToolBar, QWidget

LEFT = ("open", "save", None, "undo", "redo", None, "randomise", "reset", None, "split")
RIGHT = "export"


class CommandBar(QToolBar):
    """Buttons with the commands' short names; what leaves Facet stands at the right."""

    def __init__(self, actions: Mapping[str, QAction]) -> None:
        super().__init__()
        self.setWindowTitle(self.tr("Tools"))
        self.setObjectName("toolbar")
        self.setMovable(False)
        self.setIconSize(QSize(18, 18))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        short = {
            "open": self.tr("Open"),
            "save": self.tr("Save"),
            "export": self.tr("Export"),
            "undo": self.tr("Undo"),
            "redo": self.tr("Redo"),
            "randomise": self.tr("Random"),
            "reset": self.tr("Reset"),
            "split": self.tr("Before / after"),
        }
        for name, text in short.items():
            actions[name].setIconText(text)
        for name in LEFT:
            if name is None:
                self.addSeparator()
            else:
                self.addAction(actions[name])
        room = QWidget()
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(room)
        self.addAction(actions[RIGHT])
