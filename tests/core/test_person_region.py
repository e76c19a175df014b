"""Deciding the person's outline: colours, build and edges against networks that err."""

import cv2
import numpy as np
import pytest

from inversion_core import landmark_tables as table
from inversion_core.person_region import build_of, person_region

SIZE = 256


def _lab(picture):
    noisy = picture + np.random.default_rng(0).normal(0, 2, picture.shape)
    return cv2.cvtColor((np.clip(noisy, 0, 255) / 255).astype(np.float32), cv2.COLOR_RGB2LAB)


@pytest.fixture(scope="module")
def scene():
    """A face with a neck on a dark ground, and the landmarks of that face: picture, landmarks, truth."""
    picture = np.full((SIZE, SIZE, 3), (25, 28, 40), np.uint8)
    truth = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(truth, (128, 110), (55, 75), 0, 0, 360, 1, -1)
    truth[150:, 96:160] = 1
    picture[truth > 0] = (205, 160, 140)
    points = np.zeros((478, 2))
    points[:] = (128, 130)
    turn = np.linspace(0, 2 * np.pi, len(table.OVAL), endpoint=False)
    points[list(table.OVAL)] = np.stack([128 + 48 * np.sin(turn), 110 - 70 * np.cos(turn)], 1)
    for group, x in ((table.LEFT_EYE, 105), (table.RIGHT_EYE, 151)):
        points[list(group)] = (x, 95)
    points[table.CHIN], points[table.CHEEK_LEFT], points[table.CHEEK_RIGHT] = (
        (128, 180),
        (80, 110),
        (176, 110),
    )
    return picture, points / SIZE, truth > 0


def test_colour_takes_back_what_the_network_took_too_much_of():
    # A dark head on a light ground, and votes that are 5 pixels too wide.
    picture = np.full((SIZE, SIZE, 3), 220, np.uint8)
    picture[64:192, 64:192] = 30
    rough = np.zeros((SIZE, SIZE), np.float32)
    rough[59:197, 59:197] = 1
    truth = np.zeros((SIZE, SIZE), bool)
    truth[64:192, 64:192] = True
    region = person_region(_lab(picture), cv2.GaussianBlur(rough, (0, 0), 2)[None], None)
    assert ((region > 0.5) != truth).mean() < 0.2 * ((rough > 0.5) != truth).mean()


def test_background_beside_the_neck_is_no_shoulder_though_a_network_says_so(scene):
    picture, landmarks, truth = scene
    votes = np.repeat(truth[None].astype(np.float32), 2, 0)
    votes[0, 185:, 170:], votes[1, 185:, 170:] = 1.0, 0.7
    region = person_region(_lab(picture), votes, build_of(landmarks, SIZE))
    assert region[200:, 180:].mean() < 0.1
    assert region[truth].mean() > 0.97


def test_clothes_of_another_colour_beside_the_neck_stay(scene):
    picture, landmarks, truth = scene
    picture, person = picture.copy(), truth.copy()
    picture[200:, 175:] = picture[200:, :80] = (40, 90, 160)
    person[200:, 175:] = person[200:, :80] = True
    votes = np.repeat(person[None].astype(np.float32), 2, 0)
    region = person_region(_lab(picture), votes, build_of(landmarks, SIZE))
    assert region[210:, 185:].min() > 0.9 and region[210:, :70].min() > 0.9
    assert region[120:190, :60].max() < 0.1


def test_the_build_knows_face_and_shoulders(scene):
    _, landmarks, _ = scene
    build = build_of(landmarks, SIZE)
    assert build.inside[110, 128] == 1 and build.inside[110, 30] == 0
    assert build.high[170, 30] > 0.9 and build.high[170, 128] == 0 and build.high[250, 30] == 0
    assert build.low[240, 128] and not build.low[60, 128]


def test_a_face_without_landmarks_has_no_build():
    assert build_of(np.full((478, 3), np.nan), SIZE) is None
    assert build_of(np.full((478, 2), 0.5), SIZE) is None


def test_without_a_sure_background_the_votes_stand():
    votes = np.full((3, SIZE, SIZE), 0.95, np.float32)
    region = person_region(np.full((SIZE, SIZE, 3), 40, np.float32), votes, None)
    assert region.min() > 0.9
