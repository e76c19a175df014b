"""Training the bundled encoder on pairs from the bundled generator.

``facet train encoder --out DIR`` runs :func:`train_encoder`; it needs no assets, only the model's own geometry and
field, and continues from its last checkpoint.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import FOCAL
from inversion_core.encoders.heads import EncoderSizes, HeadEncoder, RawCodes, save_encoder
from inversion_core.generators.heads_field import CanonicalField, load_field
from inversion_core.generators.template import HeadTemplate, load_template
from inversion_core.landmark_tables import OVAL
from inversion_core.task import Progress, Task
from inversion_core.training.pairs import PairMaker, Truth, noisy_landmarks
from inversion_core.training.run_files import append_row, restore_run, save_run

STATE_FILE = "encoder_checkpoint.safetensors"
MODEL = Path(__file__).resolve().parents[2] / "resources" / "models" / "facet-head"


@dataclass(frozen=True)
class EncoderSettings:
    """How the encoder is trained; the defaults made the bundled one."""

    pool: int = 1500
    held_out: int = 200
    batch: int = 24
    geometry_batch: int = 256
    """Heads of every step that are known by their landmarks alone: cheap, and enough for shape and pose."""
    rate: float = 1.2e-3
    fresh: int = 1
    """Pairs of the pool that every step replaces with new ones."""
    log_every: float = 15.0
    checkpoint_every: float = 60.0


@dataclass(frozen=True)
class Batch:
    """Pairs as arrays: pictures (N, 128, 128, 3) uint8, and every field of Truth stacked."""

    pictures: NDArray[np.uint8]
    truth: dict[str, NDArray]


def train_encoder(
    out_dir: Path,
    minutes: float = 20.0,
    device: str = "auto",
    seed: int = 0,
    template: HeadTemplate | None = None,
    field: CanonicalField | None = None,
    settings: EncoderSettings | None = None,
) -> Task[Path]:
    """The path of the trained encoder (``encoder.safetensors`` in ``out_dir``).

    Args:
        out_dir: also receives the checkpoint and ``encoder_curves.csv``; a run found there is continued.
        minutes: time for training, all sessions together; drawing the first pairs comes on top.

    Raises:
        MissingResource: the bundled geometry or field is not there.
    """
    settings = settings or EncoderSettings()
    template = template or load_template(MODEL / "geometry.safetensors")
    field = field or load_field(MODEL / "field.safetensors")
    target = torch.device(
        "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    maker = PairMaker(template, field)
    rng = np.random.default_rng(seed)
    held = yield from drawn_pairs(maker, settings.held_out, np.random.default_rng(seed + 1_000_000))
    pool = yield from drawn_pairs(maker, settings.pool, rng)
    torch.manual_seed(seed)
    sizes = EncoderSizes(
        len(template.identity),
        len(template.units),
        field.sizes.skin_modes,
        field.sizes.iris_modes,
        maker.styles,
    )
    encoder = HeadEncoder(sizes).to(target)
    optimiser = torch.optim.AdamW(encoder.parameters(), settings.rate, weight_decay=1e-3)
    losses = PairLosses(template, field, target)
    step, spent, parts = restore_run(out_dir / STATE_FILE, optimiser)
    if parts:
        encoder.load_state_dict(parts["net"])
    total, logged, saved, first = max(minutes * 60, 1e-3), spent, spent, True
    while spent < total or step == 0:
        start = time.perf_counter()
        rng = np.random.default_rng((seed, step))
        for group in optimiser.param_groups:
            group["lr"] = (
                settings.rate
                * min(1, (step + 1) / 100)
                * 0.5
                * (1.02 + np.cos(np.pi * min(spent / total, 1)))
            )
        for slot in rng.integers(0, len(pool.pictures), settings.fresh):
            _replace(pool, int(slot), *maker.draw(rng))
        index = rng.integers(0, len(pool.pictures), settings.batch)
        loss = losses(encoder, pool, index, rng)
        loss = loss + losses.by_landmarks(encoder, maker.geometry(settings.geometry_batch, rng), rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimiser.step()
        step, spent = step + 1, spent + time.perf_counter() - start
        if first or spent - logged > settings.log_every or spent >= total:
            row = {"step": step, "seconds": round(spent, 1), "loss": round(float(loss.detach()), 5)}
            row |= measured(encoder, template, held)
            append_row(out_dir / "encoder_curves.csv", row)
            logged, first = spent, False
            yield Progress(min(spent / 60, minutes), minutes, f"vertices {row['vertex_error']:.5f}")
        else:
            yield Progress(min(spent / 60, minutes), minutes, "training")
        if spent - saved > settings.checkpoint_every:
            save_run(out_dir / STATE_FILE, {"net": encoder.state_dict()}, optimiser, step, spent)
            saved = spent
    save_run(out_dir / STATE_FILE, {"net": encoder.state_dict()}, optimiser, step, spent)
    path = out_dir / "encoder.safetensors"
    record = {"seed": seed, "steps": step, "seconds": round(spent), **measured(encoder, template, held)}
    save_encoder(encoder.cpu(), path, record)
    return path


def drawn_pairs(maker: PairMaker, count: int, rng: np.random.Generator) -> Task[Batch]:
    """That many drawn heads."""
    pictures, truths = [], []
    for i in range(count):
        picture, truth = maker.draw(rng)
        pictures.append(picture)
        truths.append(truth)
        if i % 50 == 0:
            yield Progress(i, count, "drawing pairs")
    stacked = {f.name: np.stack([np.asarray(getattr(t, f.name)) for t in truths]) for f in fields(Truth)}
    return Batch(np.stack(pictures), stacked)


def _replace(pool: Batch, slot: int, picture: NDArray[np.uint8], truth: Truth) -> None:
    pool.pictures[slot] = picture
    for name, values in pool.truth.items():
        values[slot] = getattr(truth, name)


class PairLosses:
    """Distances that a viewer would see: vertices, projected landmarks, colours; not raw coefficients."""

    def __init__(self, template: HeadTemplate, field: CanonicalField, device: torch.device) -> None:
        weights = template.landmark_weights[:, :, None]
        corners = template.landmark_vertices

        def at_landmarks(basis: NDArray[np.float32]) -> Tensor:
            return torch.from_numpy((basis[:, corners] * weights).sum(2)).to(device)

        self.mean = at_landmarks(template.mean[None])[0]
        self.identity, self.units = at_landmarks(template.identity), at_landmarks(template.unit_offsets)
        # A random share of the skin stands for the whole head, beside the face's points.
        some = np.random.default_rng(0).choice(np.flatnonzero(template.coarse_part == 0), 500, replace=True)
        self.rest = torch.from_numpy(np.ascontiguousarray(template.identity[:, some])).to(device)
        colours = template.canonical[np.random.default_rng(1).choice(np.flatnonzero(template.part == 0), 500)]
        with torch.no_grad():
            self.colours = field.surface_basis(torch.from_numpy(colours))[0][:, 1:].to(device)
        self.device = device

    def _put(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def __call__(self, encoder: HeadEncoder, pool: Batch, index: NDArray, rng: np.random.Generator) -> Tensor:
        points = noisy_landmarks(pool.truth["landmarks"][index], OVAL, rng)
        picture = self._put(pool.pictures[index]).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        raw = encoder(picture, self._put(points))
        truth = {name: self._put(values[index]) for name, values in pool.truth.items()}
        colours = torch.einsum("bk,pkc->bpc", raw.skin - truth["skin"], self.colours).square().mean() * 20
        other = (raw.iris - truth["iris"]).square().mean() * 0.1
        other = other + (raw.hair_colour - truth["hair_colour"]).square().mean() * 5
        other = other + (raw.light - truth["light"]).square().mean() * 3
        other = other + 0.3 * torch.nn.functional.cross_entropy(raw.style, truth["style"].long())
        return self.geometry(raw, truth) + colours + other

    def by_landmarks(
        self, encoder: HeadEncoder, truth: dict[str, NDArray], rng: np.random.Generator
    ) -> Tensor:
        """The geometric losses of heads without pictures."""
        points = noisy_landmarks(truth["landmarks"], OVAL, rng)
        raw = encoder(None, self._put(points))
        return self.geometry(raw, {name: self._put(values) for name, values in truth.items()})

    def geometry(self, raw: RawCodes, truth: dict[str, Tensor]) -> Tensor:
        """Distances of shape, landmarks and pose; the truth has identity, units, rotation, translation, landmarks."""
        identity = raw.identity - truth["identity"]
        units = raw.units - truth["units"]
        shape = torch.einsum("bk,kpc->bpc", identity, self.identity)
        moved = torch.einsum("be,epc->bpc", units, self.units)
        vertices = (shape + moved).square().sum(2).mean() * 2e4
        vertices = vertices + torch.einsum("bk,kpc->bpc", identity, self.rest).square().sum(2).mean() * 4e3
        landmarks = (self._projected(raw) - truth["landmarks"]).square().sum(2).mean() * 2e4
        pose = (raw.rotation - truth["rotation"]).square().sum((1, 2)).mean() * 20
        pose = pose + (raw.translation - truth["translation"]).square().sum(1).mean() * 30
        prior = raw.identity.square().mean() * 0.02 + units.square().mean() * 2
        return vertices + landmarks + pose + prior

    def _projected(self, raw: RawCodes) -> Tensor:
        """(B, 478, 2) the predicted head's landmarks in the crop."""
        head = self.mean + torch.einsum("bk,kpc->bpc", raw.identity, self.identity)
        head = head + torch.einsum("be,epc->bpc", raw.units, self.units)
        local = head @ raw.rotation.transpose(1, 2) + raw.translation[:, None]
        return local[..., :2] / local[..., 2:].clamp_min(0.5) * FOCAL + 0.5


