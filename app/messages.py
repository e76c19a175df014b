"""From an exception to words for a person."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from inversion_core.errors import FacetError


@dataclass(frozen=True)
class Message:
    """What a dialog shows.

    Attributes:
        title: what was being done, failed.
        what: one sentence; hint: the next step; details: for a report, may be empty.
    """

    title: str
    what: str
    hint: str
    details: str


def explain(doing: str, error: BaseException) -> Message:
    """The message for an error that ended ``doing`` ("Opening photo.jpg")."""
    title = _tr("{doing} did not work").format(doing=doing)
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if isinstance(error, FacetError):
        return Message(title, error.what, error.hint, details)
    if isinstance(error, MemoryError):
        return Message(
            title, _tr("There is not enough memory."), _tr("Close other programs and retry."), details
        )
    if isinstance(error, OSError):
        hint = _tr("Check that the file and its folder exist and may be used, then retry.")
        return Message(title, str(error), hint, details)
    if isinstance(error, ImportError):
        what = _tr("A part of Facet is not installed: {error}.").format(error=error)
        return Message(title, what, _tr("Install Facet again."), details)
    what = _tr("Something unexpected happened: {error}.").format(error=error or type(error).__name__)
    hint = _tr("Your work is untouched. Help ▸ Diagnostics copies what is needed for a report.")
    return Message(title, what, hint, details)


def _tr(text: str) -> str:
    return QCoreApplication.translate("messages", text)
