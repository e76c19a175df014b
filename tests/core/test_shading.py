"""Which of photo, mirrored photo and carried colour a fragment takes, and what light does to it."""

import numpy as np
import pytest

from inversion_core.rasterise import rasterise_screen
from inversion_core.refine import layer
from inversion_core.shading import SOFT, shade

FACES = np.array([[0, 1, 2]], np.int32)
PHOTO = np.full((8, 8, 3), [0.9, 0.1, 0.1], np.float32)
OTHER = np.full((8, 8, 3), [0.1, 0.8, 0.1], np.float32)
CARRIED = np.array([0.1, 0.1, 0.7], np.float32)


@pytest.fixture
def fragments():
    points = np.array([[-20, -20, 1], [40, -20, 1], [-20, 40, 1]], np.float32)
    return rasterise_screen(points, FACES, 8, 8)


def _attributes(**columns):
    attributes = np.zeros((3, layer.CHANNELS), np.float32)
    defaults = {"UV": 0.5, "MIRROR_UV": 0.5, "GAIN": 1, "OPACITY": 1, "COLOUR": CARRIED}
    for name, value in {**defaults, **columns}.items():
        attributes[:, getattr(layer, name)] = value
    return attributes


def _pixel(fragments, attributes, light=1.0, channel=-1, straight=0.0, mask=0.0):
    masks = np.full((8, 8, 2), mask, np.float32)
    lights = np.full((3, 3), light, np.float32)
    shaded = shade(fragments, FACES, attributes, lights, PHOTO, OTHER, masks, channel, straight)
    assert shaded.shape == (8, 8, 4)
    return shaded[2, 2]


def test_trusted_pixels_show_the_photo(fragments):
    assert np.allclose(_pixel(fragments, _attributes(WEIGHT=1)), [0.9, 0.1, 0.1, 1], atol=1e-5)


def test_untrusted_pixels_show_the_mirror_times_gain(fragments):
    shown = _pixel(fragments, _attributes(MIRROR_WEIGHT=1, GAIN=0.5))
    assert np.allclose(shown, [0.05, 0.4, 0.05, 1], atol=1e-5)


def test_without_either_the_carried_colour_is_left(fragments):
    assert np.allclose(_pixel(fragments, _attributes()), [*CARRIED, 1], atol=1e-5)


def test_half_trust_is_half_of_each(fragments):
    shown = _pixel(fragments, _attributes(WEIGHT=0.5))
    assert np.allclose(shown[:3], 0.5 * PHOTO[0, 0] + 0.5 * CARRIED, atol=1e-5)


def test_looking_straight_trusts_all_that_the_photo_shows(fragments):
    attributes = _attributes(WEIGHT=0, SEEN_STRAIGHT=1)
    assert np.allclose(_pixel(fragments, attributes, straight=0.0)[:3], CARRIED, atol=1e-5)
    assert np.allclose(_pixel(fragments, attributes, straight=1.0)[:3], PHOTO[0, 0], atol=1e-5)


def test_light_is_a_factor_that_stays_in_range(fragments):
    assert np.allclose(_pixel(fragments, _attributes(), light=0.5)[:3], CARRIED * 0.5, atol=1e-5)
    assert np.allclose(_pixel(fragments, _attributes(), light=3.0)[:3], [0.3, 0.3, 1.0], atol=1e-5)


def test_the_mask_trims_what_the_photo_shows(fragments):
    shown = _pixel(fragments, _attributes(SEEN=1), channel=0, mask=0.25)
    assert np.isclose(shown[3], 0.25, atol=1e-5)
    unseen = _pixel(fragments, _attributes(SEEN=0), channel=0, mask=0.25)
    assert np.isclose(unseen[3], 1.0, atol=1e-5)
    straight = _pixel(fragments, _attributes(SEEN=0), channel=1, mask=0.25, straight=1.0)
    assert np.isclose(straight[3], 0.25, atol=1e-5)


def _opacity(fragments, trim, straight):
    """Of hair that the layer has and the photo does not show, where the trim is one number."""
    return _pixel(fragments, _attributes(SEEN=0), channel=1, mask=trim, straight=straight)[3]


def test_hair_beyond_the_outline_is_nowhere_half_transparent_for_long(fragments):
    for trim in (0.0, -0.3, -0.6, -1.0):
        shown = np.array([_opacity(fragments, trim, s) for s in np.linspace(1, 0, 101)])
        assert shown[0] == 0 and np.isclose(shown[-1], 1)
        assert (np.diff(shown) >= -1e-6).all()
        between = (shown > 0.02) & (shown < 0.98)
        assert between.mean() <= SOFT + 0.02


def test_the_outline_comes_first_and_what_lies_farther_later(fragments):
    halfway = [_opacity(fragments, trim, 0.5) for trim in (0.0, -0.3, -0.7, -1.0)]
    assert halfway[:2] == [1, 1] and halfway[2:] == [0, 0]
