"""Adapting E3DGE's encoders to a user's own photos: semi-supervised, as the paper's outlook has it.

Photos are unlabelled: their pictures are compared through the frozen generator, most where the landmarks are, and the
depth that it renders at the landmarks with that of a template fitted to them. Pairs of the generator's own, whose
codes, distances and other views are known, are the supervised part.
Source: Lan et al. 2023, E3DGE, sections 3.2 and 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import FOCAL, RADIUS
from inversion_core.checkpoints.stylesdf import E3DGESettings
from inversion_core.errors import CheckpointRefused, OutputUnwritable
from inversion_core.generators.stylesdf_renderer import VolumeView
from inversion_core.generators.template import HeadTemplate
from inversion_core.image import from_signed, save_image, to_signed
from inversion_core.optimise.distances import feature_pyramid, squared
from inversion_core.optimise.landmark_fit import fit_landmarks
from inversion_core.portrait import Portrait
from inversion_core.refine.e3dge import E3DGE
from inversion_core.refine.local_features import sampled
from inversion_core.task import Progress, Task
from inversion_core.training.e3dge import E3DGETrainer, E3DGETraining
from inversion_core.training.e3dge_losses import field_losses, latent_loss, picture_loss
from inversion_core.training.e3dge_pairs import PseudoBatch, View
from inversion_core.training.own_photos import Adaptation, OwnPhotos
from inversion_core.training.run_files import append_row, save_torch

STATE_FILE, CURVE_FILE, PREVIEW_FILE = "state.pt", "curves.csv", "preview.png"
OUTSIDE, NEAR_LANDMARKS, REACH = 0.1, 3.0, 0.03
"""Weights of the background and, beside 1 for the person, of the landmarks' surroundings within this share of a side."""
FORGETTING = 1.05


@dataclass(frozen=True)
class E3DGEAdapting:
    """One run.

    Attributes:
        steps: of the encoder; local_steps: of the local branch, after them.
        batch: photos, and as many pairs, in each.
        rate: learning rate; feature, depth, prior: what the loss of features, of depth at the landmarks and of codes
            far from the mean count beside that of pixels; paired: what pairs count beside photos.
    """

    steps: int = 200
    local_steps: int = 200
    batch: int = 2
    rate: float = 2e-5
    feature: float = 0.2
    depth: float = 1.0
    prior: float = 1e-3
    paired: float = 1.0
    seed: int = 0
    log_every: int = 25


@dataclass(frozen=True)
class PhotoBatch:
    """N photos: image (N, 3, S, S) in [-1, 1], weight (N, 1, S, S) of its pixels, landmarks xy (N, 478, 2) in
    [-1, 1], and depth (N, 478) of them behind their mean in the generator's units."""

    image: Tensor
    weight: Tensor
    xy: Tensor
    depth: Tensor

    def __getitem__(self, index: Sequence[int]) -> PhotoBatch:
        return PhotoBatch(*(part[list(index)] for part in vars(self).values()))


def photo_batch(portraits: Sequence[Portrait], model: E3DGE, template: HeadTemplate) -> PhotoBatch:
    """The portraits as the encoder sees them, with what their landmarks say."""
    side = model.encoder.settings.image_size
    unit = (0.5 * RADIUS / FOCAL) / math.tan(model.generator.settings.renderer.fov)
    centres = (np.arange(side) + 0.5) / side
    parts = []
    for portrait in portraits:
        image = F.adaptive_avg_pool2d(torch.from_numpy(to_signed(portrait.image))[None], side)[0]
        person = F.adaptive_avg_pool2d(torch.from_numpy(portrait.person)[None, None], side)[0]
        points = portrait.landmarks[:, :2]
        near = np.exp(-((centres[None] - points[:, :1]) ** 2) / (2 * REACH**2))
        beside = np.exp(-((centres[None] - points[:, 1:]) ** 2) / (2 * REACH**2))
        heat = np.einsum("ky,kx->yx", beside, near)
        heat = torch.from_numpy((heat / heat.max()).astype(np.float32))[None]
        fit = fit_landmarks(template, portrait.landmarks, portrait.camera)
        depth = fit.camera.project(template.landmarks(fit.coarse))[:, 2]
        parts.append(
            (
                image,
                OUTSIDE + person + NEAR_LANDMARKS * heat,
                torch.from_numpy(points.astype(np.float32)) * 2 - 1,
                torch.from_numpy(((depth - depth.mean()) / unit).astype(np.float32)),
            )
        )
    device = model.generator.device
    return PhotoBatch(*(torch.stack(part).to(device) for part in zip(*parts, strict=True)))


