"""How fast a full-size StyleSDF head is turned by its cached distances, against its network in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from inversion_core.camera import Camera
from inversion_core.generators.distance_cache import DistanceCache
from inversion_core.generators.distance_volume import DistanceVolume
from inversion_core.generators.stylesdf import Codes, StyleSDF, StyleSDFSettings
from inversion_core.generators.stylesdf_points import field_of
from inversion_core.geometry.signed_distance import frustum_surface
from inversion_core.gl.context import NoOpenGL
from inversion_core.metrics import psnr
from inversion_core.task import Progress, Task, finish

YAWS = tuple(np.radians([-30.0, -10.0, 10.0, 30.0]))
SIZES = (128, 256)
SOFTNESS = 0.003
"""Of the surface, StyleSDF's units: light ends within two of a ray's samples."""
BALL = 0.06
"""Radius of the ball that the last layer is fitted to, StyleSDF's units: half of the head's room."""
FITTED, DAMPING = 6000, 1e-5
SMOOTHNESS = 0.07
"""On the first layer's weights: as they are drawn, the field changes faster than any that was trained."""
DENSE_POINTS = 1 << 16
"""Points on which the dense distances are timed; their cost is linear in their number."""


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


@torch.no_grad()
def ball_like(settings: StyleSDFSettings | None = None) -> tuple[StyleSDF, Codes]:
    """A network with random weights, and codes (N = 1) for which the last layer makes its distances about a ball's.

    Official weights cannot be shipped, and random ones enclose nothing.
    """
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    generator = StyleSDF(settings).eval().requires_grad_(False)
    torch.random.set_rng_state(state)
    generator.set_mean_latents()
    codes, network = generator.mean_codes(), generator.renderer.network
    network.pts_linears[0].weight.mul_(SMOOTHNESS)
    draws = torch.Generator().manual_seed(1)
    half = 1 / generator.settings.renderer.scale
    points = (2 * torch.rand(1, FITTED, 3, generator=draws) - 1) * 1.2 * half
    _, features = network.geometry(points * generator.settings.renderer.scale, codes.renderer)
    terms = torch.cat([features[0], torch.ones(FITTED, 1)], 1).double()
    wanted = (points[0].norm(dim=-1) - BALL).double()
    square = terms.T @ terms + DAMPING * FITTED * torch.eye(terms.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(square, terms.T @ wanted).float()
    network.sigma_linear.weight.copy_(found[None, :-1])
    network.sigma_linear.bias.copy_(found[-1:])
    # Untrained colours are nearly grey.
    network.rgb_linear.weight.mul_(4)
    generator.renderer.sigmoid_beta.fill_(SOFTNESS)
    return generator, codes


@torch.no_grad()
def measure_sdf(
    notes: dict[str, str],
    settings: StyleSDFSettings | None = None,
    repeats: int = 3,
    resolution: int = 128,
) -> Task[Mapping[str, float | None]]:
    """A task that gives seconds, ratios and likenesses of cached distances and of the surface; adds to ``notes``.

    Ratios are medians over repeats in which network and cache ran in turn; likenesses those of the worst view.
    """
    total = repeats + 4
    yield Progress(0, total, "making a StyleSDF network")
    generator, codes = ball_like(settings)
    front, side = torch.zeros(1), generator.settings.renderer.resolution
    cache = DistanceCache(field_of(generator, codes, front, front))
    yield Progress(1, total, "caching distances")
    first = _seconds(cache.begun)
    coarse = cache.begun()
    whole = first + _seconds(cache.finished)
    volume = cache.finished()
    figures: dict[str, float | None] = {
        "sdf_first_s": first,
        "sdf_cache_s": whole,
        "sdf_asked_share": cache.asked / (volume.cells + 1) ** 3,
    }
    thumbs = [generator.volume(codes, torch.full((1,), float(yaw)), front) for yaw in YAWS]
    for name, known in (("sdf_first_psnr", coarse), ("sdf_psnr", volume)):
        figures[name] = min(
            _likeness(known, float(yaw), seen, side) for yaw, seen in zip(YAWS, thumbs, strict=True)
        )
    rows = []
    for repeat in range(repeats):
        yield Progress(2 + repeat, total, "drawing StyleSDF")
        seen = []
        network = _seconds(lambda seen=seen: seen.append(generator.volume(codes, front, front)))
        decoder = _seconds(lambda seen=seen: generator.decoder(seen[0].features, codes.decoder))
        swings = [_seconds(lambda size=size: _swing(volume, size)) / len(YAWS) for size in SIZES]
        rows.append([network, decoder, *swings])
    seconds = np.array(rows)
    figures["sdf_network_s"] = float(np.median(seconds[:, 0]))
    figures["sdf_decoder_s"] = float(np.median(seconds[:, 1]))
    for column, size in enumerate(SIZES, 2):
        figures[f"sdf_orbit_fps_{size}"] = float(1 / np.median(seconds[:, column]))
    figures["sdf_orbit_speedup"] = float(np.median(seconds[:, :2].sum(1) / seconds[:, 3]))
    yield Progress(2 + repeats, total, "tracing with OpenGL")
    figures |= _with_gl(volume, repeats, notes)
    yield Progress(3 + repeats, total, "sculpting StyleSDF")
    points = torch.rand(1, DENSE_POINTS, 3) * 0.2 - 0.1
    dense = _seconds(lambda: generator.renderer.sdf(points, codes.renderer)) * resolution**3 / DENSE_POINTS
    figures["sdf_dense_s"] = dense
    figures["sdf_sculpt_s"] = _seconds(lambda: finish(frustum_surface(generator, codes, resolution)))
    figures["sdf_sculpt_speedup"] = dense / figures["sdf_sculpt_s"]
    return figures


def _swing(volume: DistanceVolume, size: int) -> None:
    for yaw in YAWS:
        volume.view(Camera.orbit(float(yaw), 0.0), size)


def _likeness(volume: DistanceVolume, yaw: float, seen, side: int) -> float:
    """PSNR in dB of the preview and the network's thumb, both on grey where they show no head."""
    preview = volume.view(Camera.orbit(yaw, 0.0), side)
    mask = seen.mask[0, 0, :, :, None].cpu().numpy()
    thumb = np.where(mask, seen.thumb[0].permute(1, 2, 0).cpu().numpy() / 2 + 0.5, 0.5)
    return psnr(preview.over(), thumb.astype(np.float32), np.ones((side, side), np.float32))


def _with_gl(volume: DistanceVolume, repeats: int, notes: dict[str, str]) -> dict[str, float | None]:
    names = ["sdf_gl_psnr", *(f"sdf_gl_orbit_fps_{size}" for size in SIZES)]
    try:
        from inversion_core.gl.context import described, standalone_context
        from inversion_core.gl.distances import DistancesRenderer

        context = standalone_context()
    except (ImportError, NoOpenGL) as error:
        notes["sdf_gl_psnr"] = str(error)
        return dict.fromkeys(names)
    try:
        renderer, cameras = DistancesRenderer(context), [Camera.orbit(float(yaw), 0.0) for yaw in YAWS]
        whole = np.ones((SIZES[-1],) * 2, np.float32)
        likeness = min(
            psnr(renderer.render(volume, c, SIZES[-1]).over(), volume.view(c, SIZES[-1]).over(), whole)
            for c in cameras
        )
        rates = []
        for size in SIZES:

            def swing(size: int = size) -> None:
                for camera in cameras:
                    renderer.draw(camera, (size, size))
                context.finish()

            rates.append(len(cameras) / float(np.median([_seconds(swing) for _ in range(repeats + 1)][1:])))
        notes["sdf_gl"] = str(described(context))
        return dict(zip(names, (likeness, *rates), strict=True))
    finally:
        context.release()
