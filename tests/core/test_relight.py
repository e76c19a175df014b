"""Another lamp, and the model's edges over the picture."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.pipeline import edit, turntable_camera, view
from inversion_core.relight import AMBIENT, KEY, lamp_direction, relit_rendering
from inversion_core.rendering import Rendering
from inversion_core.wireframe import overlaid


def _ball(side=65):
    y, x = np.mgrid[1 : -1 : side * 1j, -1 : 1 : side * 1j]
    inside = x * x + y * y < 0.98
    normals = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], 2) * inside[..., None]
    rgb = np.full((side, side, 3), 0.5, np.float32)
    return Rendering(rgb, inside * np.float32(2), inside.astype(np.float32), normals.astype(np.float32))


def test_the_lamp_lights_the_side_it_stands_on():
    ball = _ball()
    for yaw, bright, dark in ((1.2, 55, 10), (-1.2, 10, 55)):
        lit = relit_rendering(ball, yaw, 0.0).rgb[32, :, 0]
        assert lit[bright] > 1.4 * lit[dark]
    above = relit_rendering(ball, 0.0, 1.2).rgb[:, 32, 0]
    assert above[10] > 1.4 * above[55]
    # Straight under the lamp the light is what it should be, in linear colours.
    facing = relit_rendering(ball, 0.0, 0.0).rgb[32, 32, 0]
    assert facing == pytest.approx(0.5 * (AMBIENT + KEY) ** (1 / 2.2), rel=1e-3)


def test_the_photos_own_light_is_divided_out():
    ball = _ball()
    light = np.array([1, 0, 0.2, 0.4, 0, 0, 0, 0, 0], np.float32)
    shaded = 1 + 0.2 * ball.normals[..., 2] + 0.4 * ball.normals[..., 0]
    photo = Rendering(
        (ball.rgb * (shaded ** (1 / 2.2))[..., None]).astype(np.float32),
        ball.depth,
        ball.opacity,
        ball.normals,
    )
    inside = (ball.depth > 0) & (ball.normals[..., 2] > 0.3)
    ours = relit_rendering(photo, 0.5, 0.2, light).rgb[inside]
    truth = relit_rendering(ball, 0.5, 0.2).rgb[inside]
    # Both roll off where they are bright.
    dim = truth[:, 0] < 0.6
    np.testing.assert_allclose(ours[dim], truth[dim], atol=2e-3)


def test_lamps_stand_where_cameras_do():
    for yaw, pitch in ((0.0, 0.0), (0.7, -0.2), (-1.0, 0.5)):
        position = Camera.orbit(yaw, pitch).position
        np.testing.assert_allclose(lamp_direction(yaw, pitch), position / np.linalg.norm(position), atol=1e-5)


def test_edges_lie_on_the_head_and_hide_behind_it(inversion, model):
    head = edit(inversion, {}, model)
    edges = model.wires
    assert edges.max() < len(model.template.part) and len(edges) > 10_000
    camera = turntable_camera(inversion, 0.5, 0.0)
    lines, picture = head.wireframe(camera, 256), view(head, camera, 256)
    assert lines.shape == (256, 256) and 0.02 < (lines > 0.5).mean() < 0.5
    assert (lines[picture.opacity < 0.01] > 0.5).mean() < 0.01
    # About as many lines as the near half of the head has.
    shown = overlaid(picture.rgb, lines)
    assert shown.shape == picture.rgb.shape and shown[lines > 0.95].min() > 0.6
