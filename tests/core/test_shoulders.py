"""Shoulders follow the person's outline, and only where it is known to be theirs."""

from pathlib import Path

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.generators.template import load_template
from inversion_core.rasterise import rasterise
from inversion_core.refine import shoulders
from inversion_core.refine.shoulders import met_shoulders

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "models" / "facet-head"
CAMERA = Camera.orbit(0, 0)
BARE = np.zeros((512, 512), np.float32)
SEEN = np.ones((512, 512), bool)


@pytest.fixture(scope="module")
def template():
    return load_template(FOLDER / "geometry.safetensors")


@pytest.fixture(scope="module")
def average(template):
    return template.fine(template.mean)


@pytest.fixture(scope="module")
def outline(template, average):
    return rasterise(average, template.faces, CAMERA, 512).hit.astype(np.float32)


def _shrugged(outline, pixels):
    """The mask with its outermost columns raised: shoulders, and nothing of the head."""
    person = outline.copy()
    for columns in (slice(0, 120), slice(392, 512)):
        person[: 512 - pixels, columns] = outline[pixels:, columns]
        person[512 - pixels :, columns] = 1
    return person


def _tops(template, vertices):
    hit = rasterise(vertices, template.faces, CAMERA, 512).hit
    return np.where(hit.any(0), hit.argmax(0), 512)


def test_shoulders_that_meet_the_mask_stay(template, average, outline):
    offsets = met_shoulders(template, average, CAMERA, outline, BARE, SEEN)
    assert offsets.shape == average.shape
    assert np.abs(offsets).max() < 0.01


def test_raised_shoulders_meet_the_mask_and_the_head_stays(template, average, outline):
    person = _shrugged(outline, 60)
    offsets = met_shoulders(template, average, CAMERA, person, BARE, SEEN)
    wanted = person.argmax(0)
    columns = np.r_[5:100, 412:507]
    before = np.abs(_tops(template, average) - wanted)[columns]
    after = np.abs(_tops(template, average + offsets) - wanted)[columns]
    assert before.mean() > 40 and after.mean() < 8
    head = template.canonical[:, 1] > -shoulders.THROAT
    assert np.abs(offsets[head]).max() == 0
    assert np.abs(offsets[template.canonical[:, 1] < -shoulders.END]).max() == 0
    assert offsets[:, 1].max() <= shoulders.HIGHEST + 1e-5


def test_beside_the_photo_shoulders_go_on_as_they_end(template, average, outline):
    offsets = met_shoulders(template, average, CAMERA, _shrugged(outline, 60), BARE, SEEN)
    past = (CAMERA.project(average)[:, 0] < -0.05) & (np.abs(template.canonical[:, 1] + 0.36) < 0.02)
    assert past.sum() > 5 and offsets[past, 1].min() > 0.05


def test_hair_before_the_shoulders_says_nothing_of_them(template, average, outline):
    hair = np.ones((512, 512), np.float32)
    assert not met_shoulders(template, average, CAMERA, _shrugged(outline, 60), hair, SEEN).any()


def test_what_is_made_up_says_nothing_either(template, average, outline):
    assert not met_shoulders(template, average, CAMERA, _shrugged(outline, 60), BARE, ~SEEN).any()


def test_shoulders_sink_where_the_photo_has_none(template, average, outline):
    person = outline.copy()
    person[:, :120] = 0
    offsets = met_shoulders(template, average, CAMERA, person, BARE, SEEN)
    low = rasterise(average + offsets, template.faces, CAMERA, 512).hit[:, 5:100].mean()
    assert low < 0.5 * outline[:, 5:100].mean()
