"""The sample portrait's head in the template's topology."""

import numpy as np
import pytest

from inversion_core.geometry.template_mesh import ARKIT, sculpt_template
from inversion_core.pipeline import edit
from inversion_core.task import finish


@pytest.fixture(scope="module")
def mesh(inversion, model):
    morphs = {name: edit(inversion, {name: 1.0}, model) for name in ("smile", "frown")}
    return finish(sculpt_template(edit(inversion, {}, model), model.template, 256, morphs))


def test_every_head_has_the_same_skin_vertices(inversion, model, mesh):
    template = model.template
    pairs = template.faces.astype(np.int64) * len(template.uv) + template.faces_uv
    count = len(np.unique(pairs))
    wide = finish(sculpt_template(edit(inversion, {"face_width": 1.0}, model), template, 64))
    np.testing.assert_array_equal(mesh.uv[:count], wide.uv[:count])
    np.testing.assert_array_equal(mesh.faces[: len(template.faces)], wide.faces[: len(template.faces)])
    assert np.abs(mesh.vertices[:count] - wide.vertices[:count]).max() > 0.005


def test_arrays_fit_together(mesh):
    assert mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.vertices) - 1
    assert len(mesh.uv) == len(mesh.normals) == len(mesh.vertices)
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
    assert mesh.texture.shape == (384, 256, 3) and mesh.texture.dtype == np.uint8


@pytest.mark.parametrize("slider", ["smile", "frown"])
def test_a_slider_is_the_sum_of_its_targets(inversion, model, mesh, slider):
    head, moved = edit(inversion, {}, model), edit(inversion, {slider: 1.0}, model)
    plain = finish(sculpt_template(head, model.template, 64, {slider: moved}))
    total = sum(mesh.morphs[name] for name, _, _ in ARKIT[slider])
    wanted = finish(sculpt_template(moved, model.template, 64)).vertices
    np.testing.assert_allclose(plain.vertices + total, wanted, atol=1e-5)


def test_left_is_the_heads_own_left(mesh):
    movement = np.linalg.norm(mesh.morphs["mouthSmileLeft"], axis=1)
    assert mesh.vertices[movement.argmax(), 0] > 0
