"""Assets to morphed heads: macro factors, detail sliders and expression units of MakeHuman's target system."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inversion_core.training.assets import EYE_HELPERS, HeadAssets

Recipe = Mapping[str, float]
"""Target name -> weight; a head is base + Σ weight · target."""

ETHNICITIES = ("african", "asian", "caucasian")


def macro_recipe(
    gender: float, age: float, ethnicity: tuple[float, float, float], muscle: float = 0.5, weight: float = 0.5
) -> dict[str, float]:
    """Weights of the macro targets.

    Args:
        gender: 0 female, 1 male.
        age: 0 … 1; 0.1875 is ten years, 0.5 is twenty-five, 1 is ninety.
        ethnicity: shares of african, asian, caucasian; they are normalised.
        muscle, weight: 0 … 1, 0.5 average.

    Source: MakeHuman, macro modifiers.
    """
    if age < 0.5:
        young = max(0.0, (age - 0.1875) * 3.2)
        ages = {
            "old": 0.0,
            "baby": max(0.0, 1 - age * 5.333),
            "young": young,
            "child": max(0.0, min(1.0, 5.333 * age) - young),
        }
    else:
        old = age * 2 - 1
        ages = {"old": old, "young": 1 - old, "child": 0.0, "baby": 0.0}

    def three(x: float, name: str) -> dict[str, float]:
        low, high = max(0.0, 1 - 2 * x), max(0.0, 2 * x - 1)
        return {f"max{name}": high, f"min{name}": low, f"average{name}": 1 - high - low}

    shares = np.asarray(ethnicity, np.float64) / np.sum(ethnicity)
    recipe: dict[str, float] = {}
    for sex, sex_weight in (("male", gender), ("female", 1 - gender)):
        for stage, stage_weight in ages.items():
            for name, share in zip(ETHNICITIES, shares, strict=True):
                recipe[f"macrodetails/{name}-{sex}-{stage}"] = sex_weight * stage_weight * share
            for muscles, muscle_weight in three(muscle, "muscle").items():
                for fat, fat_weight in three(weight, "weight").items():
                    key = f"macrodetails/universal-{sex}-{stage}-{muscles}-{fat}"
                    recipe[key] = sex_weight * stage_weight * muscle_weight * fat_weight
    return {name: float(value) for name, value in recipe.items() if value}


def expression_recipe(unit: str, strength: float, ethnicity=(1 / 3, 1 / 3, 1 / 3)) -> dict[str, float]:
    """Weights that carry one expression unit ("mouth-open") at ``strength`` 0 … 1."""
    return {
        f"expression/units/{name}/{unit}": float(share * strength)
        for name, share in zip(ETHNICITIES, ethnicity, strict=True)
    }


def morphed(assets: HeadAssets, recipe: Recipe) -> NDArray[np.float32]:
    """(19158, 3) base-mesh vertices in decimetres; unknown targets are an error (KeyError)."""
    vertices = assets.base.vertices.copy()
    for name, weight in recipe.items():
        index, offsets = assets.targets[name]
        vertices[index] += offsets * np.float32(weight)
    return vertices


def eye_centre(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3,) middle between the two eyeballs, the origin that heads are aligned on."""
    return 0.5 * (vertices[EYE_HELPERS["left"]].mean(0) + vertices[EYE_HELPERS["right"]].mean(0))


def random_identity(assets: HeadAssets, rng: np.random.Generator, spread: float = 0.26) -> dict[str, float]:
    """A plausible random head without expression.

    Left and right sliders share a value plus a little asymmetry, as on real faces.
    """
    gender = float(np.clip(rng.normal(rng.choice([0.12, 0.88]), 0.16), 0, 1))
    age = float(rng.uniform(0.42, 0.95) if rng.random() > 0.1 else rng.uniform(0.3, 0.42))
    ethnicity = tuple(rng.dirichlet([0.4] * 3))
    recipe = macro_recipe(
        gender, age, ethnicity, float(rng.uniform(0.3, 0.7)), float(np.clip(rng.normal(0.5, 0.2), 0.05, 0.98))
    )
    shared: dict[str, float] = {}
    for low, high in assets.modifiers:
        both = re.sub(r"/[lr]-", "/", high)
        if both not in shared:
            shared[both] = float(np.clip(rng.normal(0, spread), -0.8, 0.8)) if rng.random() < 0.7 else 0.0
        value = shared[both]
        if value and "/l-" in high:
            value += float(rng.normal(0, 0.05))
        if high.startswith("neck/") or any(
            part in high for part in ("head-age", "head-fat", "bag", "head-trans")
        ):
            value *= 0.4
        elif high.startswith("head/"):
            value *= 0.7
        if low is None:
            value = abs(value) * 0.5
        target = high if value >= 0 else low
        if value and target:
            recipe[target] = recipe.get(target, 0.0) + abs(value)
    return recipe
