"""Restoring an old or damaged photo: colours, damage, noise and blur, with the photo as a live preview."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.activities import Activity
from app.controller import Controller
from app.restore_canvas import RestoreCanvas
from inversion_core.edit import Inversion
from inversion_core.portrait import CROP_SIZE
from inversion_core.restoration import IRISES, Restoration, Tint

SETTLED = 120
"""Milliseconds of quiet after which a preview is asked for."""


class RestoreDialog(QDialog):
    """Stays beside the window until the head is asked for; nothing changes before that."""

    asked = Signal(object)
    """The :class:`Restoration` that the head is to be made with."""

    def __init__(
        self,
        controller: Controller,
        inversion: Inversion,
        restoration: Restoration,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.controller, self.inversion = controller, inversion
        self.setWindowTitle(self.tr("Restore {name}").format(name=inversion.portrait.name))
        self.canvas = RestoreCanvas(CROP_SIZE, self)
        self.canvas.show_picture(inversion.portrait.image)
        self.tints = {
            "background": QColor.fromRgbF(*(restoration.tint or Tint()).background),
            "clothes": QColor.fromRgbF(*(restoration.tint or Tint()).clothes),
        }
        self._settle = QTimer(self, singleShot=True, interval=SETTLED)
        self._settle.timeout.connect(self._ask)
        column = QVBoxLayout()
        column.addWidget(self._colour_group(restoration.tint))
        column.addWidget(self._damage_group())
        column.addWidget(self._clean_group(restoration))
        self.note = QLabel()
        self.note.setWordWrap(True)
        column.addWidget(self.note)
        column.addStretch(1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.make = self.buttons.addButton(self.tr("Make the head"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self._on_make)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)
        layout = QHBoxLayout(self)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(column)
        if restoration.damaged is not None:
            self.canvas.set_damaged(restoration.damaged)
        self.canvas.painted.connect(self._changed)
        controller.done.connect(self._on_done)
        controller.session.document_changed.connect(self._on_document)
        self._changed()

    @property
    def restoration(self) -> Restoration:
        """What the dialog shows."""
        tint = None
        if self.colour.isChecked():
            tint = Tint(
                skin=self.skin.value() / 100,
                hair=self.hair.value() / 100,
                iris=self.iris.currentData(),
                lips=self.lips.value() / 100,
                strength=self.strength.value() / 100,
                clothes=_rounded(self.tints["clothes"]),
                background=_rounded(self.tints["background"]),
            )
        damaged = self.canvas.damaged
        holes = damaged.copy() if damaged.any() else None
        return Restoration(tint, holes, self.noise.value() / 10, self.blur.value() / 10)

    # ---- parts ------------------------------------------------------------------------------------------------

    def _slider(self, low: int, high: int, value: float, name: str, tip: str) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(low, high)
        slider.setValue(round(value))
        slider.setAccessibleName(name)
        slider.setToolTip(tip)
        slider.setMinimumWidth(170)
        slider.valueChanged.connect(self._changed)
        return slider

    def _colour_group(self, tint: Tint | None) -> QGroupBox:
        self.colour = group = QGroupBox(self.tr("Colour"))
        group.setCheckable(True)
        group.setChecked(tint is not None)
        group.toggled.connect(self._changed)
        known = tint or Tint()
        form = QFormLayout(group)
        tips = {
            "skin": self.tr("From rosy to golden; how light it is stays the photo's."),
            "hair": self.tr("From ash and grey to red."),
            "lips": self.tr("How red the lips are."),
            "strength": self.tr("Of all colours."),
        }
        names = {
            "skin": self.tr("Skin"),
            "hair": self.tr("Hair"),
            "lips": self.tr("Lips"),
            "strength": self.tr("Strength"),
        }
        for name, low in (("skin", -100), ("hair", -100), ("lips", 0), ("strength", 0)):
            high = 150 if name == "strength" else 100
            slider = self._slider(low, high, 100 * getattr(known, name), names[name], tips[name])
            setattr(self, name, slider)
            form.addRow(names[name], slider)
        self.iris = QComboBox()
        self.iris.addItem(self.tr("By their brightness"), "")
        words = {
            "brown": self.tr("Brown"),
            "hazel": self.tr("Hazel"),
            "green": self.tr("Green"),
            "grey": self.tr("Grey"),
            "blue": self.tr("Blue"),
        }
        for name in IRISES:
            self.iris.addItem(words[name], name)
        self.iris.setCurrentIndex(self.iris.findData(known.iris))
        self.iris.currentIndexChanged.connect(self._changed)
        form.addRow(self.tr("Eyes"), self.iris)
        row = QHBoxLayout()
        self.clothes, self.background = (
            QPushButton(self.tr("Clothes …")),
            QPushButton(self.tr("Background …")),
        )
        self.clothes.clicked.connect(self._on_clothes)
        self.background.clicked.connect(self._on_background)
        row.addWidget(self.clothes)
        row.addWidget(self.background)
        form.addRow(row)
        return group

    def _damage_group(self) -> QGroupBox:
        group = QGroupBox(self.tr("Damage"))
        box = QVBoxLayout(group)
        words = QLabel(self.tr("Paint over scratches, tears and stains; the head completes them."))
        words.setWordWrap(True)
        box.addWidget(words)
        row = QHBoxLayout()
        self.eraser = QCheckBox(self.tr("Erase"))
        self.eraser.toggled.connect(self._on_eraser)
        self.find = QPushButton(self.tr("Find scratches"))
        self.find.clicked.connect(self._on_find)
        self.clear = QPushButton(self.tr("Clear"))
        self.clear.clicked.connect(self._on_clear)
        self.eraser.setToolTip(self.tr("The brush takes marks away"))
        self.find.setToolTip(self.tr("Mark fine lines that no face has; check what was found"))
        self.clear.setToolTip(self.tr("Take all marks away"))
        for widget in (self.eraser, self.find, self.clear):
            row.addWidget(widget)
        box.addLayout(row)
        form = QFormLayout()
        self.size = QSlider(Qt.Orientation.Horizontal)
        self.size.setRange(3, 80)
        self.size.setValue(self.canvas.brush)
        self.size.setAccessibleName(self.tr("Brush"))
        self.size.valueChanged.connect(self._on_size)
        form.addRow(self.tr("Brush"), self.size)
        self.marks = QCheckBox(self.tr("Show what is marked"))
        self.marks.setChecked(True)
        self.marks.toggled.connect(self.canvas.show_marks)
        form.addRow(self.marks)
        box.addLayout(form)
        return group

    def _clean_group(self, restoration: Restoration) -> QGroupBox:
        group = QGroupBox(self.tr("Noise and blur"))
        form = QFormLayout(group)
        self.noise = self._slider(
            0,
            300,
            10 * restoration.denoise,
            self.tr("Denoise"),
            self.tr("Smooths grain; too much waxes skin."),
        )
        self.blur = self._slider(
            0, 40, 10 * restoration.sharpen, self.tr("Sharpen"), self.tr("Undoes blur as far as it goes.")
        )
        form.addRow(self.tr("Denoise"), self.noise)
        form.addRow(self.tr("Sharpen"), self.blur)
        return group

    # ---- what happens -----------------------------------------------------------------------------------------

    def _changed(self, *_unused) -> None:
        if not hasattr(self, "make"):
            return
        idle = self.restoration.idle and self.inversion.portrait.restoration is None
        self.make.setEnabled(not idle)
        self._settle.start()

    def _ask(self) -> None:
        self.note.setText(self.tr("Drawing the preview …"))
        self.controller.head.preview_restoration(self.inversion, self.restoration)

    def _on_done(self, activity: Activity, result: object) -> None:
        if activity.context is not self.inversion:
            return
        if activity.kind == "preview":
            self.canvas.show_picture(result)
            wide = self.canvas.damaged.any()
            self.note.setText(self.tr("Wide holes are completed when the head is made.") if wide else "")
        elif activity.kind == "scratches":
            count = int(np.count_nonzero(result))
            self.canvas.set_damaged(self.canvas.damaged | result)
            self.note.setText("" if count else self.tr("No scratches were found."))
            if count:
                self._changed()

    def _on_find(self) -> None:
        self.controller.head.find_scratches(self.inversion)

    def _on_clear(self) -> None:
        self.canvas.set_damaged(np.zeros_like(self.canvas.damaged))
        self._changed()

    def _on_eraser(self, on: bool) -> None:
        self.canvas.erasing = on

    def _on_size(self, size: int) -> None:
        self.canvas.brush = size
        self.canvas.update()

    def _on_clothes(self) -> None:
        self._choose("clothes", self.tr("Colour of the clothes"))

    def _on_background(self) -> None:
        self._choose("background", self.tr("Colour of the background"))

    def _choose(self, name: str, title: str) -> None:
        chosen = QColorDialog.getColor(self.tints[name], self, title)
        if chosen.isValid():
            self.tints[name] = chosen
            self._changed()

    def _on_make(self) -> None:
        self.asked.emit(self.restoration)
        self.accept()

    def _on_document(self) -> None:
        if self.controller.session.inversion is not self.inversion:
            self.reject()

    def colour_it(self) -> None:
        """Begin with colours, as the notice on grey photos promises."""
        blocker = QSignalBlocker(self.colour)
        self.colour.setChecked(True)
        blocker.unblock()
        self._changed()


def _rounded(colour: QColor) -> tuple[float, float, float]:
    """sRGB in [0, 1]; Qt keeps 16 bits of what it is given."""
    return tuple(round(share, 3) for share in colour.getRgbF()[:3])
