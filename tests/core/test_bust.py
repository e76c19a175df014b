"""What goes on below the photo's lower border: shoulders, and clothes with a neckline."""

import numpy as np
import pytest

from inversion_core.refine.bust import (
    BACK,
    CLOSING,
    FADE,
    NECKLINE,
    PASSAGE,
    STRIP,
    clothes_below,
    cut_at,
    dressed,
    ending,
    going_on,
    parted,
    rounded,
    shown_above,
    unlike_skin,
    worn,
)

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
    colours, start = clothes_below(photo, clothes, skin, 500, 256.0)
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
    assert clothes_below(np.full((SIZE, SIZE, 3), 0.5, np.float32), clothes, skin, 500, 256.0) is None


def test_a_side_that_the_photo_does_not_show_is_dressed_as_the_other():
    photo = np.zeros((SIZE, SIZE, 3), np.float32)
    photo[:, :100], photo[:, 100:] = (0.1, 0.1, 0.1), (0.3, 0.5, 0.9)  # a jacket, and the shirt under it
    clothes, nothing = np.zeros((2, SIZE, SIZE), np.float32)
    clothes[:, :300] = 1
    colours, _ = clothes_below(photo, clothes, nothing, 500, 250.0)
    assert np.allclose(colours[290], (0.3, 0.5, 0.9), atol=0.02)
    assert np.allclose(colours[480], (0.1, 0.1, 0.1), atol=0.02)


def test_what_is_open_closes_on_the_way_down_and_the_back_wears_the_sides():
    colours = np.zeros((SIZE, 3), np.float32)
    colours[206:306] = 1  # a white shirt in a black jacket
    across, depth = np.array([256, 300, 300, 256], np.float32), np.array([0, 0, CLOSING, 0], np.float32)
    behind = np.array([0, 0, 0, 1], np.float32)
    seen = worn(colours, across, depth, behind, 256.0)
    assert BACK * SIZE > 50
    assert np.allclose(seen[0], 1) and np.allclose(seen[1], 1)
    assert seen[2].max() < 0.2 and seen[3].max() < 1e-5


def test_a_neck_in_the_chin_s_shadow_is_no_clothes():
    typical = np.array([0.8, 0.6, 0.5])
    photo = np.full((SIZE, SIZE, 3), (0.4, 0.2, 0.14), np.float32)  # redder and darker
    masks = np.zeros((SIZE, SIZE, 2), np.float32)
    masks[..., 0] = 1
    uv = np.array([[0.5, 0.5], [0.5, 1.3]], np.float32)
    normals = np.array([[0, 0, 1], [0, 0, 1]], np.float32)
    base = np.full((2, 3), 0.25)
    result = dressed(base, uv, np.ones(2), normals, photo, masks, typical, 500)
    assert np.allclose(result[0], base[0])
    hue = result[1] / result[1].sum()
    assert result[1].sum() > photo[0, 0].sum()  # below, the shadow ends
    assert typical[0] / typical.sum() < hue[0] < 0.4 / 0.74


def test_the_photo_ends_softly_above_its_border_and_not_on_the_face():
    rows = np.array([500, 500 - PASSAGE / 2, 500 - PASSAGE, 400], np.float32) / SIZE
    uv = np.stack([np.full(4, 0.5), rows], 1).astype(np.float32)
    assert np.allclose(shown_above(uv, np.ones(4), 500, PASSAGE), [0, 0.5, 1, 1], atol=1e-3)
    assert np.allclose(shown_above(uv, np.zeros(4), 500, PASSAGE), 1)


def test_the_bust_ends_in_an_arc_that_rises_to_the_sides_and_behind():
    depths = np.linspace(0, -0.6, 601)

    def end(x, z):
        places = np.stack([np.full(601, x), depths, np.full(601, z)], 1).astype(np.float32)
        opacity = ending(places, places)
        assert (np.diff(opacity) <= 1e-6).all() and opacity[0] == 1 and opacity[-1] == 0
        return -depths[np.argmax(opacity < 0.5)]

    assert end(0.0, 0.15) > end(0.3, 0.15) > end(0.5, 0.15) > 0.2
    assert end(0.0, 0.15) > end(0.0, -0.2) > 0.2


def test_skin_in_light_and_in_shadow_is_told_from_clothes():
    typical = np.array([0.8, 0.6, 0.5])
    like = np.array([typical, 0.6 * typical, (0.4, 0.22, 0.15)], np.float32)
    unlike = np.array([(0.9, 0.9, 0.92), (0.1, 0.1, 0.3), (0.05, 0.05, 0.05), (0.3, 0.3, 0.28)], np.float32)
    assert unlike_skin(like, typical).max() < 0.05
    assert unlike_skin(unlike, typical).min() > 0.95


def test_shoulders_wear_clothes_of_their_own_colour_and_a_neck_stays_bare():
    skin, cloth = np.array([0.8, 0.6, 0.5]), np.array([0.1, 0.1, 0.3])
    places = np.array([[0.4, -0.35, 0], [0, -0.22, -0.1], [0.4, -0.35, 0]], np.float32)
    share = np.array([[0.5], [0.4], [0.0]])
    colours = parted(np.tile(skin, (3, 1)), skin + share * (cloth - skin), share, places)
    assert np.allclose(colours[0], cloth, atol=1e-6)
    assert np.allclose(colours[1:], skin, atol=1e-6)


def test_a_mesh_is_drawn_in_to_the_arc_and_closed_and_the_rest_stays():
    angle, depth = np.meshgrid(np.linspace(0, 2 * np.pi, 60), np.linspace(0.3, -0.62, 93))
    places = (
        np.stack([0.3 * np.sin(angle), depth, 0.15 * np.cos(angle)], -1).astype(np.float32).reshape(-1, 3)
    )
    drawn = rounded(places)
    opacity = ending(places, np.zeros_like(places))
    assert np.array_equal(drawn[opacity > 0.6], places[opacity > 0.6])
    assert np.abs(ending(drawn, np.zeros_like(places))[opacity < 0.4] - 0.5).max() < 0.06
    lowest = drawn.reshape(93, 60, 3)[-1]
    assert np.ptp(lowest[:, 2]) < 0.02  # front and back meet
