"""Restoring and refining by descent, on a tiny generator whose own heads are the photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_goae import tiny_goae_folder

from inversion_core.camera import Camera
from inversion_core.cli import facet
from inversion_core.errors import UsageError
from inversion_core.image import from_signed, to_signed
from inversion_core.model import load_model
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.optimise.point import Point
from inversion_core.optimise.solve import Best
from inversion_core.portrait import Portrait
from inversion_core.restore.descent import (
    Degradation,
    found_head,
    refined,
    restored_by_descent,
    restoring_target,
)
from inversion_core.task import finish


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tiny_goae_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def small(model_folder):
    return load_model(model_folder, "cpu")


@pytest.fixture(scope="module")
def truth(small):
    """The picture (S, S, 3) of a random head, and a portrait that shows it."""
    generator = CodedGenerator(small.generator)
    camera = Camera.orbit(0.1, 0.05)
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        picture = generator.picture(Point(z=z), small.label(camera))[0]
    image = from_signed(picture.numpy())
    landmarks = np.random.default_rng(0).uniform(0.3, 0.7, (478, 3)).astype(np.float32)
    person = np.ones(image.shape[:2], np.float32)
    return Portrait(image, camera, landmarks, person, b"", "x.png", 0, np.eye(2, 3, dtype=np.float32))


def test_the_operator_makes_of_the_truth_what_the_photo_shows(small, truth):
    generator, size = CodedGenerator(small.generator), len(truth.image)
    holes = np.zeros((size, size), bool)
    holes[: size // 2] = True
    target = restoring_target(small, truth, Degradation(grey=True, damaged=holes, scale=2))
    assert target.picture.shape == (1, 1, size // 2, size // 2)
    assert (
        target.picture[..., : size // 4, :].abs().max() == 0 and target.weight[..., : size // 2, :].max() == 0
    )
    whole = torch.from_numpy(to_signed(truth.image))[None]
    assert torch.allclose(target.operator(whole), target.picture, atol=1e-4)
    assert target.operator(
        generator.picture(Point(z=torch.zeros(1, generator.z_dim)), target.label)
    ).shape == (target.picture.shape)


@pytest.mark.slow
def test_a_descent_nears_what_is_known_and_keeps_the_best(small, truth):
    size = len(truth.image)
    holes = np.zeros((size, size), bool)
    holes[:, : size // 3] = True
    best, losses = Best(), []
    task = restored_by_descent(small, truth, Degradation(damaged=holes), "w", 12, best)
    for _ in task:
        if best.solution is not None:
            losses.append(best.solution.loss)
        if len(losses) == 8:
            break
    task.close()
    assert losses[-1] < losses[0]
    found = found_head(small, truth, best.solution, "w")
    again = small.unpack(found.portrait, {**small.pack(found)})
    assert torch.allclose(again.detail.planes, found.detail.planes, atol=1e-5) and found.method == "w"


@pytest.mark.slow
def test_refining_goes_on_from_the_codes(small, truth):
    first = finish(small.invert(truth))
    better = finish(refined(small, first, speed=8))
    assert better.scores["psnr"] > first.scores["psnr"] or better.scores["ssim"] > first.scores["ssim"]
    assert better.detail.ws.shape == first.detail.ws.shape
    steps = []
    early = finish(refined(small, first, enough=lambda: len(steps) > 2), steps.append)
    assert len(steps) < 6 and early.method == "refine"


def test_what_no_project_could_keep_is_refused(small, truth):
    for method in ("pti", "psp", "mganprior"):
        with pytest.raises(UsageError):
            next(restored_by_descent(small, truth, Degradation(), method))
    with pytest.raises(UsageError):
        next(restored_by_descent(small, truth, Degradation(scale=1000)))


def test_the_bundled_fit_has_converged_and_the_command_says_so(project_file, tmp_path):
    result = CliRunner().invoke(facet, ["refine", str(project_file), "-o", str(tmp_path / "x.facet")])
    assert isinstance(result.exception, UsageError) and "converged" in result.exception.what


@pytest.mark.parametrize(
    "words, option",
    [(("--noise", "9"), "--noise"), (("--grey", "--skin", "0.5"), "--skin"), (("--eyes", "blue"), "--eyes")],
)
def test_choices_that_a_descent_would_ignore_are_refused(model_folder, tmp_path, words, option):
    call = ["restore", "absent.png", "-o", str(tmp_path / "out"), "--model", str(model_folder), *words]
    error = CliRunner().invoke(facet, call).exception
    assert isinstance(error, UsageError) and option in error.what and not (tmp_path / "out").exists()
