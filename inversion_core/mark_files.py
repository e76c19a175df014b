"""Marks of photos in files: five points as text, or a JSON table of points or EG3D labels by file name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import msgspec
import numpy as np

from inversion_core.errors import BadInput
from inversion_core.portrait import CropLabel, FacePoints, Marks

LARGEST = 512 * 2**20
"""Bytes of a table that is opened; EG3D's own for FFHQ has 40 megabytes."""


def read_marks(place: Path) -> Callable[[str], Marks]:
    """What gives the marks of a photo by its file name.

    Args:
        place: a text file with five lines "x y", for every photo; a folder with such a ``<stem>.txt`` for each photo;
            or JSON, ``{"labels": [[name, numbers], …]}`` or ``{name: numbers}``, where the numbers are five
            points (10, or five pairs) or EG3D's label (25). The file's ending in a table does not matter.

    Raises:
        BadInput: the file is not there, damaged, or of another kind; the call: it says nothing of that photo.
    """
    place = Path(place)
    if place.is_dir():
        return lambda name: _text(place / f"{PurePath(name).stem}.txt")
    if place.suffix.lower() != ".json":
        marks = _text(place)
        return lambda _name: marks
    table = _table(place)

    def found(name: str) -> Marks:
        numbers = table.get(name, table.get(PurePath(name).stem))
        if numbers is None:
            raise BadInput(f"{place.name} says nothing of {name}.", "Add its points or its label there.")
        return _marks(numbers, f"The entry of {name} in {place.name}")

    return found


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path.name} is far too large for marks.", "Give points or labels of the photos.")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}).", "Give points as text, or a table as JSON."
        ) from error


def _text(path: Path) -> FacePoints:
    content = _content(path)
    try:
        numbers = [float(word) for word in content.decode("utf-8-sig").replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 10 or not np.isfinite(numbers).all():
        raise BadInput(
            f"{path.name} does not hold five points.",
            "Five lines with x and y: right eye, left eye, nose, right and left mouth corner.",
        )
    return FacePoints(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _table(path: Path) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(_content(path))
        rows = content["labels"] if isinstance(content.get("labels"), list) else content.items()
        named = [(PurePath(name), numbers) for name, numbers in rows]
    except (msgspec.MsgspecError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{path.name} is no table of points or labels.",
            'It should be {"labels": [["photo.png", [numbers]], …]} or {"photo.png": [numbers], …}.',
        ) from error
    stems = {name.stem: numbers for name, numbers in named}
    return {**stems, **{name.name: numbers for name, numbers in named}}


def _marks(numbers: Any, what: str) -> Marks:
    try:
        flat = [float(x) for x in np.ravel(np.asarray(numbers, np.float64))]
    except (TypeError, ValueError):
        flat = []
    if len(flat) == 10:
        return FacePoints(tuple(zip(flat[::2], flat[1::2], strict=True)))
    if len(flat) == 25:
        return CropLabel(tuple(flat))
    raise BadInput(f"{what} is neither five points nor a label.", "Give 10 numbers, or EG3D's 25.")
