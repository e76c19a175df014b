"""A folder of photos: what is made of it, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.fields import level
from app.settings import Settings


class BatchDialog(QDialog):
    """The folders and what is written; ``folder``, ``out`` and ``options`` say what was chosen."""

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.setWindowTitle(self.tr("Convert a folder of photos"))
        self.setMinimumWidth(540)
        self.source, self.target = QLineEdit(), QLineEdit()
        self.source.setPlaceholderText(self.tr("Folder of photos"))
        self.target.setPlaceholderText(self.tr("Folder for projects and report"))
        self.mesh = QComboBox()
        for text, ending in ((self.tr("No mesh"), ""), ("GLB", "glb"), ("OBJ", "obj"), ("PLY", "ply")):
            self.mesh.addItem(text, ending)
        self.views = QCheckBox(self.tr("Pictures from all sides"))
        self.again = QCheckBox(self.tr("Do again what an earlier run has done"))
        self.mesh.setToolTip(self.tr("A mesh of each head beside its project"))
        self.views.setToolTip(self.tr("Front, turned views, form and three edits of each head"))
        self.again.setToolTip(self.tr("Otherwise photos that have their project already are passed over"))
        note = QLabel(
            self.tr(
                "Every photo becomes a project. A report with pictures lists what did not work and why. "
                "It can be cancelled, and goes on where it stopped."
            )
        )
        note.setObjectName("muted")
        note.setWordWrap(True)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(16)
        for text, field in ((self.tr("Photos"), self.source), (self.tr("Results"), self.target)):
            browse = QPushButton(self.tr("Browse …"))
            browse.setAutoDefault(False)
            browse.setProperty("field", text)
            browse.clicked.connect(self._browse_source if field is self.source else self._browse_target)
            row = QHBoxLayout()
            row.setSpacing(8)
            row.addWidget(field, 1)
            row.addWidget(browse)
            field.setAccessibleName(text)
            field.textChanged.connect(self._refresh)
            form.addRow(text, row)
        self.mesh.setAccessibleName(self.tr("Mesh"))
        form.addRow(self.tr("Mesh"), self.mesh)
        form.addRow("", self.views)
        form.addRow("", self.again)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton(self.tr("Convert"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(level(form))
        layout.addWidget(note)
        layout.addWidget(buttons)
        self._recall()
        self._refresh()

    @property
    def folder(self) -> Path:
        return Path(self.source.text()).expanduser()

    @property
    def out(self) -> Path:
        return Path(self.target.text()).expanduser()

    @property
    def options(self) -> Any:
        """A BatchOptions."""
        from inversion_core.batch import BatchOptions

        return BatchOptions(
            views=self.views.isChecked(), mesh=self.mesh.currentData(), again=self.again.isChecked()
        )

    def take(self, folder: Path) -> None:
        """Convert this folder, into one beside it unless another was chosen by hand."""
        if self.target.text() in ("", str(_beside(self.folder))):
            self.target.setText(str(_beside(folder)))
        self.source.setText(str(folder))

    def remember(self) -> None:
        """Keep the choices for the next folder."""
        record = {"source": self.source.text(), "target": self.target.text()}
        record |= {"mesh": self.mesh.currentData(), "views": self.views.isChecked()}
        self.settings.set_value("batch", json.dumps(record))

    def _recall(self) -> None:
        try:
            record = json.loads(self.settings.text("batch"))
            self.source.setText(str(record["source"]))
            self.target.setText(str(record["target"]))
            self.mesh.setCurrentIndex(max(self.mesh.findData(record["mesh"]), 0))
            self.views.setChecked(bool(record["views"]))
        except (ValueError, KeyError, TypeError):
            return

    def _refresh(self, *_unused) -> None:
        there = bool(self.source.text().strip()) and self.folder.is_dir()
        self.accept_button.setEnabled(there and bool(self.target.text().strip()))

    def _browse_source(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder of photos"), self.source.text())
        if chosen:
            self.take(Path(chosen))

    def _browse_target(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder for the results"), self.target.text())
        if chosen:
            self.target.setText(chosen)


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-facet") if folder.name else folder


class BatchResultDialog(QDialog):
    """What became of a folder: numbers, failures with their sentences, and the way to the report."""

    def __init__(self, report: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.report = report
        self.setWindowTitle(self.tr("Folder converted"))
        self.setMinimumWidth(520)
        done, skipped, failed = (report.count(state) for state in ("done", "skipped", "failed"))
        self.summary = QLabel(
            self.tr("{done} done, {skipped} done earlier, {failed} did not work.").format(
                done=done, skipped=skipped, failed=failed
            )
        )
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("What did not work"))
        self.list.setWordWrap(True)
        for entry in report.entries:
            if entry.state == "failed":
                # Most sentences name the photo.
                name = "" if entry.photo in entry.what else f"{entry.photo}: "
                self.list.addItem(f"{name}{entry.what} {entry.hint}")
        self.list.setVisible(bool(failed))
        self.list.setFixedHeight(min(44 * failed + 12, 280))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        open_report = buttons.addButton(self.tr("Open report"), QDialogButtonBox.ButtonRole.ActionRole)
        open_folder = buttons.addButton(self.tr("Open folder"), QDialogButtonBox.ButtonRole.ActionRole)
        open_report.clicked.connect(self.open_report)
        open_folder.clicked.connect(self.open_folder)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addWidget(self.summary)
        layout.addWidget(self.list)
        layout.addWidget(buttons)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def open_report(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.report.folder / "report.html")))

    def open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.report.folder)))
