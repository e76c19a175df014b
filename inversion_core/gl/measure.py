"""How fast OpenGL draws a head here, beside the core's own renderer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from inversion_core.camera import Camera
from inversion_core.gl.context import standalone_context
from inversion_core.gl.head import HeadRenderer, draws

SIZE, REPEATS = 512, 3


def compared(head: Any, camera: Camera, size: int = SIZE) -> tuple[float, float] | None:
    """Median seconds for one (size, size) picture with OpenGL and with ``head.view``; None if it draws no such head.

    Raises:
        NoOpenGL: there is no context without a window.
    """
    if not draws(head):
        return None
    context = standalone_context()
    try:
        renderer = HeadRenderer(context)
        renderer.show(head)

        def with_gl() -> None:
            renderer.draw(camera, (size, size))
            context.finish()

        times = median_time(with_gl), median_time(lambda: head.view(camera, size))
        renderer.release()
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
