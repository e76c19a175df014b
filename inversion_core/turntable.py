"""A head turning before the camera, as a video, an animation or a folder of pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inversion_core.edit import Inversion
from inversion_core.errors import OutputUnwritable
from inversion_core.image import make_folder, save_image, to_uint8, write_atomic
from inversion_core.pipeline import turntable_camera, view
from inversion_core.task import Progress, Task
from inversion_core.video import write_video

SWING = np.radians(45)
"""How far the head turns to either side."""
BACKGROUND = (0.16, 0.16, 0.17)


def save_turntable(
    head: Any, path: Path, inversion: Inversion, seconds: float = 4.0, fps: float = 30.0, size: int = 512
) -> Task[Path]:
    """Write one swing to either side and back: .mp4, .gif, or PNGs in a folder when there is no ending.

    Raises:
        OutputUnwritable: unknown ending, missing folder, no permission, disk full.
    """
    path = Path(path)
    if path.suffix.lower() not in (".mp4", ".gif", ""):
        raise OutputUnwritable(
            f"{path.name} has an ending that turntables are not written in.", "Use .mp4 or .gif."
        )
    count = max(round(seconds * fps), 2)
    frames: list[NDArray[np.uint8]] = []
    for i in range(count):
        yield Progress(i, count + 1, "turning")
        yaw = SWING * np.sin(2 * np.pi * i / count)
        picture = view(head, turntable_camera(inversion, yaw, 0.05), size, 2)
        frames.append(to_uint8(picture.over(BACKGROUND)))
    yield Progress(count, count + 1, "writing")
    if path.suffix.lower() == ".mp4":
        write_video(path, _each(frames), fps)
    elif path.suffix.lower() == ".gif":
        pictures = [Image.fromarray(f).quantize(192, dither=Image.Dither.FLOYDSTEINBERG) for f in frames]
        buffer = io.BytesIO()
        pictures[0].save(
            buffer, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0
        )
        write_atomic(path, buffer.getvalue())
    else:
        make_folder(path)
        for i, frame in enumerate(frames):
            save_image(path / f"{i:04d}.png", frame)
    return path


def _each(frames: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    yield from frames
