"""Number fields that take commas, leave the wheel to the panel and have room; forms with labels in the middle of rows."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QFormLayout, QWidget

Box = TypeVar("Box", bound=QAbstractSpinBox)
Widget = TypeVar("Widget", bound=QWidget)


def roomy(box: Box) -> Box:
    """The field itself, its text set in; style sheets cannot pad what lies inside a spin box."""
    box.lineEdit().setTextMargins(6, 0, 0, 0)
    return box


class NumberField(QDoubleSpinBox):
    """A number; a comma is as good as a point, whatever the system's language writes."""

    def validate(self, text: str, position: int) -> object:
        return super().validate(self._pointed(text), position)

    def valueFromText(self, text: str) -> float:
        return super().valueFromText(self._pointed(text))

    def _pointed(self, text: str) -> str:
        point = self.locale().decimalPoint()
        return text.replace("." if point == "," else ",", point)


class _Unscrolled(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def unscrolled(widget: Widget) -> Widget:
    """The field itself; the wheel changes it only while it has the focus, and scrolls what it lies in otherwise."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_Unscrolled(widget))
    return widget


def level(form: QFormLayout) -> QFormLayout:
    """The form itself, each label as high as its field: Qt hangs them at the top otherwise."""
    for row in range(form.rowCount()):
        label, field = (
            form.itemAt(row, role)
            for role in (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole)
        )
        if label is not None and label.widget() is not None and field is not None:
            label.widget().setMinimumHeight(field.sizeHint().height())
    return form
