"""Two people mixed: nothing at zero, the other's codes and colours at one, and kept in projects."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from inversion_core import cli, pipeline
from inversion_core.blend import blend_inversions
from inversion_core.camera import Camera
from inversion_core.errors import UsageError
from inversion_core.project import Project, load_project, save_project
from inversion_core.refine.layer import COLOUR


@pytest.fixture(scope="module")
def other(model, inversion):
    """A green person with another shape and smile."""
    green = np.float32([0.3, 1.0, 0.3])
    detail = inversion.detail
    attributes = detail.head.attributes.copy()
    attributes[:, COLOUR] *= green
    detail = replace(
        detail,
        photo=detail.photo * green,
        hair_texture=detail.hair_texture * green,
        head=replace(detail.head, attributes=attributes),
    )
    codes = inversion.latent.ws.copy()
    codes[: len(model.template.identity)] += 0.5
    codes[len(model.template.identity) :] = np.clip(codes[len(model.template.identity) :] + 0.2, 0, 1)
    return replace(inversion, detail=detail, latent=replace(inversion.latent, ws=codes))


def _mean(model, inversion, yaw=0.0):
    camera = pipeline.turntable_camera(inversion, yaw, 0.0)
    picture = pipeline.view(pipeline.edit(inversion, {}, model), camera, 96)
    return picture.rgb[picture.opacity > 0.9].mean(0)


def test_strengths_of_zero_change_nothing(model, inversion, other):
    same = blend_inversions(model, inversion, other, 0, 0, 0)
    assert np.array_equal(same.latent.ws, inversion.latent.ws)
    one, two = (pipeline.view(pipeline.edit(x, {}, model), x.portrait.camera, 64) for x in (same, inversion))
    assert np.array_equal(one.rgb, two.rgb)


def test_each_strength_moves_its_own(model, inversion, other):
    modes = len(model.template.identity)
    shaped = blend_inversions(model, inversion, other, 1, 0, 0)
    assert np.allclose(shaped.latent.ws[:modes], other.latent.ws[:modes])
    assert np.array_equal(shaped.latent.ws[modes:], inversion.latent.ws[modes:])
    smiling = blend_inversions(model, inversion, other, 0, 0, 0.5)
    halfway = (inversion.latent.ws[modes:] + other.latent.ws[modes:]) / 2
    assert np.allclose(smiling.latent.ws[modes:], halfway)
    assert np.array_equal(smiling.latent.ws[:modes], inversion.latent.ws[:modes])


def test_looks_go_over_step_by_step(model, inversion, other):
    for yaw in (0.0, 0.7):
        green = []
        for strength in (0.0, 0.25, 0.5, 1.0):
            colour = _mean(model, blend_inversions(model, inversion, other, 0, strength, 0), yaw)
            green.append(colour[1] / colour[0])
        assert (np.diff(green) > 0.03).all(), green
        assert green[-1] > 1.8 * green[0]
    mixed = blend_inversions(model, inversion, other, 0, 0.5, 0)
    again = blend_inversions(model, mixed, other, 0, 1.0, 0)
    assert again.blend.first is inversion and again.blend.pictures is mixed.blend.pictures


def test_looks_hardly_blur_the_first_one(model, inversion, other):
    camera = inversion.portrait.camera
    one = pipeline.view(pipeline.edit(inversion, {}, model), camera, 128)
    two = pipeline.view(
        pipeline.edit(blend_inversions(model, inversion, inversion, 0, 1, 0), {}, model), camera, 128
    )
    assert np.abs(one.over() - two.over()).mean() < 0.04


def test_a_project_keeps_both_people(model, inversion, other, tmp_path):
    mixed = blend_inversions(model, inversion, other, 0.3, 0.6, 0.2)
    save_project(Project(mixed), tmp_path / "mixed.facet", model)
    again = load_project(tmp_path / "mixed.facet", model).inversion
    blend = again.blend
    assert (blend.identity, blend.appearance, blend.expression) == (0.3, 0.6, 0.2)
    camera = Camera.orbit(0.3, 0.1)
    one, two = (pipeline.view(pipeline.edit(x, {}, model), camera, 96) for x in (mixed, again))
    assert np.abs(one.over() - two.over()).mean() < 0.005
    back = blend_inversions(model, again, blend.other, 0, 0, 0)
    assert np.allclose(back.latent.ws, inversion.latent.ws)


def test_the_command_mixes_projects(model, inversion, project_file, tmp_path):
    words = ["blend", str(project_file), str(project_file), "--identity", "0.4", "--appearance", "0"]
    result = CliRunner().invoke(cli.facet, [*words, "-o", str(tmp_path / "out.facet")])
    assert result.exit_code == 0, result.output
    assert load_project(tmp_path / "out.facet", model).inversion.blend.identity == 0.4


def test_strengths_out_of_range_are_refused(model, inversion):
    with pytest.raises(UsageError, match="identity"):
        blend_inversions(model, inversion, inversion, 1.2)
