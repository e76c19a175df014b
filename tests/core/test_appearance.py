"""Light and colour: spherical harmonics against arithmetic, and factors that go to the right places."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from inversion_core.appearance import colour_factors, estimate_light, hair_share, load_ageing, relit, sh_basis
from inversion_core.generators.template import SKIN, vertex_normals
from inversion_core.pipeline import edit
from inversion_core.refine.layer import COLOUR


def _directions(count=4000):
    normals = np.random.default_rng(0).standard_normal((count, 3)).astype(np.float32)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_harmonics_are_orthogonal_over_the_sphere():
    basis = sh_basis(_directions(200_000)).astype(np.float64)
    gram = basis.T @ basis / len(basis)
    scale = np.sqrt(np.diag(gram))
    off = gram / scale / scale[:, None] - np.eye(9)
    assert np.abs(off).max() < 0.02
    assert basis[:, 0].min() == basis[:, 0].max() == 1


def test_even_light_changes_nothing_and_turning_away_darkens():
    normals = _directions(100)
    even = np.eye(1, 9, dtype=np.float32)[0]
    assert np.allclose(relit(even, normals, normals[::-1]), 1)
    above = even.copy()
    above[1] = 0.5
    up, down = np.array([[0, 1, 0]], np.float32), np.array([[0, -1, 0]], np.float32)
    assert relit(above, up, up)[0, 0] == 1
    assert relit(above, up, down)[0, 0] == pytest.approx(0.72)  # 0.5 / 1.5, held at the lower bound
    assert relit(above, down, up)[0, 0] == pytest.approx(1.3)


def test_light_from_one_side_is_found(inversion, model):
    template, detail = model.template, inversion.detail
    normals = vertex_normals(detail.head.vertices, detail.head.faces)
    truth = np.zeros(9, np.float32)
    truth[[0, 1, 3]] = [1.0, 0.1, 0.3]
    attributes = detail.head.attributes.copy()
    attributes[:, 9:12] = 0.5 * (sh_basis(normals) @ truth)[:, None]
    layer = SimpleNamespace(vertices=detail.head.vertices, faces=detail.head.faces, attributes=attributes)
    found = estimate_light(template, SimpleNamespace(head=layer))
    assert found[0] == pytest.approx(1)
    assert found[3] == pytest.approx(0.3, abs=0.08)
    assert found[1] == pytest.approx(0.1, abs=0.08)


def test_without_enough_skin_the_light_is_even(inversion, model):
    detail = inversion.detail
    attributes = np.zeros_like(detail.head.attributes)
    layer = SimpleNamespace(vertices=detail.head.vertices, faces=detail.head.faces, attributes=attributes)
    assert estimate_light(model.template, SimpleNamespace(head=layer)).tolist() == [1] + [0] * 8


def test_an_ageing_atlas_is_read_the_right_way_up(model, tmp_path):
    import cv2

    template = model.template
    atlas = np.full((64, 64, 3), 128, np.uint8)
    atlas[:32] = (128, 128, 64)  # OpenCV's order: the upper half takes half the red away
    cv2.imwrite(str(tmp_path / "ageing.png"), atlas)
    ratio = load_ageing(tmp_path / "ageing.png", template)
    v = np.empty(len(template.part), np.float32)
    v[template.faces.ravel()] = template.uv[template.faces_uv.ravel(), 1]
    skin = template.part == SKIN
    assert np.allclose(ratio[skin & (v > 0.52)], [0.5, 1, 1])
    assert np.allclose(ratio[skin & (v < 0.48)], 1)
    assert np.allclose(ratio[~skin], 1)


def test_without_an_atlas_age_leaves_the_skin(model, tmp_path):
    assert (load_ageing(tmp_path / "none.png", model.template) == 1).all()


def test_no_moves_no_factors(inversion, model):
    factors = colour_factors(model.template, inversion.detail, model.ageing, {})
    assert all(np.allclose(factor, 1) for factor in factors)


def test_half_a_step_of_tone_twice_is_a_whole_one(inversion, model):
    half, *_ = colour_factors(model.template, inversion.detail, model.ageing, {"skin_tone": 0.5})
    whole, *_ = colour_factors(model.template, inversion.detail, model.ageing, {"skin_tone": 1.0})
    assert np.allclose(half * half, whole, atol=1e-4)
    assert (whole[model.template.part != SKIN] == 1).all()


def test_lightness_moves_hair_from_dark_to_light(inversion, model):
    means = [edit(inversion, {"hair_lightness": v}, model).hair_light.mean() for v in (-1, -0.5, 0, 0.5, 1)]
    assert (np.diff(means) > 0).all()


def test_age_bleaches_no_skin_that_is_bright_and_still_darkens_it(inversion, model):
    template, detail = model.template, inversion.detail
    lighter = np.full((len(template.part), 3), 1.2, np.float32)
    attributes = detail.head.attributes.copy()
    attributes[:, 14] = 1.0  # all of it seen
    lit = {}
    for level in (0.5, 1.0):
        photo = np.full_like(detail.photo, level)
        shown = replace(detail, photo=photo, head=replace(detail.head, attributes=attributes))
        bare = (template.part == SKIN) & (template.interior < 0.7) & (template.lips == 0)
        bare &= hair_share(template, shown) < 0.01
        assert bare.sum() > 1000
        lit[level] = colour_factors(template, shown, lighter, {"age": 1.0})[0][bare]
        darker = colour_factors(template, shown, 1 / lighter, {"age": 1.0})[0][bare]
        assert np.median(darker) == pytest.approx(1.2**-0.9, abs=0.01)
    assert lit[1.0].max() < 1.01
    assert np.median(lit[0.5]) == pytest.approx(1.2**0.9 / (1 + 0.5 * (1.2**0.9 - 1)), abs=0.01)


def test_lips_lose_their_red_with_age_and_skin_keeps_its_own(inversion, model):
    template, detail = model.template, inversion.detail
    attributes = detail.head.attributes.copy()
    attributes[template.lips > 0.8, COLOUR] = 0.7, 0.2, 0.2
    made_up = replace(detail, head=replace(detail.head, attributes=attributes))
    factors = colour_factors(template, made_up, np.ones((len(template.part), 3), np.float32), {"age": 1.0})[0]
    lips = factors[template.lips > 0.99]
    assert (lips[:, 0] < 0.95).all() and (lips[:, 1:] > 1.1).all()
    assert np.allclose(factors[template.scalp + template.lips == 0][:, 0], 1, atol=0.3)
