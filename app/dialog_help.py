"""Shortcuts, diagnostics and the about box."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

from PySide6.QtCore import QCoreApplication, qVersion
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from app.actions import Command, commands, tr
from app.settings import Settings

LOG_TAIL = 6000
PACKAGES = (
    "facet",
    "torch",
    "numpy",
    "numba",
    "mediapipe",
    "opencv-contrib-python",
    "PySide6-Essentials",
)


def all_commands() -> list[Command]:
    """Every command of the menus."""
    return [command for _, command in commands()]


class ShortcutsDialog(QDialog):
    """All keys, and what the mouse does."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Shortcuts"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(26)
        grid.setVerticalSpacing(5)
        entries = [
            (tr(command.text).replace("&", "").rstrip(" …"), ", ".join(self._shown(k) for k in command.keys))
            for command in all_commands()
            if command.keys
        ]
        entries += [
            (self.tr("Orbit"), self.tr("drag, arrow keys")),
            (self.tr("Pan"), self.tr("right or middle drag, Shift+drag")),
            (self.tr("Zoom"), self.tr("wheel, + and −")),
            (self.tr("Untouched head"), self.tr("hold \\")),
            (self.tr("Finer slider, finer turn"), "Shift"),
            (self.tr("Snap a slider"), "Ctrl"),
            (self.tr("Reset a slider"), self.tr("double click, Backspace")),
        ]
        half = (len(entries) + 1) // 2
        for i, (name, keys) in enumerate(entries):
            column = 3 * (i // half)
            label = QLabel(keys)
            label.setObjectName("muted")
            grid.addWidget(QLabel(name), i % half, column)
            grid.addWidget(label, i % half, column + 1)
        grid.setColumnMinimumWidth(2, 24)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(16)
        layout.addLayout(grid)
        layout.addWidget(buttons)

    @staticmethod
    def _shown(keys: str) -> str:
        return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def diagnostics(settings: Settings, model: str, renderer: str = "") -> str:
    """Versions, the machine and the end of the log, as text to send along with a report."""
    lines = [
        f"Python      {sys.version.split()[0]}",
        f"System      {platform.platform()}",
        f"Qt          {qVersion()} ({QApplication.platformName()})",
        f"Model       {model}",
        f"Drawing     {renderer}",
    ]
    for package in PACKAGES:
        try:
            lines.append(f"{package:<24}{metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package:<24}not installed")
    for screen in QApplication.screens():
        size = screen.size()
        lines.append(f"Screen      {size.width()} × {size.height()} at {screen.devicePixelRatio():g}")
    try:
        log = settings.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
    except OSError:
        log = ""
    return "\n".join(lines) + "\n\nLog\n" + (log or "(empty)")


class DiagnosticsDialog(QDialog):
    """The diagnostics, with a button that copies them."""

    def __init__(
        self, settings: Settings, model: str, parent: QWidget | None = None, renderer: str = ""
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Diagnostics"))
        self.resize(620, 460)
        self.text = QPlainTextEdit(diagnostics(settings, model, renderer))
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(self.copy)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 14)
        layout.addWidget(self.text)
        layout.addWidget(buttons)

    def copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())


def show_about(parent: QWidget, model: Any) -> None:
    """What Facet is, and the licence of the model in use."""
    text = QCoreApplication.translate(
        "show_about", "Facet turns one portrait photo into a head that you can edit, turn and export."
    )
    if model is not None:
        text += "\n\n" + QCoreApplication.translate(
            "show_about", "Model: {title}. Licence: {licence}."
        ).format(title=model.card.title, licence=model.card.licence)
    QMessageBox.about(parent, QCoreApplication.translate("show_about", "About Facet"), text)
