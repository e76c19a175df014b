"""The command line's options for photos in which no face is found: a square, five points, or a file of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from inversion_core.errors import NoFace, UsageError
from inversion_core.model import FaceModel, checked_encoder, takes_by_hand
from inversion_core.portrait import FacePoints, Marks, Portrait, Square

BY_HAND = "Or align it by hand: --crop, --points or --points-from (facet invert --help)."


def by_hand_options(command: Callable) -> Callable:
    """The command with --crop, --yaw, --pitch, --points and --points-from."""
    for option in reversed(
        (
            click.option(
                "--crop",
                metavar="X,Y,SIDE[,ROLL]",
                help="By hand: the crop's middle and side in photo pixels, and clockwise degrees.",
            ),
            click.option("--yaw", type=float, help="Degrees, with --crop: positive shows its own left side."),
            click.option("--pitch", type=float, help="Degrees, with --crop: positive is seen from above."),
            click.option(
                "--points",
                nargs=5,
                metavar="X,Y X,Y X,Y X,Y X,Y",
                help="By hand: eye, eye, nose tip, mouth corner, mouth corner; each pair left to right.",
            ),
            click.option(
                "--points-from",
                type=click.Path(path_type=Path),
                help="The same from a text file, a folder of them, or JSON with points or EG3D labels.",
            ),
        )
    ):
        command = option(command)
    return command


def marks_for(
    photos: tuple[Path, ...],
    model: FaceModel,
    crop: str | None,
    yaw: float | None,
    pitch: float | None,
    points: tuple[str, ...] | None,
    points_from: Path | None,
    automatic: Any,
) -> Callable[[str], Marks] | None:
    """What gives the marks of a photo by its name; None where nothing is to be done by hand.

    Args:
        automatic: truthy where options were given that only go with faces that are found.

    Raises:
        UsageError: the options contradict each other, cannot be read, or the model takes nothing by hand.
        BadInput: the model has no encoder; see :func:`inversion_core.mark_files.read_marks`.
    """
    # Before faces are looked for: where nothing can be made of them, that is what matters.
    checked_encoder(model)
    given = [name for name, value in _named(crop, points, points_from) if value]
    if not given:
        if yaw is not None or pitch is not None:
            raise UsageError("--yaw and --pitch are estimates for --crop.", "Give --crop X,Y,SIDE as well.")
        return None
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other.", "Give one of them.")
    if automatic:
        raise UsageError(f"{given[0]} takes no --face or --also.", "Leave those out.")
    if (yaw is not None or pitch is not None) and crop is None:
        raise UsageError(f"--yaw and --pitch follow from {given[0]}.", "Leave them out, or use --crop.")
    if model.card.kind == "heads":
        raise UsageError(
            f"{model.card.title or model.card.name} needs a face that Facet finds by itself, so {given[0]} is "
            "no use with it.",
            "Choose a model with GOAE or E3DGE by --model.",
        )
    if points_from is not None:
        from inversion_core.mark_files import read_marks

        if len(photos) > 1 and points_from.is_file() and points_from.suffix.lower() != ".json":
            raise UsageError(
                f"{points_from.name} holds the points of one photo.", "Give one PHOTO, a folder, or JSON."
            )
        return read_marks(points_from)
    if len(photos) > 1:
        raise UsageError(f"{given[0]} is for one photo.", "Give one PHOTO, or --points-from.")
    marks = _points(points) if points else _square(crop or "", yaw or 0.0, pitch or 0.0)
    return lambda _name: marks


def open_marked(
    photo: Path, marks: Callable[[str], Marks] | None, model: FaceModel, face: int | None
) -> Portrait:
    """The portrait of a photo: by hand where there are marks, else by the face that is found.

    Raises:
        NoFace: none is found; the hint says what else there is for this model.
    """
    from inversion_core import pipeline

    if marks is not None:
        from inversion_core.manual_alignment import portrait_by_hand

        return portrait_by_hand(photo, marks(photo.name))
    try:
        return pipeline.open_portrait(photo, face=face)
    except NoFace as error:
        if face is not None or not takes_by_hand(model):
            raise
        raise NoFace(error.what, f"{error.hint} {BY_HAND}") from error


def _named(crop: str | None, points: Any, points_from: Any) -> tuple[tuple[str, Any], ...]:
    return ("--crop", crop), ("--points", points), ("--points-from", points_from)


def _numbers(words: str) -> list[float]:
    try:
        found = [float(word) for word in words.split(",")]
    except ValueError:
        return []
    return found if np.isfinite(found).all() else []


def _square(words: str, yaw: float, pitch: float) -> Square:
    found = _numbers(words)
    if len(found) not in (3, 4) or found[2] < 1:
        raise UsageError(
            f"--crop {words!r} is no square.", "Middle, side and turn: --crop 640,410,380 or 640,410,380,-12"
        )
    roll = found[3] if len(found) == 4 else 0.0
    angles = (float(np.radians(angle)) for angle in (roll, yaw, pitch))
    return Square((found[0], found[1]), found[2], *angles)


def _points(words: tuple[str, ...]) -> FacePoints:
    pairs = [_numbers(word) for word in words]
    if any(len(pair) != 2 for pair in pairs):
        raise UsageError(
            f"--points {' '.join(words)} are not five points.",
            "For example: --points 210,300 330,305 268,380 225,430 315,436",
        )
    return FacePoints(tuple((x, y) for x, y in pairs))
