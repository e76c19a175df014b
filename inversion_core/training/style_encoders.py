"""Trains encoders of the literature on a generator's own samples; :mod:`.style_recipes` says what each descends.

The papers train on photos, with LPIPS and ArcFace; here the pictures are the generator's, so that codes are known, and
a feature pyramid stands in for LPIPS.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from inversion_core.encoders.style_pyramid import StyleEncoder, StylePyramid, StyleSizes, save_style_encoder
from inversion_core.optimise.coded import Coded
from inversion_core.task import Progress, Task
from inversion_core.training.invertible import fitted_mapping
from inversion_core.training.run_files import append_row
from inversion_core.training.style_opponents import PairOpponent
from inversion_core.training.style_recipes import Seen, known_codes, recipe_named, same_picture


@dataclass(frozen=True)
class StyleTraining:
    """How an encoder is trained.

    Attributes:
        pool: samples drawn at first; fresh: drawn anew every step; batch: samples a step.
        shown: of them drawn again from the predicted codes, for the picture losses; side: at this size.
        latent, picture: how much distances of codes (in deviations) and of pictures count.
        rate: of Adam, falling to a tenth; steps: how many, instead of minutes, when given.
        input_size, width: of the encoder, see :class:`StyleSizes`.
        mixed: share of samples with two heads' codes, so that W+ is seen.
    """

    pool: int = 600
    fresh: int = 2
    batch: int = 16
    shown: int = 3
    side: int = 32
    latent: float = 1.0
    picture: float = 1.0
    rate: float = 1e-3
    mixed: float = 0.3
    steps: int | None = None
    input_size: int = 64
    width: int = 24


@dataclass
class _Samples:
    ws: Tensor
    label: Tensor
    picture: Tensor


def train_style_encoder(
    generator: Coded,
    out_dir: Path,
    method: str = "psp",
    minutes: float = 4.0,
    seed: int = 0,
    settings: StyleTraining | None = None,
) -> Task[Path]:
    """The path of the trained encoder, ``encoder-METHOD.safetensors`` in ``out_dir``.

    Args:
        minutes: of training; drawing the first samples comes on top. One step at least.
    """
    settings = settings or StyleTraining()
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    held = _samples(generator, settings, 24, torch.Generator().manual_seed(seed + 1_000_003))
    pool = yield from _pool(generator, settings, draws)
    recipe = recipe_named(method)
    directions = generator.directions() if method == "icgan" else None
    sizes = StyleSizes(
        method,
        generator.num_ws,
        generator.w_dim,
        settings.input_size,
        settings.width,
        recipe.rounds,
        attributes=0 if directions is None else len(directions),
    )
    statistics = generator.statistics
    network = StylePyramid(sizes, statistics.mean, statistics.deviation, directions)
    encoder = StyleEncoder(network, lambda ws, label: generator.glimpse(ws, label, settings.side, 8))
    optimiser = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=1e-4)
    mapping = (yield from fitted_mapping(generator, seed=seed)) if recipe.mapping else None
    opponent = recipe.opponent(generator) if recipe.opponent else None
    if opponent is not None:
        judging = torch.optim.Adam(opponent.parameters(), settings.rate, betas=(0.0, 0.99))
    if isinstance(opponent, PairOpponent):
        opponent.remember(pool.picture, pool.ws)
    total, spent, step, logged = max(60 * minutes, 1e-3), 0.0, 0, -np.inf
    row: dict[str, float] = {}
    share = 0.0
    asked = {known_codes: settings.latent, same_picture: settings.picture}
    while share < 1:
        began = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * min(1, (step + 1) / 20) * (0.1 + 0.45 * (1 + np.cos(np.pi * share)))
        chosen = torch.randperm(len(pool.ws), generator=draws)[: settings.batch]
        picture, label, wanted = pool.picture[chosen], pool.label[chosen], pool.ws[chosen]
        seen = Seen(encoder, generator, picture, label, wanted, share, settings.shown, settings.side, mapping)
        loss = picture.new_zeros(())
        for term, factor in recipe.terms:
            loss = loss + factor * asked.get(term, 1.0) * term(seen)
        if opponent is not None:
            told = opponent.own_loss(seen, draws)
            judging.zero_grad(set_to_none=True)
            told.backward(inputs=list(opponent.parameters()))
            judging.step()
            loss = loss + recipe.adversarial * opponent.fooled(seen)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _renew(pool, generator, settings, draws)
        step += 1
        spent += time.perf_counter() - began
        share = min(spent / total, 1.0) if settings.steps is None else step / settings.steps
        if spent - logged > 20 or share >= 1:
            row = {"step": step, "seconds": round(spent, 1), "loss": round(float(loss.detach()), 4)}
            row |= held_out_errors(encoder, held, generator, settings)
            append_row(out_dir / f"encoder-{method}.csv", row)
            logged = spent
        yield Progress(share, 1.0, f"{method}: held-out picture {row['picture_error']:.4f}")
    path = out_dir / f"encoder-{method}.safetensors"
    save_style_encoder(network, path, {"seed": seed, **row})
    return path


@torch.no_grad()
def held_out_errors(
    encoder: StyleEncoder, held, generator: Coded, settings: StyleTraining
) -> dict[str, float]:
    """``code_error`` (root mean square, in deviations of w) and ``picture_error`` (mean absolute, of [-1, 1])."""
    ws = encoder(held.picture, held.label)
    code = ((ws - held.ws) / generator.statistics.deviation).square().sum(2).mean().sqrt()
    found = generator.glimpse(ws, held.label, settings.side, 12)
    wanted = F.interpolate(held.picture, size=found.shape[2:], mode="bilinear", antialias=True)
    return {
        "code_error": round(float(code), 4),
        "picture_error": round(float((found - wanted).abs().mean()), 5),
    }


def held_out_samples(generator: Coded, count: int, seed: int, settings: StyleTraining | None = None):
    """Samples that no training with another seed has seen, for :func:`held_out_errors`."""
    return _samples(generator, settings or StyleTraining(), count, torch.Generator().manual_seed(seed))


@torch.no_grad()
def _samples(generator: Coded, settings: StyleTraining, count: int, draws: torch.Generator) -> _Samples:
    z = torch.randn(2 * count, generator.z_dim, generator=draws).to(generator.device)
    both = generator.mapped(z).expand(-1, generator.num_ws, -1)
    ws, other = both[:count].clone(), both[count:]
    for index in range(count):
        if torch.rand((), generator=draws) < settings.mixed:
            cut = int(torch.randint(1, generator.num_ws, (), generator=draws))
            ws[index, cut:] = other[index, cut:]
    angles = torch.randn(count, 2, generator=draws).clamp(-2, 2).numpy() * np.radians([18.0, 8.0])
    labels = np.stack([generator.orbit(float(y), float(p)).label() for y, p in angles])
    label = torch.from_numpy(labels).to(generator.device)
    pictures = [generator.glimpse(ws[i : i + 1], label[i : i + 1], 64, 16) for i in range(count)]
    return _Samples(ws, label, torch.cat(pictures))


def _pool(generator: Coded, settings: StyleTraining, draws: torch.Generator) -> Task[_Samples]:
    parts = []
    for start in range(0, settings.pool, 20):
        parts.append(_samples(generator, settings, min(20, settings.pool - start), draws))
        yield Progress(0, 1, f"drawing samples {start} of {settings.pool}")
    joined = (torch.cat([getattr(part, name) for part in parts]) for name in ("ws", "label", "picture"))
    return _Samples(*joined)


def _renew(pool: _Samples, generator: Coded, settings: StyleTraining, draws: torch.Generator) -> None:
    if not settings.fresh:
        return
    fresh = _samples(generator, settings, settings.fresh, draws)
    slots = torch.randperm(len(pool.ws), generator=draws)[: settings.fresh]
    pool.ws[slots], pool.label[slots], pool.picture[slots] = fresh.ws, fresh.label, fresh.picture
