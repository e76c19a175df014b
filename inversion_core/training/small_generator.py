"""Distils a small EG3D generator from the bundled model's own heads, on a processor in minutes.

Nothing adversarial and hardly a ray: every z has its head, so occupancy and colour at points near its surface are the
target; only the super-resolution learns from pictures.
Source: the layout is EG3D's (Chan et al. 2022); z to picture by regression as in Bojanowski et al. 2018 (GLO), with
codes that are known instead of learned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.checkpoints.cards import write_card
from inversion_core.checkpoints.load import save_generator
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.heads_field import load_field
from inversion_core.generators.template import load_template
from inversion_core.generators.triplane import VolumeSettings, sample_planes
from inversion_core.image import from_signed, save_image, to_signed
from inversion_core.model import BUNDLED
from inversion_core.task import Progress, Task
from inversion_core.training.pairs import PairMaker
from inversion_core.training.run_files import append_row, restore_run, save_run
from inversion_core.training.small_heads import Z_DIM, HeadPoints, HeadView, SmallHeads, random_view

SMALL = EG3DSettings(
    z_dim=Z_DIM,
    c_dim=0,
    w_dim=64,
    plane_resolution=64,
    plane_channels=16,
    channel_base=1536,
    channel_max=48,
    superresolution="FacetSuperresolution2X",
    sr_num_fp16_res=0,
    neural_rendering_resolution=64,
    volume=VolumeSettings(
        0.9, 2.2, 3.2, depth_resolution=24, depth_resolution_importance=24, white_back=True
    ),
    camera_pivot=(0.0, 0.0, 0.0),
)
"""The architecture of the small generator: 64² rays, 128² pictures."""

STATE_FILE = "checkpoint.safetensors"
LICENCE = "MIT; distilled from the bundled model, free for any use"
DENSITY_GAIN = 20.0
"""How much larger densities start than colours."""
MARGIN = 1.2
"""Rays leave the box: points are drawn a little beyond it, too."""
STEP = 0.05
"""World units over which a density is read as opaque or not."""
SOFTNESS = 0.004
"""World units over which the surface fades."""


@dataclass(frozen=True)
class SmallTraining:
    """How the distillation runs.

    Attributes:
        pool: heads kept; renewed: a new head every so many steps; batch: heads a step.
        kept_points: drawn of each head, of which a step uses ``points``.
        rate: of Adam at the start, falling to a tenth; ema: of the weights that are kept.
        sharpening: share of the time at the end for the super-resolution alone, ``sharp_batch`` views a step.
        mapping_rate: how much faster the mapping network learns; it stores its weights a hundredfold.
    """

    pool: int = 300
    renewed: int = 3
    batch: int = 6
    kept_points: int = 6000
    points: int = 1200
    rate: float = 1.5e-2
    ema: float = 0.98
    sharpening: float = 0.2
    sharp_batch: int = 3
    mapping_rate: float = 3.0
    checkpoint_every: float = 60.0
    measure_every: float = 90.0


@dataclass
class _Pool:
    z: NDArray[np.float32]
    points: list[HeadPoints]


@dataclass(frozen=True)
class _Views:
    z: NDArray[np.float32]
    labels: NDArray[np.float32]
    views: list[HeadView]


def train_small_generator(
    out_dir: Path,
    minutes: float = 20.0,
    seed: int = 0,
    settings: SmallTraining | None = None,
    architecture: EG3DSettings = SMALL,
    heads: SmallHeads | None = None,
) -> Task[Path]:
    """The folder of the trained generator, ``out_dir``/model, as the other EG3D models are stored.

    Args:
        out_dir: also receives checkpoint, curves and preview; a run found there is continued.
        minutes: time for training, all sessions together; drawing the first heads comes on top.

    Raises:
        MissingResource: the bundled geometry or field is not there.
    """
    settings = settings or SmallTraining()
    heads = heads or SmallHeads(
        PairMaker(load_template(BUNDLED / "geometry.safetensors"), load_field(BUNDLED / "field.safetensors"))
    )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    net = TriPlaneGenerator(architecture)
    with torch.no_grad():
        # Densities of surfaces are near a hundred; from unit size Adam would take long to get there.
        net.decoder.net[2].weight[0] *= DENSITY_GAIN
        # The super-resolution starts by enlarging what the rays have seen.
        for block in (net.superresolution.block0, net.superresolution.block1):
            block.torgb.weight.zero_()
    optimiser = _optimiser(net, settings)
    kept = {name: value.detach().clone() for name, value in net.state_dict().items()}
    step, spent, parts = restore_run(out_dir / STATE_FILE, optimiser)
    if parts:
        net.load_state_dict(parts["net"])
        kept.update(parts["kept"])
    full, box = net.superresolution.shape.img_resolution, architecture.volume.box_warp
    total = max(60 * minutes, 1e-3)
    sharp_from = (1 - settings.sharpening) * total
    sharpening = spent >= sharp_from
    held = _views(heads, 8, full, np.random.default_rng(10_000_019))
    pool = yield from _drawn(heads, settings, box, np.random.default_rng((seed, step)))
    saved, logged = spent, spent
    while spent < total or step == 0:
        start = time.perf_counter()
        rng = np.random.default_rng((seed, step))
        if not sharpening and spent >= sharp_from:
            # The volume is finished: the average of its weights is what is sharpened.
            net.load_state_dict(kept)
            sharpening = True
        phase = (spent - sharp_from) / max(total - sharp_from, 1e-6) if sharpening else spent / sharp_from
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * min(phase, 1))))
        if sharpening:
            loss = _sharp_loss(net, _views(heads, settings.sharp_batch, full, rng))
        else:
            loss = _point_loss(net, pool, settings, rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        # Early on, the average follows: the first weights were drawn at random.
        follow = max(1 - settings.ema, 1 / (step + 1))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                kept[name].lerp_(value, follow) if value.is_floating_point() else kept[name].copy_(value)
        if not sharpening and step % settings.renewed == 0:
            slot = int(rng.integers(len(pool.z)))
            pool.z[slot], pool.points[slot] = _one(heads, settings, box, rng)
        step += 1
        spent += time.perf_counter() - start
        if spent - logged > settings.measure_every or spent >= total:
            row = {"step": step, "seconds": round(spent, 1), "loss": round(float(loss.detach()), 5)}
            row |= {"held_psnr": round(_measured(architecture, kept, held, out_dir), 3)}
            append_row(out_dir / "curves.csv", row)
            logged = spent
        yield Progress(min(spent, total), total, f"step {step}, loss {float(loss.detach()):.3f}")
        if spent - saved > settings.checkpoint_every:
            save_run(out_dir / STATE_FILE, _parts(net, kept), optimiser, step, spent)
            saved = spent
    save_run(out_dir / STATE_FILE, _parts(net, kept), optimiser, step, spent)
    final = TriPlaneGenerator(architecture)
    final.load_state_dict(kept)
    _set_mean(final, seed)
    card = save_generator(final.eval(), out_dir / "model", "facet-small")
    write_card(out_dir / "model", replace(card, title="Facet small heads", licence=LICENCE))
    return out_dir / "model"


def _parts(net: TriPlaneGenerator, kept: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    return {"net": net.state_dict(), "kept": {name: value.clone() for name, value in kept.items()}}


def _optimiser(net: TriPlaneGenerator, settings: SmallTraining) -> torch.optim.Adam:
    mapping = list(net.backbone.mapping.parameters())
    known = {id(p) for p in mapping}
    rest = [p for p in net.parameters() if id(p) not in known]
    groups = [
        {"params": rest, "lr": settings.rate, "base": settings.rate},
        {"params": mapping, "lr": settings.rate, "base": settings.rate * settings.mapping_rate},
    ]
    return torch.optim.Adam(groups, betas=(0.9, 0.99))


@torch.no_grad()
def _set_mean(net: TriPlaneGenerator, seed: int) -> None:
    """The mean code over random z, which truncation and descents start from."""
    z = torch.randn(8192, net.settings.z_dim, generator=torch.Generator().manual_seed(seed))
    ws = net.mapping(z, torch.zeros(len(z), 25))
    net.backbone.mapping.w_avg.copy_(ws[:, 0].mean(0))


def _one(heads: SmallHeads, settings: SmallTraining, box: float, rng: np.random.Generator):
    z = rng.normal(size=Z_DIM).astype(np.float32)
    return z, heads.points(heads.head(z), settings.kept_points, MARGIN * box, rng)


def _drawn(heads: SmallHeads, settings: SmallTraining, box: float, rng: np.random.Generator) -> Task[_Pool]:
    rows = []
    for index in range(settings.pool):
        rows.append(_one(heads, settings, box, rng))
        if index % 20 == 0:
            yield Progress(0, 1, f"drawing heads {index} of {settings.pool}")
    z, points = zip(*rows, strict=True)
    return _Pool(np.stack(z), list(points))


def _views(heads: SmallHeads, count: int, size: int, rng: np.random.Generator) -> _Views:
    """One view of each of ``count`` new heads."""
    z = rng.normal(size=(count, Z_DIM)).astype(np.float32)
    cameras = [random_view(rng) for _ in range(count)]
    views = [heads.view(heads.head(code), camera, size) for code, camera in zip(z, cameras, strict=True)]
    return _Views(z, np.stack([camera.label() for camera in cameras]), views)


def _pictures(views: _Views) -> Tensor:
    """(N, 3, S, S) in [-1, 1]."""
    return torch.from_numpy(np.stack([to_signed(view.rgb) for view in views.views]))


def _point_loss(
    net: TriPlaneGenerator, pool: _Pool, settings: SmallTraining, rng: np.random.Generator
) -> Tensor:
    """Occupancy and colour at points whose head is known: no rays, so a step costs little."""
    chosen = rng.choice(len(pool.z), min(settings.batch, len(pool.z)), replace=False)
    some = rng.integers(0, len(pool.points[0].places), (len(chosen), settings.points))
    places, rgb, distance = (
        torch.from_numpy(
            np.stack([getattr(pool.points[i], name)[index] for i, index in zip(chosen, some, strict=True)])
        )
        for name in ("places", "rgb", "distance")
    )
    ws = net.mapping(torch.from_numpy(pool.z[chosen]), torch.zeros(len(chosen), 25))
    planes = net.backbone_planes(ws)
    colours, sigma = net.decoder(sample_planes(planes, places, net.settings.volume.box_warp))
    # The density's opacity over STEP is trained as a chance of being inside; the surface is a few texels soft.
    inside = torch.sigmoid(-distance / SOFTNESS)
    thickness = F.softplus(sigma[..., 0] - 1) * STEP
    chance = (1 - torch.exp(-thickness)).clamp(1e-5, 1 - 1e-5)
    occupancy = F.binary_cross_entropy(chance, inside)
    near = (distance.abs() < 0.025).float()
    colour = ((colours[..., :3] - rgb).abs().mean(-1) * near).sum() / near.sum()
    # A haze that a single point hardly shows adds up along a ray.
    haze = (thickness * (distance > 0.04)).mean()
    return 0.5 * occupancy + 4 * colour + 2 * haze


def _sharp_loss(net: TriPlaneGenerator, views: _Views) -> Tensor:
    """The super-resolution's pictures against the truth, over several sizes; the rest stands still."""
    with torch.no_grad():
        ws = net.mapping(torch.from_numpy(views.z), torch.zeros(len(views.z), 25))
        raw = net.neural_rendering_resolution
        label = torch.from_numpy(views.labels)
        features, _, _ = net.render_features(net.backbone_planes(ws), label, "midpoint", raw)
    first = net.superresolution(features[:, :3].clone(), features.clone().requires_grad_(True), ws)
    second = _pictures(views)
    loss = first.new_zeros(())
    for _ in range(3):
        difference = first - second
        loss = loss + difference.abs().mean()
        loss = loss + difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
        first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    return loss


