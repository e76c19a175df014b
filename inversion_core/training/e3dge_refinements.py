"""Hypernetwork against aligned features: both trained on the same pairs, as long, for the same codes.

E3DGE (Lan et al. 2023, section 5) names hypernetworks as what alignment should be compared with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.encoders.hypernetwork import Hypernetwork, HypernetworkSettings
from inversion_core.image import make_folder, write_atomic
from inversion_core.refine.hypernetwork import hyper_inverted, hyper_view
from inversion_core.task import Progress, Task
from inversion_core.training.e3dge import E3DGETrainer
from inversion_core.training.e3dge_losses import picture_loss
from inversion_core.training.e3dge_pairs import PseudoBatch, View
from inversion_core.training.run_files import save_torch


@dataclass(frozen=True)
class Refinement:
    """One row of the comparison.

    Attributes:
        name: of the way; front, novel: mean squared errors of held-out heads' pictures, in the view that was given
            and in another; seconds, processor_seconds, steps: of its training, the clock's and what this process had of
            the processor; parameters: that it adds to the encoder.
    """

    name: str
    front: float
    novel: float
    seconds: float
    processor_seconds: float
    steps: int
    parameters: int


class HypernetworkTrainer:
    """A hypernetwork beside the networks of an E3DGE run, whose codes and pairs it learns from."""

    def __init__(self, trainer: E3DGETrainer, settings: HypernetworkSettings | None = None) -> None:
        self.trainer = trainer
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(trainer.settings.seed)
            network = Hypernetwork(trainer.generator.settings, settings)
        self.network = network.to(trainer.generator.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=trainer.settings.learning_rate)

    def advance(self, batch: PseudoBatch) -> dict[str, float]:
        """The losses of one step: each view of the pairs from the other."""
        losses = {}
        for source, target in ((batch.first, batch.second), (batch.second, batch.first)):
            for name, loss in self.losses(source, target).items():
                losses[name] = losses.get(name, 0) + loss
        self.optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def losses(self, source: View, target: View) -> dict[str, Tensor]:
        """What the target view misses when it is drawn with the weights that the source's picture asks for."""
        trainer, model = self.trainer, self.trainer.model
        with torch.no_grad():
            codes = model.encode(source.image)
            base = model.generator.renderer.shade(trainer.trace(codes, source), codes.renderer)
            residual = model.residual(source.image, base.thumb)
        offsets = self.network(residual, base.thumb)
        samples = trainer.settings.samples
        seen, picture = hyper_view(model, codes, offsets, target.azim, target.elev, samples)
        weights, picture = trainer.settings.weights, model.pooled(picture)
        return {
            "thumb": picture_loss(seen.thumb, target.thumb, weights, trainer.perceptual),
            "picture": picture_loss(picture, target.image, weights, trainer.perceptual, trainer.identity),
        }


def compared_refinements(
    trainer: E3DGETrainer,
    folder: Path,
    steps: int,
    settings: HypernetworkSettings | None = None,
    held_out: int = 16,
) -> Task[list[Refinement]]:
    """Codes alone, aligned features and a hypernetwork on heads that none was trained on.

    The encoder is trained first, for the trainer's own ``global_steps``. ``folder`` receives ``refinements.md`` and
    ``hypernetwork.pt``.

    Args:
        steps: of either refinement, on the same pairs in the same order.

    Raises:
        OutputUnwritable: the folder cannot be written.
    """
    folder = Path(folder)
    make_folder(folder)
    start, total = trainer.settings.global_steps, trainer.settings.global_steps + 2 * steps
    while trainer.step < start:
        losses = trainer.advance()
        yield Progress(trainer.step, total, f"encoder: latent {losses['latent']:.4f}")
    hyper = HypernetworkTrainer(trainer, settings)

    def pairs(step: int) -> PseudoBatch:
        turn = min(1.0, 2 * step / max(steps, 1))
        return trainer.pairs.batch(start + step, trainer.settings.local_batch, turn)

    spent = {"aligned features": np.zeros(2), "hypernetwork": np.zeros(2)}
    for step in range(steps):
        batch, began = pairs(step), _clocks()
        loss = trainer.crossed_step(batch)
        spent["aligned features"] += _clocks() - began
        yield Progress(start + step + 1, total, f"aligned features: {sum(loss.values()):.4f}")
    for step in range(steps):
        batch, began = pairs(step), _clocks()
        loss = hyper.advance(batch)
        spent["hypernetwork"] += _clocks() - began
        yield Progress(start + steps + step + 1, total, f"hypernetwork: {sum(loss.values()):.4f}")
    rows = _measured(trainer, hyper, spent, steps, held_out)
    write_atomic(folder / "refinements.md", refinement_table(rows).encode())
    save_torch(folder / "hypernetwork.pt", {"hypernetwork": hyper.network.state_dict()})
    return rows


def _clocks() -> NDArray[np.float64]:
    """Seconds by the clock, and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


@torch.no_grad()
def _measured(
    trainer: E3DGETrainer, hyper: HypernetworkTrainer, spent: dict[str, NDArray], steps: int, held_out: int
) -> list[Refinement]:
    model = trainer.model
    batch = trainer.pairs.batch(trainer.settings.steps + 2 * steps + 1, held_out)
    first, second = batch.first, batch.second
    found = model.invert(first.image, first.azim, first.elev)
    steered = hyper_inverted(hyper.network, found)
    decode = model.generator.decoder

    def plain(view: View) -> Tensor:
        seen = model.generator.volume(found.codes, view.azim, view.elev)
        return decode(seen.features, found.codes.decoder, "stored")

    def aligned(view: View) -> Tensor:
        return found.render(view.azim, view.elev)["image"]

    def steering(view: View) -> Tensor:
        return steered.render(view.azim, view.elev)

    local = [p for part in (model.local, model.aligner, model.fusion) for p in part.parameters()]
    ways = (
        ("codes alone", plain, np.zeros(2), 0, []),
        ("aligned features", aligned, spent["aligned features"], steps, local),
        ("hypernetwork", steering, spent["hypernetwork"], steps, list(hyper.network.parameters())),
    )
    rows = []
    for name, draw, seconds, count, parameters in ways:
        errors = [F.mse_loss(model.pooled(draw(view)), view.image).item() for view in (first, second)]
        rows.append(
            Refinement(name, *errors, *map(float, seconds), count, sum(p.numel() for p in parameters))
        )
    return rows


def refinement_table(rows: list[Refinement]) -> str:
    """The comparison as markdown."""
    lines = [
        "| refinement | front | novel view | seconds | of the processor | steps | parameters |",
        "| --- " * 7 + "|",
    ]
    for r in rows:
        seconds = f"{r.seconds:.1f} | {r.processor_seconds:.1f}"
        lines.append(
            f"| {r.name} | {r.front:.5f} | {r.novel:.5f} | {seconds} | {r.steps} | {r.parameters:,} |"
        )
    return "\n".join(lines) + "\n"
