"""The one document: what the artist wants, its history, and no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from PySide6.QtCore import QObject, Signal

from app.framing import first_view, view_from
from app.orbit import View, clamped
from inversion_core.edit import EditState, Inversion, Slider

HISTORY_LIMIT = 500


@dataclass(frozen=True)
class Step:
    """A place in the history.

    Attributes:
        text: what led here, for the history panel.
        state: the document there.
        gesture: steps in a row with the same gesture fold into one; empty never folds.
    """

    text: str
    state: EditState
    gesture: str = ""


@dataclass
class _History:
    steps: list[Step] = field(default_factory=list)
    at: int = -1


class Session(QObject):
    """Intent (portrait, moves, view) and its history; panels write here and repaint from the signals."""

    document_changed = Signal()
    """Another portrait or project is open, or none."""
    moves_changed = Signal()
    view_changed = Signal()
    history_changed = Signal()
    """The steps, the place in them, or what is saved changed."""
    locks_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sliders: tuple[Slider, ...] = ()
        self.view = View()
        self.path: Path | None = None
        self.locked: frozenset[str] = frozenset()
        self.compared = ""
        self.limits = (clamped(View(yaw=9, pitch=9)).yaw, clamped(View(yaw=9, pitch=9)).pitch)
        self._history = _History()
        self._clean: Step | None = None

    # ---- what is open -----------------------------------------------------------------------------------------

    @property
    def inversion(self) -> Inversion | None:
        step = self.step
        return None if step is None else step.state.inversion

    @property
    def moves(self) -> Mapping[str, float]:
        step = self.step
        return MappingProxyType({}) if step is None else step.state.moves

    @property
    def snapshots(self) -> Mapping[str, Mapping[str, float]]:
        """Name -> moves that were put aside."""
        step = self.step
        return MappingProxyType({}) if step is None else step.state.snapshots

    @property
    def before(self) -> Mapping[str, float]:
        """The moves of the head that the viewport compares with: a snapshot's, or none."""
        return self.snapshots.get(self.compared, MappingProxyType({}))

    @property
    def step(self) -> Step | None:
        history = self._history
        return history.steps[history.at] if history.at >= 0 else None

    @property
    def title(self) -> str:
        """The project's file name, or the photo's."""
        if self.path is not None:
            return self.path.stem
        return "" if self.inversion is None else Path(self.inversion.portrait.name).stem or "Portrait"

    def open(
        self,
        inversion: Inversion,
        moves: Mapping[str, float] | None = None,
        view: View | None = None,
        path: Path | None = None,
        text: str = "",
        saved: bool = True,
        snapshots: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Make this the document; the history starts anew."""
        state = EditState(inversion, MappingProxyType(dict(moves or {})), dict(snapshots or {}))
        step = Step(text or self.tr("Open"), state)
        self.compared = ""
        self._history = _History([step], 0)
        self._clean = step if saved else None
        self.path = path
        self.view = view or first_view(inversion)
        self.document_changed.emit()
        self.moves_changed.emit()
        self.view_changed.emit()
        self.history_changed.emit()

    def open_nothing(self) -> None:
        """Close the document; whoever calls this has asked about unsaved work."""
        self._history, self._clean, self.path = _History(), None, None
        self.document_changed.emit()
        self.moves_changed.emit()
        self.history_changed.emit()

    # ---- edits ------------------------------------------------------------------------------------------------

    def set_move(self, name: str, value: float, gesture: str = "") -> None:
        """Move one slider; moves in a row with the same gesture are one step."""
        slider = self.slider(name)
        if self.inversion is None or slider is None:
            return
        before = self._before(gesture).get(name, slider.default)
        text = f"{slider.label}  {before:.2f} → {value:.2f}"
        self.set_moves({**self.moves, name: value}, text, gesture)

    def set_moves(self, moves: Mapping[str, float], text: str, gesture: str = "") -> None:
        """Replace all moves in one step; defaults are left out, unchanged moves make no step."""
        if self.inversion is None:
            return
        defaults = {slider.name: slider.default for slider in self.sliders}
        kept = {name: float(value) for name, value in moves.items() if value != defaults.get(name)}
        if kept == dict(self.moves):
            return
        self._push(Step(text, replace(self.step.state, moves=MappingProxyType(kept)), gesture))
        self.moves_changed.emit()
        self.history_changed.emit()

    def set_inversion(self, inversion: Inversion, text: str, gesture: str = "") -> None:
        """Replace the inversion (another fit of the same photo, a mix of two) and keep the moves: one step."""
        self._push(Step(text, replace(self.step.state, inversion=inversion), gesture))
        self.document_changed.emit()
        self.moves_changed.emit()
        self.history_changed.emit()

    def store_snapshot(self, name: str) -> None:
        """Put the moves aside under a name: one step."""
        if self.step is None or self.snapshots.get(name) == dict(self.moves):
            return
        kept = {**self.snapshots, name: MappingProxyType(dict(self.moves))}
        self._push(
            Step(self.tr("Keep as {name}").format(name=name), replace(self.step.state, snapshots=kept))
        )
        self.moves_changed.emit()
        self.history_changed.emit()

    def recall_snapshot(self, name: str) -> None:
        """Go back to the moves that were put aside: one step."""
        if name in self.snapshots:
            self.set_moves(self.snapshots[name], self.tr("Take {name}").format(name=name))

    def toggle_snapshot(self) -> None:
        """From A to B, or from anything else to A."""
        at_a = dict(self.moves) == dict(self.snapshots.get("A", {"": 0.0}))
        self.recall_snapshot("B" if at_a else "A")

    def compare_with(self, name: str) -> None:
        """Compare with a snapshot from now on, or with the untouched head ("")."""
        self.compared = name
        self.moves_changed.emit()

    def set_locked(self, name: str, locked: bool) -> None:
        """Keep a slider out of presets, random faces and resets, or let it in again."""
        self.locked = self.locked | {name} if locked else self.locked - {name}
        self.locks_changed.emit()

    def slider(self, name: str) -> Slider | None:
        return next((slider for slider in self.sliders if slider.name == name), None)

    # ---- history ----------------------------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._history.steps)

    @property
    def place(self) -> int:
        return self._history.at

    @property
    def can_undo(self) -> bool:
        return self._history.at > 0

    @property
    def can_redo(self) -> bool:
        return self._history.at < len(self._history.steps) - 1

    def undo(self) -> None:
        if self.can_undo:
            self.go_to(self._history.at - 1)

    def redo(self) -> None:
        if self.can_redo:
            self.go_to(self._history.at + 1)

    def go_to(self, place: int) -> None:
        """Travel to a step of the history."""
        if not 0 <= place < len(self._history.steps) or place == self._history.at:
            return
        before = self.inversion
        self._history.at = place
        if self.inversion is not before:
            self.document_changed.emit()
        self.moves_changed.emit()
        self.history_changed.emit()

    @property
    def dirty(self) -> bool:
        """Whether there is something that no file holds."""
        return self.step is not None and self.step is not self._clean

    def mark_saved(self, path: Path, step: Step | None) -> None:
        """That the file holds the state of ``step``."""
        self.path = path
        self._clean = step
        self.history_changed.emit()

    def mark_unsaved(self) -> None:
        """That no file holds the document."""
        self._clean = None
        self.history_changed.emit()

    # ---- view -------------------------------------------------------------------------------------------------

    def set_view(self, view: View) -> None:
        """Look from elsewhere, within the limits; no step of the history."""
        view = clamped(view, *self.limits)
        if view != self.view:
            self.view = view
            self.view_changed.emit()

    def reset_view(self) -> None:
        if self.inversion is not None:
            self.set_view(first_view(self.inversion))

    def look_from(self, yaw: float) -> None:
        """Look from that many radians to the side, at the height of the eyes."""
        if self.inversion is not None:
            self.set_view(view_from(self.inversion, yaw))

    def _before(self, gesture: str) -> Mapping[str, float]:
        history = self._history
        if gesture and history.at > 0 and self.step is not None and self.step.gesture == gesture:
            return history.steps[history.at - 1].state.moves
        return self.moves

    def _push(self, step: Step) -> None:
        history = self._history
        del history.steps[history.at + 1 :]
        folds = step.gesture and history.steps and history.steps[-1].gesture == step.gesture
        if folds and history.steps[-1] is not self._clean:
            history.steps[-1] = step
        else:
            history.steps.append(step)
        if len(history.steps) > HISTORY_LIMIT:
            del history.steps[1]
        history.at = len(history.steps) - 1
