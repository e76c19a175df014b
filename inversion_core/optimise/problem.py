"""What is asked of a descent: one picture to explain, and the stages that go about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inversion_core.optimise import distances
from inversion_core.optimise.coded import SPLIT, Coded
from inversion_core.optimise.distances import Distance
from inversion_core.optimise.operators import Operator, identity
from inversion_core.optimise.point import Point

Guess = Callable[[Tensor, Tensor], Tensor]
"""Pictures (N, 3, S, S) and cameras (N, 25) -> ws (N, num_ws, w_dim): a learned encoder."""


@dataclass(frozen=True)
class Target:
    """A picture to explain.

    Attributes:
        picture: (1, C, H, W) in [-1, 1], what ``operator`` makes of the whole picture.
        weight: (1, 1, H, W) how much each pixel counts.
        label: (1, 25) the camera it was taken with.
        operator: what is known of the whole picture.
    """

    picture: Tensor
    weight: Tensor
    label: Tensor
    operator: Operator = identity


@dataclass(frozen=True)
class InversionProblem:
    """Generator, picture, and what a learned encoder would say, where there is one.

    Attributes:
        seed: of all random draws; the same seed gives the same result.
    """

    generator: Coded
    target: Target
    encoder: Guess | None = None
    seed: int = 0


@dataclass(frozen=True)
class Moment:
    """What a regulariser sees: the problem, the point, its codes and picture, and how far the stage is.

    Attributes:
        ws: (1, num_ws, w_dim), without the ramp's noise; picture: (1, 3, S, S); start: where the stage began.
        share: in [0, 1).
    """

    problem: InversionProblem
    point: Point
    ws: Tensor
    picture: Tensor
    start: Point
    share: float
    draws: torch.Generator


Regulariser = Callable[[Moment], Tensor]
Start = Callable[[InversionProblem, Point, torch.Generator], Point]
Projection = Callable[[InversionProblem, Point, torch.Generator], None]
Rate = Callable[[float], float]


def constant(share: float) -> float:
    """The full rate all the time."""
    return 1.0


@dataclass(frozen=True)
class Stage:
    """One descent.

    Attributes:
        start: where it begins, given where the stage before ended.
        moves: fields of :class:`Point` that the descent moves.
        steps, rate: of Adam; ``schedule``: share of the stage -> factor of the rate.
        distances: distance -> factor; regularisers: regulariser -> factor.
        jitter: noise on the codes in deviations of w, fading over the first three quarters (StyleGAN2's ramp).
        layers: the ws that may move, None for all.
        resolution: where features are added or mixed.
        projection: called after every step, to bring the point back to where it must lie.
        optimiser: makes the optimiser from leaves and rate.
    """

    start: Start
    moves: tuple[str, ...]
    steps: int
    rate: float
    schedule: Rate = constant
    distances: tuple[tuple[Distance, float], ...] = (
        (distances.squared, 1.0),
        (distances.feature_pyramid, 0.2),
    )
    regularisers: tuple[tuple[Regulariser, float], ...] = ()
    jitter: float = 0.0
    layers: slice | None = None
    resolution: int = SPLIT
    projection: Projection | None = None
    optimiser: Callable[[list[Tensor], float], torch.optim.Optimizer] = field(
        default=lambda leaves, rate: torch.optim.Adam(leaves, rate, betas=(0.9, 0.999))
    )


@dataclass(frozen=True)
class Method:
    """A row of the table: a method of the literature.

    Attributes:
        name: identifier; source: whose it is; space: where it searches, for people.
        stages: in order; a stage that moves nothing only draws what it starts from.
        encoder: name of the learned encoder that it needs, or empty.
        restarts: tries with other seeds, of which the best stays.
    """

    name: str
    source: str
    space: str
    stages: tuple[Stage, ...]
    encoder: str = ""
    restarts: int = 1
