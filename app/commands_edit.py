"""The commands of the Edit menu."""

from __future__ import annotations

import json

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from app.presets import randomised
from app.session import Session
from inversion_core.errors import FacetError


class EditCommands(QObject):
    """Writes into the session; ``do_NAME`` answers the command of that name."""

    failed = Signal(str, object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session

    def do_undo(self) -> None:
        self.session.undo()

    def do_redo(self) -> None:
        self.session.redo()

    def do_reset(self) -> None:
        kept = {name: value for name, value in self.session.moves.items() if name in self.session.locked}
        self.session.set_moves(kept, self.tr("Reset all"))

    def do_randomise(self) -> None:
        self._randomise(0.6, self.tr("Randomise"))

    def do_surprise(self) -> None:
        self._randomise(1.0, self.tr("Surprise"))

    def _randomise(self, strength: float, text: str) -> None:
        session = self.session
        session.set_moves(randomised(strength, session.moves, session.sliders, session.locked), text)

    def do_store_a(self) -> None:
        self.session.store_snapshot("A")

    def do_store_b(self) -> None:
        self.session.store_snapshot("B")

    def do_toggle_ab(self) -> None:
        self.session.toggle_snapshot()

    def do_copy_moves(self) -> None:
        QGuiApplication.clipboard().setText(json.dumps({"facet_moves": dict(self.session.moves)}))

    def do_paste_moves(self) -> None:
        try:
            found = json.loads(QGuiApplication.clipboard().text())["facet_moves"]
            moves = {name: float(found[name]) for name in found if self.session.slider(name)}
        except (ValueError, KeyError, TypeError):
            self.failed.emit(
                self.tr("Pasting attributes"),
                FacetError(self.tr("The clipboard holds no attributes."), self.tr("Copy attributes first.")),
            )
            return
        locked = {name: value for name, value in self.session.moves.items() if name in self.session.locked}
        self.session.set_moves({**moves, **locked}, self.tr("Paste attributes"))
