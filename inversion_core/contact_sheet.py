"""The folder of pictures that shows an inversion from all sides, and the sheet with all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from inversion_core.edit import Inversion
from inversion_core.image import make_folder, save_image, to_uint8, write_atomic
from inversion_core.metrics import face_mask
from inversion_core.model import FaceModel
from inversion_core.pipeline import edit, turntable_camera, view
from inversion_core.rendering import Rendering
from inversion_core.task import Progress, Task

YAWS = tuple(range(-45, 46, 15))
EDITS = ({"smile": 1.0}, {"age": 1.0}, {"jaw_width": 1.0})
SIZE, CELL = 512, 256
BACKGROUND = (0.16, 0.16, 0.17)
INK = (225, 225, 228)


def write_views(inversion: Inversion, model: FaceModel, folder: Path) -> Task[Path]:
    """Write input.png, front.png, mask.png, person.png, yaw±N.png, normals.png, sheet.png and metrics.json.

    Raises:
        OutputUnwritable: the folder cannot be made or written.
    """
    folder = Path(folder)
    make_folder(folder)
    total = 3 + len(YAWS) + len(EDITS)
    yield Progress(0, total, "front")
    portrait = inversion.portrait
    head = edit(inversion, {}, model)
    front = view(head, portrait.camera, SIZE, 2)
    cells = [("photo", portrait.image), ("front", to_uint8(front.over(BACKGROUND)))]
    save_image(folder / "input.png", portrait.image)
    save_image(folder / "front.png", cells[1][1])
    if np.isfinite(portrait.landmarks).all():
        save_image(folder / "mask.png", face_mask(portrait.landmarks, SIZE))
    save_image(folder / "person.png", front.opacity)
    for i, yaw in enumerate(YAWS):
        yield Progress(1 + i, total, f"{yaw}°")
        rendering = view(head, turntable_camera(inversion, np.radians(yaw), 0.0), SIZE, 2)
        picture = to_uint8(rendering.over(BACKGROUND))
        save_image(folder / f"yaw{yaw:+03d}.png", picture)
        cells.append((f"{yaw:+d}°", picture))
    yield Progress(1 + len(YAWS), total, "normals")
    turned = view(head, turntable_camera(inversion, np.radians(30), 0.0), SIZE, 2)
    save_image(folder / "normals.png", normal_picture(front))
    cells.append(("form", clay_picture(turned)))
    for i, moves in enumerate(EDITS):
        yield Progress(2 + len(YAWS) + i, total, "edits")
        known = {slider.name for slider in model.card.sliders}
        if not set(moves) <= known:
            continue
        label = ", ".join(f"{name.replace('_', ' ')} {value:+g}" for name, value in moves.items())
        cells.append(
            (label, to_uint8(view(edit(inversion, moves, model), portrait.camera, SIZE, 2).over(BACKGROUND)))
        )
    save_image(folder / "sheet.png", sheet(cells))
    scores = {name: value if np.isfinite(value) else None for name, value in inversion.scores.items()}
    record = {
        "scores": scores,
        "seconds": inversion.seconds,
        "method": inversion.method,
        "model": model.card.name,
    }
    write_atomic(folder / "metrics.json", msgspec.json.format(msgspec.json.encode(record), indent=2))
    return folder


def normal_picture(rendering: Rendering) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: world normals as colours, x red, y green, z blue."""
    return to_uint8(np.where(rendering.depth[..., None] > 0, rendering.normals * 0.5 + 0.5, 0.0))


def clay_picture(rendering: Rendering) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the form alone under a soft light."""
    light = np.array([0.35, 0.45, 0.82], np.float32)
    shade = np.clip(rendering.normals @ light, 0, 1)[..., None] * 0.75 + 0.18
    return to_uint8(np.where(rendering.depth[..., None] > 0, shade * [1.0, 0.97, 0.94], BACKGROUND))


def sheet(cells: list[tuple[str, NDArray[np.uint8]]], columns: int = 7) -> NDArray[np.uint8]:
    """Labelled pictures in rows."""
    tiles = []
    for label, picture in cells:
        tile = cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
        tile = np.ascontiguousarray(tile)
        cv2.putText(
            tile,
            label.replace("°", " deg"),
            (8, CELL - 9),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            (0, 0, 0),
            3,
            cv2.LINE_AA,
        )
        cv2.putText(
            tile,
            label.replace("°", " deg"),
            (8, CELL - 9),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            INK,
            1,
            cv2.LINE_AA,
        )
        tiles.append(tile)
    blank = np.full((CELL, CELL, 3), np.round(np.array(BACKGROUND) * 255), np.uint8)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def save_sheet(head: Any, inversion: Inversion, path: Path) -> Task[Path]:
    """A task that writes the photo, the head as it is edited, turned in steps of 15°, and its form as one picture.

    Raises:
        OutputUnwritable: see :func:`inversion_core.image.save_image`.
    """
    portrait = inversion.portrait
    total = len(YAWS) + 3
    yield Progress(0, total, "front")
    cells = [
        ("photo", portrait.image),
        ("front", to_uint8(view(head, portrait.camera, SIZE, 2).over(BACKGROUND))),
    ]
    for i, yaw in enumerate(YAWS):
        yield Progress(1 + i, total, f"{yaw}°")
        rendering = view(head, turntable_camera(inversion, np.radians(yaw), 0.0), SIZE, 2)
        cells.append((f"{yaw:+d}°", to_uint8(rendering.over(BACKGROUND))))
    yield Progress(total - 2, total, "form")
    turned = view(head, turntable_camera(inversion, np.radians(30), 0.0), SIZE, 2)
    cells.append(("form", clay_picture(turned)))
    yield Progress(total - 1, total, "writing")
    save_image(path, sheet(cells, 5))
    return path
