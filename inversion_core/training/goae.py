"""GOAE's training: first the encoder, level by level, then the feature alignment.

``facet train goae`` runs :func:`train_goae`. Settings follow the official configuration; what it leaves open
is ours and marked so in ``goae_losses``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.checkpoints.load import save_goae
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.errors import CheckpointRefused, OutputUnwritable
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.image import from_signed, save_image
from inversion_core.refine.afa import AFA, AFASettings
from inversion_core.refine.goae import GOAE, SPLIT
from inversion_core.samples import label_of, official_camera
from inversion_core.task import Progress, Task
from inversion_core.training.goae_losses import (
    CanonicalDiscriminator,
    Distance,
    LossWeights,
    background_depth_loss,
    canonical_loss,
    discriminator_loss,
    structure_distance,
)
from inversion_core.training.goae_portraits import PortraitBatch, Portraits
from inversion_core.training.run_files import append_losses, save_torch

STATE_FILE, CURVE_FILE, PREVIEW_FILE = "state.pt", "curves.csv", "preview.png"


@dataclass(frozen=True)
class GOAETraining:
    """One run.

    Attributes:
        encoder_steps, alignment_steps: length of both phases.
        level_steps: steps of the encoder phase at which the coarse, mid and fine level join.
        batch: pictures a step.
        rays: side in rays of the renderings.
        learning_rate, first_rate, last_rate: peak, start of the warm-up, end of the cosine.
        warmup_steps: of each phase.
        weight_decay, betas, clip: of AdamW; the largest norm of the gradient.
        discriminator_rate: learning rate of the canonical discriminator.
        weights: of the losses.
        seed: of everything random.
        save_every: steps between states and previews.
    """

    encoder_steps: int = 100_000
    alignment_steps: int = 50_000
    level_steps: tuple[int, int, int] = (10_000, 20_000, 30_000)
    batch: int = 4
    rays: int = 64
    learning_rate: float = 2e-5
    first_rate: float = 2e-8
    last_rate: float = 2e-7
    warmup_steps: int = 5_000
    weight_decay: float = 1e-8
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 5.0
    discriminator_rate: float = 2e-5
    weights: LossWeights = field(default_factory=LossWeights)
    seed: int = 0
    save_every: int = 1000

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at a step of a phase: linear warm-up, then a cosine."""
        warmup = min(self.warmup_steps, steps)
        if step < warmup:
            return self.first_rate + (self.learning_rate - self.first_rate) * step / warmup
        share = (step - warmup) / max(steps - warmup, 1)
        return self.last_rate + (self.learning_rate - self.last_rate) * (1 + math.cos(math.pi * share)) / 2

    def level(self, step: int) -> int:
        """How many levels correct the base code at this step: 0 to 3."""
        return sum(step >= start for start in self.level_steps)


