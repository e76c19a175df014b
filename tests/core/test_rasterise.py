"""Coverage, depth and barycentric coordinates of rasterised triangles against arithmetic."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.rasterise import NOTHING, interpolate, rasterise, rasterise_screen

TRIANGLE = np.array([[2.0, 2.0, 1.0], [14.0, 2.0, 1.0], [2.0, 14.0, 1.0]], np.float32)
ONE = np.array([[0, 1, 2]], np.int32)


def _centres(size):
    y, x = np.mgrid[:size, :size] + 0.5
    return x, y


def test_a_triangle_covers_exactly_the_pixel_centres_inside_it():
    fragments = rasterise_screen(TRIANGLE, ONE, 16, 16)
    x, y = _centres(16)
    inside = (x > 2) & (y > 2) & (x + y <= 16)
    assert np.array_equal(fragments.hit, inside)
    assert (fragments.face[~inside] == NOTHING).all()


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1]])
def test_both_sides_are_drawn(order):
    fragments = rasterise_screen(TRIANGLE, np.array([order], np.int32), 16, 16)
    assert fragments.hit.sum() == rasterise_screen(TRIANGLE, ONE, 16, 16).hit.sum() > 50


def test_depth_and_weights_are_perspective_correct():
    points = TRIANGLE.copy()
    points[:, 2] = [1.0, 2.0, 4.0]
    fragments = rasterise_screen(points, ONE, 16, 16)
    x, y = _centres(16)
    b, c = (x - 2) / 12, (y - 2) / 12
    inverse = (1 - b - c) / 1 + b / 2 + c / 4
    hit = fragments.hit
    assert np.allclose(fragments.depth[hit], (1 / inverse)[hit], rtol=1e-5)
    assert np.allclose(fragments.weights[hit, 0], (b / 2 / inverse)[hit], atol=1e-5)
    assert np.allclose(fragments.weights[hit, 1], (c / 4 / inverse)[hit], atol=1e-5)


def test_the_nearer_triangle_wins_whatever_the_order():
    points = np.concatenate([TRIANGLE, TRIANGLE])
    points[:3, 2], points[3:, 2] = 2.0, 1.5
    for faces, near in (([[0, 1, 2], [3, 4, 5]], 1), ([[3, 4, 5], [0, 1, 2]], 0)):
        fragments = rasterise_screen(points, np.array(faces, np.int32), 16, 16)
        assert set(np.unique(fragments.face)) == {NOTHING, near}
        assert np.allclose(fragments.depth[fragments.hit], 1.5)


def test_two_halves_of_a_square_leave_no_hole():
    corners = np.array([[3.2, 3.2, 1], [60.7, 3.2, 1], [60.7, 60.7, 1], [3.2, 60.7, 1]], np.float32)
    fragments = rasterise_screen(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 64, 64)
    x, y = _centres(64)
    assert np.array_equal(fragments.hit, (x > 3.2) & (x < 60.7) & (y > 3.2) & (y < 60.7))


def test_a_square_before_the_camera_has_its_projected_size_and_depth():
    camera = Camera.orbit(0, 0)
    half, z = 0.2, 0.3
    square = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    size = 256
    fragments = rasterise(square, faces, camera, size)
    distance = 2.7 - z
    side = 2 * half * camera.intrinsics[0, 0] / distance * size
    assert abs(np.sqrt(fragments.hit.sum()) - side) < 1
    assert np.allclose(fragments.depth[fragments.hit], distance, atol=1e-4)
    pushed = rasterise(square, faces, camera, size, np.full(4, 0.5, np.float32))
    assert np.allclose(pushed.depth[pushed.hit], distance + 0.5, atol=1e-4)
    assert np.array_equal(pushed.hit, fragments.hit)


def test_nothing_behind_the_camera_is_drawn():
    points = TRIANGLE.copy()
    points[:, 2] = -1
    assert not rasterise_screen(points, ONE, 16, 16).hit.any()


def test_interpolated_positions_are_the_pixels_own():
    fragments = rasterise_screen(TRIANGLE, ONE, 16, 16)
    x, y = _centres(16)
    carried = interpolate(fragments, ONE, np.ascontiguousarray(TRIANGLE[:, :2]))
    hit = fragments.hit
    assert np.allclose(carried[hit], np.stack([x, y], -1)[hit], atol=1e-4)
    assert (carried[~hit] == 0).all()
