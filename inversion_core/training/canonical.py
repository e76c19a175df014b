"""Fitting the canonical field to the synthetic head: colours on the surface, distances in space.

``facet train canonical --assets DIR --out DIR`` runs :func:`train_canonical`. It can be stopped at any time and
continues from its last checkpoint; the same call runs on the processor or on a GPU.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.generators.heads_field import (
    PARTS,
    CanonicalField,
    FeaturePlanes,
    FieldSizes,
    save_field,
)
from inversion_core.generators.template import EYES, HeadTemplate, load_template, vertex_normals
from inversion_core.image import save_image
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.task import Progress, Task
from inversion_core.training.appearance import (
    CanonicalSampler,
    Skin,
    Surface,
    hair_styles,
    principal_codes,
)
from inversion_core.training.assets import HeadAssets
from inversion_core.training.distances import (
    BOX_HIGH,
    BOX_LOW,
    HeadDistance,
    VolumeSamples,
    hair_distances,
    volume_samples,
)
from inversion_core.training.run_files import append_row, restore_run, save_run

TEMPLATE = (
    Path(__file__).resolve().parents[2] / "resources" / "models" / "facet-head" / "geometry.safetensors"
)
STATE_FILE = "checkpoint.safetensors"
LAYER_JITTER = 0.002
"""World units by which surface points are moved before their layer is asked for."""


@dataclass(frozen=True)
class CanonicalSettings:
    """How the field is fitted; the defaults made the bundled one."""

    skin_points: int = 2_500_000
    part_points: int = 150_000
    volume_points: int = 1_000_000
    held_out: int = 40_000
    surface_batch: int = 49_152
    brow_batch: int = 8_192
    part_batch: int = 6_144
    volume_batch: int = 24_576
    plane_rate: float = 1e-2
    decoder_rate: float = 4e-3
    checkpoint_every: float = 60.0
    log_every: float = 10.0


@dataclass(frozen=True)
class CanonicalData:
    """Everything the field is fitted to, and a held-out share of it."""

    skin: Surface
    parts: tuple[Surface, ...]
    volume: VolumeSamples
    held_skin: Surface
    held_volume: VolumeSamples


def train_canonical(
    assets_dir: Path,
    out_dir: Path,
    minutes: float = 15.0,
    device: str = "auto",
    seed: int = 0,
    template: HeadTemplate | None = None,
    sizes: FieldSizes | None = None,
    settings: CanonicalSettings | None = None,
) -> Task[Path]:
    """The path of the fitted field (``field.safetensors`` in ``out_dir``).

    Args:
        assets_dir: the head asset pack, see docs/training.md.
        out_dir: also receives the checkpoint, ``curves.csv`` and preview pictures; a run found there is continued.
        minutes: time spent on fitting, all sessions together; preparing the samples comes on top.
        device: "auto", "cpu" or "cuda".

    Raises:
        MissingResource: the assets or the template are not there.
    """
    settings, sizes = settings or CanonicalSettings(), sizes or FieldSizes()
    template = template or load_template(TEMPLATE)
    out_dir.mkdir(parents=True, exist_ok=True)
    target = torch.device(
        "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
    )
    yield Progress(0, minutes, "reading assets")
    sampler = CanonicalSampler(HeadAssets(assets_dir), template)
    yield Progress(0, minutes, "sampling the head")
    data = canonical_data(sampler, settings, np.random.default_rng(seed))
    torch.manual_seed(seed)
    field = prepared_field(sampler, data, sizes).to(target)
    optimiser = _optimiser(field, settings)
    step, spent, parts = restore_run(out_dir / STATE_FILE, optimiser)
    if parts:
        field.load_state_dict(parts["field"])
    tensors = _Tensors(data, target)
    curves = out_dir / "curves.csv"
    saved = logged = spent
    total = max(minutes * 60, 1e-3)
    first = step == 0
    while spent < total or step == 0:
        start = time.perf_counter()
        losses = _step(
            field, optimiser, tensors, settings, spent / total, np.random.default_rng((seed, step))
        )
        step, spent = step + 1, spent + time.perf_counter() - start
        if spent - logged > settings.log_every or first or spent >= total:
            row = {"step": step, "seconds": round(spent, 1), **losses, **measured(field, data)}
            append_row(curves, row)
            logged, first = spent, False
            note = f"{row['albedo_psnr']:.2f} dB, distance {row['distance_error']:.5f}"
            yield Progress(min(spent / 60, minutes), minutes, note)
        else:
            yield Progress(min(spent / 60, minutes), minutes, "fitting")
        if spent - saved > settings.checkpoint_every:
            save_run(out_dir / STATE_FILE, {"field": field.state_dict()}, optimiser, step, spent)
            save_image(out_dir / "preview.png", preview(field, template))
            saved = spent
    save_run(out_dir / STATE_FILE, {"field": field.state_dict()}, optimiser, step, spent)
    save_image(out_dir / "preview.png", preview(field, template))
    path = out_dir / "field.safetensors"
    save_field(
        field.cpu(), path, {"seed": seed, "steps": step, "seconds": round(spent), **measured(field, data)}
    )
    return path


def canonical_data(
    sampler: CanonicalSampler, settings: CanonicalSettings, rng: np.random.Generator
) -> CanonicalData:
    """Random samples of the canonical head, as many as the settings say."""
    head = HeadDistance(sampler.template, 500_000, rng)
    hair = hair_distances(sampler, list(hair_styles(sampler.assets)), head, rng)
    return CanonicalData(
        skin=sampler.skin_surface(settings.skin_points, rng),
        parts=tuple(sampler.part_surface(part, settings.part_points, rng) for part in PARTS),
        volume=volume_samples(head, hair, settings.volume_points, rng),
        held_skin=sampler.skin_surface(settings.held_out, rng),
        held_volume=volume_samples(head, hair, settings.held_out, rng),
    )


def prepared_field(sampler: CanonicalSampler, data: CanonicalData, sizes: FieldSizes) -> CanonicalField:
    """A field with its boxes, axis maps and appearance codes set, and its networks untrained."""
    names = sampler.eye_textures()[0]
    field = CanonicalField(
        sizes,
        skins=tuple(skin.name for skin in sampler.skins),
        irises=tuple(names),
        brows=tuple(Path(n).name for n in sampler.assets.names("eyebrows")),
        styles=tuple(Path(n).name for n in hair_styles(sampler.assets)),
    )
    _fit_box(field.surface, data.skin.points, share=0.6)
    _fit_box(field.brow_planes, data.skin.points[_browed(data.skin)], share=0.3)
    for planes, part, surface in zip(field.parts, PARTS, data.parts, strict=True):
        points = surface.points.copy()
        if part == EYES:
            points[:, 0] = np.abs(points[:, 0])
        _fit_box(planes, points, share=0.3)
    inside = ((data.skin.points > BOX_LOW) & (data.skin.points < BOX_HIGH)).all(1)
    _fit_box(field.volume, data.skin.points[inside], share=0.45, low=BOX_LOW, high=BOX_HIGH)
    field.skin_codes.copy_(torch.from_numpy(_codes(data.skin.colours, sizes.skin_modes)))
    field.iris_codes.copy_(torch.from_numpy(_codes(data.parts[0].colours, sizes.iris_modes)))
    field.attributes.copy_(
        torch.from_numpy(attribute_map(sampler.skins, data.skin, field.skin_codes.numpy()))
    )
    return field


def _browed(surface: Surface) -> NDArray[np.bool_]:
    """(N,) where any brow covers the skin."""
    browed = surface.brows.max(1) > 20
    return browed if browed.any() else np.ones(len(browed), bool)


def _codes(colours: NDArray[np.uint8], modes: int) -> NDArray[np.float32]:
    some = colours[:: max(len(colours) // 60_000, 1)].astype(np.float64) / 255
    return principal_codes(np.moveaxis(some, 1, 0).reshape(colours.shape[1], -1), modes)[0]


def attribute_map(skins: list[Skin], surface: Surface, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4, modes) least-squares map from (1, age, skin_tone, masculinity) to the skins' codes.

    A skin's tone is its mean luminance on a logarithmic scale, -1 for the lightest and 1 for the deepest.
    """
    luminance = (surface.colours.astype(np.float32).mean(0) / 255) @ np.array(
        [0.299, 0.587, 0.114], np.float32
    )
    logarithm = -np.log(luminance + 1e-3)
    spread = max(float(logarithm.max() - logarithm.min()), 1e-6)
    tone = 2 * (logarithm - logarithm.min()) / spread - 1
    table = np.stack([np.ones(len(skins)), [s.age for s in skins], tone, [s.masculinity for s in skins]], 1)
    # A little ridge, for packs that hold no old or no female skin.
    ridge = np.diag([0, 0.05, 0.05, 0.05])
    return np.linalg.solve(table.T @ table + ridge, table.T @ codes).astype(np.float32)


