"""The preset panel: save, apply at a strength, share as files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.presets import SUFFIX, Preset, applied, load_preset, save_preset
from app.session import Session
from app.settings import Settings
from inversion_core.errors import FacetError

BUILT_IN = (
    Preset("Warm smile", {"smile": 0.7, "cheek_fullness": 0.2, "brow_raise": 0.1}),
    Preset("Surprise", {"brow_raise": 1.0, "mouth_open": 0.6, "eye_size": 0.3}),
    Preset("Stern", {"frown": 0.7, "jaw_width": 0.2}),
    Preset("Kiss", {"pucker": 0.9, "blink": 1.0}),
    Preset("Older", {"age": 0.9, "weight": 0.1}),
    Preset("Younger", {"age": -0.8, "eye_size": 0.2, "cheek_fullness": 0.3}),
    Preset("Caricature", {"nose_length": 0.8, "chin_length": 0.8, "ear_size": 0.9, "smile": 0.4}),
)


class PresetPanel(QWidget):
    """Reads and writes presets in the settings' folder; applies them to the session."""

    failed = Signal(str, object)

    def __init__(self, session: Session, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.folder = session, settings.presets
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._gesture = 0
        self._start: dict[str, float] = {}
        self._target: Preset | None = None
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Presets"))
        self.list.setToolTip(self.tr("Click to apply at the strength below"))
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 150)
        self.strength.setValue(100)
        self.strength.setAccessibleName(self.tr("Strength"))
        self.strength.setToolTip(self.tr("How much of the chosen preset is applied"))
        self.percent = QLabel("100 %")
        self.percent.setFixedWidth(48)
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout()
        row.addWidget(QLabel(self.tr("Strength")))
        row.addWidget(self.strength, 1)
        row.addWidget(self.percent)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        made = []
        for text, tip, slot in (
            (self.tr("Save …"), self.tr("Save the sliders as they are now as a preset"), self.save),
            (self.tr("Import …"), self.tr("Copy a preset's file to the others"), self.import_file),
            (self.tr("Export …"), self.tr("Write the chosen preset to a file"), self.export_file),
            (self.tr("Delete"), self.tr("Delete the chosen preset; those of Facet stay"), self.delete),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            made.append(button)
            button.setStyleSheet("padding: 6px 8px")
            button.clicked.connect(slot)
            buttons.addWidget(button)
        self.export_button, self.delete_button = made[2:]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 12)
        layout.setSpacing(10)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        layout.addLayout(buttons)
        self.list.itemClicked.connect(self._on_chosen)
        self.list.itemActivated.connect(self._on_chosen)
        self.list.currentItemChanged.connect(self._show_possible)
        self.strength.valueChanged.connect(self._on_strength)
        session.document_changed.connect(self._on_document)
        self.setEnabled(False)
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again; files that are no presets are passed over."""
        self.list.clear()
        for preset in BUILT_IN:
            self._add(preset, None)
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                self._add(load_preset(path), path)
            except FacetError:
                continue
        self._show_possible()

    def apply(self, preset: Preset) -> None:
        """Apply a preset at the strength; moving the strength afterwards goes on from the same start."""
        self._gesture += 1
        self._start, self._target = dict(self.session.moves), preset
        self._on_strength(self.strength.value())

    def save_as(self, name: str, path: Path | None = None) -> None:
        """Save the session's moves under a name."""
        safe = "".join(c if c.isalnum() or c in " -_" else "_" for c in name).strip() or "preset"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_preset(Preset(name, dict(self.session.moves)), path or self.folder / f"{safe}{SUFFIX}")
        except (OSError, FacetError) as error:
            self.failed.emit(self.tr("Saving the preset"), error)
        self.refresh()

    def save(self) -> None:
        name, fine = QInputDialog.getText(self, self.tr("Save preset"), self.tr("Name"))
        if fine and name.strip():
            self.save_as(name.strip())

    def import_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, self.tr("Import preset"), "", f"Facet (*{SUFFIX})")
        if chosen:
            self.take_file(Path(chosen))

    def take_file(self, path: Path) -> None:
        """Copy a preset file into the folder."""
        try:
            preset = load_preset(path)
            self.folder.mkdir(parents=True, exist_ok=True)
            save_preset(preset, self.folder / path.name)
        except (OSError, FacetError) as error:
            self.failed.emit(self.tr("Importing {name}").format(name=path.name), error)
        self.refresh()

    def export_file(self) -> None:
        item = self.list.currentItem()
        if item is None:
            return
        preset: Preset = item.data(Qt.ItemDataRole.UserRole)[0]
        chosen, _ = QFileDialog.getSaveFileName(
            self, self.tr("Export preset"), f"{preset.name}{SUFFIX}", f"Facet (*{SUFFIX})"
        )
        if chosen:
            try:
                save_preset(preset, Path(chosen))
            except FacetError as error:
                self.failed.emit(self.tr("Exporting the preset"), error)

    def delete(self) -> None:
        item = self.list.currentItem()
        path = item.data(Qt.ItemDataRole.UserRole)[1] if item is not None else None
        if path is not None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self.failed.emit(self.tr("Deleting the preset"), error)
            self.refresh()

    def _add(self, preset: Preset, path: Path | None) -> None:
        item = QListWidgetItem(preset.name)
        item.setData(Qt.ItemDataRole.UserRole, (preset, path))
        self.list.addItem(item)

    def _on_chosen(self, item: QListWidgetItem) -> None:
        self.apply(item.data(Qt.ItemDataRole.UserRole)[0])

    def _show_possible(self, *_unused) -> None:
        item = self.list.currentItem()
        self.export_button.setEnabled(item is not None)
        self.delete_button.setEnabled(item is not None and item.data(Qt.ItemDataRole.UserRole)[1] is not None)

    def _on_document(self) -> None:
        self._target = None
        self.setEnabled(self.session.inversion is not None)

    def _on_strength(self, value: int) -> None:
        self.percent.setText(f"{value} %")
        session = self.session
        if self._target is None or session.inversion is None:
            return
        step = session.step
        gesture = f"preset:{self._gesture}"
        if step is not None and step.gesture != gesture and dict(session.moves) != self._start:
            # Something else was done since: go on from there.
            self._gesture += 1
            self._start, gesture = dict(session.moves), f"preset:{self._gesture}"
        moves = applied(self._target, value / 100, self._start, session.sliders, session.locked)
        text = self.tr("Preset {name}, {value} %").format(name=self._target.name, value=value)
        session.set_moves(moves, text, gesture)