class GOAETrainer:
    """The networks of a run with their optimisers; the generator stays as it is."""

    def __init__(
        self,
        generator: TriPlaneGenerator,
        settings: GOAETraining,
        encoder: GOAESettings | None = None,
        alignment: AFASettings | None = None,
        perceptual: Distance = structure_distance,
        identity: Distance | None = None,
    ) -> None:
        self.generator, self.settings = generator, settings
        self.perceptual, self.identity = perceptual, identity
        device = next(generator.parameters()).device
        torch.manual_seed(settings.seed)
        self.encoder = GOAEEncoder(encoder).to(device)
        self.afa = AFA(alignment).to(device)
        self.discriminator = CanonicalDiscriminator(generator.settings.w_dim).to(device)
        adam = {"lr": settings.learning_rate, "betas": settings.betas, "weight_decay": settings.weight_decay}
        self.encoder_optimiser = torch.optim.AdamW(self.encoder.parameters(), **adam)
        self.afa_optimiser = torch.optim.AdamW(self.afa.parameters(), **adam)
        self.discriminator_optimiser = torch.optim.AdamW(
            self.discriminator.parameters(), **{**adam, "lr": settings.discriminator_rate}
        )
        self.step = 0

    @property
    def steps(self) -> int:
        """Length of both phases together."""
        return self.settings.encoder_steps + self.settings.alignment_steps

    @property
    def goae(self) -> GOAE:
        """The networks as they are, for inversions."""
        return GOAE(self.encoder.eval(), self.afa.eval(), self.generator)

    def advance(self, portraits: Portraits) -> dict[str, float]:
        """The losses of one more step of whichever phase it falls in."""
        settings, step = self.settings, self.step
        with torch.random.fork_rng(devices=[]):
            # A resumed run draws what an unbroken one would have drawn.
            torch.manual_seed(settings.seed * 1_000_003 + step)
            batch = portraits.batch(step, settings.batch)
            take = self.encoder_step if step < settings.encoder_steps else self.alignment_step
            losses = take(batch)
        self.step += 1
        return losses

    def encoder_step(self, batch: PortraitBatch) -> dict[str, float]:
        """One step of the encoder and of the canonical discriminator; the losses by name."""
        settings, generator, weights = self.settings, self.generator, self.settings.weights
        self.encoder.train()
        ws = self._codes(batch.image, settings.level(self.step))
        out = generator.synthesis(ws, batch.c, neural_rendering_resolution=settings.rays)
        losses = self._picture_losses(out, batch)
        if weights.canonical:
            losses["canonical"] = weights.canonical * canonical_loss(self.discriminator, ws.flatten(0, 1))
        self._descend(self.encoder_optimiser, losses, self.step, settings.encoder_steps)
        if weights.canonical:
            loss = discriminator_loss(
                self.discriminator, self._canonical_codes(len(ws)), ws.flatten(0, 1), weights.r1
            )
            self.discriminator_optimiser.zero_grad()
            loss.backward()
            self.discriminator_optimiser.step()
            losses["discriminator"] = loss
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def alignment_step(self, batch: PortraitBatch) -> dict[str, float]:
        """One step of the feature alignment on frozen codes; the losses by name."""
        settings, generator = self.settings, self.generator
        self.encoder.eval()
        self.afa.train()
        with torch.no_grad():
            ws = self._codes(batch.image, 3)
            features, img = generator.backbone_features(ws, SPLIT)
            planes = generator.planes_from_features(features, img, ws)
            plain = generator.render(planes, ws, batch.c, neural_rendering_resolution=settings.rays)
        refined = self.afa(batch.image, plain["image"], features)
        planes = generator.planes_from_features(refined, img, ws)
        out = generator.render(planes, ws, batch.c, neural_rendering_resolution=settings.rays)
        losses = self._picture_losses(out, batch)
        done = self.step - settings.encoder_steps
        self._descend(self.afa_optimiser, losses, done, settings.alignment_steps)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def state(self) -> dict:
        """Everything that a resumed run needs."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {"step": self.step, **parts}

    def restore(self, state: dict) -> None:
        """Takes up a state; the networks must be of the same sizes.

        Raises:
            CheckpointRefused: they are not, or the state is of another kind.
        """
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.step = int(state["step"])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointRefused(
                "The saved state is of a run with other settings.",
                "Continue with the same settings or start anew.",
            ) from error

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "encoder": self.encoder,
            "afa": self.afa,
            "discriminator": self.discriminator,
            "encoder_optimiser": self.encoder_optimiser,
            "afa_optimiser": self.afa_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }

    def _codes(self, image: Tensor, level: int) -> Tensor:
        side = self.encoder.settings.swin.image_size
        small = F.interpolate(image, size=(side, side), mode="bicubic", antialias=True).clamp(-1, 1)
        return self.encoder(small, stage=level) + self.generator.backbone.mapping.w_avg

    @torch.no_grad()
    def _canonical_codes(self, count: int) -> Tensor:
        """Codes (count, w_dim) of the mapping network under the frontal camera."""
        settings = self.generator.settings
        front = official_camera(0, 0, settings.camera_pivot, settings.camera_radius)
        c = label_of(front, self.generator)
        z = torch.randn(count, settings.z_dim).to(c.device)
        return self.generator.mapping(z, c.expand(count, -1))[:, 0]

    def _picture_losses(self, out: dict[str, Tensor], batch: PortraitBatch) -> dict[str, Tensor]:
        weights, image = self.settings.weights, batch.image
        small = F.interpolate(image, size=out["image_raw"].shape[2:], mode="area")
        pixel = F.mse_loss(out["image"], image) + F.mse_loss(out["image_raw"], small)
        losses = {"pixel": weights.pixel * pixel}
        if weights.structure:
            losses["structure"] = weights.structure * self.perceptual(out["image"], image)
        if weights.identity and self.identity is not None:
            losses["identity"] = weights.identity * self.identity(out["image"], image)
        if weights.background and batch.person is not None:
            losses["background"] = weights.background * background_depth_loss(
                out["image_depth"], batch.person
            )
        return losses

    def _descend(
        self, optimiser: torch.optim.Optimizer, losses: dict[str, Tensor], step: int, steps: int
    ) -> None:
        for group in optimiser.param_groups:
            group["lr"] = self.settings.rate(step, steps)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], self.settings.clip)
        optimiser.step()


def train_goae(
    generator: TriPlaneGenerator,
    portraits: Portraits,
    folder: Path,
    settings: GOAETraining | None = None,
    encoder: GOAESettings | None = None,
    alignment: AFASettings | None = None,
    perceptual: Distance = structure_distance,
    identity: Distance | None = None,
    name: str = "goae",
) -> Task[GOAE]:
    """The trained networks, also saved as a model in ``folder/model``; a stopped run goes on.

    Beside the model lie ``state.pt``, ``curves.csv`` (step, loss, value) and ``preview.png`` (photos above
    inversions).

    Args:
        portraits: what to train on.
        perceptual, identity: distances of pictures; see ``goae_losses``.

    Raises:
        OutputUnwritable: the folder cannot be written.
        CheckpointRefused: the folder holds a run with other settings.
    """
    trainer = GOAETrainer(generator, settings or GOAETraining(), encoder, alignment, perceptual, identity)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE_FILE).exists():
            trainer.restore(torch.load(folder / STATE_FILE, weights_only=True))
        curves = []
        while trainer.step < trainer.steps:
            losses = trainer.advance(portraits)
            curves += [(trainer.step, key, value) for key, value in losses.items()]
            note = ", ".join(f"{key} {value:.4f}" for key, value in losses.items())
            if trainer.step % trainer.settings.save_every == 0 or trainer.step == trainer.steps:
                _save(trainer, folder, curves, portraits)
                curves = []
            yield Progress(trainer.step, trainer.steps, note)
    except OSError as error:
        raise OutputUnwritable(
            f"{folder} cannot be written ({error.strerror}).", "Choose another folder."
        ) from error
    goae = trainer.goae
    save_goae(goae, folder / "model", name)
    return goae


def _save(trainer: GOAETrainer, folder: Path, curves: list, portraits: Portraits) -> None:
    save_torch(folder / STATE_FILE, trainer.state())
    append_losses(folder / CURVE_FILE, curves)
    # The step after the last is never trained on where the source draws its pictures from the step.
    held_out = portraits.batch(trainer.steps, min(trainer.settings.batch, 4))
    inversion = trainer.goae.invert(held_out.image, held_out.c)
    rows = [
        np.concatenate([from_signed(picture.cpu().numpy()) for picture in row], axis=1)
        for row in (held_out.image, inversion.w_render["image"], inversion.f_render["image"])
    ]
    save_image(folder / PREVIEW_FILE, np.concatenate(rows))


def held_out_error(goae: GOAE, portraits: Portraits, step: int, count: int) -> tuple[float, float]:
    """Mean squared errors of the code's and of the refined renderings on the pictures of a step."""
    batch = portraits.batch(step, count)
    inversion = goae.invert(batch.image, batch.c)
    plain, refined = (
        F.mse_loss(render["image"], batch.image).item() for render in (inversion.w_render, inversion.f_render)
    )
    return plain, refined


def shortened(settings: GOAETraining, encoder_steps: int, alignment_steps: int) -> GOAETraining:
    """The settings for a run of other length, its warm-up and levels moved in proportion."""
    share = encoder_steps / settings.encoder_steps
    levels = tuple(int(step * share) for step in settings.level_steps)
    return replace(
        settings,
        encoder_steps=encoder_steps,
        alignment_steps=alignment_steps,
        level_steps=levels,
        warmup_steps=int(settings.warmup_steps * share),
    )
