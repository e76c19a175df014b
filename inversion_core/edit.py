"""Sliders, moves and the values that an edit passes around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inversion_core.errors import UsageError
from inversion_core.portrait import Portrait


@dataclass(frozen=True)
class Slider:
    """One named direction, declared in the model's card.

    Attributes:
        name: identifier, ``snake_case``.
        label: what the panel shows.
        group: "expression", "shape", "character" …
        tooltip: one sentence.
        minimum, maximum, default: the soft range.
    """

    name: str
    label: str
    group: str
    tooltip: str
    minimum: float
    maximum: float
    default: float = 0.0


@dataclass(frozen=True)
class EditState:
    """An inversion and the slider moves on it; undo is a list of these.

    Attributes:
        snapshots: name ("A", "B") -> moves that were put aside to compare with.
    """

    inversion: Inversion
    moves: Mapping[str, float] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Inversion:
    """What is kept of a photo once it has been inverted; everything an edit needs, frozen.

    Attributes:
        portrait: the aligned photo.
        latent: the code that was found.
        detail: the photo's own contribution, in the form the model's refiner made it (opaque to the GUI).
        scores: name -> value: ``psnr``, ``ssim``, ``iou``, ``landmarks`` (share of the inter-ocular distance) …
        method: how the latent was found ("encoder", "refined", …).
        seconds: how long it took.
        others: more photos of the same person that went into it.
        blend: whom it is mixed from, or None.
        keep: (V,) how far edits leave each vertex as it is in the photo, in [0, 1], or None.
        colours: (K,) codes of :mod:`inversion_core.tints` that strokes of colour have set, or None.
    """

    portrait: Portrait
    latent: object
    detail: object
    scores: Mapping[str, float]
    method: str
    seconds: float
    others: tuple[Portrait, ...] = ()
    blend: Blend | None = None
    keep: NDArray[np.float32] | None = None
    colours: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Blend:
    """Two inversions and how much of the second there is, each strength in [0, 1].

    Attributes:
        pictures: both skins laid out flat, kept for the next strengths; empty before they were needed.
    """

    first: Inversion
    other: Inversion
    identity: float
    appearance: float
    expression: float
    pictures: tuple[object, ...] = ()


def checked_moves(moves: Mapping[str, float], sliders: tuple[Slider, ...]) -> dict[str, float]:
    """The moves with values clipped to twice the sliders' soft ranges and defaults left out.

    Raises:
        UsageError: a name is not a slider of this model, or a value is not finite.
    """
    known = {slider.name: slider for slider in sliders}
    result = {}
    for name, value in moves.items():
        if name not in known:
            raise UsageError(
                f"This model has no slider named {name!r}.", f"It has: {', '.join(sorted(known))}."
            )
        slider, value = known[name], float(value)
        if value != value or value in (float("inf"), float("-inf")):
            raise UsageError(f"The value of {name!r} is not a number.", "Give a finite number.")
        margin = 0.5 * (slider.maximum - slider.minimum)
        value = min(max(value, slider.minimum - margin), slider.maximum + margin)
        if value != slider.default:
            result[name] = value
    return result
