"""A pulled place of the surface goes where the hand leads it; the rest stays as far as the codes allow."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from inversion_core import pipeline
from inversion_core.cli import facet
from inversion_core.errors import BadInput, UsageError
from inversion_core.project import Project, load_project, save_project
from inversion_core.strokes import gripped, pulled

NOSE, CHEEK = 1, 280


@pytest.fixture(scope="module")
def head(model, inversion):
    return pipeline.edit(inversion, {"smile": 0.4}, model)


def _vertices(model, inversion):
    return pipeline.edit(inversion, {"smile": 0.4}, model).head.vertices


def test_the_surface_follows_the_hand(model, inversion, head):
    camera = inversion.portrait.camera
    start = tuple(inversion.portrait.landmarks[NOSE, :2].tolist())
    grip = gripped(model, head, camera, start)
    end = (start[0] + 0.01, start[1] - 0.03)
    found = pulled(model, grip, end)
    # The same triangle, found again by its corners, now lies under the hand.
    moved = _vertices(model, found)
    nearest = int(np.argmin(np.linalg.norm(head.head.vertices - grip.point[0], axis=1)))
    shift = (camera.project(moved) - camera.project(head.head.vertices))[nearest, :2]
    assert np.abs(shift - [0.01, -0.03]).max() < 0.003
    away = np.linalg.norm(head.head.vertices - grip.point[0], axis=1) > 0.25
    assert np.linalg.norm(moved - head.head.vertices, axis=1)[away].max() < 0.015
    assert inversion.latent.ws is not found.latent.ws


def test_no_pull_is_no_change_and_pulls_add_up_linearly(model, inversion, head):
    camera = inversion.portrait.camera
    grip = gripped(model, head, camera, tuple(inversion.portrait.landmarks[CHEEK, :2].tolist()))
    at = camera.project(grip.point.astype(np.float32))[0, :2].astype(np.float64)
    none, once, twice = (pulled(model, grip, tuple(at + shift)) for shift in (0.0, [0.01, 0], [0.02, 0]))
    assert np.allclose(none.latent.ws, inversion.latent.ws, atol=1e-6)
    first, second = (_vertices(model, x) - head.head.vertices for x in (once, twice))
    assert np.allclose(second, 2 * first, atol=2e-4)


def test_the_other_side_follows_only_when_asked(model, inversion, head):
    camera, template = inversion.portrait.camera, model.template
    start = tuple(inversion.portrait.landmarks[CHEEK, :2].tolist())
    other = None
    for symmetric in (False, True):
        grip = gripped(model, head, camera, start, symmetric=symmetric)
        nearest = int(np.argmin(np.linalg.norm(head.head.vertices - grip.point[0], axis=1)))
        moved = _vertices(model, pulled(model, grip, (start[0] + 0.03, start[1]))) - head.head.vertices
        own, mirrored = moved[nearest], moved[template.mirror[nearest]]
        other = mirrored
        if not symmetric:
            assert np.linalg.norm(mirrored) < 0.3 * np.linalg.norm(own)
    assert other[0] * own[0] < 0 and np.linalg.norm(other) > 0.6 * np.linalg.norm(own)


def test_lips_are_pulled_apart(model, inversion, head):
    """The upper lip's pull fades along the surface, not through the air to the lower one."""
    camera, template = inversion.portrait.camera, model.template
    start = (inversion.portrait.landmarks[0, :2] * 0.5 + inversion.portrait.landmarks[13, :2] * 0.5).tolist()
    grip = gripped(model, head, camera, tuple(start), reach=0.08)
    lower = template.landmark_vertices[14]
    upper = template.landmark_vertices[0]
    assert grip.swell[0, upper].max() > 0.5 and grip.swell[0, lower].max() < 0.3 * grip.swell[0, upper].max()


def test_beside_the_skin_there_is_nothing_to_hold(model, inversion, head):
    camera = inversion.portrait.camera
    for place in ((0.01, 0.01), (2.0, 0.5), tuple(inversion.portrait.landmarks[468, :2].tolist())):
        with pytest.raises(BadInput):
            gripped(model, head, camera, place)


def test_a_project_keeps_what_was_pulled(model, inversion, head, tmp_path):
    start = tuple(inversion.portrait.landmarks[NOSE, :2].tolist())
    grip = gripped(model, head, inversion.portrait.camera, start)
    found = pulled(model, grip, (start[0], start[1] - 0.03))
    save_project(Project(found), tmp_path / "pulled.facet", model)
    again = load_project(tmp_path / "pulled.facet", model).inversion
    assert np.allclose(_vertices(model, again), _vertices(model, found), atol=1e-6)


def test_the_command_line_pulls(model, project_file, tmp_path):
    command = ["edit", str(project_file), "--both-sides", "-o", str(tmp_path / "pulled.facet")]
    result = CliRunner().invoke(facet, [*command, "--drag", "0.42,0.62:0.40,0.62"])
    assert result.exit_code == 0, result.output
    before, after = (
        load_project(path, model).inversion for path in (project_file, tmp_path / "pulled.facet")
    )
    assert np.abs(_vertices(model, after) - _vertices(model, before)).max() > 0.005
    for word, error in (("0.4,0.6", UsageError), ("a,b:c,d", UsageError), ("0.01,0.01:0.2,0.2", BadInput)):
        assert isinstance(CliRunner().invoke(facet, [*command, "--drag", word]).exception, error)
