"""Number fields with room at their left, and forms whose labels stand in the middle of their rows."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QAbstractSpinBox, QFormLayout

Box = TypeVar("Box", bound=QAbstractSpinBox)


def roomy(box: Box) -> Box:
    """The field itself, its text set in; style sheets cannot pad what lies inside a spin box."""
    box.lineEdit().setTextMargins(6, 0, 0, 0)
    return box


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
