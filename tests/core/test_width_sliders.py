"""Nose and jaw sliders: in shares of the person's own width, and nothing else moves."""

import numpy as np
import pytest

from inversion_core import landmark_tables as table
from inversion_core.pipeline import edit
from inversion_core.proportions import WIDTHS, in_proportion
from inversion_core.training.width_sliders import OUTER_LIPS, jaw_offsets, nose_offsets, outer_skin


@pytest.fixture(scope="module")
def outer(model):
    template = model.template
    return outer_skin(template.subdivision, template.part, template.interior)


@pytest.mark.parametrize(("name", "offsets"), [("nose_width", nose_offsets), ("jaw_width", jaw_offsets)])
def test_the_bundled_offsets_are_the_made_ones(model, outer, name, offsets):
    template, index = model.template, model.template.shapes.index(name)
    made = offsets(template.mean, template.landmarks(template.mean), outer)
    stored = template.shape_positive[index], template.shape_negative[index]
    for ours, theirs in zip(made, stored, strict=True):
        assert np.abs(ours - theirs).max() < 2e-5


@pytest.mark.parametrize("name", list(WIDTHS))
def test_widths_leave_lips_eyes_and_the_mouth_inside_alone(model, outer, name):
    template, index = model.template, model.template.shapes.index(name)
    for offsets in (template.shape_positive[index], template.shape_negative[index]):
        ring = [*OUTER_LIPS, *table.LEFT_EYE, *table.RIGHT_EYE]
        moved = np.abs(template.landmarks(offsets))
        assert moved[ring].max() < 0.03 * moved.max()
        assert np.abs(offsets[outer == 0]).max() == 0


def test_a_wider_nose_moves_by_as_many_percent(model):
    template = model.template
    shape = np.ones(len(template.shapes), np.float32)
    stretched = template.mean * np.float32([1.25, 1, 1])
    scaled = in_proportion(template, stretched, shape)
    for index, name in enumerate(template.shapes):
        assert scaled[index] == pytest.approx(1.25 if name in WIDTHS else 1.0)


def test_widths_change_the_sample_portrait_to_either_side(inversion, model):
    left, right = WIDTHS["nose_width"][0][::-1]
    widths = []
    for value in (-1.0, 0.0, 1.0):
        points = model.template.landmarks(edit(inversion, {"nose_width": value}, model).coarse)
        widths.append(points[left, 0] - points[right, 0])
    assert widths[0] < 0.85 * widths[1] < 0.85**2 * widths[2]
