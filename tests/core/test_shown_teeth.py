"""Teeth where an open mouth shows them."""

import cv2
import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.generators.template import TEETH
from inversion_core.model import load_model
from inversion_core.refine.mouth import INNER_LIPS
from inversion_core.refine.shown_teeth import teeth_of_the_photo

SIZE = 512


@pytest.fixture(scope="module")
def template():
    return load_model().template


def _posed(template, opened):
    """Fine vertices, the photo's landmarks and the lips' rim of the average head with its jaw dropped."""
    units = np.zeros(len(template.units), np.float32)
    units[template.units.index("mouth-open")] = opened
    coarse = template.coarse(np.zeros(len(template.identity)), units, np.zeros(len(template.shapes)))
    camera, points = Camera.orbit(0.0, 0.0), template.landmarks(coarse)
    return template.fine(coarse), camera, camera.project(points), points[list(INNER_LIPS)]


def _photo(landmarks, share):
    """Skin, a dark opening between the lips, and teeth that fill the upper ``share`` of it."""
    photo = np.full((SIZE, SIZE, 3), (0.7, 0.5, 0.45), np.float32)
    ring = landmarks[list(INNER_LIPS), :2] * SIZE
    cv2.fillPoly(photo, [np.round(ring).astype(np.int32)], (0.2, 0.05, 0.05))
    lower = np.r_[ring[10:], ring[:1]][::-1]
    edge = ring[:11] + share * (lower - ring[:11])
    cv2.fillPoly(photo, [np.round(np.r_[ring[:11], edge[::-1]]).astype(np.int32)], (0.9, 0.88, 0.8))
    return photo


def _edge(template, camera, fine, landmarks):
    """How far down the opening's middle the upper teeth end, as a share of it."""
    points = camera.project(fine)[:, :2]
    top, bottom = landmarks[13, :2], landmarks[14, :2]
    drop = template.unit_offsets[template.units.index("mouth-open")]
    still = (template.subdivision @ np.linalg.norm(drop, axis=1).astype(np.float32)) < 0.0225
    middle = np.abs(points[:, 0] - top[0]) < 0.02
    incisors = (
        (template.part == TEETH)
        & still
        & middle
        & (fine[:, 2] > fine[template.part == TEETH, 2].max() - 0.03)
    )
    return (points[incisors, 1].max() - top[1]) / (bottom[1] - top[1])


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_upper_teeth_end_where_those_of_the_photo_do(template, share):
    fine, camera, landmarks, rim = _posed(template, 0.25)
    offsets = teeth_of_the_photo(template, fine, camera, _photo(landmarks, share), landmarks, rim)
    assert not offsets[template.part != TEETH].any()
    assert _edge(template, camera, fine + offsets, landmarks) == pytest.approx(share, abs=0.08)


def test_behind_closed_lips_teeth_stay_as_they_are(template):
    fine, camera, landmarks, rim = _posed(template, 0.0)
    landmarks[14] = landmarks[13]
    photo = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    assert not teeth_of_the_photo(template, fine, camera, photo, landmarks, rim).any()


def test_teeth_come_up_to_the_lips_and_stay_behind_their_rim(template):
    fine, camera, landmarks, rim = _posed(template, 0.25)
    moved = fine + teeth_of_the_photo(template, fine, camera, _photo(landmarks, 0.6), landmarks, rim)
    teeth = template.part == TEETH
    ahead = teeth & (np.abs(fine[:, 0] - rim[5, 0]) < 0.01)
    assert fine[ahead, 2].max() < moved[ahead, 2].max() < rim[[5, 15], 2].min()
