"""Several photos of one person to one head of the bundled model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inversion_core.edit import Inversion
from inversion_core.optimise.landmark_fit import fit_several
from inversion_core.portrait import Portrait
from inversion_core.refine.several import fused_photos
from inversion_core.task import Progress, Task

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel


def invert_several(model: BundledModel, portraits: Sequence[Portrait]) -> Task[Inversion]:
    """The head of the person in all ``portraits``: one identity, a pose and an expression of its own in each photo,
    and every part's colours from the photo that shows it best. The first one is the head's own view."""
    started, template, count = time.perf_counter(), model.template, len(portraits)
    total = 6 * count + 2
    yield Progress(0, total, "fitting the face")
    codes = [model.encoder.encode(p.image, p.landmarks).identity for p in portraits]
    fits = fit_several(
        template, [p.landmarks for p in portraits], [p.camera for p in portraits], np.mean(codes, 0)
    )
    details, shared, placed = [], None, []
    for number, (portrait, fit) in enumerate(zip(portraits, fits, strict=True)):
        # What the first photo says beyond the codes holds in the others too, but for what they say themselves.
        known = fit if shared is None else replace(fit, coarse=fit.coarse + shared)
        corrective = model.corrected(known, portrait.landmarks)
        corrective = corrective if shared is None else corrective + shared
        shared = corrective if shared is None else shared
        portrait = replace(portrait, camera=fit.camera)
        placed.append(portrait)
        task = model.fused(portrait, fit, corrective)
        while True:
            try:
                step = next(task)
            except StopIteration as stop:
                details.append(stop.value)
                break
            yield Progress(6 * number + step.done, total, f"photo {number + 1} of {count}: {step.note}")
    yield Progress(total - 2, total, "joining the photos")
    detail = fused_photos(template, model.chart, details)
    yield Progress(total - 1, total, "checking")
    inversion = model.inversion(placed[0], fits[0], detail, f"landmarks of {count} photos")
    return replace(inversion, others=tuple(placed[1:]), seconds=time.perf_counter() - started)