class E3DGEAdapter:
    """A copy of a model's encoders with what adapts them; norms keep their statistics."""

    def __init__(self, model: E3DGE, settings: E3DGEAdapting) -> None:
        sizes = E3DGESettings(
            model.generator.settings,
            model.encoder.settings,
            model.pose_network.settings,
            model.local.settings,
        )
        training = E3DGETraining(
            global_steps=settings.steps,
            alignment_steps=0,
            hybrid_steps=settings.local_steps,
            batch=settings.batch,
            local_batch=settings.batch,
            samples=min(18, sizes.generator.renderer.samples),
            points=256,
            learning_rate=settings.rate,
            aligner_rate=settings.rate,
            modulation_share=1.0,
            seed=settings.seed,
        )
        self.settings = settings
        self.extent = (sizes.generator.renderer.far - sizes.generator.renderer.near) / 2
        self.trainer = E3DGETrainer(model.generator, model.pose_network, training, sizes)
        for name in ("encoder", "local", "aligner", "fusion"):
            getattr(self.trainer.model, name).load_state_dict(getattr(model, name).state_dict())

    @property
    def step(self) -> int:
        return self.trainer.step

    def advance(self, photos: PhotoBatch) -> float:
        """The loss of one more step; the photos of it follow from its number."""
        trainer, settings = self.trainer, self.settings
        draws = np.random.default_rng((settings.seed, trainer.step))
        chosen = photos[draws.integers(0, len(photos.image), settings.batch).tolist()]
        codes_stage = trainer.step < settings.steps
        batch = trainer.pairs.batch(trainer.step, settings.batch)
        if codes_stage:
            losses = {**self.photo_losses(chosen), **self._paired(self.pair_losses(batch))}
        else:
            losses = {**self.detail_losses(chosen), **self._paired(self._crossed(batch))}
        trainer.descend("encoder" if codes_stage else "local", losses)
        trainer.step += 1
        return sum(loss.item() for loss in losses.values())

    def photo_losses(self, photos: PhotoBatch) -> dict[str, Tensor]:
        """What the codes alone miss of the photos, by kind."""
        settings, model = self.settings, self.trainer.model
        codes, view = model.encode(photos.image), self._view(photos)
        renderer = model.generator.renderer
        seen = renderer.shade(self.trainer.trace(codes, view), codes.renderer)
        picture = self.trainer.picture(seen, codes)
        small = F.adaptive_avg_pool2d(photos.weight, seen.thumb.shape[2:])
        mean = model.generator.mean_codes()
        far = sum(F.mse_loss(a, b.expand_as(a)) for a, b in zip(codes, mean, strict=True))
        return {
            "photo": squared(picture, photos.image, photos.weight) + squared(seen.thumb, view.thumb, small),
            "features": settings.feature * feature_pyramid(picture, photos.image, photos.weight),
            "depth": settings.depth * depth_loss(seen, photos, self.extent),
            "prior": settings.prior * far,
        }

    def pair_losses(self, batch: PseudoBatch) -> dict[str, Tensor]:
        """The paper's supervised losses of heads whose codes are known."""
        trainer, view = self.trainer, batch.first
        codes, weights = trainer.model.encode(view.image), trainer.settings.weights
        seen = trainer.generator.renderer.shade(trainer.trace(codes, view), codes.renderer)
        return {
            "latent": weights.latent * latent_loss(codes, batch.codes),
            "thumb": picture_loss(seen.thumb, view.thumb, weights, trainer.perceptual),
            **field_losses(trainer.generator, codes.renderer, batch, weights),
        }

    def detail_losses(self, photos: PhotoBatch) -> dict[str, Tensor]:
        """What the local branch misses of the photos in their own view."""
        view = self._view(photos)
        with torch.no_grad():
            codes = self.trainer.model.encode(photos.image)
        weight = self.trainer.settings.weights.hybrid_residual
        losses, picture = self.trainer.cross(codes, view, view, True, weight)
        return {
            "aligned": losses["residual"],
            "photo": squared(picture, photos.image, photos.weight),
            "features": self.settings.feature * feature_pyramid(picture, photos.image, photos.weight),
        }

    @torch.no_grad()
    def figures(self, photos: PhotoBatch) -> dict[str, float]:
        """Errors on photos, and on heads of the generator's own that no step draws.

        ``photo``, ``codes``: weighted mean squared error of the whole and of the codes' picture; ``depth``: mean
        squared error of depth at the landmarks, of the head's extent; ``own_codes``, ``own_views``: latent error and
        squared error of other views of the generator's heads.
        """
        model = self.trainer.model
        rows = []
        for index in range(len(photos.image)):
            one = photos[[index]]
            found = model.invert(one.image)
            whole = model.pooled(found.render()["image"])
            plain = model.pooled(model.generator.decoder(found.base.features, found.codes.decoder, "stored"))
            rows.append(
                [float(squared(picture, one.image, one.weight)) for picture in (whole, plain)]
                + [float(depth_loss(found.base, one, self.extent))]
            )
        own = self.trainer.held_out_errors(4)
        photo, codes, depth = np.mean(rows, axis=0)
        found = {
            "photo": photo,
            "codes": codes,
            "depth": depth,
            "own_codes": own.latent,
            "own_views": own.view,
        }
        return {name: round(float(value), 6) for name, value in found.items()}

    def _view(self, photos: PhotoBatch) -> View:
        # The camera that an inversion will find, so that nothing is learned that it cannot use.
        model = self.trainer.model
        with torch.no_grad():
            azim, elev = model.pose(photos.image)
        thumb = F.adaptive_avg_pool2d(photos.image, model.generator.settings.renderer.resolution)
        return View(azim, elev, thumb, photos.image)

    def _paired(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f"pair {name}": self.settings.paired * loss for name, loss in losses.items()}

    def _crossed(self, batch: PseudoBatch) -> dict[str, Tensor]:
        trainer = self.trainer
        with torch.no_grad():
            codes = trainer.model.encode(batch.first.image)
        return trainer.cross(
            codes, batch.first, batch.second, True, trainer.settings.weights.hybrid_residual
        )[0]


