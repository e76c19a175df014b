"""Layers drawn one over the other, and trust that depends on the view."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.drawing import Sheet, draw, stacked
from inversion_core.pipeline import edit
from inversion_core.rasterise import rasterise
from inversion_core.refine.layer import CHANNELS, COLOUR, OPACITY
from inversion_core.render import FAR_FROM_PHOTO, OPAQUE, closeness, render
from inversion_core.rendering import Rendering
from inversion_core.shading import shade


@pytest.fixture(scope="module")
def head(inversion, model):
    return edit(inversion, {}, model)


def _square(depth, opacity, colour):
    """A layer that fills the picture."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    vertices = np.concatenate([corners, np.full((4, 1), -depth, np.float32)], 1)
    attributes = np.zeros((4, CHANNELS), np.float32)
    attributes[:, COLOUR], attributes[:, OPACITY] = colour, opacity
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    ones, towards = np.ones((4, 3), np.float32), np.tile(np.array([0, 0, 1], np.float32), (4, 1))
    return Sheet(vertices, faces, attributes, ones, towards, np.zeros(4, np.float32))


def _nothing():
    return Sheet(*(part[:0] for part in _square(1.0, 1.0, 0.0)))


def _drawn(head, shell=None, hair=None, size=9, samples=1):
    """The layers, each given as (depth, opacity, colour), straight on."""
    layers = [_nothing() if layer is None else _square(*layer) for layer in (head, shell, hair)]
    picture = np.full((4, 4, 3), 0.5, np.float32)
    return draw(
        stacked(*layers),
        Camera.look_at((0, 0, 0), (0, 0, -1)),
        size,
        samples,
        (0.0, 0.0, 0.0),
        picture,
        picture,
        picture,
        np.ones((4, 4, 2), np.float32),
        np.ones(3, np.float32),
        np.zeros((2, 3), np.float32),
        0.6,
    )


RED, GREEN, BLUE = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_veil_before_a_solid_is_mixed_with_it(samples):
    seen = _drawn((2.0, 1.0, RED), (1.0, 0.4, GREEN), samples=samples)
    assert np.allclose(seen.rgb, [0.6, 0.4, 0], atol=1e-6) and np.allclose(seen.opacity, 1)
    assert np.allclose(seen.depth, 2)  # what is not more than half there has no depth of its own


def test_a_solid_in_front_hides_and_one_behind_is_hidden():
    seen = _drawn((2.0, 1.0, RED), (1.0, 1.0, GREEN))
    assert np.allclose(seen.rgb, GREEN) and np.allclose(seen.depth, 1)
    assert np.allclose(seen.normals, [0, 0, 1])
    seen = _drawn((2.0, 1.0, RED), (3.0, 1.0, GREEN))
    assert np.allclose(seen.rgb, RED) and np.allclose(seen.depth, 2)


def test_what_lies_behind_a_veil_shines_through():
    seen = _drawn((2.0, 0.25, RED), (3.0, 1.0, GREEN))
    assert np.allclose(seen.rgb, [0.25, 0.75, 0], atol=1e-6) and np.allclose(seen.opacity, 1)


def test_a_veil_before_nothing_keeps_its_colour_and_opacity():
    seen = _drawn(None, (1.0, 0.3, GREEN))
    assert np.allclose(seen.rgb, GREEN) and np.allclose(seen.opacity, 0.3) and not seen.depth.any()
    assert np.allclose(_drawn(None, (1.0, 0.8, GREEN)).depth, 1)


def test_no_rows_are_left_out_and_nothing_is_drawn_twice():
    for size in (1, 7, 8, 33, 64):
        seen = _drawn((2.0, 1.0, RED), None, (1.5, 0.5, BLUE), size)
        assert np.allclose(seen.rgb, [0.5, 0, 0.5]) and seen.rgb.shape == (size, size, 3)


def test_inner_sides_lie_in_shadow_and_are_turned():
    away = _square(1.0, 1.0, GREEN)
    whole = stacked(_nothing(), away._replace(normals=-away.normals), _nothing())
    black = np.zeros((4, 4, 3), np.float32)
    ones, tones = np.ones(3, np.float32), np.zeros((2, 3), np.float32)
    masks = np.ones((4, 4, 2), np.float32)
    camera = Camera.look_at((0, 0, 0), (0, 0, -1))
    seen = draw(whole, camera, 8, 1, (0.0, 0.0, 0.0), black, black, black, masks, ones, tones, 0.6)
    assert np.allclose(seen.rgb, [0, 0.6, 0]) and np.allclose(seen.normals, [0, 0, 1])


def test_the_picture_is_what_rasterising_and_shading_layer_by_layer_gives(head):
    camera, size = Camera.orbit(0.5, 0.1), 96
    seen, detail = render(head, camera, size), head.detail
    fragments = rasterise(head.head.vertices, head.head.faces, camera, size, head.behind)
    alone = shade(
        fragments,
        head.head.faces,
        head.head.attributes,
        head.light,
        detail.photo,
        detail.other,
        detail.masks,
        OPAQUE,
        closeness(head, camera),
    )
    bare = fragments.hit & (np.abs(seen.depth - fragments.depth) < 1e-5) & (seen.opacity > 0.999)
    above = [
        rasterise(layer.vertices, layer.faces, camera, size).hit
        for layer in (head.shell, head.hair)
        if len(layer.faces)
    ]
    bare &= ~np.any(above, 0)
    assert bare.sum() > 100
    assert np.abs(seen.rgb - alone[..., :3])[bare].max() < 2e-3


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
