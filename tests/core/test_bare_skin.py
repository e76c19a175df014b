"""Skin that goes on above the face: gloss and shading belong to it; hair, white or fair, does not."""

import numpy as np
import pytest

from inversion_core.bare_skin import bare_skin

SKIN = np.array([0.72, 0.50, 0.38], np.float32)
SIZE = 256
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float32)
HEAD = (COLUMNS - 128) ** 2 / 75**2 + (ROWS - 128) ** 2 / 110**2 < 1
FACE = HEAD & (ROWS > 90)
TOP = HEAD & (ROWS < 70)


def lit(colour) -> np.ndarray:
    """A head of one colour, lit from the left, with gloss on its forehead."""
    light = np.broadcast_to(np.asarray(colour, np.float32) ** 2.2, (SIZE, SIZE, 3)).copy()
    light *= (1.15 - COLUMNS / SIZE * 0.5)[..., None]
    gloss = np.exp(-((COLUMNS - 120) ** 2 + (ROWS - 60) ** 2) / (2 * 18**2))
    return np.clip(light + 0.25 * gloss[..., None], 0, 1) ** (1 / 2.2)


def found(picture) -> np.ndarray:
    return bare_skin(picture.astype(np.float32), FACE & (ROWS > 120), FACE, HEAD)


def test_a_bald_head_is_skin_up_to_its_top_gloss_and_all():
    assert found(lit(SKIN))[TOP].mean() > 0.95


@pytest.mark.parametrize(
    "hair", [(0.12, 0.09, 0.07), (0.86, 0.86, 0.87), (0.80, 0.60, 0.25)], ids=["dark", "white", "fair"]
)
def test_hair_is_not_skin(hair):
    picture = lit(SKIN)
    picture[ROWS < 70] = hair
    skin = found(picture)
    assert skin[TOP & (ROWS < 64)].mean() < 0.02
    assert skin[FACE & (ROWS > 95) & (ROWS < 200)].mean() > 0.9


def test_burnt_out_gloss_inside_is_skin_a_white_rim_is_not():
    picture = lit(SKIN)
    picture[(COLUMNS - 120) ** 2 + (ROWS - 60) ** 2 < 12**2] = 1.0
    picture[HEAD & ((COLUMNS - 128) ** 2 / 60**2 + (ROWS - 128) ** 2 / 95**2 > 1) & (ROWS < 110)] = 1.0
    skin = found(picture)
    assert skin[60, 120]
    assert not skin[22, 128]


def test_without_cheeks_nothing_is_claimed():
    none = np.zeros((SIZE, SIZE), bool)
    assert not bare_skin(lit(SKIN).astype(np.float32), none, none, HEAD).any()
