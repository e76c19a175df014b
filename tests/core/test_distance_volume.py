"""Cached signed distances: tracing against what is known of a ball, and filling them from a network."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from distance_cases import (
    LENS,
    RADIUS,
    UNIT,
    ball,
    ball_field,
    ball_generator,
    ball_volume,
    colours_of,
)
from stylesdf_cases import small_networks

from inversion_core.camera import Camera
from inversion_core.generators.distance_cache import DistanceCache
from inversion_core.generators.distance_volume import reach, slope_of
from inversion_core.generators.stylesdf_points import field_of, lens_of, unit_of
from inversion_core.metrics import psnr
from inversion_core.refine.e3dge_points import point_field
from inversion_core.refine.e3dge_several import invert_several
from inversion_core.refine.local_features import hybrid_modulation
from inversion_core.task import Progress, finish

FINE = dataclasses.replace(LENS, samples=400)


def _whole(size):
    return np.ones((size, size), np.float32)


@pytest.mark.parametrize(("yaw", "pitch", "distance"), [(0.0, 0.0, 2.7), (0.9, -0.2, 2.7), (-2.5, 0.3, 2.0)])
def test_a_ball_has_its_outline_its_depth_and_its_normals(yaw, pitch, distance):
    camera, size = Camera.orbit(yaw, pitch, distance), 129
    seen = ball_volume(beta=1e-5, lens=FINE).view(camera, size)
    # The network's camera stays where it is; a nearer one enlarges its picture.
    scale = 2.7 / distance
    disc = scale * 0.5 / LENS.tangent * RADIUS / math.sqrt(UNIT**2 - RADIUS**2)
    assert seen.opacity.mean() == pytest.approx(math.pi * disc**2, rel=0.01)
    assert set(np.unique(seen.opacity)) == {0.0, 1.0}
    assert seen.depth[64, 64] == pytest.approx(distance - RADIUS, abs=1.5 * FINE.step)
    # Where rays that leave the network's camera meet the ball.
    axis = ((np.arange(size) + 0.5) / size - 0.5) * 2 * LENS.tangent / scale
    down, across = np.meshgrid(axis, axis, indexing="ij")
    rays = np.stack([across, down, np.ones_like(across)], -1) @ camera.cam2world[:3, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    back = camera.cam2world[:3, 2] * UNIT
    middle = rays @ back
    met = (middle - np.sqrt(np.maximum(middle**2 - UNIT**2 + RADIUS**2, 0)))[..., None] * rays - back
    inner = np.hypot(across, down) < 0.9 * RADIUS / UNIT
    cosine = (met / RADIUS * seen.normals).sum(-1)[inner]
    assert cosine.min() > 0.999
    axial = (met + back) @ camera.cam2world[:3, 2] + distance - UNIT
    assert np.abs(axial - seen.depth)[inner].max() < 2 * FINE.step
    assert np.abs(seen.rgb - colours_of(met, 0.4))[inner].max() < 0.02


def test_what_is_passed_over_is_not_missed():
    """Soft surfaces against the same sum over all samples, without strides and without a grid."""
    beta, camera, size = 0.006, Camera.orbit(0.4, 0.1), 33
    seen = ball_volume(beta=beta, cells=96).view(camera, size)
    axis = ((np.arange(size) + 0.5) / size - 0.5) * 2 * LENS.tangent
    down, across = np.meshgrid(axis, axis, indexing="ij")
    local = np.stack([across, down, np.ones_like(across)], -1)
    rays = local @ camera.cam2world[:3, :3].T
    depths = LENS.near + LENS.step * np.arange(LENS.samples)
    places = rays[:, :, None] * depths[:, None] - camera.cam2world[:3, 2] * UNIT
    lengths = LENS.step * np.linalg.norm(local, axis=-1)[..., None]
    alpha = 1 - np.exp(-lengths / (beta * (1 + np.exp(ball(places) / beta))))
    alpha[..., -1] = 1
    light = np.cumprod(np.concatenate([np.ones_like(alpha[..., :1]), 1 - alpha[..., :-1]], -1), -1)
    weights = light * alpha
    mean = (weights * depths).sum(-1)
    hit = mean < LENS.foreground
    assert (hit == (seen.opacity > 0)).mean() > 0.995
    both = hit & (seen.opacity > 0)
    assert np.abs(mean - LENS.distance + 2.7 - seen.depth)[both].max() < 2e-3 * LENS.far
    colours = (weights[..., None] * colours_of(places.clip(-0.4, 0.4), 0.4)).sum(-2)
    assert np.abs(colours - seen.rgb)[both].max() < 0.01


def test_an_empty_field_shows_nothing():
    seen = ball_volume(distance=lambda places: np.full(places.shape[:-1], 0.3)).view(Camera.orbit(0, 0), 24)
    assert not seen.opacity.any() and not seen.depth.any()
    assert not seen.rgb.any() and not seen.normals.any()


def test_a_camera_within_the_grid_sees_what_surrounds_it():
    inside = dataclasses.replace(LENS, distance=0.05, near=0.0, far=0.4, samples=400, foreground=0.39)
    hollow = ball_volume(beta=1e-5, lens=inside, distance=lambda places: -ball(places))
    seen = hollow.view(Camera.orbit(0.0, 0.0, 2.7), 33)
    assert (seen.opacity == 1).all()
    # It looks along -z from z = 0.05 at the far side of the hollow, whose normals point back at it.
    assert seen.depth[16, 16] == pytest.approx(2.7 - 0.05 + 0.05 + RADIUS, abs=3e-3)
    assert seen.normals[16, 16] == pytest.approx([0, 0, 1], abs=1e-2)


def test_pixels_take_the_mean_of_their_rays():
    volume, camera = ball_volume(), Camera.orbit(0.2, 0.1)
    fine, coarse = volume.view(camera, 64), volume.view(camera, 32, 2)
    halved = fine.opacity.reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(coarse.opacity, halved, atol=1e-6)
    whole = halved == 1
    np.testing.assert_allclose(
        coarse.rgb[whole], fine.rgb.reshape(32, 2, 32, 2, 3).mean((1, 3))[whole], atol=1e-5
    )


def test_beyond_the_networks_own_picture_there_is_nothing():
    filled = ball_volume(distance=lambda places: np.full(places.shape[:-1], -0.1))
    aside = filled.view(Camera.orbit(0.0, 0.0, pivot=(0.1, 0.0, 0.0)), 64)
    # A pivot at the head's own left moves the picture to the other side.
    shift = round(64 * 4.2647 * 0.1 / 2.7)
    assert (aside.opacity[:, : 64 - shift - 1] == 1).all() and not aside.opacity[:, 64 - shift + 1 :].any()


def test_a_bound_on_the_slope():
    axis = np.linspace(-1, 1, 9, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    assert slope_of(2 * x - 3 * y + 6 * z + 20, 1.0) == pytest.approx(7, rel=1e-5)
    assert slope_of(2 * x - 3 * y + 6 * z - 20, 1.0) == 0
    assert 1 <= ball_volume(cells=96).slope < 1.1
    assert reach(0.001, 1e-9) == 0 and reach(0.01, 1.0) == pytest.approx(0.01 * math.log(1e5))


def test_only_what_lies_along_the_surface_is_asked_for():
    asked = []
    cache = DistanceCache(ball_field(asked=asked), levels=(12, 24, 96))
    assert cache.volume is None
    assert cache.step() and cache.volume.cells == 12
    assert cache.step() and cache.volume.cells == 24
    volume = cache.finished()
    assert volume.cells == 96 and not cache.step()
    asked = np.concatenate(asked)
    assert cache.asked == len(asked) == len(np.unique(asked, axis=0)) < 0.2 * 97**3
    exact = ball_volume(cells=96)
    apart = np.abs(volume.values - exact.values).max(-1)
    assert apart[np.abs(exact.values[..., 3]) < 0.05].max() < 1e-5
    # Colours are linear here; distances are not, where nobody looks.
    assert apart.max() < 0.05
    camera = Camera.orbit(0.3, 0.1)
    ours, theirs = (dataclasses.replace(v, beta=1e-3).view(camera, 64) for v in (volume, exact))
    assert psnr(ours.over(), theirs.over(), _whole(64)) > 60


def test_a_fog_stays_coarse():
    asked = []
    volume = DistanceCache(ball_field(beta=0.3, asked=asked)).finished()
    assert volume.cells == 24 and sum(map(len, asked)) == 25**3


def test_later_levels_may_know_more():
    def brown(places):
        return np.concatenate([np.full((len(places), 3), 0.25), ball(places)[:, None]], 1)

    plain = ball_field()

    def later():
        yield Progress(0, 1)
        return dataclasses.replace(plain, points=brown)

    cache = DistanceCache(plain, later, levels=(24, 48))
    camera = Camera.orbit(0.0, 0.0)
    assert cache.begun().view(camera, 16).rgb[8, 8].std() > 0.05
    np.testing.assert_allclose(cache.finished().view(camera, 17).rgb[8, 8], 0.25, atol=1e-3)


@pytest.mark.parametrize(("azim", "elev"), [(0.0, 0.0), (0.6, -0.2)])
def test_the_preview_is_the_networks_thumb(azim, elev):
    generator = ball_generator()
    codes = generator.mean_codes()
    front = torch.zeros(1)
    volume = DistanceCache(field_of(generator, codes, front, front)).finished()
    network = generator.volume(codes, torch.tensor([azim]), torch.tensor([elev]))
    seen = volume.view(Camera.orbit(azim, elev), 48)
    mask = network.mask[0, 0].numpy()
    assert ((seen.opacity > 0) == mask).mean() > 0.99
    both = mask & (seen.opacity > 0)
    thumb = network.thumb[0].permute(1, 2, 0).numpy() / 2 + 0.5
    assert psnr(np.where(both[..., None], seen.rgb, 0), np.where(both[..., None], thumb, 0), _whole(48)) > 40
    unit = unit_of(generator.settings.renderer)
    assert lens_of(generator.settings.renderer).distance == unit
    depth = 2.7 + (network.depth[0, 0].numpy() - 1) * unit
    assert np.abs(depth - seen.depth)[both].mean() < 0.005


@pytest.mark.parametrize("photos", [1, 2])
def test_points_have_the_local_features_of_the_photos_view(photos):
    model = small_networks()
    images = torch.rand(photos, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    azims, elevs = torch.tensor([0.2, -0.4])[:photos], torch.tensor([0.1, 0.0])[:photos]
    inversion = (
        model.invert(images, azims, elevs) if photos == 1 else invert_several(model, images, azims, elevs)
    )
    azim, elev, codes = azims[:1], elevs[:1], inversion.codes
    renderer, seen = model.generator.renderer, inversion.render(azim, elev)
    trace = renderer.trace(codes.renderer, azim, elev)
    base = renderer.shade(trace, codes.renderer)
    if photos == 1:
        aligned, reference = model.aligner(inversion.residual, base.thumb), inversion.reference
    else:
        aligned, reference = inversion.aligned_to(base, azim, elev)
    query = model.feature_map(aligned, base.depth, azim, elev)
    change = hybrid_modulation(model.local, model.fusion, reference, query, base.xyz)
    full = renderer.shade(trace, codes.renderer, change)
    torch.testing.assert_close(full.thumb, seen["thumb"], atol=1e-4, rtol=0)
    unit = unit_of(model.generator.settings.renderer)
    places = trace.points.reshape(-1, 3).numpy() * unit
    values = torch.from_numpy(finish(point_field(inversion)).points(places)).view(*trace.points.shape[:4], 4)
    torch.testing.assert_close(values[..., 3:] / unit, trace.sdf, atol=1e-4, rtol=0)
    thumb = -1 + 2 * torch.einsum("nhws,nhwsc->nchw", trace.weights, values[..., :3])
    torch.testing.assert_close(thumb, full.thumb, atol=1e-3, rtol=0)
