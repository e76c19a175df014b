"""What keeps a descent near the heads that the generator knows."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import InversionProblem, Moment

TRUNCATION = 1.0
"""Whitened length of a code beyond which it is drawn back; about 1 for heads of the generator."""
CLIP = 2.5
"""z beyond this many deviations is drawn again."""


def gaussian_z(moment: Moment) -> Tensor:
    """Mean square of z. Source: Bora et al. 2017 (CSGM), section 4; Creswell and Bharath 2018, section III."""
    return moment.point.z.square().mean()


def near_mean(moment: Moment) -> Tensor:
    """Mean square of the whitened codes: 1 for heads of the generator. Source: Mahalanobis distance in W."""
    statistics = moment.problem.generator.statistics
    return ((moment.ws - statistics.mean) @ statistics.whitener).square().mean()


def small_deltas(moment: Moment) -> Tensor:
    """Mean square by which layers leave the first one's code. Source: Tov et al. 2021 (e4e), section 3.3."""
    deviation = moment.problem.generator.statistics.deviation
    return (moment.ws[:, 1:] - moment.ws[:, :1]).square().sum(2).mean() / deviation**2


def in_domain(moment: Moment) -> Tensor:
    """How far the encoder's reading of the picture is from the code. Source: Zhu et al. 2020, equation 4."""
    problem = moment.problem
    read = problem.encoder(moment.picture, problem.target.label)
    return (moment.ws - read).square().sum(2).mean() / problem.generator.statistics.deviation**2


def white_noise(moment: Moment) -> Tensor:
    """Correlation of neighbours in the noise maps, over their sizes. Source: StyleGAN2, appendix D, ``projector.py``."""
    total = moment.ws.new_zeros(())
    for noise in moment.point.noise.values():
        image = noise[None, None]
        while True:
            total = total + (image * image.roll(1, 3)).mean() ** 2 + (image * image.roll(1, 2)).mean() ** 2
            if image.shape[2] <= 8:
                break
            image = F.avg_pool2d(image, 2)
    return total


def near_network(moment: Moment) -> Tensor:
    """How far the tuned weights are from the generator's own, relative to them."""
    own = dict(moment.problem.generator.network.named_parameters())
    total = moment.ws.new_zeros(())
    for name, tensor in moment.point.weights.items():
        total = total + (tensor - own[name]).square().mean() / own[name].square().mean().clamp_min(1e-3)
    return total / max(len(moment.point.weights), 1)


def locality(moment: Moment) -> Tensor:
    """What tuning does to another head near by. Source: Roich et al. 2021 (PTI), section 3.3."""
    problem = moment.problem
    z = torch.randn(1, problem.generator.z_dim, generator=moment.draws).to(moment.ws)
    # Pictures with few samples: both have the same, so only the tuning shows.
    with torch.no_grad():
        other = problem.generator.mapped(z)
        step = other - moment.ws
        near = moment.ws + step * (problem.generator.statistics.deviation / step.norm(dim=2, keepdim=True))
        wanted = problem.generator.picture(Point(ws=near), problem.target.label, samples=8)
    tuned = replace(moment.point, z=None, ws=near)
    found = problem.generator.picture(tuned, problem.target.label, samples=8)
    return (found - wanted).square().mean()


def clipped(problem: InversionProblem, point: Point, draws: torch.Generator) -> None:
    """Draws components of z that left the prior anew, in place. Source: Lipton and Tripathi 2017, section 2."""
    with torch.no_grad():
        outside = point.z.abs() > CLIP
        fresh = torch.randn(point.z.shape, generator=draws).to(point.z).clamp(-CLIP, CLIP)
        point.z.copy_(torch.where(outside, fresh, point.z))


def truncated(problem: InversionProblem, point: Point, draws: torch.Generator) -> None:
    """Draws codes that lie far out back towards the mean, in place. Source: Karras et al. 2019, appendix B."""
    statistics = problem.generator.statistics
    with torch.no_grad():
        away = point.ws - statistics.mean
        length = (away @ statistics.whitener).square().mean(2, keepdim=True).sqrt()
        point.ws.copy_(statistics.mean + away * (TRUNCATION / length.clamp_min(TRUNCATION)))


def standardised_noise(problem: InversionProblem, point: Point, draws: torch.Generator) -> None:
    """Brings the noise maps to mean 0 and variance 1, in place. Source: StyleGAN2, ``projector.py``."""
    with torch.no_grad():
        for noise in point.noise.values():
            noise.sub_(noise.mean()).mul_(noise.square().mean().clamp_min(1e-8).rsqrt())
