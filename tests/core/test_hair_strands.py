"""Strands that are drawn where the photo shows no hair: like its own, and running down the head."""

import numpy as np
import pytest

from inversion_core.refine.hair_strands import HAIR_TEXTURE, strands, within

HEIGHT = 400
LEVEL = 345
"""Row from which on hair falls straight."""


def _photo(angle: float) -> np.ndarray:
    """Brown stripes, eight pixels wide, turned by an angle from upright."""
    y, x = np.mgrid[:512, :512]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / 8)
    return (np.array([0.4, 0.3, 0.2]) * (1 + 0.3 * wave[..., None])).astype(np.float32)


@pytest.fixture(scope="module")
def low():
    return np.broadcast_to(np.float32([0.4, 0.3, 0.2]), (HEIGHT, HAIR_TEXTURE[1], 3))


@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2])
def test_strands_run_down_the_head_however_they_lie_in_the_photo(low, angle):
    drawn = strands(_photo(angle), np.ones((512, 512), np.float32), low).mean(-1)[LEVEL:]
    across, down = np.abs(np.diff(drawn, axis=1)).mean(), np.abs(np.diff(drawn, axis=0)).mean()
    assert across > 3 * down


def test_hair_at_the_sides_is_combed_back(low):
    drawn = strands(_photo(0.0), np.ones((512, 512), np.float32), low).mean(-1)
    rows, quarter = slice(190, 230), HAIR_TEXTURE[1] // 4
    for middle, backward in ((quarter, -1), (3 * quarter, 1)):
        strip = drawn[:, middle - 100 : middle + 100]
        lower = drawn[rows.start + 12 : rows.stop + 12]
        alike = [
            np.corrcoef(strip[rows].ravel(), lower[:, middle - 100 + d : middle + 100 + d].ravel())[0, 1]
            for d in range(-16, 17)
        ]
        assert 3 <= (np.argmax(alike) - 16) * backward <= 12


def test_colour_and_contrast_are_the_photo_s(low):
    drawn = strands(_photo(0.3), np.ones((512, 512), np.float32), low)[150:]
    assert np.allclose(drawn.mean((0, 1)), low[0, 0], rtol=0.06)
    contrast = drawn.mean(-1).std() / drawn.mean()
    assert 0.5 < contrast / (0.3 / np.sqrt(2)) < 1.2


def test_nothing_is_drawn_from_too_little_hair(low):
    known = np.zeros((512, 512), np.float32)
    known[:8, :8] = 1
    assert np.array_equal(strands(_photo(0), known, low), low)


def test_hair_round_the_head_meets_itself(low):
    drawn = strands(_photo(0.2), np.ones((512, 512), np.float32), low).mean(-1)[150:]
    # The last cell of the grid repeats the first.
    assert np.abs(drawn[:, :8] - drawn[:, -8:]).max() < 0.02


def test_blurs_keep_out_what_is_not_known():
    values = np.where(np.arange(64) < 32, 0.25, 9.0)[None].repeat(64, 0)
    assert np.allclose(within(values, values < 1, 4.0)[:, :32], 0.25, atol=1e-5)
