"""What to do to a photo that is grey, damaged, blurred or noisy before its head is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IRISES = ("brown", "hazel", "green", "grey", "blue")
"""Colours of eyes to choose from."""


@dataclass(frozen=True)
class Tint:
    """Colours for a grey photo; what it shows of light and dark stays.

    Attributes:
        skin: -1 rosy and fair … 1 golden and deep, beside what the photo's brightness suggests.
        hair: -1 ash or grey … 1 red, beside what its brightness suggests.
        iris: one of :data:`IRISES`, or empty for what their brightness suggests; lips: redness beside the skin's own, 0 … 1.
        strength: of all colours, 1 as chosen, 0 none.
        clothes, background: sRGB in [0, 1] whose hue they take.
    """

    skin: float = 0.0
    hair: float = 0.0
    iris: str = ""
    lips: float = 0.3
    strength: float = 1.0
    clothes: tuple[float, float, float] = (0.42, 0.42, 0.44)
    background: tuple[float, float, float] = (0.56, 0.53, 0.49)


@dataclass(frozen=True)
class Restoration:
    """How a photo is restored; nothing by default.

    Attributes:
        tint: colours for a grey photo, or None.
        damaged: (512, 512) bool, pixels of the crop that show no truth, or None.
        denoise: standard deviation of the noise to remove, in 255ths; 0 none.
        sharpen: standard deviation of the blur to undo, in pixels of the crop; 0 none.
    """

    tint: Tint | None = None
    damaged: NDArray[np.bool_] | None = None
    denoise: float = 0.0
    sharpen: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether it leaves the photo as it is."""
        holes = self.damaged is not None and bool(self.damaged.any())
        return self.tint is None and not holes and self.denoise <= 0 and self.sharpen <= 0
