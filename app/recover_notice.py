"""Asks, after a crash, what is to become of the work that was kept."""

from __future__ import annotations

import datetime

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QMessageBox

from app.recovery import forget
from app.window import MainWindow


def offer_recovery(window: MainWindow) -> bool:
    """Whether kept work is being opened; the artist decides."""
    leftovers = window.files.recovery.leftovers()
    if not leftovers:
        return False
    newest = leftovers[0]
    when = datetime.datetime.fromtimestamp(newest.modified).strftime("%d %b, %H:%M")
    box = QMessageBox(window)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(QCoreApplication.translate("recover_notice", "Recover your work?"))
    box.setText(
        QCoreApplication.translate("recover_notice", "Facet ended without closing “{title}”.").format(
            title=newest.title
        )
    )
    box.setInformativeText(
        QCoreApplication.translate("recover_notice", "It was kept at {when}.").format(when=when)
    )
    recover = box.addButton(
        QCoreApplication.translate("recover_notice", "Recover"), QMessageBox.ButtonRole.AcceptRole
    )
    discard = box.addButton(
        QCoreApplication.translate("recover_notice", "Delete it"), QMessageBox.ButtonRole.DestructiveRole
    )
    later = box.addButton(
        QCoreApplication.translate("recover_notice", "Later"), QMessageBox.ButtonRole.RejectRole
    )
    box.setDefaultButton(recover)
    box.setEscapeButton(later)
    box.exec()
    if box.clickedButton() is recover:
        window.files.recover(newest)
        return True
    if box.clickedButton() is discard:
        forget(newest.project)
    return False
