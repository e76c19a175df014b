"""Strokes on the view of a generator of planes: codes near the present ones whose head obeys the stroke.

Source: Zhu et al. 2016 (iGAN), section 4: what is under the stroke is a masked target, the rest is to stay, and the codes
are to stay near where they were; colours move the finer layers only, as styles are mixed (Karras et al. 2019, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.colour_strokes import ColourStroke, brush
from inversion_core.directions import edit_offsets
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.optimise import distances
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.optimise.methods import ramped
from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import InversionProblem, Method, Moment, Stage, Target
from inversion_core.optimise.solve import Best, solve
from inversion_core.refine.goae import SPLIT
from inversion_core.samples import label_of
from inversion_core.task import Task

if TYPE_CHECKING:
    from inversion_core.eg3d_model import EG3DModel

STEPS, RATE = 50, 0.04
REST = 0.25
"""What all that is not under the stroke counts, together, for 1 of what is."""
NEAR = 0.005
"""Weight of the squared whitened way from the present codes."""
REACH = 0.07
"""Radius in widths of the picture of what a pull takes along."""


@dataclass(frozen=True)
class ShapeStroke:
    """A place of a square picture and where it is to go, both in widths of the picture."""

    start: tuple[float, float]
    end: tuple[float, float]


def obeying(
    model: EG3DModel,
    inversion: Inversion,
    moves: Mapping[str, float],
    camera: Camera,
    stroke: ColourStroke | ShapeStroke,
    speed: float = 1.0,
    enough: Callable[[], bool] | None = None,
) -> Task[Inversion]:
    """A task that finds the inversion whose head, with these moves, obeys a stroke on the view through a camera.

    Args:
        speed: this many times fewer steps.
        enough: asked after every step; once it is true, the task ends with the best codes met so far.

    Raises:
        BadInput: the stroke begins or ends outside the picture.
    """
    generator = CodedGenerator(model.generator)
    offsets = torch.zeros(1, generator.num_ws, generator.w_dim)
    if any(moves.values()) and model.goae is not None:
        offsets = torch.from_numpy(edit_offsets(moves, model.directions))
    begun = inversion.detail.ws + offsets.to(inversion.detail.ws)
    label = label_of(camera, model.generator)
    with torch.no_grad():
        shown = generator.picture(Point(ws=begun), label)
    picture, weight = _wanted(shown, stroke)
    target = Target(picture, weight, label)

    def from_codes(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
        return Point(ws=begun.clone())

    finer = slice(generator.num_ws // 3, None) if isinstance(stroke, ColourStroke) else None
    wanted = ((distances.squared, 1.0), (distances.feature_pyramid, 0.05))
    if isinstance(stroke, ColourStroke):
        wanted = ((_tones, 1.0),)
    stage = Stage(
        from_codes, ("ws",), STEPS, RATE, ramped, wanted, regularisers=((_near_start, NEAR),), layers=finer
    )
    row = Method("stroke", "Zhu et al. 2016 (iGAN)", "W+ from the codes", (stage,))
    best = Best()
    task = solve(InversionProblem(generator, target), row, best, speed)
    while enough is None or not (enough() and best.solution is not None):
        try:
            step = next(task)
        except StopIteration:
            break
        yield step
    task.close()
    return _moved(model, inversion, generator.ws(best.solution.point) - begun)


def _wanted(shown: Tensor, stroke: ColourStroke | ShapeStroke) -> tuple[Tensor, Tensor]:
    """The picture (1, 3, S, S) that the stroke asks for, and how much its pixels count (1, 1, S, S)."""
    size = shown.shape[-1]
    axis = (np.arange(size) + 0.5) / size
    grid = np.stack(np.meshgrid(axis, axis), -1)
    if isinstance(stroke, ColourStroke):
        under = np.clip(2 * (1 - brush(stroke, grid)), 0, 1)
        colour = 2 * torch.tensor(stroke.colour).to(shown)[None, :, None, None] - 1
        mask = _as(shown, under)
        picture = shown + mask * (colour - shown)
        rest = 1 - mask
    else:
        shift = np.subtract(stroke.end, stroke.start)
        patch = ColourStroke((stroke.end,), REACH, (0.0, 0.0, 0.0))
        mask = _as(shown, np.exp(-2 * brush(patch, grid) ** 2))
        left = _as(shown, np.exp(-2 * brush(replace(patch, places=(stroke.start,)), grid) ** 2))
        at = torch.from_numpy(2 * (grid - shift) - 1).to(shown)[None]
        moved = F.grid_sample(shown, at, padding_mode="border", align_corners=False)
        picture = shown + (mask > 0.02) * (moved - shown)
        # Where the place was, anything may come.
        rest = (1 - mask) * (1 - left)
    if float(mask.sum()) < 1:
        raise BadInput("The stroke lies outside the picture.", "Paint on the head.")
    return picture, mask / mask.sum() + REST * rest / rest.sum().clamp_min(1)


def _as(shown: Tensor, array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array).to(shown)[None, None]


def _tones(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Squared difference of colours smoothed a little: a stroke says nothing of pores and strands."""
    smooth = [F.avg_pool2d(x, 5, 1, 2, count_include_pad=False) for x in (first, second)]
    return distances.squared(*smooth, weight)


def _near_start(moment: Moment) -> Tensor:
    """Mean square of the whitened way from where the descent began."""
    way = moment.ws - moment.start.ws
    return (way @ moment.problem.generator.statistics.whitener).square().mean()


@torch.no_grad()
def _moved(model: EG3DModel, inversion: Inversion, way: Tensor) -> Inversion:
    """The inversion with its codes moved; the photo's own features come along, as with an edit."""
    detail, generator = inversion.detail, model.generator
    ws = detail.ws + way
    moved, _ = generator.backbone_features(ws, SPLIT)
    refined = detail.refined + (moved - detail.features)
    arrays = {"ws": ws, "c": detail.c, "features": moved, "refined": refined, "mask": detail.mask}
    found = model.unpack(inversion.portrait, {name: x[0].cpu().numpy() for name, x in arrays.items()})
    return replace(inversion, latent=found.latent, detail=found.detail)
