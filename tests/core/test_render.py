"""Layers drawn one over the other, and trust that depends on the view."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.pipeline import edit
from inversion_core.rasterise import Fragments
from inversion_core.render import FAR_FROM_PHOTO, _over, closeness, render
from inversion_core.rendering import Rendering


@pytest.fixture(scope="module")
def head(inversion, model):
    return edit(inversion, {}, model)


def _buffers(opacity, depth=2.0, colour=(1.0, 0.0, 0.0)):
    shape = (1, 1)
    rgb = np.full((*shape, 3), colour, np.float32)
    normals = np.full((*shape, 3), [0, 0, 1], np.float32)
    return [rgb, np.full(shape, depth, np.float32), np.full(shape, opacity, np.float32), normals]


def _above(depth, opacity, colour=(0.0, 1.0, 0.0)):
    fragments = Fragments(
        np.zeros((1, 1), np.int32), np.zeros((1, 1, 2), np.float32), np.full((1, 1), depth, np.float32)
    )
    shaded = np.full((1, 1, 4), [*colour, opacity], np.float32)
    return fragments, shaded, np.full((1, 1, 3), [1, 0, 0], np.float32)


def test_half_a_veil_before_a_solid_is_half_of_each():
    buffers = _buffers(1.0)
    _over(buffers, *_above(1.0, 0.5))
    rgb, depth, opacity, _ = buffers
    assert np.allclose(rgb, [0.5, 0.5, 0]) and opacity == 1
    assert depth == 2.0  # what is not more than half there has no depth of its own


def test_a_solid_in_front_hides_and_one_behind_is_hidden():
    buffers = _buffers(1.0)
    _over(buffers, *_above(1.0, 1.0))
    assert np.allclose(buffers[0], [0, 1, 0]) and buffers[1] == 1.0 and np.allclose(buffers[3], [1, 0, 0])
    buffers = _buffers(1.0)
    _over(buffers, *_above(3.0, 1.0))
    assert np.allclose(buffers[0], [1, 0, 0]) and buffers[1] == 2.0


def test_what_lies_behind_a_veil_shines_through():
    buffers = _buffers(0.25, depth=2.0)
    _over(buffers, *_above(3.0, 1.0))
    assert np.allclose(buffers[0], [0.25, 0.75, 0]) and buffers[2] == 1


def test_a_veil_before_nothing_keeps_its_colour_and_opacity():
    buffers = _buffers(0.0, depth=0.0, colour=(0, 0, 0))
    _over(buffers, *_above(1.0, 0.3))
    assert np.allclose(buffers[0], [0, 1, 0]) and np.allclose(buffers[2], 0.3) and buffers[1] == 0
    _over(buffers, *_above(1.0, 0.8))
    assert np.isclose(buffers[1], 1.0)


def test_closeness_falls_with_the_angle_from_the_photo(head):
    photo = head.detail.camera
    values = [closeness(head, photo.turned(np.radians(a), 0.0)) for a in (0, 5, 7, 9)]
    assert values[0] == 1 and (np.diff(values) < 0).all()
    assert closeness(head, photo.turned(float(FAR_FROM_PHOTO) + 0.01, 0.0)) == 0


def test_more_samples_smooth_edges_and_keep_the_picture(head):
    camera = Camera.orbit(0.2, 0.0)
    one, two = render(head, camera, 96), render(head, camera, 96, 2)
    assert one.rgb.shape == two.rgb.shape
    assert np.abs(one.over() - two.over()).mean() < 0.03
    assert len(np.unique(two.opacity)) > len(np.unique(one.opacity))


def test_nearer_cameras_draw_larger_heads(head):
    near, far = (render(head, Camera.orbit(0, 0, radius), 64).opacity.sum() for radius in (2.7, 5.4))
    assert near > 1.5 * far > 0


def test_a_picture_on_a_background_is_a_mixture():
    rgb = np.full((1, 1, 3), 0.8, np.float32)
    rendering = Rendering(rgb, np.ones((1, 1), np.float32), np.full((1, 1), 0.25, np.float32))
    assert np.allclose(rendering.over((0, 0, 0)), 0.2)
    assert np.allclose(rendering.over((1, 1, 1)), 0.95)
