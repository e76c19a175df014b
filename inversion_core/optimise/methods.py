"""The table of methods. Each row is a paper's recipe, cut down to generators that fit a processor.

Steps are fewer than the papers', whose generators are hundreds of times larger; LPIPS is replaced by
:func:`inversion_core.optimise.distances.feature_pyramid`.
"""

from __future__ import annotations

import math

import torch

from inversion_core.errors import UsageError
from inversion_core.optimise import distances as d
from inversion_core.optimise import regularisers as r
from inversion_core.optimise import starts as s
from inversion_core.optimise.problem import Method, Stage

PERCEPTUAL = ((d.squared, 0.3), (d.feature_pyramid, 1.0))
"""Mostly structure, as methods with LPIPS have it."""
BOTH = ((d.squared, 1.0), (d.feature_pyramid, 0.5))
PLAIN = ((d.squared, 1.0),)


def ramped(share: float) -> float:
    """Up over the first 5 %, down by a cosine over the last 25 %. Source: StyleGAN2, ``projector.py``."""
    down = min(1.0, (1 - share) / 0.25)
    return (0.5 - 0.5 * math.cos(down * math.pi)) * min(1.0, (share + 1e-3) / 0.05)


def _rmsprop(leaves: list[torch.Tensor], rate: float) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(leaves, rate)


