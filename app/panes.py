"""Where heads are shown in the viewport: one, two halves of one, or two beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QPointF, QRectF

GRIP = 10
"""Pixels beside the divider that still hold it."""


class Compare(Enum):
    """How the untouched head is shown."""

    OFF = "off"
    SPLIT = "split"
    SIDE = "side"


@dataclass(frozen=True)
class Pane:
    """A place for a head: whether it is the untouched one, where the picture lies, and what of it is seen."""

    before: bool
    place: QRectF
    clip: QRectF


@dataclass(frozen=True)
class Panes:
    """How a viewport of so many pixels is divided; ``divider`` is a share of its width."""

    width: int
    height: int
    compare: Compare
    peeking: bool
    divider: float

    @property
    def pane_width(self) -> int:
        """Width of one picture."""
        return self.width // 2 if self.compare is Compare.SIDE else self.width

    @property
    def shorter(self) -> int:
        """The shorter side of one picture."""
        return max(min(self.pane_width, self.height), 1)

    @property
    def longer(self) -> int:
        return max(self.pane_width, self.height, 1)

    @property
    def divider_at(self) -> int:
        return round(self.divider * self.width)

    def near_divider(self, at: QPointF) -> bool:
        return self.compare is Compare.SPLIT and abs(at.x() - self.divider * self.width) < GRIP

    def all(self) -> list[Pane]:
        """One or two of them."""
        whole = QRectF(0, 0, self.width, self.height)
        if self.compare is Compare.SPLIT and not self.peeking:
            x = self.divider_at
            left, right = QRectF(0, 0, x, self.height), QRectF(x, 0, self.width - x, self.height)
            return [Pane(True, whole, left), Pane(False, whole, right)]
        if self.compare is Compare.SIDE and not self.peeking:
            half = self.width / 2
            sides = (QRectF(left, 0, half, self.height) for left in (0.0, half))
            return [Pane(before, side, side) for before, side in zip((True, False), sides, strict=True)]
        return [Pane(self.peeking, whole, whole)]

    def place_of(self, point: QPointF) -> tuple[float, float]:
        """A place of the viewport in widths of the square picture under it."""
        right = self.compare is Compare.SIDE and point.x() >= self.pane_width
        middle = self.pane_width * (1.5 if right else 0.5)
        return (
            float((point.x() - middle) / self.longer + 0.5),
            float((point.y() - self.height / 2) / self.longer + 0.5),
        )

    def point_of(self, x: float, y: float) -> QPointF:
        """Where the (first) picture's place in its widths lies in the viewport."""
        return QPointF(
            (x - 0.5) * self.longer + self.pane_width / 2, (y - 0.5) * self.longer + self.height / 2
        )
