"""Where the head is looked at from at first."""

from types import SimpleNamespace

import numpy as np
import pytest

from app.framing import AIR, FARTHEST, first_view, framed, view_from
from app.orbit import FIRST_ZOOM, View, camera_of, photo_view
from inversion_core.camera import Camera
from inversion_core.refine.layer import CHANNELS, OPACITY

PHOTO = Camera.orbit(0.0, 0.0)


def shown(view, points):
    """Where points lie in the viewport, in shares of its shorter side."""
    return camera_of(view, PHOTO, Camera.orbit).project(points)[:, :2]


def at(*places):
    """Points in the plane of the pivot at these places of the photo."""
    depth = float(np.linalg.norm(PHOTO.position))
    scale = depth / PHOTO.intrinsics[0, 0]
    points = np.array([((x - 0.5) * scale, (0.5 - y) * scale, 0.0) for x, y in places], np.float32)
    np.testing.assert_allclose(PHOTO.project(points)[:, :2], places, atol=1e-5)
    return points


def test_a_head_inside_the_photo_is_seen_as_ever():
    start = photo_view(PHOTO)
    assert framed(start, PHOTO, at((0.3, 0.2), (0.7, 0.2))) == start
    assert framed(start, PHOTO, np.empty((0, 3), np.float32)) == start


def test_hair_above_the_photo_gets_air_and_the_chin_stays():
    points = at((0.4, -0.15), (0.5, 1.0))
    view = framed(photo_view(PHOTO), PHOTO, points)
    places = shown(view, points)
    assert places[0, 1] == pytest.approx(AIR, abs=1e-4) and places[1, 1] <= 1 + 1e-4
    assert view.pan[0] == 0 and view.zoom < FIRST_ZOOM


def test_a_head_that_lies_to_one_side_is_shifted_no_farther_than_needed():
    points = at((0.45, 0.3), (1.1, 0.4))
    view = framed(photo_view(PHOTO), PHOTO, points)
    assert view.zoom == FIRST_ZOOM
    assert shown(view, points)[1, 0] == pytest.approx(1 - AIR, abs=1e-4)


def test_wide_hair_is_seen_whole_and_endless_hair_not_from_the_moon():
    wide = at((-0.1, 0.3), (1.1, 0.3))
    places = shown(framed(photo_view(PHOTO), PHOTO, wide), wide)
    np.testing.assert_allclose(places[:, 0], (AIR, 1 - AIR), atol=1e-4)
    assert framed(View(), PHOTO, at((0.5, -9.0))).zoom == FARTHEST


def inversion_of(vertices, opacity):
    """An inversion whose hair has these vertices, and whose bald head is one point in the middle."""

    def layer(points, opaque):
        attributes = np.zeros((len(points), CHANNELS), np.float32)
        attributes[:, OPACITY] = opaque
        return SimpleNamespace(vertices=points, attributes=attributes)

    detail = SimpleNamespace(head=layer(at((0.5, 0.5)), 1.0), hair=layer(vertices, opacity))
    return SimpleNamespace(portrait=SimpleNamespace(camera=PHOTO), detail=detail)


def test_only_hair_that_is_seen_counts():
    points = at((0.5, -0.2), (0.5, 1.4))
    seen, unseen = (first_view(inversion_of(points, opacity)) for opacity in (1.0, 0.0))
    assert unseen == photo_view(PHOTO)
    assert shown(seen, points)[0, 1] == pytest.approx(AIR, abs=1e-4)
    side = view_from(inversion_of(points, 1.0), 0.9)
    assert (side.yaw, side.pitch) == (0.9, 0.0) and side.pan[1] > 0
