"""What each learned method of the literature descends, as a table: terms, an opponent, how the network looks.

Source: Richardson et al. 2021 (pSp), section 3; Tov et al. 2021 (e4e), sections 3.2 and 3.3; Alaluf et al. 2021
(ReStyle), section 3; Zhu et al. 2020 (IDInvert), section 3.1; Perarnau et al. 2016 (IcGAN), section 3.2; Dumoulin et
al. 2017 (ALI); Donahue et al. 2017 (BiGAN); Zhu et al. 2019 (LIA).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.encoders.style_pyramid import StyleEncoder
from inversion_core.optimise import distances
from inversion_core.optimise.coded import Coded
from inversion_core.training.invertible import InvertibleMapping
from inversion_core.training.style_opponents import CodeOpponent, PairOpponent, PictureOpponent


@dataclass
class Seen:
    """A batch as the terms see it.

    Attributes:
        picture: (N, 3, H, W); label: (N, 25); wanted: (N, num_ws, w_dim) the codes it was drawn from.
        share: of the training, in [0, 1); shown: how many are drawn again, at ``side``.
        mapping: of LIA, None for others.
    """

    encoder: StyleEncoder
    generator: Coded
    picture: Tensor
    label: Tensor
    wanted: Tensor
    share: float
    shown: int
    side: int
    mapping: InvertibleMapping | None

    @cached_property
    def looks(self) -> list[Tensor]:
        """ws of every look; one for all methods but ReStyle."""
        network = self.encoder.network
        if network.sizes.method == "restyle":
            return self.encoder.rounds(self.picture, self.label)
        if network.sizes.method == "e4e":
            # Codes are freed one after another over the first half of the training. Source: e4e, section 3.2.
            free = 1 + int(2 * self.share * network.sizes.num_ws)
            return [network.placed(network.offsets(self.picture, self.label), free)]
        if network.sizes.method == "ali":
            return [network.drawn(self.picture, self.label)]
        return [network(self.picture, self.label)]

    @property
    def ws(self) -> Tensor:
        """Of the last look."""
        return self.looks[-1]

    @cached_property
    def drawn(self) -> list[Tensor]:
        """What the first codes of every look look like."""
        few = slice(0, self.shown)
        return [self.generator.glimpse(ws[few], self.label[few], self.side, 8) for ws in self.looks]


Term = Callable[[Seen], Tensor]


def known_codes(seen: Seen) -> Tensor:
    """Mean squared distance from the true codes, in deviations of w."""
    deviation = seen.generator.statistics.deviation
    return sum(((ws - seen.wanted) / deviation).square().sum(2).mean() for ws in seen.looks)


def same_picture(seen: Seen) -> Tensor:
    """Distance of the pictures, mostly structure."""
    total = seen.picture.new_zeros(())
    for found in seen.drawn:
        truth = seen.picture[: seen.shown]
        truth = F.interpolate(truth, size=found.shape[2:], mode="bilinear", antialias=True)
        weight = torch.ones_like(truth[:, :1])
        total = total + distances.absolute(found, truth, weight)
        total = total + 0.3 * distances.feature_pyramid(found, truth, weight)
    return total


def small_steps(seen: Seen) -> Tensor:
    """How far layers leave the first one's code. Source: e4e, equation 6."""
    deviation = seen.generator.statistics.deviation
    return ((seen.ws[:, 1:] - seen.ws[:, :1]) / deviation).square().sum(2).mean()


def likely_codes(seen: Seen) -> Tensor:
    """Mean square of the whitened codes."""
    statistics = seen.generator.statistics
    return ((seen.ws - statistics.mean) @ statistics.whitener).square().mean()


def named_attributes(seen: Seen) -> Tensor:
    """Distance of the attributes from those of the true codes. Source: IcGAN, equation 4 (the encoder E_y)."""
    network = seen.encoder.network
    wanted = network.read_attributes(seen.wanted)
    return (network.attributes(seen.picture, seen.label) - wanted).square().mean()


def gaussian_by_mapping(seen: Seen) -> Tensor:
    """How unlikely the code's z is. Source: LIA, section 3.1: the invertible network stands between z and w."""
    statistics = seen.generator.statistics
    unit = (seen.ws[:, 0] - statistics.mean[0]) / statistics.deviation
    return seen.mapping.surprise(unit * unit.shape[1] ** 0.5)


@dataclass(frozen=True)
class Recipe:
    """A row of the table.

    Attributes:
        terms: with their weights; those of :func:`known_codes` and :func:`same_picture` are multiplied by the training's.
        opponent: what the encoder is trained against, and how much its opinion counts.
        rounds: looks; mapping: whether LIA's invertible map is fitted first.
    """

    method: str
    terms: tuple[tuple[Term, float], ...]
    opponent: type[nn.Module] | None = None
    adversarial: float = 0.0
    rounds: int = 1
    mapping: bool = False


_SUPERVISED = ((known_codes, 1.0), (same_picture, 1.0))

RECIPES = (
    Recipe("psp", _SUPERVISED),
    Recipe("e4e", (*_SUPERVISED, (small_steps, 0.05)), CodeOpponent, 0.02),
    Recipe("restyle", _SUPERVISED, rounds=3),
    Recipe("idinvert", ((same_picture, 1.0), (likely_codes, 0.005)), PictureOpponent, 0.02),
    Recipe("icgan", (*_SUPERVISED, (named_attributes, 1.0))),
    Recipe("ali", (), PairOpponent, 1.0),
    Recipe("bigan", (), PairOpponent, 1.0),
    Recipe("lia", ((same_picture, 1.0), (gaussian_by_mapping, 0.005)), PictureOpponent, 0.02, mapping=True),
)
"""How every method of :data:`inversion_core.encoders.style_pyramid.METHODS` is trained."""


def recipe_named(method: str) -> Recipe:
    """The row of that method."""
    return next(recipe for recipe in RECIPES if recipe.method == method)
