"""The page before a portrait is open: drop a photo, pick a sample, go on with recent work."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.icons import application_icon

CARD = 128
GAP, MARGINS = 32, 20
"""Pixels from one card's picture to the next one's, and beside a row of cards."""
ROW = 4
"""Cards beside each other where there is room."""


class Card(QFrame):
    """A picture with a name under it that can be clicked or pressed."""

    chosen = Signal(str)

    def __init__(self, key: str, name: str, pixmap: QPixmap, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self.setObjectName("card")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setToolTip(key)
        picture = QLabel()
        picture.setFixedSize(CARD, CARD)
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        side = round(CARD * self.devicePixelRatioF())
        scaled = pixmap.scaled(
            side,
            side,
            Qt.AspectRatioMode.KeepAspectRatioByExpanding,
            Qt.TransformationMode.SmoothTransformation,
        )
        scaled.setDevicePixelRatio(self.devicePixelRatioF())
        picture.setPixmap(scaled)
        caption = QLabel(self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, CARD))
        caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(picture)
        layout.addWidget(caption)

    def mouseReleaseEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit(self.key)

    def keyPressEvent(self, event) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.key)
        else:
            super().keyPressEvent(event)


class WelcomePage(QScrollArea):
    """Samples and recent files as cards, and a button to open a photo; narrower windows have fewer cards in a row."""

    open_asked = Signal()
    file_asked = Signal(str)
    """A path, or "sample:NAME"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        heading = QLabel(self.tr("Start with a portrait"))
        heading.setObjectName("heading")
        lead = QLabel(
            self.tr("Drop a photo of one face here. Facet builds a head that you can edit, turn and export.")
        )
        lead.setObjectName("muted")
        lead.setWordWrap(True)
        lead.setAlignment(Qt.AlignmentFlag.AlignCenter)
        mark = QLabel()
        mark.setPixmap(application_icon().pixmap(56, 56))
        button = QPushButton(self.tr("Open a photo or project …"))
        button.setObjectName("primary")
        button.clicked.connect(self.open_asked)
        self.cards = QGridLayout()
        self.cards.setSpacing(12)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button)
        row.addStretch(1)
        grid = QHBoxLayout()
        grid.addStretch(1)
        grid.addLayout(self.cards)
        grid.addStretch(1)
        page = QWidget()
        page.setObjectName("page")
        layout = QVBoxLayout(page)
        layout.addStretch(2)
        for label in (mark, heading):
            layout.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
            layout.addSpacing(8)
        layout.addWidget(lead)
        layout.addSpacing(8)
        layout.addSpacing(8)
        layout.addLayout(row)
        layout.addSpacing(26)
        layout.addLayout(grid)
        layout.addStretch(3)
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setObjectName("page")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The cards and the button take the keyboard; the page itself does not.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_files(self, entries: list[tuple[str, str, QPixmap]]) -> None:
        """Show cards of (key, name, picture), at most :data:`ROW` beside each other."""
        while self.cards.count():
            widget = self.cards.takeAt(0).widget()
            if widget is not None:
                widget.deleteLater()
        for i, (key, name, pixmap) in enumerate(entries[:8]):
            card = Card(key, name, pixmap)
            card.chosen.connect(self.file_asked)
            self.cards.addWidget(card, i // self._columns(), i % self._columns())

    def _columns(self) -> int:
        return max(1, min(ROW, (self.viewport().width() - MARGINS) // (CARD + GAP)))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        widgets = [self.cards.itemAt(i).widget() for i in range(self.cards.count())]
        for i, widget in enumerate(widgets):
            self.cards.addWidget(widget, i // self._columns(), i % self._columns())


def sample_thumbnail(name: str) -> QPixmap:
    """The face of a picture of scikit-image; empty where it is not installed."""
    import importlib.util

    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        return QPixmap()
    pixmap = QPixmap(str(Path(found.origin).parent / "data" / f"{name}.png"))
    return pixmap.copy(110, 0, 230, 230) if not pixmap.isNull() else pixmap
