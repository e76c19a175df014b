"""The camera panel: numeric yaw, pitch and field of view, named views, the way the head is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.fields import NumberField, roomy, unscrolled
from app.orbit import FIELD_RANGE, ZOOM_RANGE, field_of
from app.pictures import Look
from app.session import Session

FILM_HEIGHT = 24.0
"""Millimetres."""
FOCAL_RANGE = tuple(float(FILM_HEIGHT / 2 / np.tan(angle / 2)) for angle in reversed(FIELD_RANGE))


class CameraPanel(QWidget):
    """Writes the session's view; degrees here, radians there."""

    look_changed = Signal(object)
    light_changed = Signal(float, float)
    """Yaw and pitch of the lamp in radians."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.look = unscrolled(QComboBox())
        self.look.setToolTip(self.tr("What the viewport shows of the head"))
        self.look.setAccessibleName(self.tr("What is shown"))
        for look, text in (
            (Look.PHOTO, self.tr("Photo")),
            (Look.CLAY, self.tr("Clay")),
            (Look.NORMALS, self.tr("Normals")),
            (Look.DEPTH, self.tr("Depth")),
            (Look.RELIT, self.tr("Another lamp")),
            (Look.WIRE, self.tr("Wireframe")),
        ):
            self.look.addItem(text, look)
        self.yaw = self._field(self.tr("Yaw"), -90, 90, "°", 1)
        self.pitch = self._field(self.tr("Pitch"), -90, 90, "°", 1)
        self.zoom = self._field(self.tr("Zoom"), ZOOM_RANGE[0] * 100, ZOOM_RANGE[1] * 100, " %", 0)
        low, high = np.degrees(FIELD_RANGE)
        self.field = self._field(self.tr("Field of view"), low, high, "°", 1)
        self.focal = self._field(self.tr("Focal length"), *FOCAL_RANGE, " mm", 0)
        self.yaw.setToolTip(self.tr("How far round the head; positive shows its own left side"))
        self.pitch.setToolTip(self.tr("From above or below; positive looks down on the head"))
        self.zoom.setToolTip(self.tr("Size of the head; 100 % is the photo's"))
        self.field.setToolTip(self.tr("Wide fields exaggerate what is near; the head keeps its size"))
        self.focal.setToolTip(self.tr("Of a lens on 36 × 24 mm film with this field of view"))
        self.lamp_yaw = self._lamp(self.tr("Lamp, left to right"), -90, 90, -35)
        self.lamp_pitch = self._lamp(self.tr("Lamp, down to up"), -60, 80, 28)
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        rows = (
            (self.tr("Show"), self.look),
            (self.tr("Yaw"), self.yaw),
            (self.tr("Pitch"), self.pitch),
            (self.tr("Zoom"), self.zoom),
            (self.tr("Field of view"), self.field),
            (self.tr("Focal length"), self.focal),
            (self.tr("Lamp turn"), self.lamp_yaw),
            (self.tr("Lamp height"), self.lamp_pitch),
        )
        self._lamp_labels = []
        for row, (text, widget) in enumerate(rows):
            label = QLabel(text)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)
            if widget in (self.lamp_yaw, self.lamp_pitch):
                self._lamp_labels.append(label)
        views = QHBoxLayout()
        views.setSpacing(6)
        for text, tip, yaw in (
            (self.tr("Front"), self.tr("Straight from the front"), 0),
            (self.tr("3/4"), self.tr("Three-quarter view"), 40),
            (self.tr("Profile"), self.tr("From the side"), 75),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setProperty("yaw", yaw)
            button.setObjectName("compact")
            button.clicked.connect(self._on_named)
            views.addWidget(button)
        reset = QPushButton(self.tr("Photo"))
        reset.setObjectName("compact")
        reset.setToolTip(self.tr("The photo's own point of view"))
        reset.clicked.connect(session.reset_view)
        views.addWidget(reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 8, 14, 12)
        layout.setSpacing(10)
        layout.addLayout(grid)
        layout.addLayout(views)
        layout.addStretch(1)
        self.look.currentIndexChanged.connect(self._on_look)
        for widget in (self.yaw, self.pitch, self.zoom, self.field):
            widget.valueChanged.connect(self._on_field)
        self.focal.valueChanged.connect(self._on_focal)
        for widget in (self.lamp_yaw, self.lamp_pitch):
            widget.valueChanged.connect(self._on_lamp)
        session.view_changed.connect(self.refresh)
        session.document_changed.connect(self.refresh)
        self._show_lamp(False)
        self.refresh()

    def refresh(self) -> None:
        inversion, view = self.session.inversion, self.session.view
        self.setEnabled(inversion is not None)
        for widget in (self.yaw, self.pitch, self.zoom, self.field, self.focal):
            # Fields show this text in place of their lowest value, which no fresh field leaves.
            widget.setSpecialValueText("–" if inversion is None else "")
            if inversion is None:
                blocker = QSignalBlocker(widget)
                widget.setValue(widget.minimum())
                blocker.unblock()
        if inversion is None:
            return
        field = view.field or field_of(inversion.portrait.camera)
        for widget, value in (
            (self.yaw, np.degrees(view.yaw)),
            (self.pitch, np.degrees(view.pitch)),
            (self.zoom, view.zoom * 100),
            (self.field, np.degrees(field)),
            (self.focal, FILM_HEIGHT / 2 / np.tan(field / 2)),
        ):
            blocker = QSignalBlocker(widget)
            widget.setValue(float(value))
            blocker.unblock()

    def _field(self, name: str, low: float, high: float, unit: str, decimals: int) -> QDoubleSpinBox:
        box = unscrolled(roomy(NumberField()))
        box.setRange(low, high)
        box.setDecimals(decimals)
        box.setSuffix(unit)
        box.setKeyboardTracking(False)
        box.setAccessibleName(name)
        return box

    def _lamp(self, name: str, low: int, high: int, value: int) -> QSlider:
        slider = unscrolled(QSlider(Qt.Orientation.Horizontal))
        slider.setToolTip(name)
        slider.setRange(low, high)
        slider.setValue(value)
        slider.setAccessibleName(name)
        return slider

    def _show_lamp(self, shown: bool) -> None:
        for widget in (self.lamp_yaw, self.lamp_pitch, *self._lamp_labels):
            widget.setVisible(shown)

    def _on_look(self, _index: int) -> None:
        look = self.look.currentData()
        self._show_lamp(look in (Look.CLAY, Look.RELIT))
        self.look_changed.emit(look)

    def _on_lamp(self, _value: int) -> None:
        self.light_changed.emit(
            float(np.radians(self.lamp_yaw.value())), float(np.radians(self.lamp_pitch.value()))
        )

    def _on_focal(self, millimetres: float) -> None:
        self.field.setValue(float(np.degrees(2 * np.arctan(FILM_HEIGHT / 2 / millimetres))))

    def _on_named(self) -> None:
        self.session.look_from(float(np.radians(self.sender().property("yaw"))))

    def _on_field(self, _value: float) -> None:
        inversion, view = self.session.inversion, self.session.view
        if inversion is None:
            return
        field: float | None = float(np.radians(self.field.value()))
        if abs(field - field_of(inversion.portrait.camera)) < np.radians(0.06):
            field = None
        self.session.set_view(
            replace(
                view,
                yaw=float(np.radians(self.yaw.value())),
                pitch=float(np.radians(self.pitch.value())),
                zoom=self.zoom.value() / 100,
                field=field,
            )
        )
        self.refresh()
