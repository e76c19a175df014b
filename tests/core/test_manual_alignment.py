"""Portraits by hand: the crop that was chosen, and the camera behind five points."""

import numpy as np
import pytest

from inversion_core import landmark_tables as table
from inversion_core.camera import Camera
from inversion_core.errors import BadInput, ImageUnreadable
from inversion_core.image import encode
from inversion_core.manual_alignment import portrait_from_crop, portrait_from_points


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
