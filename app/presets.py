"""Named moves: read, written, applied at a strength, and made up."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inversion_core.edit import Slider
from inversion_core.errors import BadInput
from inversion_core.image import write_atomic

SUFFIX = ".facetpreset"


@dataclass(frozen=True)
class Preset:
    """Moves to share.

    Attributes:
        name: for people; moves: slider name -> value at strength 1.
    """

    name: str
    moves: Mapping[str, float]


def applied(
    preset: Preset,
    strength: float,
    moves: Mapping[str, float],
    sliders: Iterable[Slider],
    locked: frozenset[str] = frozenset(),
) -> dict[str, float]:
    """The moves with the preset's on top, from the default (strength 0) to the preset's value (1).

    Sliders that the preset does not name, that the model does not have or that are locked stay as they are.
    """
    result = dict(moves)
    for slider in sliders:
        if slider.name in preset.moves and slider.name not in locked:
            result[slider.name] = slider.default + strength * (preset.moves[slider.name] - slider.default)
    return result


def randomised(
    strength: float,
    moves: Mapping[str, float],
    sliders: Iterable[Slider],
    locked: frozenset[str] = frozenset(),
    groups: frozenset[str] | None = None,
    seed: int | None = None,
) -> dict[str, float]:
    """The moves with unlocked sliders at random, most of them near their defaults.

    Args:
        strength: in [0, 1]; the share of a slider's range that it may travel.
        groups: only these; None is all.
    """
    chance = random.Random(seed)
    result = dict(moves)
    for slider in sliders:
        if slider.name in locked or (groups is not None and slider.group not in groups):
            continue
        span = (
            slider.maximum if (pull := chance.triangular(-1, 1, 0)) > 0 else slider.minimum
        ) - slider.default
        if span == 0:
            # A one-sided slider is left alone as often as it is moved.
            result[slider.name] = slider.default
            continue
        result[slider.name] = round(slider.default + abs(pull) * strength * span, 3)
    return result


def save_preset(preset: Preset, path: Path) -> None:
    """Write the preset whole or not at all.

    Raises:
        OutputUnwritable: see :func:`inversion_core.image.write_atomic`.
    """
    content = {"facet_preset": 1, "name": preset.name, "moves": dict(preset.moves)}
    write_atomic(path, json.dumps(content, indent=1).encode())


def load_preset(path: Path) -> Preset:
    """The preset in a file.

    Raises:
        BadInput: no preset, damaged, or from a newer version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["facet_preset"]
        moves = {str(name): float(value) for name, value in content["moves"].items()}
        name = str(content["name"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path.name} is not a Facet preset.", "Choose a file that Facet saved.") from error
    if version != 1:
        raise BadInput(f"{path.name} was saved by a newer version of Facet.", "Update Facet to use it.")
    return Preset(name, moves)
