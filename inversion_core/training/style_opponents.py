"""Discriminators that encoders of the literature are trained against: of codes, of pictures, of both together."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.optimise.coded import Coded
from inversion_core.training.goae_losses import CanonicalDiscriminator, canonical_loss, discriminator_loss

if TYPE_CHECKING:
    from inversion_core.training.style_recipes import Seen

R1 = 1.0
"""Weight of the gradient penalty on what is real."""


class _PictureFeatures(nn.Module):
    """Pictures (N, 3, S, S) -> (N, width): strided convolutions and their mean."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        sizes = (3, width // 4, width // 2, width, width)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.body(pictures).flatten(2).mean(2)


class CodeOpponent(nn.Module):
    """Tells codes of W from predicted ones, each layer's alike. Source: Tov et al. 2021 (e4e), section 3.3."""

    def __init__(self, generator: Coded) -> None:
        super().__init__()
        self.generator = generator
        self.judge = CanonicalDiscriminator(generator.w_dim, 64, 3)

    def own_loss(self, seen: Seen, draws: torch.Generator) -> Tensor:
        """What the discriminator descends."""
        generator = self.generator
        z = torch.randn(len(seen.ws), generator.z_dim, generator=draws).to(seen.ws)
        real = self._unit(generator.mapped(z))[:, 0]
        return discriminator_loss(self.judge, real, self._flat(seen.ws), R1)

    def fooled(self, seen: Seen) -> Tensor:
        """What the encoder descends."""
        return canonical_loss(self.judge, self._flat(seen.ws))

    def _unit(self, codes: Tensor) -> Tensor:
        statistics = self.generator.statistics
        return (codes - statistics.mean) / statistics.deviation

    def _flat(self, codes: Tensor) -> Tensor:
        return self._unit(codes).flatten(0, 1)


class PictureOpponent(nn.Module):
    """Tells pictures from what their codes look like. Source: Zhu et al. 2020 (IDInvert), equation 2."""

    def __init__(self, generator: Coded) -> None:
        super().__init__()
        self.features, self.head = _PictureFeatures(), nn.Linear(64, 1)

    def own_loss(self, seen: Seen, draws: torch.Generator) -> Tensor:
        """What the discriminator descends."""
        drawn = seen.drawn[-1].detach()
        real = _as_small(seen.picture, drawn).detach().requires_grad_(True)
        told = self.head(self.features(real))
        (slope,) = torch.autograd.grad(told.sum(), real, create_graph=True)
        penalty = R1 / 2 * slope.square().sum((1, 2, 3)).mean()
        return F.softplus(-told).mean() + F.softplus(self.head(self.features(drawn))).mean() + penalty

    def fooled(self, seen: Seen) -> Tensor:
        """What the encoder descends."""
        return F.softplus(-self.head(self.features(seen.drawn[-1]))).mean()


class PairOpponent(nn.Module):
    """Tells (picture, predicted code) from (generated picture, its code).

    Source: Donahue et al. 2017 (BiGAN), section 3; Dumoulin et al. 2017 (ALI), section 2. They train the generator
    against it, too; a generator that is there already stands still.
    """

    SIDE = 32
    """Pictures are compared at this side."""

    def __init__(self, generator: Coded) -> None:
        super().__init__()
        self.generator = generator
        self.features = _PictureFeatures()
        self.head = nn.Sequential(
            nn.Linear(64 + generator.w_dim + 1, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
        )
        self.true: tuple[Tensor, Tensor] | None = None

    def own_loss(self, seen: Seen, draws: torch.Generator) -> Tensor:
        """What the discriminator descends, with a gradient penalty on the generator's pairs."""
        picture, code = (x.detach().clone().requires_grad_(True) for x in self._generated(draws))
        first, second = self._told(picture, code), self._told(seen.picture, seen.ws[:, 0].detach())
        slopes = torch.autograd.grad(first.sum(), (picture, code), create_graph=True)
        penalty = 0.1 * R1 / 2 * sum(slope.flatten(1).square().sum(1).mean() for slope in slopes)
        return F.softplus(-first).mean() + F.softplus(second).mean() + penalty

    def fooled(self, seen: Seen) -> Tensor:
        """What the encoder descends: its pairs are to pass for the generator's."""
        return F.softplus(-self._told(seen.picture, seen.ws[:, 0])).mean()

    def remember(self, pictures: Tensor, codes: Tensor) -> None:
        """Keep generated pictures and their codes (N, num_ws, w_dim), of which every step takes some."""
        self.true = pictures, codes[:, 0]

    def _generated(self, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        pictures, codes = self.true
        chosen = torch.randperm(len(codes), generator=draws)[:16]
        return pictures[chosen], codes[chosen]

    def _told(self, picture: Tensor, code: Tensor) -> Tensor:
        small = F.interpolate(picture, size=(self.SIDE,) * 2, mode="bilinear", antialias=True)
        statistics = self.generator.statistics
        unit = (code - statistics.mean[0]) / statistics.deviation * code.shape[1] ** 0.5
        # Without it encoders collapse to one code. Source: Karras et al. 2018, section 3, minibatch deviation.
        spread = (unit.var(0) + 1e-4).sqrt().mean().expand(len(unit), 1)
        return self.head(torch.cat([self.features(small), unit, spread], 1))


def _as_small(picture: Tensor, drawn: Tensor) -> Tensor:
    return F.interpolate(picture[: len(drawn)], size=drawn.shape[2:], mode="bilinear", antialias=True)
