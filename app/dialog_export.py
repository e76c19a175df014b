"""Where and how a mesh is written."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.fields import level, roomy
from app.settings import Settings
from inversion_core.errors import FacetError
from inversion_core.geometry.mesh_options import MeshOptions, check_options

FORMATS = ((".glb", "GLB"), (".obj", "OBJ"), (".ply", "PLY"))
TEXTURES = (0, 512, 1024, 2048, 4096)


class ExportDialog(QDialog):
    """Format, surface, texture, axes and place; ``path`` and ``options`` say what was chosen."""

    def __init__(
        self, suggestion: Path, parent: QWidget | None = None, settings: Settings | None = None
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.setWindowTitle(self.tr("Export mesh"))
        self.setMinimumWidth(560)
        self._make_fields()
        self.place = QLineEdit(str(suggestion.with_suffix(".glb")))
        self.place.setAccessibleName(self.tr("File"))
        browse = QPushButton(self.tr("Browse …"))
        browse.setAutoDefault(False)
        self.reveal = QCheckBox(self.tr("Open the folder afterwards"))
        self.note = QLabel()
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(16)
        form.addRow(self.tr("Format"), self.format)
        form.addRow(self.tr("Surface"), self.surface)
        form.addRow(self.tr("Resolution"), self.cells)
        form.addRow(self.tr("Triangles"), _row(self.reduce, self.faces))
        form.addRow(self.tr("Texture"), _row(self.texture, self.normals))
        form.addRow("", self.morphs)
        form.addRow("", self.closed)
        form.addRow(self.tr("Up, unit"), _row(self.up, self.unit))
        form.addRow(self.tr("File"), _row(self.place, browse))
        form.addRow("", self.reveal)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(level(form))
        layout.addWidget(self.note)
        layout.addWidget(buttons)
        browse.clicked.connect(self._browse)
        self._recall()
        self.format.currentIndexChanged.connect(self._on_format)
        self.place.textChanged.connect(self._on_place)
        for box in (self.surface, self.texture, self.up, self.unit):
            box.currentIndexChanged.connect(self._refresh)
        for box in (self.reduce, self.normals, self.morphs, self.closed):
            box.toggled.connect(self._refresh)
        self._on_format()

    def _make_fields(self) -> None:
        self.format, self.surface, self.texture = QComboBox(), QComboBox(), QComboBox()
        self.up, self.unit = QComboBox(), QComboBox()
        for suffix, name in FORMATS:
            self.format.addItem(f"{name}  ({suffix})", suffix)
        self.surface.addItem(self.tr("Model's topology: the same vertices for every head"), "template")
        self.surface.addItem(self.tr("Free surface: marching cubes"), "surface")
        for size in TEXTURES:
            self.texture.addItem(f"{size} px" if size else self.tr("None: colours at the vertices"), size)
        self.texture.setCurrentIndex(TEXTURES.index(2048))
        for axis in ("y", "z"):
            self.up.addItem(f"+{axis.upper()}", axis)
        for unit, name in (
            ("m", self.tr("metres")),
            ("cm", self.tr("centimetres")),
            ("mm", self.tr("millimetres")),
        ):
            self.unit.addItem(name, unit)
        self.cells = self._number(32, 512, 256, self.tr(" cells"))
        self.faces = self._number(500, 200_000, 20_000, "")
        self.cells.setSingleStep(32)
        self.faces.setSingleStep(1000)
        self.reduce = QCheckBox(self.tr("Keep about"))
        self.normals = QCheckBox(self.tr("Normal map"))
        self.morphs = QCheckBox(self.tr("Expressions as morph targets (ARKit names)"))
        self.morphs.setChecked(True)
        self.closed = QCheckBox(self.tr("Watertight, for printing"))
        for widget, name in (
            (self.format, self.tr("Format")),
            (self.surface, self.tr("Surface")),
            (self.texture, self.tr("Texture size")),
            (self.up, self.tr("Axis that points up")),
            (self.unit, self.tr("Unit of length")),
            (self.cells, self.tr("Resolution")),
            (self.faces, self.tr("Number of triangles")),
        ):
            widget.setAccessibleName(name)
        self.reduce.setToolTip(
            self.tr("Fewer triangles; texture, normals and morph targets are carried over")
        )
        self.normals.setToolTip(self.tr("Shows on few triangles what many would: form, pores and strands"))
        self.closed.setToolTip(self.tr("Every edge has two triangles; only the free surface can be closed"))

    @staticmethod
    def _number(low: int, high: int, value: int, suffix: str) -> QSpinBox:
        box = roomy(QSpinBox())
        box.setRange(low, high)
        box.setValue(value)
        box.setSuffix(suffix)
        box.setGroupSeparatorShown(True)
        return box

    @property
    def path(self) -> Path:
        return Path(self.place.text()).expanduser()

    @property
    def options(self) -> MeshOptions:
        """What was chosen; what the format or the surface excludes is left out."""
        ending, free = self.path.suffix.lower(), self.surface.currentData() == "surface"
        texture = 0 if ending == ".ply" else self.texture.currentData()
        return MeshOptions(
            kind=self.surface.currentData(),
            resolution=self.cells.value(),
            texture_size=texture,
            faces=self.faces.value() if self.reduce.isChecked() else 0,
            watertight=free and self.closed.isChecked(),
            normal_map=bool(texture) and self.normals.isChecked(),
            morphs=self.morphs.isChecked(),
            up="y" if ending == ".glb" else self.up.currentData(),
            unit="m" if ending == ".glb" else self.unit.currentData(),
        )

    def remember(self) -> None:
        """Keep the choices for the next export."""
        if self.settings is not None:
            record = {**asdict(self.options), "ending": self.format.currentData()}
            # What this format excludes stays as the person had it.
            record |= {"texture_size": self.texture.currentData(), "normal_map": self.normals.isChecked()}
            record |= {"up": self.up.currentData(), "unit": self.unit.currentData()}
            self.settings.set_value("export", json.dumps(record))

    def _recall(self) -> None:
        try:
            record = json.loads(self.settings.text("export")) if self.settings else None
        except ValueError:
            record = None
        if not isinstance(record, dict):
            return
        for box, name in (
            (self.format, "ending"),
            (self.surface, "kind"),
            (self.texture, "texture_size"),
            (self.up, "up"),
            (self.unit, "unit"),
        ):
            box.setCurrentIndex(max(box.findData(record.get(name)), 0))
        for box, name in ((self.cells, "resolution"), (self.faces, "faces")):
            if isinstance(record.get(name), int) and record[name] > 0:
                box.setValue(record[name])
        self.reduce.setChecked(bool(record.get("faces")))
        for box, name in ((self.normals, "normal_map"), (self.morphs, "morphs"), (self.closed, "watertight")):
            box.setChecked(bool(record.get(name)))

    def _on_format(self, _index: int = 0) -> None:
        self.place.setText(str(self.path.with_suffix(self.format.currentData())))
        self._refresh()

    def _on_place(self, text: str) -> None:
        index = self.format.findData(Path(text).suffix.lower())
        if index >= 0:
            self.format.blockSignals(True)
            self.format.setCurrentIndex(index)
            self.format.blockSignals(False)
        self._refresh()

    def _refresh(self, *_unused) -> None:
        ending, free = self.path.suffix.lower(), self.surface.currentData() == "surface"
        self.cells.setEnabled(free)
        self.closed.setEnabled(free)
        self.faces.setEnabled(self.reduce.isChecked())
        self.texture.setEnabled(ending != ".ply")
        self.normals.setEnabled(ending != ".ply" and bool(self.texture.currentData()))
        self.morphs.setEnabled(ending == ".glb" and not free)
        self.up.setEnabled(ending != ".glb")
        self.unit.setEnabled(ending != ".glb")
        notes = {
            ".glb": self.tr("GLB: one file with everything in it, +Y up and in metres by its standard."),
            ".obj": self.tr("OBJ: with a material (.mtl) and pictures (.png) beside it."),
            ".ply": self.tr("PLY: points and triangles with a colour at every point."),
        }
        said = notes.get(ending, "")
        try:
            check_options(self.options, self.path)
        except FacetError as error:
            said = f"{error.what} {error.hint}"
            self.accept_button.setEnabled(False)
        else:
            self.accept_button.setEnabled(True)
        self.note.setText(said)

    def _browse(self) -> None:
        filters = ";;".join(f"{name} (*{suffix})" for suffix, name in FORMATS)
        chosen, _ = QFileDialog.getSaveFileName(self, self.tr("Export mesh"), str(self.path), filters)
        if chosen:
            path = Path(chosen)
            self.place.setText(str(path if path.suffix else path.with_suffix(self.format.currentData())))


def _row(first: QWidget, second: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(first, 1)
    row.addWidget(second)
    return row
