"""What is made up for a photo of one tone has that tone; colours of a coloured photo stay."""

import cv2
import numpy as np

from inversion_core.refine.monochrome import in_the_photo_s_tones

COLOURS = np.array([[0.55, 0.28, 0.27], [0.74, 0.70, 0.62], [0.2, 0.3, 0.5]])
PERSON = np.ones((256, 256), np.float32)
SHADES = np.broadcast_to(np.linspace(0.05, 0.95, 256, dtype=np.float32)[:, None], (256, 256))


def lab(colours):
    return cv2.cvtColor(np.float32(colours)[None], cv2.COLOR_RGB2LAB)[0]


def test_grey_photos_take_colours_away_and_leave_lightness():
    grey = in_the_photo_s_tones(COLOURS, np.repeat(SHADES[..., None], 3, 2), PERSON)
    assert np.ptp(grey, axis=1).max() < 0.02
    assert np.abs(lab(grey)[:, 0] - lab(COLOURS)[:, 0]).max() < 0.5


def test_a_toned_photo_gives_its_tone():
    sepia = SHADES[..., None] ** np.float32([0.8, 1.0, 1.3])
    toned = lab(in_the_photo_s_tones(COLOURS, sepia, PERSON))
    level = lab(sepia[:, 0])
    for channel in (1, 2):
        expected = np.interp(toned[:, 0], level[:, 0], level[:, channel])
        assert np.abs(toned[:, channel] - expected).max() < 2


def test_what_is_dark_keeps_its_hue_when_it_is_lit():
    sepia = SHADES[..., None] ** np.float32([0.8, 1.0, 1.3])
    dim = in_the_photo_s_tones(0.2 * COLOURS, sepia, PERSON)
    lit = 4 * dim
    assert lit.max() < 1
    assert (lit.min(1) > 0.45 * lit.max(1)).all()


def test_coloured_photos_change_nothing():
    coloured = np.random.default_rng(0).random((256, 256, 3), np.float32)
    coloured = cv2.GaussianBlur(coloured, (0, 0), 4)
    coloured = (coloured - coloured.min()) / np.ptp(coloured)
    assert in_the_photo_s_tones(COLOURS, coloured, PERSON) is COLOURS
    assert in_the_photo_s_tones(COLOURS, np.repeat(SHADES[..., None], 3, 2), 0 * PERSON) is COLOURS
