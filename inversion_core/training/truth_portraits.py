"""Portraits of held-out synthetic heads, each with the head it was drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inversion_core import metrics, pipeline
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.image import encode, to_uint8
from inversion_core.likeness import TURNS, face_texture_likeness
from inversion_core.portrait import Portrait
from inversion_core.task import Progress, Task
from inversion_core.training.assets import HeadAssets
from inversion_core.training.held_out import (
    HELD_OUT_SEED,
    TruthHead,
    compared_with_truth,
    cropped,
    draw_truth,
    truth_head,
)
from inversion_core.training.template import TemplateBuilder

SIZE = 256
"""Side at which inversions are compared with the truth."""
FOUND_SIZE = 512
"""Side at which faces are looked for."""


@dataclass(frozen=True)
class TruthPortrait:
    """A portrait, the head behind it and the camera it was drawn through."""

    portrait: Portrait
    head: TruthHead
    camera: Camera

    def likeness(self, inversion: Inversion, model: Any) -> float:
        """Mean likeness at TURNS of the face's texture to that of the head itself, seen from there; 0 where the
        detector finds no face on one of the two."""
        head, values = pipeline.edit(inversion, {}, model), []
        whole = cropped(self.camera, inversion)
        for turn in np.radians(TURNS):
            views = (
                pipeline.view(head, inversion.portrait.camera.turned(turn, 0.0), FOUND_SIZE),
                draw_truth(self.head, whole.turned(turn, 0.0), FOUND_SIZE),
            )
            points = [metrics.redetected_landmarks(view) for view in views]
            if any(found is None for found in points):
                values.append(0.0)
                continue
            values.append(face_texture_likeness(views[0].over(), points[0], views[1].over(), points[1]))
        return float(np.mean(values))

    def measured(self, inversion: Inversion, model: Any) -> tuple[float, float]:
        """PSNR turned by 30° in dB, and depth error as a share of the head's height."""
        turned, _, depth, _ = compared_with_truth(self.head, self.camera, inversion, model, SIZE)
        return float(turned), float(depth)


def truth_portraits(assets: Path, count: int) -> Task[list[TruthPortrait]]:
    """Heads that no training has seen, the first ``count`` on which a face is found.

    Raises:
        BadInput: no face was found on any of three times as many.
    """
    loaded = HeadAssets(assets)
    builder = TemplateBuilder(loaded)
    found: list[TruthPortrait] = []
    for index in range(3 * count):
        yield Progress(len(found), count, "held-out heads")
        rng = np.random.default_rng(HELD_OUT_SEED + index)
        head = truth_head(loaded, builder, HELD_OUT_SEED + index)
        camera = Camera.orbit(float(rng.uniform(-0.25, 0.25)), float(rng.uniform(-0.1, 0.15)))
        picture = draw_truth(head, camera, 512).over(rng.uniform(0.3, 0.8, 3))
        try:
            portrait = pipeline.open_portrait(encode(to_uint8(picture)), f"held-out {index}")
        except BadInput:
            continue
        found.append(TruthPortrait(portrait, head, camera))
        if len(found) == count:
            return found
    if not found:
        raise BadInput("No face was found on any held-out head.", "Look at the assets' textures.")
    return found
