"""The inside of the mouth: which part is what, what lights it, and what of it a photo shows."""

from types import SimpleNamespace

import numpy as np
import pytest

from inversion_core.generators.template import TEETH
from inversion_core.pipeline import edit
from inversion_core.refine.layer import COLOUR, WEIGHT
from inversion_core.refine.mouth import (
    DIM,
    LOWER_RIM,
    UPPER_RIM,
    light_within,
    teeth_and_gums,
)


def _lit(depth, gap, normal=(0.0, 0.0, 1.0)):
    """Light on one point ``depth`` behind the middle of lips that are ``gap`` apart."""
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[list(UPPER_RIM), 0] = landmarks[list(LOWER_RIM), 0] = np.linspace(-0.05, 0.05, 9)
    landmarks[list(UPPER_RIM), 1] = gap
    point = np.array([[0, gap / 2, -depth]], np.float32)
    template = SimpleNamespace(mouth_inside=np.array([0]))
    return light_within(template, point, np.array([normal], np.float32), landmarks)[0]


def test_light_in_the_mouth_falls_with_depth_and_rises_with_the_opening():
    assert np.allclose(_lit(0.05, 0.0), DIM)
    deeper = [_lit(depth, 0.05).mean() for depth in (0.01, 0.03, 0.1, 0.3)]
    wider = [_lit(0.05, gap).mean() for gap in (0.005, 0.02, 0.06)]
    assert (np.diff(deeper) < 0).all() and deeper[0] > 0.8
    assert (np.diff(wider) > 0).all()
    assert _lit(0.03, 0.05, (0, 0, -1)).mean() < _lit(0.03, 0.05).mean()


def test_the_template_has_as_many_teeth_as_people(model):
    template = model.template
    assert template.tooth.max() == 32
    assert (np.bincount(template.tooth)[1:] < np.bincount(template.tooth)[0]).all()
    assert template.crowns.sum() == (template.tooth > 0).sum()


def test_a_photo_s_teeth_are_pale_and_its_lips_are_none():
    photo, mouth = np.zeros((512, 512, 3), np.float32), np.zeros((512, 512), np.float32)
    mouth[240:300, 180:320] = 1
    photo[240:300, 180:320] = 0.8, 0.3, 0.3
    photo[240:270, 180:320] = 0.85, 0.8, 0.7
    photo[285:300, 180:320] = 0.05
    teeth = teeth_and_gums(photo, mouth, 0.2)[..., 0]
    assert teeth[255, 200:300] == pytest.approx(1, abs=0.02)
    assert teeth[278:298, 200:300].max() < 0.05 and not teeth[:230].any()
    assert not teeth_and_gums(photo, mouth, 0.01).any()


def test_teeth_are_paler_than_gums_and_brighter_in_an_open_mouth(inversion, model):
    template = model.template
    rest, opened = (edit(inversion, {"mouth_open": value}, model).head.attributes for value in (0, 1))
    unseen = (template.part == TEETH) & (rest[:, WEIGHT] < 0.05)
    teeth, gums = unseen & template.crowns, unseen & ~template.crowns
    colours = opened[:, COLOUR]
    assert (colours[gums, 0] / colours[gums, 1]).mean() > 1.4 * (colours[teeth, 0] / colours[teeth, 1]).mean()
    assert opened[teeth, COLOUR].mean() > 1.1 * rest[teeth, COLOUR].mean()