def _fit_box(planes: FeaturePlanes, points: NDArray[np.float32], share: float, low=None, high=None) -> None:
    """Set the planes' box to the points, and stretch axes so that ``share`` of the texels follows their density."""
    margin = 0.01
    low = points.min(0) - margin if low is None else low
    high = points.max(0) + margin if high is None else high
    knots = planes.stretch.shape[1]
    even = np.linspace(0, 1, knots)
    table = np.zeros((3, knots), np.float32)
    for axis in range(3):
        unit = (points[:, axis] - low[axis]) / (high[axis] - low[axis])
        density = np.histogram(unit, bins=knots - 1, range=(0, 1))[0].astype(np.float64)
        density = np.convolve(np.pad(density, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        table[axis, 1:] = np.cumsum(density / density.sum())
        table[axis] = share * table[axis] + (1 - share) * even
    planes.low.copy_(torch.as_tensor(low))
    planes.high.copy_(torch.as_tensor(high))
    planes.stretch.copy_(torch.from_numpy(table))


class _Tensors:
    """The samples as tensors on the training device."""

    def __init__(self, data: CanonicalData, device: torch.device) -> None:
        def put(array):
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.skin = [put(a) for a in (data.skin.points, data.skin.colours)]
        browed = data.skin.points[_browed(data.skin)]
        low, high = browed.min(0) - 0.01, browed.max(0) + 0.01
        around = ((data.skin.points > low) & (data.skin.points < high)).all(1)
        self.brows = [put(a[around]) for a in (data.skin.points, data.skin.brows)]
        self.parts = [[put(s.points), put(s.colours)] for s in data.parts]
        v = data.volume
        self.volume = [put(a) for a in (v.points, v.head, v.hair, v.luminance)]
        every = (data.skin, *data.parts)
        # As many skin points as loose ones are enough to learn layers from.
        self.layered = [
            put(np.concatenate([s.points[:: max(len(s.points) // 200_000, 1)] for s in every])),
            put(
                np.concatenate([s.layer[:: max(len(s.layer) // 200_000, 1)] for s in every]).astype(np.int64)
            ),
        ]


def _batch(tensors: list[Tensor], size: int, rng: np.random.Generator) -> list[Tensor]:
    """Random rows. In the pool's order, which keeps neighbours together and the cache warm."""
    index = torch.from_numpy(np.sort(rng.integers(len(tensors[0]), size=size))).to(tensors[0].device)
    return [t[index] for t in tensors]


def _step(field: CanonicalField, optimiser, data: _Tensors, settings: CanonicalSettings, done: float, rng):
    """One update; the losses as numbers."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * min(done, 1.0))))
    points, colours = _batch(data.skin, settings.surface_batch, rng)
    basis = field.surface_decoder(field.surface(points)).unflatten(1, (-1, 3))
    predicted = torch.einsum("nkc,sk->nsc", basis, _with_one(field.skin_codes))
    skin_loss = _charbonnier(predicted - colours.float() / 255)
    points, brows = _batch(data.brows, settings.brow_batch, rng)
    # Every style's hairs are thin and few: squared errors would let them fade away.
    brow_loss = torch.nn.functional.binary_cross_entropy(field.brow_densities(points), brows.float() / 255)
    part_loss = skin_loss.new_zeros(())
    for part, tensors in zip(PARTS, data.parts, strict=True):
        points, colours = _batch(tensors, settings.part_batch, rng)
        codes = _with_one(field.iris_codes) if part == EYES else field.iris_codes.new_ones(1, 1)
        predicted = torch.einsum("nkc,sk->nsc", field.part_basis(points, part), codes)
        part_loss = part_loss + _charbonnier(predicted - colours.float() / 255)
    volume_loss, layer_loss = _volume_losses(field, data, settings, rng)
    loss = 4 * skin_loss + brow_loss + part_loss + volume_loss + 0.05 * layer_loss
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    named = {
        "skin": skin_loss,
        "brow": brow_loss,
        "part": part_loss,
        "volume": volume_loss,
        "layer": layer_loss,
    }
    return {name: round(float(value.detach()), 6) for name, value in named.items()}


def _volume_losses(field: CanonicalField, data: _Tensors, settings: CanonicalSettings, rng):
    points, head, hair, luminance = _batch(data.volume, settings.volume_batch, rng)
    predicted, _, predicted_hair, predicted_luminance = field.distances(points)
    # Errors count where they move a surface.
    loss = ((predicted - head).abs() / (head.abs() + 0.01)).mean()
    loss = loss + ((predicted_hair - hair).abs() / (hair.abs() + 0.02)).sum(1).mean() * 0.25
    known = torch.isfinite(luminance)
    if bool(known.any()):
        loss = loss + (predicted_luminance - luminance)[known].square().mean()
    points, layer = _batch(data.layered, settings.volume_batch // 4, rng)
    moved = points + torch.from_numpy(rng.normal(0, LAYER_JITTER, points.shape).astype(np.float32)).to(points)
    return loss, torch.nn.functional.cross_entropy(field.distances(moved)[1], layer)


def _charbonnier(error: Tensor) -> Tensor:
    return (error.square() + 1e-5).sqrt().mean()


def _with_one(codes: Tensor) -> Tensor:
    return torch.cat([codes.new_ones(len(codes), 1), codes], 1)


def _optimiser(field: CanonicalField, settings: CanonicalSettings) -> torch.optim.Adam:
    planes = [p for name, p in field.named_parameters() if name.endswith("texels")]
    decoders = [p for name, p in field.named_parameters() if not name.endswith("texels")]
    groups = [
        {"params": planes, "lr": settings.plane_rate, "peak": settings.plane_rate},
        {"params": decoders, "lr": settings.decoder_rate, "peak": settings.decoder_rate},
    ]
    return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-10)


@torch.no_grad()
def measured(field: CanonicalField, data: CanonicalData) -> dict[str, float]:
    """Held-out figures: albedo_psnr (dB, all skins), distance_error and hair_error (mean, world units, near)."""
    device = field.skin_codes.device
    basis, _ = field.surface_basis(torch.from_numpy(data.held_skin.points).to(device))
    predicted = torch.einsum("nkc,sk->nsc", basis, _with_one(field.skin_codes)).clamp(0, 1).cpu().numpy()
    error = np.square(predicted - data.held_skin.colours.astype(np.float32) / 255).mean()
    volume = data.held_volume
    head, _, hair, _ = (t.cpu().numpy() for t in field.distances(torch.from_numpy(volume.points).to(device)))
    near = np.abs(volume.head) < 0.02
    close = np.abs(volume.hair) < 0.02
    return {
        "albedo_psnr": round(float(-10 * np.log10(max(error, 1e-12))), 3),
        "distance_error": round(float(np.abs(head - volume.head)[near].mean()), 6),
        "hair_error": round(float(np.abs(hair - volume.hair)[close].mean()), 6) if close.any() else 0.0,
    }


def preview(field: CanonicalField, template: HeadTemplate, size: int = 256) -> NDArray[np.uint8]:
    """A sheet of three skins from the front, at 45° and in profile, lightly shaded, mouth closed."""
    vertices = template.fine(template.mean)
    normals = vertex_normals(vertices, template.faces)
    values = np.concatenate([template.canonical, normals, template.part[:, None]], 1).astype(np.float32)
    count = len(field.skins)
    rows = []
    for skin in sorted({0, count // 2, count - 1}):
        code = field.skin_appearance(skin)
        code[field.sizes.skin_modes + field.sizes.iris_modes + 1] = 1
        code[-4:] = (0.14, 0.1, 0.08, 1)
        row = []
        for yaw in (0.0, 0.785, 1.57):
            fragments = rasterise(vertices, template.faces, Camera.orbit(yaw, 0.0), size)
            carried = interpolate(fragments, template.faces, values)
            hit = fragments.hit
            albedo = field.albedo(carried[hit][:, :3], code, np.round(carried[hit][:, 6]).astype(np.uint8))
            light = np.clip(carried[hit][:, 3:6] @ np.array([0.25, 0.45, 0.8], np.float32), 0, 1) * 0.55 + 0.5
            image = np.full((size, size, 3), 0.35, np.float32)
            image[hit] = albedo * light[:, None]
            row.append(image)
        rows.append(np.concatenate(row, 1))
    return np.round(np.clip(np.concatenate(rows), 0, 1) * 255).astype(np.uint8)
