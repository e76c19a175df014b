"""Three sliders that mix another person into the head, while the viewport shows it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QHBoxLayout, QLabel, QSlider, QWidget

from app.controller import Controller
from app.session import Session
from inversion_core.edit import Inversion


class BlendDialog(QDialog):
    """Stays beside the window; every move asks for a mix, the history keeps one step for a visit."""

    def __init__(
        self, session: Session, controller: Controller, other: Inversion, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.controller, self.other = session, controller, other
        self.setWindowTitle(self.tr("Blend with {name}").format(name=other.portrait.name))
        self.setMinimumWidth(380)
        layout = QFormLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setVerticalSpacing(12)
        self.sliders: dict[str, QSlider] = {}
        self._labels: dict[str, QLabel] = {}
        for name, text, tip in (
            ("identity", self.tr("Shape"), self.tr("How much of the head has the other person's form")),
            ("appearance", self.tr("Looks"), self.tr("How much of skin and hair has the other's colours")),
            ("expression", self.tr("Expression"), self.tr("How much of the other's smile or frown goes in")),
        ):
            slider, label = QSlider(Qt.Orientation.Horizontal), QLabel()
            slider.setRange(0, 100)
            slider.setAccessibleName(text)
            slider.setToolTip(tip)
            label.setMinimumWidth(44)
            row = QHBoxLayout()
            row.addWidget(slider, 1)
            row.addWidget(label)
            layout.addRow(text, row)
            self.sliders[name], self._labels[name] = slider, label
            slider.valueChanged.connect(self._on_value)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout.addRow(buttons)
        session.document_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the strengths of the document, unless the hand is on a slider."""
        if self.session.inversion is None:
            self.close()
            return
        blend = self.session.inversion.blend
        for name, slider in self.sliders.items():
            if not slider.isSliderDown():
                blocker = QSignalBlocker(slider)
                slider.setValue(0 if blend is None else round(100 * getattr(blend, name)))
                blocker.unblock()
            self._labels[name].setText(f"{slider.value()} %")

    def _on_value(self) -> None:
        for name, slider in self.sliders.items():
            self._labels[name].setText(f"{slider.value()} %")
        self.controller.head.blend(
            self.other, tuple(slider.value() / 100 for slider in self.sliders.values())
        )
