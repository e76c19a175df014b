"""The one loop of all descents: stages in order, progress after each step, the best point kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inversion_core.image import from_signed
from inversion_core.optimise.point import Point, released
from inversion_core.optimise.problem import InversionProblem, Method, Moment, Stage
from inversion_core.task import Progress, Task

RAMP = 0.75
"""Share of a stage after which the noise on the codes is gone. Source: StyleGAN2, ``projector.py``."""
PREVIEW_SECONDS = 1.0


@dataclass(frozen=True)
class Solution:
    """What a method found.

    Attributes:
        point: the best point; loss: its distances without regularisers; seconds: spent.
        curve: the loss after every step of the kept try, all stages.
        resolution: where the last stage's features are added or mixed.
    """

    point: Point
    loss: float
    seconds: float
    curve: tuple[float, ...]
    resolution: int


@dataclass
class Best:
    """The best point so far, for whoever stops a task early: the task writes it as it goes."""

    solution: Solution | None = None


def solve(
    problem: InversionProblem, method: Method, best: Best | None = None, speed: float = 1.0
) -> Task[Solution]:
    """The best point that the method finds.

    Closing the task stops it; what was found until then is in ``best``.

    Args:
        speed: stages take this many times fewer steps.

    Raises:
        BadInput: the method needs an encoder and the problem has none.
    """
    started = time.perf_counter()
    best = best or Best()
    steps = [max(1, round(stage.steps / speed)) for stage in method.stages]
    total = max(sum(steps) * method.restarts, 1)
    winner: Solution | None = None
    done = 0
    for attempt in range(method.restarts):
        draws = torch.Generator().manual_seed(problem.seed + attempt)
        point, curve, loss = Point(), [], float("inf")
        yield Progress(done, total, method.name)
        for stage, count in zip(method.stages, steps, strict=True):
            point = stage.start(problem, point, draws).detached()
            for found in _descended(problem, stage, count, point, draws):
                point, loss = found.point, found.loss
                curve.append(found.last)
                done += 1
                seconds = time.perf_counter() - started
                if winner is None or loss < winner.loss:
                    best.solution = Solution(point, loss, seconds, tuple(curve), stage.resolution)
                yield Progress(done, total, f"{method.name}: {loss:.4f}", found.preview)
        solution = Solution(
            point, loss, time.perf_counter() - started, tuple(curve), method.stages[-1].resolution
        )
        if winner is None or solution.loss < winner.loss:
            winner = solution
    winner = replace(winner, seconds=time.perf_counter() - started)
    best.solution = winner
    return winner


@dataclass(frozen=True)
class _Step:
    point: Point
    loss: float
    last: float
    preview: object


def _descended(
    problem: InversionProblem, stage: Stage, count: int, start: Point, draws: torch.Generator
) -> Iterator[_Step]:
    """The best point of a stage after each of its steps; the start itself counts."""
    generator, target = problem.generator, problem.target
    point, leaves = released(start, stage.moves, stage.layers)
    optimiser = stage.optimiser(leaves, stage.rate) if leaves else None
    kept, lowest, shown = start, float("inf"), -PREVIEW_SECONDS
    for index in range(count):
        share = index / count
        strength = stage.jitter * generator.statistics.deviation * max(0.0, 1 - share / RAMP) ** 2
        with _gradients():
            ws = generator.ws(point)
            picture = _drawn(problem, stage, point, ws, strength, draws)
            fit = _distance(problem, stage, picture)
            loss = fit
            moment = Moment(problem, point, ws, picture, start, share, draws)
            for regulariser, factor in stage.regularisers:
                loss = loss + factor * regulariser(moment)
            if optimiser is not None:
                for group in optimiser.param_groups:
                    group["lr"] = stage.rate * stage.schedule(share)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
        value = float(fit.detach())
        # Kept before it moves: the loss belongs to the point that was drawn, or to one near it under the ramp's noise.
        if value < lowest:
            kept, lowest = point.detached(), value
        if optimiser is not None:
            optimiser.step()
            if stage.projection is not None:
                stage.projection(problem, point, draws)
        now = time.perf_counter()
        preview = None
        if now - shown >= PREVIEW_SECONDS:
            preview, shown = from_signed(picture[0].detach().cpu().numpy()), now
        if index == count - 1 and optimiser is not None:
            with torch.no_grad():
                picture = generator.picture(point, target.label, stage.resolution)
                value = float(_distance(problem, stage, picture))
            if value < lowest:
                kept, lowest = point.detached(), value
        yield _Step(kept, lowest, value, preview)


def _drawn(
    problem: InversionProblem, stage: Stage, point: Point, ws: Tensor, strength: float, draws: torch.Generator
) -> Tensor:
    if strength > 0:
        noise = torch.randn(ws[:, :1].shape, generator=draws).to(ws)
        point = replace(point, z=None, ws=ws + strength * noise / ws.shape[-1] ** 0.5)
    return problem.generator.picture(point, problem.target.label, stage.resolution)


def _distance(problem: InversionProblem, stage: Stage, picture: Tensor) -> Tensor:
    target = problem.target
    guess = target.operator(picture)
    weight = target.weight
    if weight.shape[2:] != guess.shape[2:]:
        weight = torch.nn.functional.interpolate(weight, size=guess.shape[2:], mode="area")
    return sum(factor * distance(guess, target.picture, weight) for distance, factor in stage.distances)


@contextmanager
def _gradients():
    """Gradients whatever the caller's mode; never held open over a ``yield``."""
    with torch.enable_grad():
        yield
