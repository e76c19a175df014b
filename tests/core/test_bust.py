"""What goes on below the photo's lower border: shoulders, and clothes with a neckline."""

import numpy as np
import pytest

from inversion_core.refine.bust import FADE, NECKLINE, STRIP, clothes_below, cut_at, going_on

SIZE = 512


def _person(bottom: int, width: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[:bottom, SIZE // 2 - width // 2 : SIZE // 2 + width // 2] = 1
    return mask


@pytest.mark.parametrize(
    ("bottom", "width", "cut"), [(512, 300, 511), (480, 300, 471), (300, 300, None), (512, 90, None)]
)
def test_only_shoulders_that_the_border_cuts_go_on(bottom, width, cut):
    assert cut_at(_person(bottom, width)) == cut


def test_nobody_is_not_cut():
    assert cut_at(np.zeros((SIZE, SIZE), np.float32)) is None


def test_the_outline_goes_on_straight_and_gives_way_to_the_model_s():
    person = _person(480, 300)
    uv = np.array([[0.5, 471 / SIZE], [0.5, (471 + FADE / 2) / SIZE], [0.5, (471 + FADE) / SIZE]], np.float32)
    body, over = going_on(person, uv, 471)
    assert np.array_equal(body[471:], np.tile(person[471], (SIZE - 471, 1))) and np.array_equal(
        body[:471], person[:471]
    )
    assert np.allclose(over, [0, 0.5, 1], atol=1e-3)


def test_clothes_keep_their_colours_and_leave_a_neckline_between():
    photo = np.zeros((SIZE, SIZE, 3), np.float32)
    photo[:, :256], photo[:, 256:] = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
    skin = np.zeros((SIZE, SIZE), np.float32)
    skin[:, 216:296] = 1
    clothes = np.zeros_like(skin)
    clothes[:, 60:216] = clothes[:, 296:450] = 1
    colours, start = clothes_below(photo, clothes, skin, 500)
    assert np.allclose(colours[100], (0.8, 0.1, 0.1), atol=0.02)
    assert np.allclose(colours[10], (0.8, 0.1, 0.1), atol=0.05)  # beside the person as at its edge
    assert np.allclose(colours[400], (0.1, 0.1, 0.8), atol=0.02)
    assert (start[[10, 100, 400, 500]] == 500).all()
    assert start.argmax() == pytest.approx(256, abs=2)
    assert start.max() == pytest.approx(500 + NECKLINE * 40, abs=3)


def test_bare_shoulders_stay_bare():
    skin = np.ones((SIZE, SIZE), np.float32)
    clothes = np.zeros_like(skin)
    clothes[500 - STRIP : 500, :40] = 1
    skin[:, :40] = 0
    assert clothes_below(np.full((SIZE, SIZE, 3), 0.5, np.float32), clothes, skin, 500) is None
