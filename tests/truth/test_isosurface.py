"""Sparse marching cubes against balls, whose area and volume are known."""

import numpy as np
import pytest

from inversion_core.geometry.isosurface import isosurface

BOX = (np.full(3, -1.0), np.full(3, 1.0))


def ball(radius, centre=(0.0, 0.0, 0.0)):
    return lambda p: np.linalg.norm(p - np.asarray(centre, np.float32), axis=1) - np.float32(radius)


def measured(vertices, faces):
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    return 0.5 * np.linalg.norm(cross, axis=1).sum(), (a * cross).sum() / 6


def open_edges(faces):
    """Directed edges without their opposite: none on a closed, consistently oriented surface."""
    edges = {tuple(edge) for edge in np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])}
    return [edge for edge in edges if edge[::-1] not in edges]


@pytest.mark.parametrize(("radius", "centre"), [(0.6, (0, 0, 0)), (0.35, (0.21, -0.3, 0.17))])
def test_a_ball_has_its_area_and_volume_and_no_holes(radius, centre):
    vertices, faces = isosurface(ball(radius, centre), BOX, 96)
    area, volume = measured(vertices, faces)
    assert area == pytest.approx(4 * np.pi * radius**2, rel=5e-3)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=5e-3)
    assert np.abs(ball(radius, centre)(vertices)).max() < 1e-3
    assert not open_edges(faces)


def test_another_level_is_another_radius():
    vertices, _ = isosurface(ball(0.4), BOX, 64, level=0.2)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.6, atol=2e-3)


def test_only_blocks_near_the_surface_are_evaluated():
    asked = []
    field = ball(0.5)
    isosurface(lambda p: asked.append(len(p)) or field(p), BOX, 128)
    assert sum(asked) < 0.3 * 129**3


def test_a_surface_that_leaves_the_box_is_closed_at_its_side():
    vertices, faces = isosurface(lambda p: p[:, 1], BOX, 32)
    area, volume = measured(vertices, faces)
    assert not open_edges(faces)
    assert volume == pytest.approx(4.0, rel=0.1) and area > 8


def test_no_surface_gives_nothing():
    vertices, faces = isosurface(lambda p: np.ones(len(p), np.float32), BOX, 32)
    assert len(vertices) == len(faces) == 0
