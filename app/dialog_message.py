"""Dialogs that tell or ask; none of them throws work away by itself."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from app.messages import Message


class MessageDialog(QMessageBox):
    """An error as a sentence and a next step, with details that can be copied."""

    def __init__(self, message: Message, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.message = message
        self.setIcon(QMessageBox.Icon.Warning)
        self.setWindowTitle(message.title)
        self.setText(message.what)
        self.setInformativeText(message.hint)
        self.setDetailedText(message.details)
        self.addButton(QMessageBox.StandardButton.Ok)
        self.copy_button = self.addButton(self.tr("Copy details"), QMessageBox.ButtonRole.ActionRole)
        # Copying must not close the dialog, which is what message boxes do on every button.
        self.copy_button.clicked.disconnect()
        self.copy_button.clicked.connect(self.copy_details)
        self.setDefaultButton(QMessageBox.StandardButton.Ok)
        self.setEscapeButton(QMessageBox.StandardButton.Ok)

    def copy_details(self) -> None:
        message = self.message
        QApplication.clipboard().setText(
            f"{message.title}\n{message.what}\n{message.hint}\n\n{message.details}"
        )


def ask_unsaved(title: str, parent: QWidget) -> str:
    """ "save", "discard" or "cancel": what is to become of unsaved work."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(QCoreApplication.translate("ask_unsaved", "Unsaved work"))
    box.setText(
        QCoreApplication.translate("ask_unsaved", "Save the changes to “{title}”?").format(title=title)
    )
    box.setInformativeText(QCoreApplication.translate("ask_unsaved", "They are lost otherwise."))
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Save)
    answers = {buttons.Save: "save", buttons.Discard: "discard"}
    return answers.get(buttons(box.exec()), "cancel")
