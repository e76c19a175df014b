"""E3DGE's training in its three stages: global encoder, 2D alignment, hybrid fusion with a discriminator.

Stages follow the paper; pairs come from the generator itself, and real pictures only meet the discriminator.
Source: Lan et al. 2023, E3DGE, and its supplement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.checkpoints.stylesdf import E3DGESettings
from inversion_core.encoders.e3dge import E3DGEEncoder
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator
from inversion_core.errors import CheckpointRefused, OutputUnwritable
from inversion_core.generators.stylesdf import Codes, StyleSDF
from inversion_core.generators.stylesdf_renderer import Trace, VolumeView
from inversion_core.refine.e3dge import E3DGE
from inversion_core.refine.local_features import (
    FusionBlock,
    LocalNetwork,
    hybrid_modulation,
    plain_modulation,
)
from inversion_core.refine.residual_aligner import ResidualAligner
from inversion_core.task import Progress, Task
from inversion_core.training.e3dge_losses import E3DGEWeights, field_losses, latent_loss, picture_loss
from inversion_core.training.e3dge_pairs import PseudoBatch, PseudoPairs, View
from inversion_core.training.goae_losses import Distance, structure_distance
from inversion_core.training.run_files import append_losses, save_torch

STATE_FILE, CURVE_FILE, RUNNER_FILE = "state.pt", "curves.csv", "runner.pt"
Reals = Callable[[int, int], Tensor]
"""(step, count) -> real pictures (count, 3, H, W) in [-1, 1] for the discriminator."""


@dataclass(frozen=True)
class E3DGETraining:
    """One run; the rates and weights are the paper's.

    Attributes:
        global_steps, alignment_steps, hybrid_steps: length of the stages.
        batch: heads a step in the global stage; local_batch: in the others.
        samples: along a ray while training.
        points: field samples of each kind for each head.
        truncation_psi: of the sampled heads.
        learning_rate: of encoder, hourglass and fusion; aligner_rate: of the aligner; modulation_share: the
            modulation network's share of the learning rate.
        seed: of everything random; save_every: steps between states.
    """

    global_steps: int = 200_000
    alignment_steps: int = 50_000
    hybrid_steps: int = 50_000
    batch: int = 4
    local_batch: int = 8
    samples: int = 18
    points: int = 1024
    truncation_psi: float = 0.55
    learning_rate: float = 5e-5
    aligner_rate: float = 1e-4
    modulation_share: float = 0.2
    weights: E3DGEWeights = field(default_factory=E3DGEWeights)
    seed: int = 0
    save_every: int = 1000

    @property
    def steps(self) -> int:
        return self.global_steps + self.alignment_steps + self.hybrid_steps

    def turn(self, step: int) -> float:
        """How far the second view of a step turns, growing to 1 over the first half of each local stage."""
        since = step - self.global_steps
        length = self.alignment_steps if since < self.alignment_steps else self.hybrid_steps
        since = since if since < self.alignment_steps else since - self.alignment_steps
        return min(1.0, 2 * since / max(length, 1))


@dataclass(frozen=True)
class HeldOutErrors:
    """Mean squared errors on heads that were not trained on.

    Attributes:
        latent: of both codes; thumb: of the codes' thumb in the photo's view.
        sdf: of distances near the surface; view: of the full picture from another camera.
        plain_view: of the picture that the codes alone give from there.
        residual: of the residual aligned to that other view.
    """

    latent: float
    thumb: float
    sdf: float
    view: float
    plain_view: float
    residual: float


class E3DGETrainer:
    """The networks of a run with their optimisers; generator and pose network stay as they are."""

    def __init__(
        self,
        generator: StyleSDF,
        pose_network: VolumeDiscriminator,
        settings: E3DGETraining,
        sizes: E3DGESettings | None = None,
        reals: Reals | None = None,
        perceptual: Distance = structure_distance,
        identity: Distance | None = None,
    ) -> None:
        sizes = sizes or E3DGESettings()
        self.generator, self.settings, self.reals = generator, settings, reals
        self.perceptual, self.identity = perceptual, identity
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            local, fusion = LocalNetwork(sizes.local), FusionBlock(sizes.local.hourglass.features)
            parts = E3DGEEncoder(sizes.encoder), pose_network, local, ResidualAligner(), fusion
            self.discriminator = VolumeDiscriminator(sizes.pose).to(generator.device)
        modulation = local.local_feat_to_tex_modulations_linear
        # Ours: the local branch starts by changing nothing, so that it can only learn what helps.
        for parameter in (*modulation.fc_1.parameters(), *modulation.shortcut.parameters()):
            nn.init.zeros_(parameter)
        self.model = E3DGE(generator, *parts).to(generator.device).eval()
        self.pairs = PseudoPairs(
            generator, sizes.encoder.image_size, settings.points, settings.truncation_psi, settings.seed
        )
        rate = settings.learning_rate
        filters = [p for n, p in local.named_parameters() if not n.startswith("local_feat")]
        self.optimisers = {
            "encoder": torch.optim.Adam(self.model.encoder.parameters(), lr=rate),
            "local": torch.optim.Adam(
                [
                    {"params": filters, "lr": rate},
                    {"params": list(modulation.parameters()), "lr": rate * settings.modulation_share},
                    {"params": list(self.model.aligner.parameters()), "lr": settings.aligner_rate},
                    {"params": list(fusion.parameters()), "lr": rate},
                ]
            ),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), lr=rate),
        }
        self.step = 0

    def advance(self) -> dict[str, float]:
        """The losses of one more step of whichever stage it falls in."""
        settings, step = self.settings, self.step
        if step < settings.global_steps:
            losses = self.global_step(self.pairs.batch(step, settings.batch))
        else:
            batch = self.pairs.batch(step, settings.local_batch, settings.turn(step))
            hybrid = step >= settings.global_steps + settings.alignment_steps
            losses = self.hybrid_step(batch) if hybrid else self.alignment_step(batch)
        self.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    def global_step(self, batch: PseudoBatch) -> dict[str, Tensor]:
        """Stage 1: codes from pictures, judged by codes, thumbs and the field."""
        weights, view = self.settings.weights, batch.first
        self.model.encoder.train()
        codes = self.model.encode(view.image)
        seen = self.generator.renderer.shade(self.trace(codes, view), codes.renderer)
        losses = {
            "latent": weights.latent * latent_loss(codes, batch.codes),
            "thumb": picture_loss(seen.thumb, view.thumb, weights, self.perceptual),
            **field_losses(self.generator, codes.renderer, batch, weights),
        }
        if self.identity is not None:
            losses["identity"] = weights.identity * self.identity(self.picture(seen, codes), view.image)
        self.descend("encoder", losses)
        self.model.encoder.eval()
        return losses

    def alignment_step(self, batch: PseudoBatch) -> dict[str, Tensor]:
        """Stage 2.1: the second view from residuals aligned to it, without features of the first."""
        codes, weights = self._codes(batch.first), self.settings.weights
        self._train_local(True)
        losses = self.cross(codes, batch.first, batch.second, False, weights.residual)[0]
        self.descend("local", losses)
        self._train_local(False)
        return losses

    def hybrid_step(self, batch: PseudoBatch) -> dict[str, Tensor]:
        """Stage 2.2: either view from the other by fused features, and the discriminator's turn."""
        weights, losses, pictures = self.settings.weights, {}, []
        self._train_local(True)
        for name, source, target in (
            ("there", batch.first, batch.second),
            ("back", batch.second, batch.first),
        ):
            found, picture = self.cross(self._codes(source), source, target, True, weights.hybrid_residual)
            losses.update({f"{name} {key}": value for key, value in found.items()})
            pictures.append(picture)
        fake = self._thumbs(torch.cat(pictures))
        doubt = F.softplus(-self.discriminator(fake)[:, :1]).mean()
        losses["adversarial"] = weights.adversarial * doubt
        self.descend("local", losses)
        self._train_local(False)
        count = len(batch.first.image)
        reals = batch.first.image if self.reals is None else self.reals(self.step, count)
        verdict = {
            "discriminator": self.discriminator_loss(self._thumbs(reals.to(fake.device)), fake.detach())
        }
        self.descend("discriminator", verdict)
        return {**losses, **verdict}

    def crossed_step(self, batch: PseudoBatch) -> dict[str, float]:
        """Stage 2.2 without its discriminator: either view from the other by fused features."""
        losses: dict[str, Tensor] = {}
        self._train_local(True)
        for name, source, target in (
            ("there", batch.first, batch.second),
            ("back", batch.second, batch.first),
        ):
            weight = self.settings.weights.hybrid_residual
            found, _ = self.cross(self._codes(source), source, target, True, weight)
            losses.update({f"{name} {key}": value for key, value in found.items()})
        self.descend("local", losses)
        self._train_local(False)
        return {name: loss.item() for name, loss in losses.items()}

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The logistic loss with the R1 penalty. Source: Mescheder et al. 2018."""
        real = real.detach().requires_grad_(True)
        logits = self.discriminator(real)[:, :1]
        (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        penalty = self.settings.weights.r1 / 2 * gradient.square().sum((1, 2, 3)).mean()
        return F.softplus(-logits).mean() + F.softplus(self.discriminator(fake)[:, :1]).mean() + penalty

    @torch.no_grad()
    def held_out_errors(self, count: int = 8) -> HeldOutErrors:
        """Errors on heads that no step of this run draws."""
        batch = self.pairs.batch(self.settings.steps + 1, count)
        inversion = self.model.invert(batch.first.image, batch.first.azim, batch.first.elev)
        other = self.model.local_view(
            inversion.codes, inversion.residual, inversion.reference, batch.second.azim, batch.second.elev
        )
        near = self.generator.renderer.sdf(batch.near.points, inversion.codes.renderer)
        pairs = (
            (inversion.base.thumb, batch.first.thumb),
            (near, batch.near.sdf),
            (self.picture(other.full, inversion.codes), batch.second.image),
            (self.picture(other.base, inversion.codes), batch.second.image),
            (other.aligned, self.model.residual(batch.second.image, other.base.thumb)),
        )
        errors = (F.mse_loss(found, true).item() for found, true in pairs)
        return HeldOutErrors(latent_loss(inversion.codes, batch.codes).item(), *errors)

    def runner(self) -> dict:
        """The trained networks in the layout of the official file."""
        return {
            "iter": self.step,
            "encoder": self.model.encoder.state_dict(),
            "netLocal": self.model.local.state_dict(),
            "grid_align": self.model.aligner.state_dict(),
            "Fuse_sft_block": self.model.fusion.state_dict(),
        }

    def state(self) -> dict:
        """Everything that a run needs to go on."""
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        discriminator = self.discriminator.state_dict()
        settings = asdict(self.settings)
        return {
            **self.runner(),
            "discriminator": discriminator,
            "optimisers": optimisers,
            "settings": settings,
        }

    def restore(self, state: dict) -> None:
        """Goes on from a state.

        Raises:
            CheckpointRefused: it is of a run with other settings.
        """
        if state.get("settings") != asdict(self.settings):
            raise CheckpointRefused("The run in this folder has other settings.", "Choose an empty folder.")
        model = self.model
        parts = {
            "encoder": model.encoder,
            "netLocal": model.local,
            "grid_align": model.aligner,
            "Fuse_sft_block": model.fusion,
            "discriminator": self.discriminator,
        }
        for name, part in parts.items():
            part.load_state_dict(state[name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.step = state["iter"]

    def cross(
        self, codes: Codes, source: View, target: View, hybrid: bool, residual_weight: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The target view from the source's picture: its losses and its picture (N, 3, S, S)."""
        model, weights, renderer = self.model, self.settings.weights, self.generator.renderer
        with torch.no_grad():
            trace = self.trace(codes, target)
            base = renderer.shade(trace, codes.renderer)
            seen = renderer.shade(self.trace(codes, source), codes.renderer)
            residual = model.residual(source.image, seen.thumb)
            wanted = model.residual(target.image, base.thumb)
        aligned = model.aligner(residual, base.thumb)
        query = model.feature_map(aligned, base.depth, target.azim, target.elev)
        change = plain_modulation(model.local, query)
        if hybrid:
            reference = model.feature_map(residual, seen.depth, source.azim, source.elev)
            change = hybrid_modulation(model.local, model.fusion, reference, query, base.xyz)
        full = model.shaded(trace, codes, change)
        picture = self.picture(full, codes)
        losses = {
            "residual": residual_weight * F.l1_loss(aligned, wanted),
            "thumb": picture_loss(full.thumb, target.thumb, weights, self.perceptual),
            "picture": picture_loss(picture, target.image, weights, self.perceptual, self.identity),
        }
        return losses, picture

    def _codes(self, view: View) -> Codes:
        with torch.no_grad():
            return self.model.encode(view.image)

    def trace(self, codes: Codes, view: View) -> Trace:
        """The view's geometry with this run's samples."""
        return self.generator.renderer.trace(
            codes.renderer, view.azim, view.elev, samples=self.settings.samples
        )

    def picture(self, seen: VolumeView, codes: Codes) -> Tensor:
        """(N, 3, S, S) what the decoder makes of a view, at the encoder's side."""
        return self.model.pooled(self.generator.decoder(seen.features, codes.decoder, "stored"))

    def _thumbs(self, pictures: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(pictures, self.discriminator.settings.image_size)

    def _train_local(self, training: bool) -> None:
        for part in (self.model.local, self.model.aligner, self.model.fusion):
            part.train(training)

    def descend(self, name: str, losses: dict[str, Tensor]) -> None:
        """One step of an optimiser down the sum of the losses."""
        optimiser = self.optimisers[name]
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 5.0)
        optimiser.step()


def train_e3dge(trainer: E3DGETrainer, folder: Path) -> Task[E3DGE]:
    """The trained networks; ``folder/runner.pt`` holds them as an official file does. A stopped run goes on.

    Beside it lie ``state.pt`` and ``curves.csv`` (step, loss, value).

    Raises:
        OutputUnwritable: the folder cannot be written.
        CheckpointRefused: the folder holds a run with other settings.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE_FILE).exists():
            trainer.restore(torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True))
        curves, steps = [], trainer.settings.steps
        while trainer.step < steps:
            losses = trainer.advance()
            curves += [(trainer.step, name, value) for name, value in losses.items()]
            if trainer.step % trainer.settings.save_every == 0 or trainer.step == steps:
                save_torch(folder / STATE_FILE, trainer.state())
                save_torch(folder / RUNNER_FILE, trainer.runner())
                append_losses(folder / CURVE_FILE, curves)
                curves = []
            note = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
            yield Progress(trainer.step, steps, note)
    except OSError as error:
        raise OutputUnwritable(
            f"{folder} cannot be written ({error.strerror}).", "Choose another folder."
        ) from error
    return trainer.model
