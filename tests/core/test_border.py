"""Crops that reach past their photo: what is made up there counts for nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from inversion_core.border import made_up
from inversion_core.image import decode, encode
from inversion_core.pipeline import open_portrait
from inversion_core.segmentation import hair_mask


@pytest.fixture(scope="module")
def cut(astronaut):
    """The astronaut cut off a little above the brows, hair to the right and left left over."""
    photo = decode(astronaut.source)
    points = (
        astronaut.landmarks[:, :2] * 512 @ astronaut.crop_to_photo[:, :2].T + astronaut.crop_to_photo[:, 2]
    )
    top = int(points[:, 1].min())
    return open_portrait(encode(photo[top:]), "cut")


def test_pixels_past_the_border_are_made_up(astronaut):
    shifted = replace(astronaut, crop_to_photo=np.array([[1, 0, -100], [0, 1, 0]], np.float32))
    height, width = decode(astronaut.source).shape[:2]
    expected = np.zeros((512, 512), bool)
    expected[:, :100] = True
    expected[height:], expected[:, width + 100 :] = True, True
    assert np.array_equal(made_up(shifted), expected)


def test_hair_goes_on_past_the_border_it_is_cut_off_at(cut):
    beyond = made_up(cut)
    assert beyond[: 512 // 16].all()
    rim = np.flatnonzero(~beyond[:, 256])[0]
    above = beyond & (cut.person > 0.9) & (np.arange(512)[:, None] < rim - 8)
    assert above.sum() > 500
    assert hair_mask(cut)[above].mean() > 0.6


def test_nothing_past_the_border_is_painted_on_the_head(cut, model):
    from inversion_core.refine.layer import UV, WEIGHT
    from inversion_core.task import finish

    detail = finish(model.invert(cut)).detail
    far = cv2.erode(made_up(cut).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    for layer in (detail.head, detail.hair):
        x, y = np.clip(layer.attributes[:, UV] * 512, 0, 511).astype(int).T
        assert far[y, x].any()
        assert layer.attributes[far[y, x], WEIGHT].max() < 0.05