def _layer_by_layer(steps: int) -> tuple[Stage, ...]:
    """One pair of codes after another, coarse first; W before. Source: Lei et al. 2019, section 3, layer by layer."""
    first = Stage(s.from_mean, ("ws",), steps, 0.05, ramped, BOTH)
    parts = (slice(0, 2), slice(2, 4), slice(4, 6), slice(6, None))
    rest = tuple(Stage(s.widened, ("ws",), steps // 2, 0.05, ramped, BOTH, layers=part) for part in parts)
    return (first, *rest)


PIVOT = Stage(s.from_mean, ("ws",), 80, 0.05, ramped, PERCEPTUAL, ((r.near_mean, 0.002),), jitter=0.05)
WIDE = Stage(s.widened, ("ws",), 80, 0.03, ramped, BOTH, ((r.small_deltas, 0.002),))

READ = (Stage(s.from_encoder, (), 1, 0.0, distances=BOTH),)
"""An encoder alone."""

METHODS: tuple[Method, ...] = (
    Method(
        "lipton_clipping",
        "Lipton and Tripathi 2017",
        "Z",
        (Stage(s.from_random_z, ("z",), 120, 0.1, distances=PLAIN, projection=r.clipped),),
    ),
    Method(
        "creswell",
        "Creswell and Bharath 2018",
        "Z",
        (
            Stage(
                s.best_of(16),
                ("z",),
                100,
                0.03,
                distances=((d.cross_entropy, 1.0),),
                regularisers=((r.gaussian_z, 0.01),),
                optimiser=_rmsprop,
            ),
        ),
    ),
    Method(
        "csgm",
        "Bora et al. 2017",
        "Z",
        (Stage(s.from_random_z, ("z",), 60, 0.1, distances=PLAIN, regularisers=((r.gaussian_z, 0.001),)),),
        restarts=2,
    ),
    Method(
        "stylegan2_projector",
        "Karras et al. 2020, appendix D",
        "W + noise",
        (
            Stage(
                s.drawn_noise,
                ("ws", "noise"),
                120,
                0.06,
                ramped,
                PERCEPTUAL,
                ((r.white_noise, 1.0),),
                jitter=0.05,
                projection=r.standardised_noise,
            ),
        ),
    ),
    Method(
        "w",
        "Abdal et al. 2019, W for comparison",
        "W",
        (Stage(s.from_mean, ("ws",), 120, 0.05, ramped, BOTH),),
    ),
    Method(
        "image2stylegan",
        "Abdal et al. 2019",
        "W+",
        (
            Stage(s.from_mean, ("ws",), 30, 0.05, ramped, BOTH),
            Stage(s.widened, ("ws",), 120, 0.05, ramped, BOTH),
        ),
    ),
    Method(
        "w+_truncated",
        "Karras et al. 2019, truncation, in W+",
        "W+ near the mean",
        (
            Stage(s.from_mean, ("ws",), 30, 0.05, ramped, BOTH),
            Stage(s.widened, ("ws",), 120, 0.05, ramped, BOTH, projection=r.truncated),
        ),
    ),
    Method(
        "image2stylegan++",
        "Abdal et al. 2020",
        "W+ + noise",
        (
            Stage(s.from_mean, ("ws",), 30, 0.05, ramped, BOTH),
            Stage(s.widened, ("ws",), 90, 0.05, ramped, BOTH),
            Stage(s.with_noise, ("noise",), 40, 0.3, ramped, PLAIN),
        ),
    ),
    Method("layered", "Lei et al. 2019; Bau et al. 2019 (Seeing)", "W+", _layer_by_layer(40)),
    Method(
        "features",
        "Kang et al. 2021 (BDInvert), F/W+",
        "F + W+",
        (PIVOT, WIDE, Stage(s.with_features, ("features", "ws"), 60, 0.02, ramped, BOTH)),
    ),
    Method(
        "early_layers",
        "Bau et al. 2019 (GANPaint)",
        "W + early weights",
        (PIVOT, Stage(s.with_weights(16), ("weights",), 60, 0.005, ramped, BOTH, ((r.near_network, 0.1),))),
    ),
    Method(
        "camera_latent",
        "joint camera and W, as in 3D inversion",
        "W + camera",
        (
            Stage(s.with_camera, ("ws",), 40, 0.05, ramped, BOTH),
            Stage(s.onward, ("ws", "camera"), 80, 0.005, ramped, BOTH),
            Stage(s.onward, ("ws",), 40, 0.03, ramped, BOTH),
        ),
    ),
    Method(
        "mganprior",
        "Gu et al. 2020",
        "several W + importance",
        (Stage(s.mixed_heads, ("codes", "importance"), 120, 0.03, ramped, BOTH),),
    ),
    Method(
        "pti",
        "Roich et al. 2021",
        "W, then weights",
        (
            PIVOT,
            Stage(s.with_weights(), ("weights",), 120, 0.01, ramped, BOTH, ((r.locality, 0.1),)),
        ),
    ),
    Method(
        "dgp",
        "Pan et al. 2020",
        "W and weights, progressive",
        (
            Stage(s.best_of(16), ("z",), 40, 0.05, ramped, BOTH),
            Stage(s.with_weights(8), ("z", "weights"), 30, 0.01, distances=BOTH),
            Stage(s.with_weights(32), ("z", "weights"), 30, 0.005, distances=BOTH),
            Stage(s.with_weights(), ("z", "weights"), 60, 0.005, ramped, BOTH),
        ),
    ),
    Method("psp", "Richardson et al. 2021", "W+", READ, "psp"),
    Method("e4e", "Tov et al. 2021", "W+ near W", READ, "e4e"),
    Method("restyle", "Alaluf et al. 2021", "W+", READ, "restyle"),
    Method("idinvert_encoder", "Zhu et al. 2020, encoder alone", "W+", READ, "idinvert"),
    Method("icgan", "Perarnau et al. 2016", "W, attributes apart", READ, "icgan"),
    Method("ali", "Dumoulin et al. 2017", "W", READ, "ali"),
    Method("bigan", "Donahue et al. 2017", "W", READ, "bigan"),
    Method("lia", "Zhu et al. 2019", "W, by an invertible map", READ, "lia"),
    Method(
        "idinvert",
        "Zhu et al. 2020",
        "W+, in domain",
        (Stage(s.from_encoder, ("ws",), 60, 0.02, ramped, BOTH, ((r.in_domain, 0.02),)),),
        "idinvert",
    ),
    Method(
        "hybrid",
        "Zhu et al. 2016 (iGAN)",
        "W+ from an encoder",
        (Stage(s.from_encoder, ("ws",), 60, 0.03, ramped, BOTH),),
        "psp",
    ),
)
"""Every method that :func:`inversion_core.optimise.solve.solve` runs."""


def method_named(name: str) -> Method:
    """The row of that name.

    Raises:
        UsageError: there is none.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise UsageError(
        f"There is no inversion method {name!r}.", f"Choose from: {', '.join(m.name for m in METHODS)}."
    )
