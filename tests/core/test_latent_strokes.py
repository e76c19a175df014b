"""Strokes on the view of a loaded generator, here a tiny one: the codes move until the head obeys."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_goae import tiny_goae_folder

from inversion_core import latent_strokes
from inversion_core.camera import Camera
from inversion_core.cli import facet
from inversion_core.colour_strokes import ColourStroke
from inversion_core.errors import BadInput, UsageError
from inversion_core.image import from_signed
from inversion_core.latent_strokes import ShapeStroke, _wanted, obeying
from inversion_core.model import load_model
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.optimise.point import Point
from inversion_core.portrait import Portrait
from inversion_core.project import Project, load_project, save_project
from inversion_core.task import finish

MIDDLE = ColourStroke(((0.45, 0.5), (0.55, 0.5)), 0.08, (0.9, 0.1, 0.1))


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tiny_goae_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def small(model_folder):
    return load_model(model_folder, "cpu")


@pytest.fixture(scope="module")
def head(small):
    generator = CodedGenerator(small.generator)
    camera = Camera.orbit(0.1, 0.05)
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        image = from_signed(generator.picture(Point(z=z), small.label(camera))[0].numpy())
    image = cv2.resize(image, (512, 512))
    landmarks = np.random.default_rng(0).uniform(0.3, 0.7, (478, 3)).astype(np.float32)
    person, steps = np.ones(image.shape[:2], np.float32), np.eye(2, 3, dtype=np.float32)
    return finish(small.invert(Portrait(image, camera, landmarks, person, b"photo", "x.png", 0, steps)))


def _missed(small, inversion, wanted, label):
    generator = CodedGenerator(small.generator)
    with torch.no_grad():
        shown = generator.picture(Point(ws=inversion.detail.ws), label)
    picture, weight = wanted
    under = weight > 0.5 * weight.max()
    return float(((shown - picture).square() * under).sum() / under.sum() / 3)


def test_what_a_stroke_wants_is_its_colour_here_and_the_rest_as_it_is():
    shown = torch.linspace(-1, 1, 64 * 64).reshape(1, 1, 64, 64).expand(-1, 3, -1, -1)
    picture, weight = _wanted(shown, MIDDLE)
    assert torch.allclose(picture[0, :, 32, 32], torch.tensor([0.8, -0.8, -0.8]), atol=1e-5)
    assert torch.equal(picture[..., :20, :], shown[..., :20, :])
    assert float(weight[0, 0, 32, 32]) > 20 * float(weight[0, 0, 5, 5]) > 0


def test_a_pull_wants_the_place_moved_and_nothing_where_it_was():
    shown = torch.zeros(1, 3, 64, 64)
    shown[..., 30:34, 18:22] = 1
    picture, weight = _wanted(shown, ShapeStroke((20 / 64, 32 / 64), (44 / 64, 32 / 64)))
    assert float(picture[0, 0, 32, 44]) > 0.9
    assert float(weight[0, 0, 32, 44]) > 100 * float(weight[0, 0, 32, 20])


@pytest.mark.parametrize("stroke", [MIDDLE, ShapeStroke((0.5, 0.5), (0.56, 0.5))])
def test_the_head_obeys_further_with_every_stroke(small, head, stroke):
    camera = Camera.orbit(-0.2, 0.0)
    label = torch.from_numpy(camera.label())[None]
    with torch.no_grad():
        shown = CodedGenerator(small.generator).picture(Point(ws=head.detail.ws), label)
    wanted = _wanted(shown, stroke)
    found = finish(obeying(small, head, {}, camera, stroke, speed=12))
    assert _missed(small, found, wanted, label) < 0.98 * _missed(small, head, wanted, label)
    assert found.portrait.source == head.portrait.source and found.scores == head.scores
    # Colours leave the coarse layers, and so the shape, alone.
    still = torch.equal(found.detail.ws[:, 0], head.detail.ws[:, 0])
    assert still == isinstance(stroke, ColourStroke)


def test_a_stopped_stroke_keeps_the_best_and_projects_keep_it(small, head, tmp_path):
    steps = []
    task = obeying(small, head, {"age": 0.5}, head.portrait.camera, MIDDLE, enough=lambda: len(steps) > 3)
    found = finish(task, steps.append)
    assert len(steps) < 7 and not torch.equal(found.detail.ws, head.detail.ws)
    save_project(Project(found), tmp_path / "x.facet", small)
    again = load_project(tmp_path / "x.facet", small).inversion
    assert torch.allclose(again.detail.planes, found.detail.planes, atol=1e-5)


def test_outside_the_picture_there_is_nothing_to_obey(small, head):
    with pytest.raises(BadInput):
        next(obeying(small, head, {}, head.portrait.camera, ColourStroke(((2.0, 2.0),), 0.05, (1, 0, 0))))


@pytest.mark.slow
def test_the_command_line_takes_strokes_for_loaded_models(small, head, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(latent_strokes, "STEPS", 2)
    project, out = tmp_path / "x.facet", tmp_path / "y.facet"
    save_project(Project(head), project, small)
    call = ["edit", str(project), "-o", str(out), "--model", str(model_folder)]
    result = CliRunner().invoke(facet, [*call, "--paint", "0.5,0.5=red", "--drag", "0.5,0.5:0.55,0.5"])
    assert result.exit_code == 0, result.output
    assert not torch.equal(load_project(out, small).inversion.detail.ws, head.detail.ws)
    both = CliRunner().invoke(facet, [*call, "--both-sides", "--drag", "0.5,0.5:0.55,0.5"])
    assert isinstance(both.exception, UsageError)
