"""How fast OpenGL draws a head here, beside the core's own renderer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inversion_core.camera import Camera
from inversion_core.gl.context import NoOpenGL, described, standalone_context
from inversion_core.gl.head import HeadRenderer
from inversion_core.gl.kinds import is_surface, is_traced, renderer_of
from inversion_core.metrics import psnr

SIZE, REPEATS = 512, 3
LIKENESS_SIZE = 256


@dataclass(frozen=True)
class Swing:
    """What turning a head measured: the driver, median seconds a frame by side in pixels, and in dB how like the
    core's pictures the least like one is."""

    driver: str
    seconds: Mapping[int, float]
    psnr: float


def measured_swing(head: Any, cameras: Sequence[Camera], sizes: Sequence[int], repeats: int) -> Swing:
    """Draw a head through all cameras at all sizes, and compare at :data:`LIKENESS_SIZE`.

    Raises:
        NoOpenGL: there is no context without a window, or nothing draws this kind of head.
    """
    if not is_surface(head):
        raise NoOpenGL("Heads of this model are not drawn with OpenGL.")
    context = standalone_context()
    try:
        renderer = HeadRenderer(context)
        renderer.show(head)

        def swing(size: int) -> None:
            for camera in cameras:
                renderer.draw(camera, (size, size))
            context.finish()

        seconds = {size: median_time(lambda size=size: swing(size), repeats) / len(cameras) for size in sizes}
        whole = np.ones((LIKENESS_SIZE, LIKENESS_SIZE), np.float32)
        likeness = min(
            psnr(renderer.render(head, c, LIKENESS_SIZE).over(), head.view(c, LIKENESS_SIZE).over(), whole)
            for c in cameras
        )
        return Swing(str(described(context)), seconds, likeness)
    finally:
        context.release()


def compared(head: Any, camera: Camera, size: int = SIZE) -> tuple[float, float] | None:
    """Median seconds for one (size, size) picture with OpenGL and with ``head.view``; None if it draws no such head, or
    has none to draw yet.

    Raises:
        NoOpenGL: there is no context without a window.
    """
    if is_traced(head):
        # What moves is the preview, on either side.
        drawn = head.distances.volume
        if drawn is None:
            return None
    elif is_surface(head):
        drawn = head
    else:
        return None
    context = standalone_context()
    try:
        renderer = renderer_of(head, context)
        renderer.show(head)

        def with_gl() -> None:
            renderer.draw(camera, (size, size))
            context.finish()

        times = median_time(with_gl), median_time(lambda: drawn.view(camera, size))
        return times
    finally:
        context.release()


def median_time(draw: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of ``repeats`` runs after one that is not counted."""
    draw()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        draw()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
