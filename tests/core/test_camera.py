"""One camera convention: projection, rays and orbits against arithmetic."""

import numpy as np
import pytest

from inversion_core.camera import FOCAL, RADIUS, Camera

ANGLES = [(0.0, 0.0), (0.6, 0.2), (-1.1, -0.4), (2.5, 0.7)]


def test_front_camera_sees_the_world_as_the_convention_says():
    camera = Camera.orbit(0, 0)
    seen = camera.project(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.7]]))
    shift = FOCAL * 0.1 / RADIUS
    assert np.allclose(seen[0], [0.5, 0.5, RADIUS], atol=1e-5)
    assert np.allclose(seen[1], [0.5 + shift, 0.5, RADIUS], atol=1e-5)  # the head's own left is on the right
    assert np.allclose(seen[2], [0.5, 0.5 - shift, RADIUS], atol=1e-5)  # up is up
    assert np.isclose(seen[3, 2], RADIUS - 0.7, atol=1e-5)  # the nose is nearer


@pytest.mark.parametrize(("yaw", "pitch"), ANGLES)
def test_orbit_gives_back_its_angles_and_keeps_the_pivot_central(yaw, pitch):
    pivot = (0.05, -0.1, 0.2)
    camera = Camera.orbit(yaw, pitch, 2.0, pivot)
    assert np.allclose(camera.angles, (yaw, pitch), atol=1e-5)
    assert np.allclose(camera.project(np.array([pivot])), [[0.5, 0.5, 2.0]], atol=1e-5)
    rotation = camera.cam2world[:3, :3]
    assert np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0
    assert abs(rotation[1, 0]) < 1e-6  # upright: the picture's x axis is level


@pytest.mark.parametrize(("yaw", "pitch"), ANGLES)
def test_rays_meet_the_pixels_they_left(yaw, pitch):
    camera = Camera.orbit(yaw, pitch)
    size = 8
    origins, directions = camera.rays(size)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-6)
    seen = camera.project(origins + 2.5 * directions)
    column, row = np.arange(size * size) % size, np.arange(size * size) // size
    assert np.allclose(seen[:, 0], (column + 0.5) / size, atol=1e-5)
    assert np.allclose(seen[:, 1], (row + 0.5) / size, atol=1e-5)


def test_label_round_trip():
    camera = Camera.orbit(0.3, -0.2)
    label = camera.label()
    assert label.shape == (25,)
    again = Camera.from_label(label)
    assert np.array_equal(again.cam2world, camera.cam2world)
    assert np.array_equal(again.intrinsics, camera.intrinsics)


def test_turning_the_front_camera_is_orbiting():
    turned = Camera.orbit(0, 0).turned(0.5, 0.0)
    assert np.allclose(turned.cam2world, Camera.orbit(0.5, 0).cam2world, atol=1e-6)
    raised = Camera.orbit(0, 0).turned(0.0, 0.3)
    assert np.allclose(raised.cam2world, Camera.orbit(0, 0.3).cam2world, atol=1e-6)


def test_turning_keeps_the_distance_from_the_pivot_and_can_be_taken_back():
    pivot = np.array([0.1, 0.2, -0.1], np.float32)
    camera = Camera.orbit(0.4, 0.1)
    turned = camera.turned(0.7, 0.0, pivot)
    assert np.isclose(
        np.linalg.norm(turned.position - pivot), np.linalg.norm(camera.position - pivot), atol=1e-6
    )
    assert np.allclose(turned.turned(-0.7, 0.0, pivot).cam2world, camera.cam2world, atol=1e-5)
