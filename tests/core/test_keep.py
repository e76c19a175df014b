"""What is painted to be kept stays as in the photo under every edit, and in projects."""

from dataclasses import replace

import numpy as np
import pytest

from inversion_core import pipeline
from inversion_core.keep import brushed
from inversion_core.project import Project, load_project, save_project

MOVES = {"smile": 1.0, "jaw_width": 0.8, "skin_tone": 0.7, "blink": 1.0}


@pytest.fixture(scope="module")
def kept(model, inversion):
    """The sample head with its left eye kept, as the photo shows it."""
    head, camera = pipeline.edit(inversion, {}, model), inversion.portrait.camera
    eye = inversion.portrait.landmarks[473, :2]
    return replace(inversion, keep=brushed(head, None, camera, eye[None], 0.09))


def test_the_brush_is_soft_and_stays_in_front(model, inversion, kept):
    points = inversion.portrait.camera.project(inversion.detail.head.vertices)
    away = np.linalg.norm(points[:, :2] - inversion.portrait.landmarks[473, :2], axis=1)
    assert kept.keep[away > 0.095].max() == 0
    assert (
        np.median(kept.keep[(away < 0.03) & (model.template.interior == 0) & (model.template.part == 0)]) == 1
    )
    assert ((kept.keep > 0.1) & (kept.keep < 0.9)).sum() > 50
    # The back of the head lies under the brush, too.
    behind = inversion.detail.head.vertices[:, 2] < -0.1
    assert (away[behind] < 0.04).any() and kept.keep[behind].max() == 0


def test_kept_vertices_neither_move_nor_change_colour(model, inversion, kept):
    free, held = (pipeline.edit(x, MOVES, model) for x in (inversion, kept))
    rest = pipeline.edit(inversion, {}, model)
    there, elsewhere = kept.keep == 1, kept.keep == 0
    assert np.abs(held.head.vertices - rest.head.vertices)[there].max() < 1e-6
    assert (
        np.abs(held.light - 1)[there].max() < 0.05 and np.abs(held.light - free.light)[elsewhere].max() < 0.02
    )
    assert np.array_equal(held.head.attributes[there], rest.head.attributes[there])
    assert np.allclose(held.head.vertices[elsewhere], free.head.vertices[elsewhere])
    assert np.abs(free.head.vertices - rest.head.vertices)[there].max() > 0.003


def test_it_is_painted_free_again(model, inversion, kept):
    head, camera = pipeline.edit(inversion, {}, model), inversion.portrait.camera
    eye = inversion.portrait.landmarks[473, :2]
    nothing = brushed(head, kept.keep, camera, eye[None], 0.2, erase=True)
    assert nothing.max() < 0.02


def test_a_project_keeps_the_mask(model, kept, tmp_path):
    save_project(Project(kept), tmp_path / "kept.facet", model)
    assert np.array_equal(load_project(tmp_path / "kept.facet", model).inversion.keep, kept.keep)
