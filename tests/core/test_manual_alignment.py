"""Portraits by hand: the crop that was chosen, and the camera behind five points."""

from dataclasses import replace

import numpy as np
import pytest

from inversion_core import landmark_tables as table
from inversion_core.camera import Camera
from inversion_core.errors import BadInput, ImageUnreadable
from inversion_core.image import encode
from inversion_core.manual_alignment import (
    hand_preview,
    points_of,
    portrait_by_hand,
    portrait_from_crop,
    portrait_from_points,
    square_of,
)
from inversion_core.portrait import Square

FACE = Square((300, 200), 180, 0.0, float(np.radians(10)), float(np.radians(5)))


def photo(width=300, height=200):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // width, rows * 255 // height, np.full_like(rows, 90)], 2).astype(
        np.uint8
    )


def test_the_chosen_square_becomes_the_crop():
    portrait = portrait_from_crop(encode(photo()), (150, 100), 100, yaw=0.3, pitch=-0.1, name="cat.png")
    assert portrait.image.shape == (512, 512, 3) and portrait.name == "cat.png"
    np.testing.assert_allclose(portrait.image[256, 256], [127, 127, 90], atol=2)
    np.testing.assert_allclose(portrait.image[2, 2], [85, 63.5, 90], atol=3)
    assert portrait.camera.angles == pytest.approx((0.3, -0.1), abs=1e-5)
    assert np.isnan(portrait.landmarks).all() and portrait.person.min() == 1


def test_a_turned_square():
    portrait = portrait_from_crop(encode(photo()), (150, 100), 100, roll=np.pi / 2)
    # A quarter turn clockwise: the crop's top is the photo's right.
    assert portrait.image[10, 256, 0] > portrait.image[500, 256, 0] + 60


@pytest.mark.parametrize("angles", [(0.0, 0.0), (0.4, 0.1), (-0.5, -0.2)])
def test_five_points_give_the_camera_that_saw_them(angles):
    camera = Camera.orbit(*angles, radius=50.0, focal=4.2647 * 50 / 2.7)
    seen = camera.project(table.five_points(table.mean_points()))[:, :2]
    points = 20 + seen * 160
    portrait = portrait_from_points(encode(photo(200, 200)), points)
    found = np.degrees(portrait.camera.angles)
    np.testing.assert_allclose(found, np.degrees(angles), atol=2.0)
    assert np.linalg.norm(portrait.camera.position) == pytest.approx(2.7, abs=1e-4)
    # The crop frames the face as EG3D's do: eyes, nose and mouth lie where its camera projects them.
    matrix = np.r_[portrait.crop_to_photo, [[0, 0, 1]]]
    inside = (np.linalg.inv(matrix) @ np.c_[points, np.ones(5)].T)[:2].T / 512
    expected = portrait.camera.project(table.five_points(table.mean_points()))[:, :2]
    assert np.abs(inside - expected).max() < 0.06


def test_impossible_marks_are_said():
    source = encode(photo())
    for centre, side in (((-5, 10), 50), ((10, 10), 0), ((10, float("nan")), 50)):
        with pytest.raises(BadInput):
            portrait_from_crop(source, centre, side)
    line = np.linspace([10, 10], [100, 100], 5)
    for points in (line, np.zeros((5, 2)), np.zeros((4, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(BadInput):
            portrait_from_points(source, points)
    with pytest.raises(ImageUnreadable):
        portrait_from_crop(b"text", (1, 1), 10)


def test_marks_are_in_pixels_of_the_file_even_where_fewer_are_decoded(monkeypatch):
    source = encode(photo(600, 400))
    marks = Square((300, 200), 150, 0.2, 0.1, 0.0)
    whole = portrait_by_hand(source, marks)
    monkeypatch.setattr("inversion_core.image.WORKING_MEGAPIXELS", 600 * 400 / 4e6)
    less = portrait_by_hand(source, marks)
    assert np.abs(less.image.astype(int) - whole.image).max() < 6
    np.testing.assert_allclose(less.crop_to_photo, whole.crop_to_photo / 2, atol=0.01)
    assert square_of(less) == marks and less.camera.angles == whole.camera.angles
    automatic = replace(less, marks=None)
    assert square_of(automatic).centre == pytest.approx((300, 200), abs=0.1)
    assert square_of(automatic).roll == pytest.approx(0.2, abs=1e-5)


def test_a_preview_is_what_comes_of_it():
    source = encode(photo(600, 400))
    for marks in (Square((300, 200), 150, 0.2, 0.1, 0.0), points_of(portrait_by_hand(source, FACE))):
        preview, portrait = (
            hand_preview(photo(300, 200), (400, 600), marks, 128),
            portrait_by_hand(source, marks),
        )
        assert np.abs(preview.crop.astype(int) - portrait.image[2::4, 2::4]).max() < 8
        np.testing.assert_allclose(preview.camera.label(), portrait.camera.label())
        found, expected = preview.square, square_of(portrait)
        assert found.centre == pytest.approx(expected.centre, abs=0.01)
        assert (found.side, found.roll) == pytest.approx((expected.side, expected.roll), abs=0.01)
    # A square's points are where its own camera expects them: marking them finds the square again.
    again = hand_preview(photo(), (400, 600), hand_preview(photo(), (400, 600), FACE, 64).points, 64).square
    assert again.centre == pytest.approx(FACE.centre, abs=4) and again.side == pytest.approx(
        FACE.side, rel=0.05
    )
    assert np.degrees((again.yaw, again.pitch)) == pytest.approx((10, 5), abs=2.5)
