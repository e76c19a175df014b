"""Macro factors and recipes of the head model, without its assets."""

from types import SimpleNamespace

import numpy as np
import pytest

from inversion_core.training.head_model import (
    EYE_HELPERS,
    expression_recipe,
    eye_centre,
    macro_recipe,
    morphed,
    random_identity,
)


def _shares(recipe, kind):
    return {k.removeprefix("macrodetails/"): v for k, v in recipe.items() if (kind in k)}


def test_an_adult_of_one_kind_is_one_target():
    recipe = macro_recipe(0.0, 0.5, (0, 0, 1))
    assert recipe == {
        "macrodetails/caucasian-female-young": 1.0,
        "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
    }


@pytest.mark.parametrize("age", [0.0, 0.1, 0.1875, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("gender", [0.0, 0.3, 1.0])
def test_weights_of_each_family_sum_to_one(age, gender):
    recipe = macro_recipe(gender, age, (1, 2, 5), muscle=0.2, weight=0.9)
    assert all(v > 0 for v in recipe.values())
    universal = _shares(recipe, "universal")
    assert sum(universal.values()) == pytest.approx(1, abs=1e-3)
    assert sum(recipe.values()) - sum(universal.values()) == pytest.approx(1, abs=1e-3)


def test_ages_pass_through_their_stages():
    def stages(age):
        return {
            k.split("-")[-1]: v for k, v in _shares(macro_recipe(1.0, age, (0, 0, 1)), "caucasian").items()
        }

    assert stages(0.0) == {"baby": 1.0}
    assert stages(0.1875)["child"] == pytest.approx(1, abs=1e-3)
    assert stages(0.5) == {"young": 1.0}
    assert stages(0.75) == {"young": 0.5, "old": 0.5}
    assert stages(1.0) == {"old": 1.0}


def test_shares_of_ethnicities_are_normalised():
    recipe = macro_recipe(0.0, 0.5, (2, 0, 6))
    assert recipe["macrodetails/african-female-young"] == pytest.approx(0.25)
    assert recipe["macrodetails/caucasian-female-young"] == pytest.approx(0.75)


def test_an_expression_is_spread_over_the_kinds():
    recipe = expression_recipe("mouth-open", 0.6, (0.5, 0.25, 0.25))
    assert recipe["expression/units/african/mouth-open"] == pytest.approx(0.3)
    assert sum(recipe.values()) == pytest.approx(0.6)


def _assets():
    """A body of the real count of vertices with two targets."""
    base = SimpleNamespace(vertices=np.zeros((19158, 3), np.float32))
    base.vertices[EYE_HELPERS["left"]] = [0.3, 7, 1]
    base.vertices[EYE_HELPERS["right"]] = [-0.3, 7, 1]
    targets = {
        "a": (np.array([0, 2]), np.array([[1, 0, 0], [0, 2, 0]], np.float32)),
        "b": (np.array([2]), np.array([[0, 0, 4]], np.float32)),
    }
    modifiers = [("nose/l-low", "nose/l-high"), ("nose/r-low", "nose/r-high"), (None, "forehead/up")]
    return SimpleNamespace(base=base, targets=targets, modifiers=modifiers)


def test_morphing_adds_weighted_offsets_and_leaves_the_base():
    assets = _assets()
    vertices = morphed(assets, {"a": 0.5, "b": -1.0})
    assert vertices[0].tolist() == [0.5, 0, 0]
    assert vertices[2].tolist() == [0, 1, -4]
    assert (assets.base.vertices[:3] == 0).all()
    with pytest.raises(KeyError):
        morphed(assets, {"unknown": 1.0})


def test_heads_are_aligned_between_the_eyes():
    assert np.allclose(eye_centre(_assets().base.vertices), [0, 7, 1])


def test_random_heads_are_repeatable_and_nearly_symmetric():
    assets = _assets()
    assert random_identity(assets, np.random.default_rng(3)) == random_identity(
        assets, np.random.default_rng(3)
    )
    differences, values = [], []
    for seed in range(60):
        recipe = random_identity(assets, np.random.default_rng(seed))
        left = recipe.get("nose/l-high", 0) - recipe.get("nose/l-low", 0)
        right = recipe.get("nose/r-high", 0) - recipe.get("nose/r-low", 0)
        differences.append(left - right)
        values.append(right)
        assert all(weight > 0 for weight in recipe.values())
        assert recipe.get("forehead/up", 0) <= 0.4
    assert np.std(values) > 0.1
    assert np.std(differences) < 0.5 * np.std(values)
