"""Presets and random faces as plain functions."""

from __future__ import annotations

import pytest

from app.presets import Preset, applied, load_preset, randomised, save_preset
from inversion_core.edit import Slider
from inversion_core.errors import BadInput, OutputUnwritable

SLIDERS = (
    Slider("smile", "Smile", "expression", "", 0, 1),
    Slider("age", "Age", "character", "", -1, 1),
    Slider("odd", "Odd", "character", "", -1, 1, 0.5),
)


def test_strength_goes_from_the_default_to_the_preset():
    preset = Preset("p", {"smile": 0.8, "odd": -0.5, "unknown": 1.0})
    assert applied(preset, 0.0, {}, SLIDERS) == {"smile": 0.0, "odd": 0.5}
    assert applied(preset, 0.5, {"age": 0.1}, SLIDERS) == {"smile": 0.4, "odd": 0.0, "age": 0.1}
    assert applied(preset, 1.0, {"smile": 0.2}, SLIDERS, frozenset({"smile"})) == {"smile": 0.2, "odd": -0.5}


def test_random_faces_stay_in_range_repeat_by_seed_and_spare_what_is_locked():
    for seed in range(200):
        moves = randomised(0.5, {"smile": 0.9}, SLIDERS, frozenset({"smile"}), seed=seed)
        assert moves == randomised(0.5, {"smile": 0.9}, SLIDERS, frozenset({"smile"}), seed=seed)
        assert moves["smile"] == 0.9
        assert -0.5 <= moves["age"] <= 0.5
        assert 0.5 - 0.75 <= moves["odd"] <= 0.75
    assert set(randomised(1.0, {}, SLIDERS, groups=frozenset({"expression"}), seed=1)) == {"smile"}


def test_a_preset_survives_its_file(tmp_path):
    preset = Preset("Grün & froh", {"smile": 0.25})
    save_preset(preset, tmp_path / "p.facetpreset")
    assert load_preset(tmp_path / "p.facetpreset") == preset


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"facet_preset": 1}',
        b'{"facet_preset": 1, "name": "x", "moves": {"a": "b"}}',
    ],
)
def test_files_that_are_no_presets_are_refused(tmp_path, content):
    path = tmp_path / "p.facetpreset"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a Facet preset"):
        load_preset(path)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(OutputUnwritable):
        save_preset(Preset("p", {}), tmp_path / "missing" / "p.facetpreset")
