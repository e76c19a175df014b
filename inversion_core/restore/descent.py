"""Restoring and refining with generators of planes: the codes whose head, seen as the photo sees it, explains the photo.

y = A(G(w)): the photo y shows grey, reduced, blurred, and only in part, what the head w would look like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.edit import Inversion
from inversion_core.errors import UsageError
from inversion_core.image import from_signed, to_float, to_signed, to_uint8
from inversion_core.metrics import face_mask, psnr, ssim
from inversion_core.optimise import distances, operators
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.optimise.methods import method_named, ramped
from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import InversionProblem, Method, Stage, Target
from inversion_core.optimise.solve import Best, Solution, solve
from inversion_core.portrait import Portrait
from inversion_core.refine.goae import SPLIT
from inversion_core.task import Task

if TYPE_CHECKING:
    from inversion_core.eg3d_model import EG3DModel

FINER_STEPS, FINER_RATE = 60, 0.02
"""Of refining codes that are there. Source: Zhu et al. 2016 (iGAN), optimisation from the encoder's codes."""


@dataclass(frozen=True)
class Degradation:
    """What happened to the picture before it became the photo.

    Attributes:
        grey: its colours were lost; damaged: (512, 512) pixels of the crop that show no truth, or None.
        scale: how many times it was reduced; blur: standard deviation of its blur, pixels of the crop.
    """

    grey: bool = False
    damaged: NDArray[np.bool_] | None = None
    scale: int = 1
    blur: float = 0.0


def restoring_target(model: EG3DModel, portrait: Portrait, degradation: Degradation) -> Target:
    """The photo as a descent has to explain it: the operator makes of a head's picture what the photo shows.

    Raises:
        UsageError: nothing of the picture would be left.
    """
    generator = CodedGenerator(model.generator)
    size = generator.size
    scale = max(1, round(degradation.scale * size / len(portrait.image)))
    if size // scale < 8:
        raise UsageError("Nothing would be left of the picture.", "Give a smaller --scale.")
    picture = to_float(portrait.image)
    if model.generator.settings.volume.white_back:
        person = cv2.resize(portrait.person, picture.shape[1::-1])[..., None]
        picture = picture * person + (1 - person)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    known = np.ones((size, size), np.float32)
    if degradation.damaged is not None:
        holes = cv2.resize(degradation.damaged.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        known = (holes < 0.02).astype(np.float32)
    signed = torch.from_numpy(to_signed(to_uint8(small)))[None].to(model.device)
    weight = torch.from_numpy(known)[None, None].to(model.device)
    blur = degradation.blur * size / len(portrait.image)
    blurred = operators.blurred(blur) if blur > 0.3 else operators.identity
    colour = operators.grey if degradation.grey else operators.identity
    reduced = operators.downsampled(scale) if scale > 1 else operators.identity
    masked = operators.masked(weight)

    def operator(guess: Tensor) -> Tensor:
        return masked(reduced(blurred(colour(guess))))

    # The photo has been through blur already; what is left is to see it at the size at which it says anything.
    seen = masked(reduced(colour(signed)))
    return Target(seen, weight, model.label(portrait.camera), operator)


def restored_by_descent(
    model: EG3DModel,
    portrait: Portrait,
    degradation: Degradation,
    method: str = "image2stylegan",
    speed: float = 1.0,
    best: Best | None = None,
) -> Task[Inversion]:
    """A task that finds the head by a method of :mod:`inversion_core.optimise.methods`.

    Args:
        best: what was found so far, for whoever stops the task: see :func:`found_head`.

    Raises:
        UsageError: the model has no codes to descend in, or the method changes more than codes, which no project keeps.
    """
    _checked(model)
    row = method_named(method)
    if row.encoder or any(set(stage.moves) - {"z", "ws"} for stage in row.stages):
        raise UsageError(
            f"The method {method!r} finds more than codes, or needs an encoder of its own.",
            "Use one that searches in Z, W or W+: w, image2stylegan, layered, lipton_clipping, creswell or csgm.",
        )
    return (yield from _descended(model, portrait, degradation, row, speed, best))


def refined(
    model: EG3DModel,
    inversion: Inversion,
    speed: float = 1.0,
    enough: Callable[[], bool] | None = None,
) -> Task[Inversion]:
    """A task that goes on from the codes of an inversion: nearer to its photo.

    Args:
        enough: asked after every step; once it is true, the task ends with the best codes met so far.

    Raises:
        UsageError: the model has no codes to descend in.
    """
    _checked(model)
    codes = inversion.detail.ws

    def from_codes(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
        return Point(ws=codes.clone())

    both = ((distances.squared, 1.0), (distances.feature_pyramid, 0.5))
    stage = Stage(from_codes, ("ws",), FINER_STEPS, FINER_RATE, ramped, both)
    row = Method("refine", "Zhu et al. 2016 (iGAN)", "W+ from the codes", (stage,))
    best = Best()
    task = _descended(model, inversion.portrait, Degradation(), row, speed, best)
    while enough is None or not (enough() and best.solution is not None):
        try:
            step = next(task)
        except StopIteration as stop:
            return stop.value
        yield step
    task.close()
    return found_head(model, inversion.portrait, best.solution, row.name)


def found_head(model: EG3DModel, portrait: Portrait, solution: Solution, method: str) -> Inversion:
    """The inversion of codes that a descent found, whole or stopped early."""
    generator = CodedGenerator(model.generator)
    with torch.no_grad():
        ws = generator.ws(solution.point).expand(-1, generator.num_ws, -1)
        features, _ = model.generator.backbone_features(ws, SPLIT)
    resolution = model.generator.settings.plane_resolution
    arrays = {
        "ws": ws[0].cpu().numpy(),
        "c": model.label(portrait.camera)[0].cpu().numpy(),
        "features": features[0].cpu().numpy(),
        "refined": features[0].cpu().numpy(),
        "mask": np.zeros((1, resolution, resolution), np.float32),
    }
    inversion = model.unpack(portrait, arrays)
    with torch.no_grad():
        shown = generator.picture(Point(ws=ws), model.label(portrait.camera))[0]
    front = to_float(from_signed(shown.cpu().numpy()))
    photo = cv2.resize(to_float(portrait.image), front.shape[1::-1], interpolation=cv2.INTER_AREA)
    mask = face_mask(portrait.landmarks, len(front))
    scores = {"psnr": psnr(front, photo, mask), "ssim": ssim(front, photo, mask)}
    return replace(inversion, scores=scores, method=method, seconds=solution.seconds)


def _descended(
    model: EG3DModel,
    portrait: Portrait,
    degradation: Degradation,
    row: Method,
    speed: float,
    best: Best | None,
) -> Task[Inversion]:
    target = restoring_target(model, portrait, degradation)
    problem = InversionProblem(CodedGenerator(model.generator), target)
    solution = yield from solve(problem, row, best, speed)
    return found_head(model, portrait, solution, row.name)


def _checked(model: EG3DModel) -> None:
    if model.card.kind == "heads":
        # Measured (docs/restoring.md): neither more landmark steps nor a photometric descent makes a better head.
        raise UsageError(
            "The bundled model's landmark fit has converged: more steps change nothing.",
            "Move landmarks, pull the shape or add photos instead.",
        )
    if model.card.kind not in ("eg3d", "goae"):
        raise UsageError(
            f"{model.card.title or model.card.name} is no generator of planes with codes.",
            "Descents are for EG3D and GOAE models.",
        )
