"""The spine on the sample portrait: photo, head, picture."""

import numpy as np
import pytest

from inversion_core import pipeline
from inversion_core.camera import Camera
from inversion_core.errors import UsageError


@pytest.fixture(scope="module")
def front(inversion, model):
    return pipeline.view(pipeline.edit(inversion, {}, model), inversion.portrait.camera, 128)


def test_a_view_is_complete(front):
    assert front.rgb.shape == front.normals.shape == (128, 128, 3)
    assert front.depth.shape == front.opacity.shape == (128, 128)
    assert all(a.dtype == np.float32 for a in (front.rgb, front.depth, front.opacity, front.normals))
    assert front.rgb.min() >= 0 and front.rgb.max() <= 1
    assert front.opacity.min() >= 0 and front.opacity.max() <= 1
    hit = front.depth > 0
    assert np.allclose(np.linalg.norm(front.normals[hit], axis=-1), 1, atol=1e-3)
    assert (front.normals[~hit & (front.opacity == 0)] == 0).all()
    # An EG3D head fills the frame from half a unit in front of its camera's pivot to half a unit behind.
    assert 2.0 < front.depth[hit].min() < front.depth[hit].max() < 3.6


def test_rendering_is_deterministic(inversion, model, front):
    again = pipeline.view(pipeline.edit(inversion, {}, model), inversion.portrait.camera, 128)
    assert np.array_equal(again.rgb, front.rgb) and np.array_equal(again.depth, front.depth)


def test_edit_refuses_what_is_no_slider(inversion, model):
    with pytest.raises(UsageError, match="wings"):
        pipeline.edit(inversion, {"wings": 1.0}, model)


def test_the_turntable_keeps_distance_centre_and_lens(inversion):
    photo = inversion.portrait.camera
    pivots, forward = [], photo.cam2world[:3, 2]
    reach = float(-photo.position @ forward)
    pivot = photo.position + reach * forward
    for yaw, pitch in ((0.0, 0.0), (0.7, 0.1), (-0.7, -0.2)):
        camera = pipeline.turntable_camera(inversion, yaw, pitch)
        assert np.allclose(camera.angles, (yaw, pitch), atol=1e-4)
        assert np.array_equal(camera.intrinsics, photo.intrinsics)
        seen = camera.project(pivot[None])[0]
        assert np.isclose(seen[2], reach, atol=1e-4)
        pivots.append(seen[:2])
    assert np.ptp(pivots, axis=0).max() < 1e-4


def test_the_photo_s_own_angles_give_back_its_framing(inversion):
    photo = inversion.portrait.camera
    camera = pipeline.turntable_camera(inversion, *photo.angles)
    # Only the photo's lean is taken out.
    assert np.allclose(camera.position, photo.position, atol=1e-4)
    assert isinstance(camera, Camera)
