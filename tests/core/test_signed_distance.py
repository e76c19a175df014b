"""Meshes of a ball in place of a StyleSDF head."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes
from stylesdf_cases import SMALL
from torch import nn

from inversion_core.errors import UsageError
from inversion_core.generators.stylesdf import StyleSDF
from inversion_core.generators.stylesdf_renderer import camera_poses, camera_rays
from inversion_core.geometry.signed_distance import depth_fused_mesh, frustum_mesh

CENTRE = torch.tensor([0.1, -0.2, 0.15])
RADIUS = 0.5


class Ball(nn.Module):
    """In the network's units, red to the right."""

    def geometry(self, points, styles):
        return (points - CENTRE).norm(dim=-1, keepdim=True) - RADIUS, points

    def colour(self, features, directions, styles):
        return torch.cat([8 * features[..., :1], 0 * features[..., 1:]], -1), features


@pytest.fixture
def ball():
    sizes = dataclasses.replace(SMALL.renderer, resolution=64, samples=64)
    generator = StyleSDF(dataclasses.replace(SMALL, renderer=sizes)).requires_grad_(False)
    generator.renderer.network = Ball()
    generator.renderer.sigmoid_beta.fill_(1e-3)
    return generator


def area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return (np.cross(a, b) * c).sum() / 6


def test_frustum_mesh_of_a_ball(ball):
    mesh = frustum_mesh(ball, ball.mean_codes(), 64)
    centre, radius = CENTRE.numpy() * 0.12, RADIUS * 0.12
    out = mesh.vertices - centre
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), radius, rtol=2e-3)
    assert abs(area(mesh) / (4 * math.pi * radius**2) - 1) < 0.01
    # A positive volume: triangles are counter-clockwise from outside.
    assert abs(volume(mesh) / (4 / 3 * math.pi * radius**3) - 1) < 0.01
    np.testing.assert_allclose(mesh.normals, out / np.linalg.norm(out, axis=1, keepdims=True), atol=5e-3)
    right = mesh.vertices[:, 0] > 0.03
    assert mesh.vertex_colours[right, 0].min() > 200 and (mesh.vertex_colours[:, 1] == 128).all()


@pytest.mark.parametrize("shift", [0.0, 0.75], ids=["whole", "cut by the frustum"])
def test_only_what_lies_along_the_surface_is_asked_for(ball, shift):
    asked, whole, side = [], ball.renderer.sdf, 96
    network = ball.renderer.network.geometry

    def rippled(points, styles):
        points = points + points.new_tensor([shift, 0, 0])
        sdf, features = network(points, styles)
        return sdf + 0.02 * torch.sin(20 * points).sum(-1, keepdim=True), features

    ball.renderer.network.geometry = rippled
    ball.renderer.sdf = lambda points, styles: asked.append(points.shape[1]) or whole(points, styles)
    mesh = frustum_mesh(ball, ball.mean_codes(), side)
    # Also asked: the normals.
    assert sum(asked) - len(mesh.vertices) < 0.3 * side**3
    settings, front = ball.settings.renderer, torch.zeros(1)
    origins, directions, _ = camera_rays(camera_poses(front, front), settings.fov, side)
    depths = torch.linspace(settings.near, settings.far, side)
    points = origins[:, None, None, None] + directions[..., None, :] * depths[:, None]
    values = whole(points, ball.mean_codes().renderer)[0, ..., 0].numpy()
    index, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="descent")
    assert len(mesh.vertices) == pytest.approx(len(index), rel=0.02)
    assert len(mesh.faces) == pytest.approx(len(faces), rel=0.02)
    # The dense grid's vertices in the world: pixels' centres, and depths from near to far.
    pixel = (index[:, [1, 0]] + 0.5) / side * 2 - 1
    local = np.concatenate([pixel * [1, -1] * np.tan(settings.fov), -np.ones((len(index), 1))], 1)
    depth = settings.near + (settings.far - settings.near) * index[:, 2:] / (side - 1)
    expected = origins.numpy() + local * depth
    assert cKDTree(expected).query(mesh.vertices)[0].max() < 1e-5
    assert cKDTree(mesh.vertices).query(expected)[0].max() < 1e-5


def test_fused_depths_of_a_ball_are_its_front(ball):
    mesh = depth_fused_mesh(ball, ball.mean_codes(), 48)
    centre, radius = CENTRE.numpy() * 0.12, RADIUS * 0.12
    out = (mesh.vertices - centre) / radius
    front = (out[:, 2] > 0.5) & (np.linalg.norm(out, axis=1) < 1.5)
    assert front.sum() > 300
    assert np.abs(np.linalg.norm(out[front], axis=1) - 1).mean() < 0.03
    # Normals of triangles there point at the camera.
    chosen = mesh.faces[front[mesh.faces].all(1)]
    a, b, c = (mesh.vertices[chosen[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).mean() > 0.97


def test_nothing_in_view_is_said(ball):
    ball.renderer.network.geometry = lambda points, styles: (points[..., :1] * 0 + 1, points)
    with pytest.raises(UsageError, match="no surface"):
        frustum_mesh(ball, ball.mean_codes(), 16)
