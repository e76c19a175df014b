"""Where stages begin."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from inversion_core.errors import BadInput
from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import InversionProblem, Start

CODES = 6
"""Heads that mGANprior mixes. Source: Gu et al. 2020 use 10 to 30, of far larger generators."""


def from_mean(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The mean code in W. Source: StyleGAN2, appendix D."""
    return Point(ws=problem.generator.statistics.mean.clone())


def from_random_z(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """A random z."""
    z = torch.randn(1, problem.generator.z_dim, generator=draws)
    return Point(z=z.to(problem.generator.device))


def from_encoder(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """What the encoder reads from the picture, in W+.

    Raises:
        BadInput: the problem has no encoder.
    """
    if problem.encoder is None:
        raise BadInput("This method needs a trained encoder.", "Train one: facet train encoder --method psp.")
    with torch.no_grad():
        return Point(ws=problem.encoder(problem.target.picture, problem.target.label))


def onward(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """Where the stage before ended."""
    return before


def widened(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The same head with a code for every layer, W+."""
    ws = problem.generator.ws(before).clone()
    return replace(before, z=None, ws=ws)


def with_noise(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The same head with its noise maps free to move."""
    return replace(before, noise=problem.generator.noise_maps())


def drawn_noise(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The mean code, and noise maps drawn anew. Source: StyleGAN2, appendix D."""
    maps = problem.generator.noise_maps()
    noise = {name: torch.randn(m.shape, generator=draws).to(m) for name, m in maps.items()}
    return replace(from_mean(problem, before, draws), noise=noise)


def with_camera(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The mean code and a camera that may move."""
    start = from_mean(problem, before, draws)
    return replace(start, camera=torch.zeros(6, device=problem.generator.device))


def with_weights(finest: int | None = None) -> Start:
    """The same head with the weights of the blocks up to a resolution free to move; of all when None."""

    def start(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
        # A stage that frees more blocks keeps what the one before has tuned.
        tunable = problem.generator.tunable(finest)
        return replace(before, weights={**tunable, **before.weights})

    return start


def with_features(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """The same head with an offset of its features (F space), zero at first."""
    generator = problem.generator
    return replace(before, features=generator.features(before))


def mixed_heads(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
    """Several random heads, each counting the same for every channel. Source: Gu et al. 2020, section 3.1."""
    generator = problem.generator
    z = torch.randn(CODES, generator.z_dim, generator=draws).to(generator.device)
    with torch.no_grad():
        codes = generator.mapped(z).expand(-1, generator.num_ws, -1).clone()
    shares = torch.full((CODES, generator.channels()), 1 / CODES, device=codes.device)
    return Point(codes=codes, importance=shares)


def best_of(tries: int) -> Start:
    """The nearest of random heads in W. Source: Creswell and Bharath 2018 start from many z at once."""

    def start(problem: InversionProblem, before: Point, draws: torch.Generator) -> Point:
        points = [from_random_z(problem, before, draws) for _ in range(tries)]
        target = problem.target

        def gap(point: Point) -> Tensor:
            guess = target.operator(problem.generator.picture(point, target.label, samples=8))
            return (guess - target.picture).square().mean()

        with torch.no_grad():
            return min(points, key=gap)

    return start
