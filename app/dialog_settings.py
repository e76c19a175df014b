"""Choices that belong to the person, not to a project."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.fields import NumberField, level, roomy
from app.settings import Settings


class SettingsDialog(QDialog):
    """Every change takes effect at once."""

    changed = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.setWindowTitle(self.tr("Settings"))
        self.setMinimumWidth(420)
        self.theme = self._choice(
            "theme",
            (("dark", self.tr("Dark")), ("light", self.tr("Light")), ("system", self.tr("As the system"))),
        )
        self.scheme = self._choice(
            "scheme",
            (
                ("facet", self.tr("Facet: left orbits, right pans")),
                ("blender", self.tr("Blender: middle orbits, Shift pans")),
                ("maya", self.tr("Maya: Alt and left orbits")),
                ("trackpad", self.tr("Trackpad: two fingers orbit, Ctrl zooms")),
            ),
        )
        self.smooth = self._choice(
            "smooth", ((1, self.tr("Fast")), (2, self.tr("Smooth")), (3, self.tr("Smoothest")))
        )
        self.renderer = self._choice(
            "renderer",
            (
                ("automatic", self.tr("Automatic")),
                ("opengl", self.tr("OpenGL")),
                ("cpu", self.tr("Processor")),
            ),
        )
        self.yaw = self._angle("yaw_limit", 90)
        self.pitch = self._angle("pitch_limit", 80)
        self.autosave = roomy(QSpinBox())
        self.autosave.setRange(0, 3600)
        self.autosave.setSuffix(self.tr(" s"))
        self.autosave.setSpecialValueText(self.tr("never"))
        self.autosave.setProperty("setting", "autosave_seconds")
        self.autosave.valueChanged.connect(self._on_changed)
        self.smooth.setToolTip(self.tr("How finely edges are drawn once the head rests"))
        self.renderer.setToolTip(
            self.tr("Automatic takes OpenGL where it is faster; Help ▸ Diagnostics says which draws")
        )
        self.yaw.setToolTip(self.tr("How far the head turns; what lies beyond 45° is mostly made up"))
        self.pitch.setToolTip(self.tr("How far the head is seen from above or below"))
        self.autosave.setToolTip(self.tr("Unsaved work is kept for after a crash; 0 keeps none"))
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(18)
        form.addRow(self.tr("Colours"), self.theme)
        form.addRow(self.tr("Mouse"), self.scheme)
        form.addRow(self.tr("Edges when still"), self.smooth)
        form.addRow(self.tr("Draw with"), self.renderer)
        form.addRow(self.tr("Turn at most"), self.yaw)
        form.addRow(self.tr("Tilt at most"), self.pitch)
        form.addRow(self.tr("Keep a copy every"), self.autosave)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Close | QDialogButtonBox.StandardButton.RestoreDefaults
        )
        buttons.rejected.connect(self.accept)
        buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults).setAutoDefault(False)
        buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults).clicked.connect(self._on_defaults)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(16)
        layout.addLayout(level(form))
        layout.addWidget(buttons)
        self._show()

    def _choice(self, name: str, entries: tuple) -> QComboBox:
        box = QComboBox()
        box.setProperty("setting", name)
        for value, text in entries:
            box.addItem(text, value)
        box.currentIndexChanged.connect(self._on_changed)
        return box

    def _angle(self, name: str, most: float) -> QDoubleSpinBox:
        box = roomy(NumberField())
        box.setProperty("setting", name)
        box.setRange(5, most)
        box.setDecimals(0)
        box.setSuffix("°")
        box.valueChanged.connect(self._on_changed)
        return box

    def _show(self) -> None:
        for widget in (
            self.theme,
            self.scheme,
            self.smooth,
            self.renderer,
            self.yaw,
            self.pitch,
            self.autosave,
        ):
            widget.blockSignals(True)
            value = self.settings.value(widget.property("setting"))
            if isinstance(widget, QComboBox):
                widget.setCurrentIndex(max(widget.findData(value), 0))
            else:
                widget.setValue(value)
            widget.blockSignals(False)

    def _on_changed(self, _value) -> None:
        widget = self.sender()
        value = widget.currentData() if isinstance(widget, QComboBox) else widget.value()
        self.settings.set_value(widget.property("setting"), value)
        self.changed.emit()

    def _on_defaults(self) -> None:
        self.settings.reset()
        self._show()
        self.changed.emit()
