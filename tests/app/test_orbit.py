"""Views and cameras: identities that must hold exactly."""

from __future__ import annotations

import numpy as np
import pytest

from app.orbit import View, camera_of, clamped, field_of, orbited, panned, photo_view, tile, view_of, zoomed
from inversion_core.camera import Camera, default_intrinsics


def rolled_camera(roll: float) -> Camera:
    upright = Camera.orbit(0.2, -0.1)
    cam2world = upright.cam2world.astype(np.float64)
    cos, sin = np.cos(roll), np.sin(roll)
    cam2world[:3, :3] = cam2world[:3, :3] @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return Camera(cam2world.astype(np.float32), default_intrinsics())


def test_the_photos_view_at_zoom_one_is_the_photos_camera_roll_included():
    photo = rolled_camera(0.07)
    yaw, pitch = photo.angles
    camera = camera_of(View(yaw, pitch), photo, Camera.orbit)
    np.testing.assert_allclose(camera.label(), photo.label(), atol=2e-5)


def test_roll_has_faded_far_from_the_photo():
    photo = rolled_camera(0.2)
    camera = camera_of(View(-0.9, 0.0), photo, Camera.orbit)
    np.testing.assert_allclose(camera.cam2world, Camera.orbit(-0.9, 0.0).cam2world, atol=1e-4)


@pytest.mark.parametrize(
    "view", [View(0.3, -0.2), View(0.5, 0.1, 2.0, (0.1, -0.2)), View(-0.4, 0.0, 0.8, (0.0, 0.05), 0.5)]
)
def test_view_of_inverts_camera_of(view):
    photo = Camera.orbit(0.1, 0.05)
    found = view_of(camera_of(view, photo, Camera.orbit), photo)
    assert found.yaw == pytest.approx(view.yaw, abs=1e-4) and found.pitch == pytest.approx(
        view.pitch, abs=1e-4
    )
    assert found.zoom == pytest.approx(view.zoom, rel=1e-3)
    assert found.pan == pytest.approx(view.pan, abs=1e-3)
    assert (found.field or 0) == pytest.approx(view.field or 0, abs=1e-3)


def test_the_head_keeps_its_size_when_the_field_of_view_changes():
    photo = Camera.orbit(0, 0)
    wide = camera_of(View(field=np.radians(40)), photo, Camera.orbit)
    points = np.array([[-0.2, 0, 0], [0.2, 0, 0]], np.float32)
    np.testing.assert_allclose(wide.project(points)[:, :2], photo.project(points)[:, :2], atol=1e-4)
    assert field_of(wide) == pytest.approx(np.radians(40), abs=1e-4)


def test_what_lies_under_the_pointer_stays_there_while_zooming():
    photo = Camera.orbit(0, 0)
    at = (0.2, -0.1)
    point = np.array([[0.11, 0.07, 0.0]], np.float32)
    view = View()
    before = camera_of(view, photo, Camera.orbit).project(point)[0, :2] - 0.5
    at = (float(before[0]), float(before[1]))
    after = camera_of(zoomed(view, 2.5, at), photo, Camera.orbit).project(point)[0, :2] - 0.5
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_dragging_right_turns_the_head_to_the_right_and_panning_moves_it():
    assert orbited(View(), 0.1, 0).yaw < 0
    assert orbited(View(), 0, 0.1).pitch > 0
    photo, origin = Camera.orbit(0, 0), np.zeros((1, 3), np.float32)
    moved = camera_of(panned(View(zoom=2.0), 0.1, 0.05), photo, Camera.orbit).project(origin)[0]
    np.testing.assert_allclose(moved[:2], (0.6, 0.55), atol=1e-5)


def test_limits_hold():
    view = clamped(View(3, -3, 100, (9, -9), 9), 0.5, 0.3)
    assert (view.yaw, view.pitch) == (0.5, -0.3)
    assert view.zoom == 8 and view.pan == (1.5, -1.5)
    assert view.field == pytest.approx(np.radians(60))


def test_tiles_see_what_the_whole_picture_sees():
    camera = Camera.orbit(0.3, 0.1)
    _, whole = camera.rays(32)
    _, part = tile(camera, 0.5, 0.25, 0.25).rays(8)
    expected = whole.reshape(32, 32, 3)[8:16, 16:24]
    np.testing.assert_allclose(part.reshape(8, 8, 3), expected, atol=1e-6)


def test_the_photos_view_leaves_some_air():
    assert photo_view(Camera.orbit(0.1, 0.2)).zoom < 1
