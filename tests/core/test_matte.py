"""No background at soft edges."""

import cv2
import numpy as np
import pytest

from inversion_core.refine.matte import decontaminated, left_over_rim, widely_blurred


def _soft_disc(size=128, radius=40):
    y, x = np.mgrid[:size, :size] + 0.5
    disc = (np.hypot(x - size / 2, y - size / 2) < radius).astype(np.float32)
    return cv2.GaussianBlur(disc, (0, 0), 4)


def test_a_coloured_background_is_taken_off_a_soft_edge():
    person = _soft_disc()
    skin, green = np.array([0.8, 0.6, 0.5], np.float32), np.array([0.0, 1.0, 0.0], np.float32)
    image = (skin * person[..., None] + green * (1 - person[..., None])).astype(np.float32)
    edge = (person > 0.05) & (person < 0.9)
    assert np.abs(image[edge] - skin).max() > 0.5
    cleaned = decontaminated(image, person)
    assert cleaned.dtype == np.float32
    assert np.abs(cleaned[edge] - skin).max() < 0.02
    assert np.abs(cleaned - skin).max() < 0.05  # what lies outside is the person's colour, too


def test_the_interior_keeps_its_own_pixels():
    person = _soft_disc()
    image = np.random.default_rng(0).random((128, 128, 3)).astype(np.float32)
    inside = person >= 1 - 1e-4
    assert inside.sum() > 1000
    assert np.abs(decontaminated(image, person)[inside] - image[inside]).max() < 1e-2


def test_edges_take_the_colour_that_is_near():
    person = _soft_disc()
    image = np.zeros((128, 128, 3), np.float32)
    image[:, :64, 0], image[:, 64:, 2] = 1, 1  # red on the left, blue on the right
    cleaned = decontaminated(image, person)
    assert cleaned[64, 22, 0] > 0.9 and cleaned[64, 22, 2] < 0.1
    assert cleaned[64, 106, 2] > 0.9 and cleaned[64, 106, 0] < 0.1


def test_without_a_person_the_photo_stays():
    image = np.random.default_rng(1).random((32, 32, 3)).astype(np.float32)
    assert np.array_equal(decontaminated(image, np.zeros((32, 32), np.float32)), image)


@pytest.mark.parametrize("size", [3.0, 12.0, 40.0, 90.0])
def test_a_wide_blur_is_the_gaussian_to_a_fraction_of_a_grey_level(size):
    image = np.random.default_rng(2).random((16, 16, 4)).astype(np.float32)
    image = cv2.resize(image, (256, 256), interpolation=cv2.INTER_NEAREST)
    exact = cv2.GaussianBlur(image, (0, 0), size)
    middle = (slice(64, 192),) * 2
    assert np.abs(widely_blurred(image, size) - exact)[middle].max() < 0.5 / 255
    # At the border the coarser grid mirrors half a step elsewhere.
    assert np.abs(widely_blurred(image, size) - exact).max() < 0.02


def test_a_rim_is_counted_to_its_distance_and_no_farther():
    person, head = np.ones((64, 64), np.float32), np.zeros((64, 64), bool)
    head[40:, :] = True
    hair = np.zeros((64, 64), np.float32)
    hair[:30] = 1
    rim = left_over_rim(person, hair, head)
    # Rows 34 to 39 lie within RIM of the head; those above are too far from it.
    assert (rim[36:39] > 0.9).all() and not rim[:31].any() and not rim[40:].any()
    assert not left_over_rim(person, np.zeros_like(hair), head).any()