@torch.no_grad()
def _measured(architecture: EG3DSettings, kept: dict[str, Tensor], held: _Views, out_dir: Path) -> float:
    """Mean PSNR in dB of held-out views; also draws ``preview.png``: truth, rays, picture."""
    net = TriPlaneGenerator(architecture)
    net.load_state_dict(kept)
    ws = net.mapping(torch.from_numpy(held.z), torch.zeros(len(held.z), 25))
    label = torch.from_numpy(held.labels)
    raw = architecture.neural_rendering_resolution
    features, _, _ = net.render_features(net.backbone_planes(ws), label, neural_rendering_resolution=raw)
    # Without a gradient the super-resolution writes into its input.
    found = features[:, :3].clone()
    image = net.superresolution(features[:, :3], features, ws)
    truth = _pictures(held)
    larger = image.shape[-1]
    shown = F.interpolate(found, size=(larger, larger), mode="bilinear")
    rows = [np.concatenate([from_signed(x.numpy()) for x in row], 1) for row in (truth, shown, image)]
    save_image(out_dir / "preview.png", np.concatenate(rows))
    error = ((shown - truth) / 2).square().mean((1, 2, 3))
    sharp = ((image - truth) / 2).square().mean((1, 2, 3))
    return float(torch.maximum(-10 * torch.log10(error), -10 * torch.log10(sharp)).mean())
