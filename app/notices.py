"""What the window says beside its work: errors, reports, and what was written where."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDialog, QStatusBar, QWidget

from app.activities import Activity
from app.dialog_batch import BatchResultDialog
from app.dialog_message import MessageDialog
from app.messages import explain


class Notices(QObject):
    """Opens dialogs that wait for nobody.

    Attributes:
        dialogs: those that are open, the latest last; a dialog that was closed is no longer among them.
    """

    def __init__(self, window: QWidget, status: QStatusBar) -> None:
        super().__init__(window)
        self._window, self._status = window, status
        self.dialogs: list[QDialog] = []

    def error(self, doing: str, error: BaseException) -> None:
        """Say what went wrong; everything stays as it was."""
        self._open(MessageDialog(explain(doing, error), self._window))

    def report(self, report) -> None:
        """Say what became of a folder of photos."""
        self._open(BatchResultDialog(report, self._window))

    def written(self, activity: Activity, result: object) -> None:
        """Say in the status bar where something was written, if that is what was done."""
        text = {
            "save": self.tr("Saved {path}"),
            "mesh": self.tr("Exported {path}"),
            "turntable": self.tr("Wrote {path}"),
            "screenshot": self.tr("Wrote {path}"),
            "sheet": self.tr("Wrote {path}"),
        }.get(activity.kind)
        if text is not None:
            self._status.showMessage(text.format(path=result), 8000)

    def unexpected(self, kind, error, trace) -> None:
        """Log what no part caught, and say so, instead of ending."""
        logging.getLogger("facet").error("unexpected", exc_info=(kind, error, trace))
        if not issubclass(kind, KeyboardInterrupt):
            self.error(self.tr("The last action"), error)

    def _open(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(self._on_finished)
        self.dialogs.append(dialog)
        dialog.open()

    def _on_finished(self, _answer: int) -> None:
        # Closed dialogs are deleted soon: nobody may find them here.
        self.dialogs.remove(self.sender())
