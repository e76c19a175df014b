"""Slider moves are checked once, on the way in."""

import math

import pytest

from inversion_core.edit import Slider, checked_moves
from inversion_core.errors import UsageError

SLIDERS = (
    Slider("smile", "Smile", "expression", "Smiles.", 0, 1),
    Slider("width", "Width", "shape", "Widens.", -1, 1),
)


def test_defaults_are_left_out_and_values_kept():
    assert checked_moves({"smile": 0.5, "width": 0.0}, SLIDERS) == {"smile": 0.5}


def test_values_beyond_the_range_are_clipped_half_a_range_outside():
    assert checked_moves({"smile": 9, "width": -9}, SLIDERS) == {"smile": 1.5, "width": -2.0}
    assert checked_moves({"smile": -9}, SLIDERS) == {"smile": -0.5}


def test_unknown_sliders_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="smyle") as caught:
        checked_moves({"smyle": 1}, SLIDERS)
    assert "smile, width" in caught.value.hint


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(UsageError, match="smile"):
        checked_moves({"smile": value}, SLIDERS)
