"""Rays, samples and compositing against closed forms and loops."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from inversion_core.camera import Camera
from inversion_core.volume import (
    box_limits,
    camera_rays,
    importance_depths,
    march,
    merged,
    stratified_depths,
)


def test_rays_are_the_cameras():
    cameras = [Camera.orbit(0.3, -0.2), Camera.orbit(-0.5, 0.4, radius=2.0, pivot=(0, 0, 0.2))]
    cam2world = torch.from_numpy(np.stack([camera.cam2world for camera in cameras]))
    intrinsics = torch.from_numpy(np.stack([camera.intrinsics for camera in cameras]))
    origins, directions = camera_rays(cam2world, intrinsics, 7)
    for n, camera in enumerate(cameras):
        expected = camera.rays(7)
        np.testing.assert_allclose(origins[n].numpy(), expected[0], atol=1e-6)
        np.testing.assert_allclose(directions[n].numpy(), expected[1], atol=2e-6)


def test_skewed_intrinsics_project_back_to_the_pixel():
    k = torch.tensor([[[2.0, 0.3, 0.45], [0.0, 2.5, 0.6], [0.0, 0.0, 1.0]]])
    _, directions = camera_rays(torch.eye(4)[None], k, 4)
    pixels = (k[0] @ (directions[0] / directions[0, :, 2:]).t()).t()[:, :2]
    v, u = np.meshgrid(*[(np.arange(4) + 0.5) / 4] * 2, indexing="ij")
    np.testing.assert_allclose(pixels.numpy(), np.stack([u.ravel(), v.ravel()], 1), atol=1e-6)


def test_box_limits_of_a_straight_and_a_missing_ray():
    origins = torch.tensor([[[0.1, 0.0, 2.0], [0.1, 0.0, 3.0], [5.0, 0.0, 2.0]]])
    directions = torch.tensor([[[1e-9, 1e-9, -1.0], [1e-9, 1e-9, -1.0], [1e-9, 1e-9, -1.0]]])
    near, far = box_limits(origins, directions, 1.0)
    np.testing.assert_allclose(near[0, :, 0].numpy(), [1.5, 2.5, 1.5], atol=1e-5)
    # A missed ray runs from the nearest to the farthest entry.
    np.testing.assert_allclose(far[0, :, 0].numpy(), [2.5, 3.5, 2.5], atol=1e-5)


def test_box_limits_when_no_ray_hits():
    near, far = box_limits(torch.tensor([[[9.0, 9.0, 9.0]]]), torch.tensor([[[0.0, 0.6, 0.8]]]), 1.0)
    assert near.item() == -1 and far.item() == -2


def test_stratified_depths():
    half = torch.full((1, 2, 5, 1), 0.5)
    np.testing.assert_allclose(stratified_depths(1.0, 3.0, half)[0, 0, :, 0], [1.25, 1.75, 2.25, 2.75, 3.25])
    limits = torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[3.0], [4.0]]])
    own = stratified_depths(*limits, half)[0, :, :, 0]
    np.testing.assert_allclose(own, [[1.25, 1.75, 2.25, 2.75, 3.25], [0.5, 1.5, 2.5, 3.5, 4.5]])
    even = 1 / stratified_depths(1.0, 3.0, half, disparity=True)[0, 0, :, 0]
    np.testing.assert_allclose(np.diff(even.numpy()), -(1 - 1 / 3) / 4, atol=1e-6)


def test_constant_density_has_the_closed_form_opacity():
    depths = torch.sort(torch.rand(1, 3, 40, 1) * 2 + 1, dim=2).values
    sigmas = torch.full_like(depths, 0.7)
    rgb, depth, weights = march(torch.full((1, 3, 40, 2), 0.25), sigmas, depths)
    chord = depths[:, :, -1] - depths[:, :, 0]
    opacity = 1 - torch.exp(-torch.nn.functional.softplus(torch.tensor(-0.3)) * chord)
    torch.testing.assert_close(weights.sum(dim=2), opacity, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rgb, (opacity * 0.25 * 2 - 1).expand(1, 3, 2), atol=1e-5, rtol=1e-5)
    assert ((depth > depths[:, :, 0]) & (depth < depths[:, :, -1])).all()


def test_compositing_is_the_sum_over_midpoints():
    torch.manual_seed(0)
    colours, sigmas = torch.rand(5, 2).double(), 3 * torch.randn(5, 1).double()
    depths = torch.tensor([1.0, 1.2, 1.5, 2.1, 2.2]).double()[:, None]
    rgb, depth, weights = march(colours, sigmas, depths, white_back=True)
    light, total, colour, where = 1.0, 0.0, np.zeros(2), 0.0
    for i in range(4):
        density = np.log1p(np.exp((sigmas[i] + sigmas[i + 1]).item() / 2 - 1))
        alpha = 1 - np.exp(-density * (depths[i + 1] - depths[i]).item())
        weight = alpha * light
        assert weights[i].item() == pytest.approx(weight, abs=1e-9)
        colour += weight * ((colours[i] + colours[i + 1]) / 2).numpy()
        where += weight * ((depths[i] + depths[i + 1]) / 2).item()
        total += weight
        light *= 1 - alpha + 1e-10
    np.testing.assert_allclose(rgb.numpy(), (colour + 1 - total) * 2 - 1, atol=1e-8)
    assert depth.item() == pytest.approx(where / total)


def test_an_empty_ray_has_infinite_depth():
    depths = torch.linspace(1, 2, 6)[:, None]
    rgb, depth, weights = march(torch.rand(6, 3), torch.full((6, 1), -200.0), depths)
    assert weights.abs().max() == 0 and torch.isinf(depth).all()
    assert rgb.tolist() == [-1, -1, -1]


def importance_by_loops(depths, weights, u):
    """The drawing of one ray, as the notes describe it, with indices spelt out."""
    bins = [(a + b) / 2 for a, b in pairwise(depths)]
    padded = [-np.inf, *weights, -np.inf]
    largest = [max(padded[i], padded[i + 1]) for i in range(len(weights) + 1)]
    smooth = [(largest[i] + largest[i + 1]) / 2 + 0.01 for i in range(len(weights))]
    pdf = np.array(smooth[1:-1]) + 1e-5
    cdf = np.concatenate([[0], np.cumsum(pdf / pdf.sum())])
    result = []
    for value in u:
        index = int((cdf <= value).sum())
        below, above = max(index - 1, 0), min(index, len(pdf))
        width = cdf[above] - cdf[below]
        width = 1 if width < 1e-5 else width
        result.append(bins[below] + (value - cdf[below]) / width * (bins[above] - bins[below]))
    return result


def test_importance_samples_follow_the_weights():
    rng = np.random.default_rng(0)
    depths = np.sort(rng.uniform(2, 3, (2, 3, 12)), axis=-1)
    weights = rng.uniform(0, 1, (2, 3, 11)) ** 4
    u = rng.uniform(0, 1, (6, 9))
    drawn = importance_depths(
        torch.from_numpy(depths)[..., None], torch.from_numpy(weights)[..., None], torch.from_numpy(u)
    )
    assert drawn.shape == (2, 3, 9, 1)
    for ray in range(6):
        expected = importance_by_loops(depths.reshape(6, 12)[ray], weights.reshape(6, 11)[ray], u[ray])
        np.testing.assert_allclose(drawn.reshape(6, 9)[ray].numpy(), expected, atol=1e-9)


def test_importance_samples_gather_at_a_surface():
    depths = torch.linspace(0, 1, 48).reshape(1, 1, 48, 1)
    weights = torch.zeros(1, 1, 47, 1)
    weights[0, 0, 23] = 1
    u = ((torch.arange(48) + 0.5) / 48)[None]
    drawn = importance_depths(depths, weights, u)
    assert ((drawn - 0.5).abs() < 0.05).float().mean() > 0.7


def test_passes_are_merged_by_depth():
    torch.manual_seed(0)
    parts = [(torch.rand(1, 4, n, 1), torch.rand(1, 4, n, 3), torch.rand(1, 4, n, 1)) for n in (5, 7)]
    parts = [(d, torch.cat([d, d * 2, d * 3], -1), d + 10) for d, _, _ in parts]
    depths, colours, sigmas = merged(*parts)
    assert (depths.diff(dim=2) >= 0).all() and depths.shape == (1, 4, 12, 1)
    torch.testing.assert_close(colours, torch.cat([depths, depths * 2, depths * 3], -1))
    torch.testing.assert_close(sigmas, depths + 10)