def depth_loss(seen: VolumeView, photos: PhotoBatch, extent: float) -> Tensor:
    """Mean squared difference of depth at the landmarks, both from their mean, as a share of ``extent``."""
    found = sampled(seen.depth, photos.xy)[..., 0]
    found = found - found.mean(1, keepdim=True)
    return ((found - photos.depth) / extent).square().mean()


def adapt_e3dge(
    model: E3DGE,
    photos: OwnPhotos,
    template: HeadTemplate,
    out: Path,
    settings: E3DGEAdapting | None = None,
) -> Task[tuple[Adaptation, E3DGE]]:
    """How it went, and the adapted model; a stopped run in ``out`` goes on.

    ``out`` receives the state, ``curves.csv`` and ``preview.png``.

    Raises:
        OutputUnwritable: ``out`` cannot be written. CheckpointRefused: it holds a run with other photos or settings.
    """
    settings = settings or E3DGEAdapting()
    try:
        out.mkdir(parents=True, exist_ok=True)
        adapter = E3DGEAdapter(model, settings)
        training = photo_batch(photos.training, model, template)
        held = photo_batch(photos.held_out, model, template)
        yield Progress(0, 1, "measuring the held-out photos")
        before, pictures = adapter.figures(held), [_pictures(adapter.trainer.model, held)]
        spent = _restored(out / STATE_FILE, adapter, photos.digest)
        total = settings.steps + settings.local_steps
        while adapter.step < total:
            start = time.perf_counter()
            loss = adapter.advance(training)
            spent += time.perf_counter() - start
            note = f"loss {loss:.4f}"
            if adapter.step % settings.log_every == 0 or adapter.step == total:
                row = adapter.figures(held)
                append_row(out / CURVE_FILE, {"step": adapter.step, "loss": round(loss, 5), **row})
                _save(out / STATE_FILE, adapter, photos.digest, spent)
                note = f"held-out photos {row['photo']:.4f}, before {before['photo']:.4f}"
            yield Progress(adapter.step, total, note)
        after = adapter.figures(held)
        pictures.append(_pictures(adapter.trainer.model, held))
        save_image(out / PREVIEW_FILE, _sheet(held, pictures))
    except OSError as error:
        raise OutputUnwritable(
            f"{out} cannot be written ({error.strerror}).", "Choose another folder."
        ) from error
    kept, why = verdict(before, after)
    count = len(photos.training) + len(photos.held_out)
    report = Adaptation(
        kept,
        why,
        count,
        len(photos.held_out),
        photos.refused,
        before,
        after,
        adapter.step,
        round(spent, 1),
        None,
    )
    return report, adapter.trainer.model.requires_grad_(False).eval()


def verdict(before: dict[str, float], after: dict[str, float]) -> tuple[bool, str]:
    """Whether the adapted networks are to be kept, and why in a sentence."""
    if after["photo"] >= before["photo"] or after["codes"] > before["codes"]:
        return (
            False,
            "On the photos that were held out the adapted networks are no better: the old ones stay.",
        )
    if after["own_views"] > FORGETTING * before["own_views"]:
        return (
            False,
            "The held-out photos come out better, but other views of heads worse: the old ones stay.",
        )
    if after["depth"] > FORGETTING * before["depth"]:
        return False, "The held-out photos look better, but their depth is worse: the old ones stay."
    return True, "The photos that were held out come out better, and other views of heads no worse."


def _pictures(model: E3DGE, photos: PhotoBatch, count: int = 6) -> Tensor:
    found = [model.pooled(model.invert(image[None]).render()["image"])[0] for image in photos.image[:count]]
    return torch.stack(found)


def _sheet(photos: PhotoBatch, pictures: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Photos, then their heads before and after, in rows."""
    rows = [photos.image[: len(pictures[0])], *pictures]
    return np.concatenate(
        [np.concatenate([from_signed(p.clamp(-1, 1).cpu().numpy()) for p in row], 1) for row in rows], 0
    )


def _save(path: Path, adapter: E3DGEAdapter, digest: str, spent: float) -> None:
    mark = {"photos": digest, **asdict(adapter.settings)}
    save_torch(path, {**adapter.trainer.state(), "mark": mark, "seconds": spent})


def _restored(path: Path, adapter: E3DGEAdapter, digest: str) -> float:
    if not path.exists():
        return 0.0
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state.get("mark") != {"photos": digest, **asdict(adapter.settings)}:
        raise CheckpointRefused(
            "The run in this folder has other photos or settings.", "Choose an empty folder."
        )
    adapter.trainer.restore(state)
    return float(state["seconds"])
