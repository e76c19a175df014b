"""Edits of skin leave clothes alone and reach bare skin between them."""

from dataclasses import replace

import numpy as np

from inversion_core.appearance import clothes_share, colour_factors
from inversion_core.pipeline import edit
from inversion_core.refine.layer import CHANNELS, COLOUR, WEIGHT, Layer


def test_clothes_keep_their_colour_whatever_the_skin_s(inversion, model):
    share = clothes_share(model.template, inversion.detail)
    tone, *_ = colour_factors(model.template, inversion.detail, model.ageing, {"skin_tone": 1.0})
    assert (share > 0.99).sum() > 100  # her black collar
    assert np.allclose(tone[share == 1], 1)
    assert (share[model.template.canonical[:, 1] > -0.15] == 0).all()
    assert tone[(share == 0) & (inversion.detail.head.attributes[:, WEIGHT] > 0.9)].min() < 0.7


def test_bare_skin_between_clothes_is_toned_like_the_face(inversion, model):
    colours = np.zeros((4, CHANNELS), np.float32)
    colours[:2, COLOUR], colours[2:, COLOUR] = inversion.detail.skin_colour, (0.1, 0.2, 0.6)
    shell = Layer(np.zeros((4, 3), np.float32), np.array([[0, 1, 2]], np.int32), colours)
    anchors, weights = np.zeros((4, 4), np.int32), np.full((4, 4), 0.25, np.float32)
    detail = replace(inversion.detail, shell=shell, shell_anchors=anchors, shell_weights=weights)
    light = edit(replace(inversion, detail=detail), {"skin_tone": 1.0}, model).shell_light
    assert light[:2].max() < 0.8 and np.allclose(light[2:], 1)
