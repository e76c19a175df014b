"""Closed lids wear the skin round the eye, and hide what the photo shows of open ones."""

from dataclasses import replace

import numpy as np
import pytest

from inversion_core.lid_skin import FAIR, LASHES, LID_TONE
from inversion_core.pipeline import edit
from inversion_core.refine.layer import CHANNELS, COLOUR, SEEN_STRAIGHT, WEIGHT


def test_lids_take_the_colour_of_the_skin_round_them_and_not_of_brows(model):
    attributes = np.zeros((len(model.template.part), CHANNELS), np.float32)
    attributes[:, COLOUR], attributes[:, WEIGHT] = [0.8, 0.6, 0.5], 1
    for lid in model.lid_skin:
        dark = lid.ring[::4]
        attributes[dark, COLOUR] = [0.2, 0.15, 0.1]
        tone = 1 + (LID_TONE - 1) * lid.share[:, None]
        assert lid.colours(attributes) / lid.bulge[:, None] / tone == pytest.approx(
            np.tile([0.8, 0.6, 0.5], (len(lid.zone), 1)), abs=0.01
        )


def test_lashes_over_a_closed_lid_go_but_bright_skin_stays(model):
    lid = model.lid_skin[0]
    skin = np.full((len(lid.zone), 3), 0.6, np.float32)
    near = (lid.share == 0) & (lid.lash > 0.9)
    assert near.sum() > 10
    assert (lid.hidden(skin, skin)[near] == 0).all()
    assert (lid.hidden(skin, 0.2 * skin)[near] > 0.6).all()
    assert (lid.hidden(skin, skin) >= lid.share).all()


def test_a_blink_hides_the_open_eye_and_darkens_the_margin_only(inversion, model):
    head = edit(inversion, {"blink": 1.0}, model)
    before = inversion.detail.head.attributes
    for lid in model.lid_skin:
        whole = lid.zone[lid.share > 0.99]
        assert np.abs(head.head.attributes[whole][:, [WEIGHT, SEEN_STRAIGHT]]).max() < 1e-4
        assert head.light[lid.lashes > 0.99].max() < 1.4 * (1 - LASHES.min())
    away = np.ones(len(before), bool)
    away[np.concatenate([lid.zone for lid in model.lid_skin])] = False
    assert np.array_equal(head.head.attributes[away][:, COLOUR], before[away][:, COLOUR])


def test_a_closed_lid_wears_the_pores_of_the_cheek_in_its_own_colour(inversion, model):
    detail = inversion.detail
    rows, columns = np.indices(detail.photo.shape[:2])
    pores = (0.6 + 0.1 * (-1.0) ** (rows + columns))[..., None] * np.ones(3)
    plain = np.ones_like(detail.masks) * np.array([1, 0], np.float32)
    skinned = replace(detail, photo=pores.astype(np.float32), masks=plain)
    for lid in model.lid_skin:
        colour = np.full((len(lid.zone), 3), 0.45, np.float32)
        there, gain = lid.grain(skinned, colour)
        below = detail.camera.project(detail.head.vertices[lid.zone])[:, 1].mean()
        assert there[:, 1].mean() > below
        assert gain == pytest.approx(0.75, abs=0.02)
        assert lid.grain(replace(skinned, masks=1 - plain), colour) is None


def test_fair_lashes_are_lighter_than_dark_ones(model):
    lid = model.lid_skin[0]
    skin = np.full((len(lid.zone), 3), 0.6, np.float32)
    assert lid.darkness(skin, skin) == pytest.approx(FAIR)
    assert lid.darkness(skin, 0.1 * skin) == 1
