"""How fast a full-size EG3D with random weights is drawn and sculpted, against the plain code in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.fast_eg3d import FastView
from inversion_core.generators.fast_rays import FastRays
from inversion_core.generators.triplane import OSGDecoder
from inversion_core.geometry.density_surface import density_surface, grid_points
from inversion_core.samples import label_of, official_camera, seeded_codes
from inversion_core.task import Progress, Task, finish
from inversion_core.volume import camera_rays

DENSE_POINTS = 1 << 20
"""Points on which the dense density is timed; its cost is linear in their number."""
INSIDE = 0.05
"""Share of the volume that the level leaves inside: about a head's. Random weights have no level of their own."""

PLANE_SIDES = (64, 128, 256, 512)
RAYS_SIDE = 32


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def likeness(found: Tensor, expected: Tensor) -> float:
    """PSNR in dB of pictures in [-1, 1]."""
    error = float((found.clamp(-1, 1) - expected.clamp(-1, 1)).double().square().mean())
    return 10 * float(np.log10(4 / max(error, 1e-20)))


@torch.no_grad()
def seconds_by_plane_side(repeats: int, sides: tuple[int, ...] = PLANE_SIDES) -> dict[int, float]:
    """Median seconds of a feature picture of 32 x 32, all samples, by the side of the planes; their content is random."""
    random = torch.Generator().manual_seed(0)
    settings, camera = EG3DSettings().volume, official_camera(0.2, 0.1)
    c = torch.from_numpy(camera.label())[None]
    origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:].reshape(-1, 3, 3), RAYS_SIDE)
    decoder, found = OSGDecoder().requires_grad_(False), {}
    for side in sides:
        rays = FastRays(torch.randn(1, 3, 32, side, side, generator=random), decoder, settings)
        times = [
            _seconds(lambda rays=rays: rays.render(origins[0], directions[0])) for _ in range(repeats + 1)
        ]
        found[side] = float(np.median(times[1:]))
    return found


@torch.no_grad()
def measure_eg3d(
    settings: EG3DSettings | None = None, repeats: int = 3, resolution: int = 256
) -> Task[Mapping[str, float]]:
    """A task that gives seconds and ratios: frames from cached planes in full and half precision, and the surface.

    Ratios are medians over repeats in which plain and fast code ran in turn.
    """
    yield Progress(0, repeats + 2, "making an EG3D network")
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    generator = TriPlaneGenerator(settings or EG3DSettings()).eval().requires_grad_(False)
    torch.random.set_rng_state(state)
    ws = seeded_codes(generator, 0)
    planes = generator.backbone_planes(ws)
    c, side = label_of(official_camera(0.2, 0.1), generator), generator.neural_rendering_resolution
    view = FastView(generator, planes, ws)

    def plain() -> Tensor:
        return generator.render(planes, ws, c, neural_rendering_resolution=side)["image"]

    def fast(half: bool) -> Tensor:
        return view.picture(view.features(c, side)[0], half)

    expected = plain()
    figures = {
        "eg3d_psnr": likeness(fast(False), expected),
        "eg3d_half_psnr": likeness(fast(True), expected),
    }
    rows = []
    for repeat in range(repeats):
        yield Progress(1 + repeat, repeats + 2, "drawing EG3D")
        rows.append([_seconds(plain), _seconds(lambda: fast(False)), _seconds(lambda: fast(True))])
    seconds = np.array(rows)
    for name, column in (("eg3d_plain_s", 0), ("eg3d_frame_s", 1), ("eg3d_half_frame_s", 2)):
        figures[name] = float(np.median(seconds[:, column]))
    figures["eg3d_speedup"] = float(np.median(seconds[:, 0] / seconds[:, 1]))
    figures["eg3d_half_speedup"] = float(np.median(seconds[:, 0] / seconds[:, 2]))
    yield Progress(1 + repeats, repeats + 2, "sculpting EG3D")
    figures |= _sculpting(generator, planes, repeats, resolution)
    return figures


def _sculpting(
    generator: TriPlaneGenerator, planes: Tensor, repeats: int, resolution: int
) -> dict[str, float]:
    box, total = generator.settings.volume.box_warp, resolution**3
    count = min(DENSE_POINTS, total)
    index = torch.from_numpy(np.linspace(0, total - 1, count).astype(np.int64))
    spread = generator.density(planes, grid_points(index, resolution, box)[None])
    level = float(torch.quantile(spread.flatten()[:: max(1, count >> 18)], 1 - INSIDE))
    # Timed in the order of a dense grid, whose neighbours lie together in memory.
    start = (total - count) // 2
    points = grid_points(torch.arange(start, start + count), resolution, box)[None]
    rows = []
    for _ in range(repeats):
        dense = _seconds(lambda: generator.density(planes, points)) * total / count
        rows.append([dense, _seconds(lambda: finish(density_surface(generator, planes, resolution, level)))])
    seconds = np.array(rows)
    return {
        "eg3d_dense_density_s": float(np.median(seconds[:, 0])),
        "eg3d_sculpt_s": float(np.median(seconds[:, 1])),
        "eg3d_sculpt_speedup": float(np.median(seconds[:, 0] / seconds[:, 1])),
    }
