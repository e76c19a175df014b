"""A stroke of colour is met where it lies, colours the part it lies on, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from inversion_core.cli import facet
from inversion_core.colour_strokes import ColourStroke, brush, coloured
from inversion_core.dyed import dyed
from inversion_core.errors import BadInput, ProjectUnreadable, UsageError
from inversion_core.landmark_tables import LEFT_IRIS, RIGHT_IRIS
from inversion_core.project import Project, load_project, save_project
from inversion_core.tints import PARTS, Tinted, without_holes

LOWER_LIP, CHEEK = 17, 50
SIZE = 256


def _places(inversion, *points):
    return tuple((float(x), float(y)) for x, y in inversion.portrait.landmarks[list(points), :2])


def _shown(model, inversion, moves=None):
    return model.edit(inversion, moves or {}).view(inversion.portrait.camera, SIZE, 2).rgb


def _at(picture, place, reach=2):
    x, y = (int(value * SIZE) for value in place)
    return picture[y - reach : y + reach + 1, x - reach : x + reach + 1].mean((0, 1))


@pytest.fixture(scope="module")
def red_lips(model, inversion):
    stroke = ColourStroke(_places(inversion, 84, LOWER_LIP, 314), 0.012, (0.62, 0.1, 0.16))
    return coloured(model, inversion, {}, inversion.portrait.camera, stroke)


@pytest.fixture(scope="module")
def tanned(model, inversion):
    stroke = ColourStroke(_places(inversion, CHEEK), 0.03, (0.62, 0.43, 0.31))
    return coloured(model, inversion, {}, inversion.portrait.camera, stroke)


def test_a_brush_is_round_along_its_stroke():
    grid = np.array([[0.5, 0.5], [0.6, 0.5], [0.55, 0.52], [0.65, 0.5]])
    away = brush(ColourStroke(((0.5, 0.5), (0.6, 0.5)), 0.02, (0, 0, 0)), grid)
    assert np.allclose(away, [0, 0, 1, 2.5])
    assert np.allclose(brush(ColourStroke(((0.5, 0.5),), 0.1, (0, 0, 0)), grid)[1], 1)


def test_a_stroke_on_the_lower_lip_colours_both_lips_alone(model, inversion, red_lips):
    found, part = red_lips
    assert part == "lips"
    before, after = _shown(model, inversion), _shown(model, found)
    for place in _places(inversion, LOWER_LIP):
        lower = _at(after, (place[0], place[1] - 0.012))
        assert lower[0] > 2.2 * lower[1], lower
    (x, y), (_, inner) = _places(inversion, 0, 13)
    upper = (x, (y + inner) / 2)
    assert _at(after, upper, 1)[1] < 0.6 * _at(before, upper, 1)[1]
    for place in _places(inversion, CHEEK, RIGHT_IRIS, LEFT_IRIS):
        assert np.abs(_at(after, place) - _at(before, place)).max() < 0.01


def test_a_stroke_of_skin_tans_all_of_it_and_is_met(model, inversion, tanned):
    found, part = tanned
    assert part == "skin"
    before, after = _shown(model, inversion), _shown(model, found)
    here, there = _places(inversion, CHEEK, 280)
    assert np.abs(_at(after, here, 3) - [0.62, 0.43, 0.31]).max() < 0.05
    assert _at(after, there)[2] < 0.75 * _at(before, there)[2]
    # Skins differ in this way by themselves: no tint of its own is needed for most of it.
    modes = model.skin_modes.logs.shape[1]
    place = modes + 3 * PARTS.index("skin")
    own = np.abs(found.colours[place : place + 3]).max()
    assert own < 0.2 < np.abs(found.colours[:modes]).max()
    for place in _places(inversion, RIGHT_IRIS, LEFT_IRIS):
        assert np.abs(_at(after, place, 1) - _at(before, place, 1)).max() < 0.02


def test_a_brow_is_told_from_the_skin_round_it(model, inversion):
    above, below = inversion.portrait.landmarks[[105, 52], :2].astype(float)
    stroke = ColourStroke((tuple(0.5 * (above + below)),), 0.008, (0.2, 0.12, 0.08))
    found, part = coloured(model, inversion, {}, inversion.portrait.camera, stroke)
    assert part == "brows"
    before, after = _shown(model, inversion), _shown(model, found)
    cheek = _places(inversion, CHEEK)[0]
    assert np.abs(_at(after, cheek) - _at(before, cheek)).max() < 0.01


def test_strokes_add_up_and_a_second_one_replaces_the_first(model, inversion, red_lips, tanned):
    camera, lips = inversion.portrait.camera, _places(inversion, 84, LOWER_LIP, 314)
    both, _ = coloured(model, tanned[0], {}, camera, ColourStroke(lips, 0.012, (0.62, 0.1, 0.16)))
    lip, skin = _at(_shown(model, both), lips[1], 1), _at(_shown(model, both), _places(inversion, CHEEK)[0])
    assert lip[0] > 2 * lip[1] and skin[2] < 0.4
    again, _ = coloured(model, red_lips[0], {}, camera, ColourStroke(lips, 0.012, (0.62, 0.1, 0.16)))
    assert np.allclose(again.colours, red_lips[0].colours, atol=0.05)


def test_hair_is_dyed_seen_and_unseen(model, inversion):
    camera = inversion.portrait.camera
    top = inversion.portrait.landmarks[10, :2] - [0, 0.07]
    stroke = ColourStroke((tuple(top.tolist()),), 0.03, (0.3, 0.1, 0.06))
    found, part = coloured(model, inversion, {}, camera, stroke)
    assert part == "hair"
    head = model.edit(found, {})
    assert head.inversion is found and head.detail is not inversion.detail
    assert np.abs(_at(_shown(model, found), top, 6) - stroke.colour).max() < 0.08
    assert head.detail.hair_texture.mean() < 0.6 * inversion.detail.hair_texture.mean()
    cheek = _places(inversion, CHEEK)[0]
    assert np.abs(_at(_shown(model, found), cheek) - _at(_shown(model, inversion), cheek)).max() < 0.01
    # What an edit needs of it is made once.
    assert model.edit(found, {"smile": 0.5}).detail is head.detail


def test_hair_of_its_own_colour_stays_as_it_is(model, inversion):
    kept = Tinted.of(model.template, inversion.detail, inversion.portrait.landmarks)
    same = dyed(inversion.detail, kept.hair, np.full(3, 1e-6, np.float32))
    assert np.abs(same.photo - inversion.detail.photo).max() < 0.02
    assert np.abs(same.hair_texture - inversion.detail.hair_texture).max() < 0.02


def test_gloss_in_the_midst_of_hair_is_hair_and_a_face_is_not(inversion):
    masks = np.zeros_like(inversion.detail.masks)
    masks[100:400, 100:400, 1] = 1
    masks[200:220, 150:170, 1] = 0.7
    masks[200:320, 250:350, 1] = 0
    whole = without_holes(replace(inversion.detail, masks=masks)).masks[..., 1]
    assert whole[210, 160] > 0.99 and whole[260, 300] == 0 and whole[50, 50] == 0


def test_gloss_of_the_skin_s_colour_is_dyed_deep_in_hair_and_skin_at_its_rim_is_not(inversion):
    detail = inversion.detail
    masks = np.zeros((512, 512, 2), np.float32)
    masks[..., 0], masks[:200, :, 1] = 1, 1
    photo = np.where(masks[..., 1:] > 0, detail.hair_colour, detail.skin_colour).astype(np.float32)
    photo[60:64] = photo[196:200] = detail.skin_colour
    share = np.zeros(len(detail.head.vertices), np.float32)
    dark = dyed(replace(detail, masks=masks, photo=photo), share, np.log([0.1, 0.1, 0.1]).astype(np.float32))
    assert np.abs(dark.photo[62] - photo[62]).mean() > 0.2
    assert np.abs(dark.photo[198] - photo[198]).mean() < 0.05


def test_parts_share_every_place(model, inversion):
    head, shell = Tinted.of(model.template, inversion.detail, inversion.portrait.landmarks).parts
    assert head.min() >= 0 and head.sum(1).max() < 1.01 and shell.sum(1).max(initial=0) < 1.01
    visible = model.template.part != 3
    assert (head.max(0) > 0.5)[[PARTS.index(p) for p in ("skin", "lips", "irises", "hair")]].all()
    assert visible.any()


def test_regions_that_are_kept_take_no_colour(model, inversion):
    keep = np.ones(len(model.template.part), np.float32)
    kept = replace(inversion, keep=keep)
    codes = np.full(model.skin_modes.codes, 0.0, np.float32)
    codes[:3] = 1.0
    plain = _shown(model, kept)
    assert np.abs(_shown(model, replace(kept, colours=codes)) - plain)[60:150, 80:170].max() < 0.01


def test_beside_the_head_there_is_nothing_to_paint(model, inversion):
    stroke = ColourStroke(((0.01, 0.01),), 0.01, (1, 0, 0))
    with pytest.raises(BadInput):
        coloured(model, inversion, {}, inversion.portrait.camera, stroke)


def test_a_project_keeps_colours_and_refuses_strange_ones(model, red_lips, tmp_path):
    save_project(Project(red_lips[0]), tmp_path / "red.facet", model)
    again = load_project(tmp_path / "red.facet", model).inversion
    assert np.array_equal(again.colours, red_lips[0].colours)
    assert np.abs(_shown(model, again) - _shown(model, red_lips[0])).max() < 0.01
    for strange in (red_lips[0].colours[:-1], red_lips[0].colours * np.nan):
        save_project(Project(replace(red_lips[0], colours=strange)), tmp_path / "strange.facet", model)
        with pytest.raises(ProjectUnreadable):
            load_project(tmp_path / "strange.facet", model)


def test_the_command_line_paints(model, inversion, project_file, tmp_path):
    out = tmp_path / "painted.facet"
    word = ":".join(f"{x:.3f},{y:.3f}" for x, y in _places(inversion, 84, LOWER_LIP, 314))
    command = ["edit", str(project_file), "-o", str(out)]
    result = CliRunner().invoke(facet, [*command, "--paint", f"{word}=#a02030", "--brush", "0.012"])
    assert result.exit_code == 0 and "lips" in result.output, result.output
    assert load_project(out, model).inversion.colours is not None
    for strange, error in (
        ("0.5,0.5", UsageError),
        ("a,b=red", UsageError),
        ("0.5,0.5=colourful", UsageError),
        ("0.01,0.01=red", BadInput),
    ):
        assert isinstance(CliRunner().invoke(facet, [*command, "--paint", strange]).exception, error)
