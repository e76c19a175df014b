"""Number fields with room at their left."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QAbstractSpinBox

Box = TypeVar("Box", bound=QAbstractSpinBox)


def roomy(box: Box) -> Box:
    """The field itself, its text set in; style sheets cannot pad what lies inside a spin box."""
    box.lineEdit().setTextMargins(6, 0, 0, 0)
    return box
