"""The history panel: every step, click to travel."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtWidgets import QListWidget, QVBoxLayout, QWidget

from app.session import Session


class HistoryPanel(QWidget):
    """Shows the session's steps; the selected one is where the document is."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("History"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.addWidget(self.list)
        self.list.currentRowChanged.connect(self._on_row)
        session.history_changed.connect(self.refresh)

    def refresh(self) -> None:
        blocker = QSignalBlocker(self.list)
        steps = self.session.steps
        while self.list.count() > len(steps):
            self.list.takeItem(self.list.count() - 1)
        for row, step in enumerate(steps):
            if row >= self.list.count():
                self.list.addItem(step.text)
            elif self.list.item(row).text() != step.text:
                self.list.item(row).setText(step.text)
            # What was undone is pale; the rest keeps the theme's own colour.
            pale = self.palette().placeholderText() if row > self.session.place else None
            self.list.item(row).setData(Qt.ItemDataRole.ForegroundRole, pale)
        self.list.setCurrentRow(self.session.place)
        if item := self.list.currentItem():
            self.list.scrollToItem(item)
        blocker.unblock()

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.refresh()

    def _on_row(self, row: int) -> None:
        self.session.go_to(row)
