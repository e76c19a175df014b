"""The spine: photo → portrait → inversion → head → picture or mesh.

    photo ─ open_portrait ─▶ Portrait ─ invert ─▶ Inversion ─ edit(moves) ─▶ Head ─┬─ view(camera) ─▶ Rendering
                             crop, camera,         codes, photo's detail,           └─ sculpt ─────▶ Mesh
                             landmarks, mask       once per photo

Every model answers the same four calls; the bundled one's answers are in :mod:`inversion_core.bundled`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inversion_core.camera import Camera
from inversion_core.edit import Inversion, checked_moves
from inversion_core.mesh import Mesh
from inversion_core.model import FaceModel, checked_portrait, checked_several
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering
from inversion_core.task import Task


def open_portrait(source: Path | str | bytes, name: str = "", face: int | None = None) -> Portrait:
    """The aligned portrait of a photo; see :func:`inversion_core.alignment.open_portrait`."""
    from inversion_core import alignment

    return alignment.open_portrait(source, name, face)


def invert(portrait: Portrait, model: FaceModel, others: Sequence[Portrait] = ()) -> Task[Inversion]:
    """A task that finds the head behind the photo; once per photo.

    Args:
        others: more photos of the same person, for what the first one does not show.

    Raises:
        UsageError: the model takes no portrait like this, or not several.
    """
    checked_portrait(portrait, model)
    if not others:
        return (yield from model.invert(portrait))
    checked_several(model)
    return (yield from model.invert(portrait, others))


def edit(inversion: Inversion, moves: Mapping[str, float], model: FaceModel) -> Any:
    """The head with sliders moved; once per slider move.

    Raises:
        UsageError: a move names no slider of the model, or is no finite number.
    """
    head = model.edit(inversion, checked_moves(moves, model.card.sliders))
    return head


def view(head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering:
    """The head through a camera, (size, size); once per camera move.

    Args:
        samples: side of the grid of samples in a pixel; 2 smooths edges.
    """
    return head.view(camera, size, samples)


def sculpt(head: Any, resolution: int | None = None) -> Task[Mesh]:
    """A task that makes the head's mesh.

    Args:
        resolution: cells along the longest side for marching cubes; None keeps the model's own topology with a
            texture and, where the model has them, morph targets.
    """
    return (yield from head.sculpt(resolution))


def turntable_camera(inversion: Inversion, yaw: float, pitch: float) -> Camera:
    """A camera that frames the head as the photo does, from absolute angles.

    Args:
        yaw, pitch: radians in the sense of :meth:`Camera.orbit`; (0, 0) looks straight at the face.
    """
    camera = inversion.portrait.camera
    forward = camera.cam2world[:3, 2]
    reach = float(-camera.position @ forward)
    pivot = camera.position + reach * forward
    turned = Camera.orbit(yaw, pitch, reach, tuple(float(x) for x in pivot), float(camera.intrinsics[0, 0]))
    return Camera(turned.cam2world, np.asarray(camera.intrinsics, np.float32))