@torch.no_grad()
def measured(encoder: HeadEncoder, template: HeadTemplate, held: Batch) -> dict[str, float]:
    """Held-out figures on noisy landmarks.

    vertex_error (mean over the skin, world units) and what the mean head scores (vertex_error_mean),
    landmark_error (share of the crop), rotation_degrees, style_accuracy, skin_error (sRGB code units).
    """
    device = next(encoder.parameters()).device
    points = noisy_landmarks(held.truth["landmarks"], OVAL, np.random.default_rng(5))
    picture = torch.from_numpy(held.pictures).to(device).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    raw = encoder(picture, torch.from_numpy(points).to(device))
    skin = np.flatnonzero(template.coarse_part == 0)[::5]
    identity, units = (
        template.identity[:, skin].reshape(len(template.identity), -1),
        template.unit_offsets[:, skin],
    )
    truth = held.truth
    error = (raw.identity.cpu().numpy() - truth["identity"]) @ identity
    error += (raw.units.cpu().numpy() - truth["units"]) @ units.reshape(len(units), -1)
    nothing = truth["identity"] @ identity + truth["units"] @ units.reshape(len(units), -1)

    def length(flat: NDArray) -> float:
        return float(np.linalg.norm(flat.reshape(len(flat), -1, 3), axis=2).mean())

    corners, weights = template.landmark_vertices, template.landmark_weights[..., None]
    head = (template.mean[corners] * weights).sum(1)
    for code, basis in ((raw.identity, template.identity), (raw.units, template.unit_offsets)):
        head = head + np.einsum("bk,kpc->bpc", code.cpu().numpy(), (basis[:, corners] * weights).sum(2))
    local = (
        np.einsum("bpc,bdc->bpd", head, raw.rotation.cpu().numpy()) + raw.translation.cpu().numpy()[:, None]
    )
    projected = local[..., :2] / local[..., 2:] * FOCAL + 0.5
    trace = np.einsum("bij,bij->b", raw.rotation.cpu().numpy(), truth["rotation"])
    angle = np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    right = raw.style.argmax(1).cpu().numpy() == truth["style"]
    return {
        "vertex_error": round(length(error), 6),
        "vertex_error_mean": round(length(nothing), 6),
        "landmark_error": round(float(np.linalg.norm(projected - truth["landmarks"], axis=2).mean()), 6),
        "rotation_degrees": round(float(np.median(angle)), 3),
        "style_accuracy": round(float(right.mean()), 3),
        "skin_error": round(float(np.abs(raw.skin.cpu().numpy() - truth["skin"]).mean()), 4),
    }
