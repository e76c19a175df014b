"""The bundled model as a generator with codes: what its gradients say, its latent spaces, and descents on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inversion_core.camera import Camera
from inversion_core.generators.drawn_mesh import draw_mesh, projected
from inversion_core.generators.mesh_gradients import mesh_normals
from inversion_core.generators.template import vertex_normals
from inversion_core.optimise import distances, starts
from inversion_core.optimise.coded_heads import CodedHeads
from inversion_core.optimise.methods import METHODS
from inversion_core.optimise.point import Point
from inversion_core.optimise.problem import InversionProblem, Method, Stage, Target
from inversion_core.optimise.solve import solve
from inversion_core.task import finish

LABEL = torch.from_numpy(Camera.orbit(0.15, 0.05).label())


@pytest.fixture(scope="module")
def heads():
    return CodedHeads(size=64)


@pytest.fixture(scope="module")
def problem(heads):
    z = torch.randn(1, heads.z_dim, generator=torch.Generator().manual_seed(5))
    true = heads.mapped(z)
    picture = heads.picture(Point(ws=true), LABEL[None]).detach()

    def encoder(pictures, labels):
        return (0.5 * true).expand(len(pictures), heads.num_ws, -1) + 0.01 * pictures.mean()

    return InversionProblem(heads, Target(picture, torch.ones(1, 1, 64, 64), LABEL[None]), encoder)


def _tetrahedron():
    vertices = torch.tensor([[-0.2, -0.15, 0.0], [0.2, -0.15, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.2]])
    return vertices, torch.tensor([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])


def test_projection_is_the_cameras():
    vertices, _ = _tetrahedron()
    camera = Camera.orbit(0.3, -0.2)
    wanted = camera.project(vertices.numpy()) * [64, 64, 1]
    found = projected(vertices, torch.from_numpy(camera.label()), 64)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_normals_and_their_gradient():
    vertices, faces = _tetrahedron()
    wanted = vertex_normals(vertices.numpy(), faces.numpy())
    np.testing.assert_allclose(mesh_normals(vertices, faces).numpy(), wanted, atol=1e-6)
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))

    def value(shift):
        return float((mesh_normals(vertices + shift, faces) * weights).sum())

    moving = vertices.clone().requires_grad_(True)
    (mesh_normals(moving, faces) * weights).sum().backward()
    for corner, axis in ((0, 0), (1, 2), (3, 1)):
        step = torch.zeros(4, 3)
        step[corner, axis] = 1e-3
        slope = (value(step) - value(-step)) / 2e-3
        assert float(moving.grad[corner, axis]) == pytest.approx(slope, rel=0.02, abs=0.02)


def test_the_gradient_of_a_picture_knows_texture_and_outline():
    # The mean brightness of a bright shape over black grows with its area: the derivative is the outline's.
    vertices, faces = _tetrahedron()
    behind = torch.zeros(4)

    def mean(scale, colours):
        return draw_mesh(vertices * scale, colours, faces, LABEL, 256, 0.0, behind).mean()

    white = torch.ones(4, 3)
    scale = torch.tensor(1.0, requires_grad=True)
    mean(scale, white).backward()
    slope = float(mean(1.05, white) - mean(0.95, white)) / 0.1
    assert float(scale.grad) == pytest.approx(slope, rel=0.1)
    # Within the shape, colours slide over pixels as it turns.
    ramp = vertices[:, :1].expand(-1, 3) + 0.5
    shift = torch.zeros(3, requires_grad=True)
    centre = draw_mesh(vertices + shift, ramp, faces, LABEL, 64, 0.0, behind)[0, 32, 32]
    centre.backward()
    moved = [
        draw_mesh(vertices + torch.tensor([s, 0, 0]), ramp, faces, LABEL, 64, 0.0, behind)[0, 32, 32]
        for s in (0.004, -0.004)
    ]
    assert float(shift.grad[0]) == pytest.approx(float(moved[0] - moved[1]) / 0.008, rel=0.05)


def test_codes_are_a_heads_and_layers_apart(heads):
    z = torch.randn(2, heads.z_dim, generator=torch.Generator().manual_seed(1))
    ws = heads.mapped(z).expand(-1, heads.num_ws, -1)
    np.testing.assert_allclose(heads.mapped(3 * z), heads.mapped(z), atol=1e-5)
    found = heads.network.coefficients(ws)
    assert found.shape == (2, heads.channels())
    # An edit moves its own coefficient by what it says, and no other.
    for direction in heads.directions():
        change = heads.network.coefficients(ws + direction) - found
        largest = change[0].abs().argmax()
        change[:, largest] = 0
        assert change.abs().max() < 1e-4
    other = ws.clone()
    other[:, -1] = 0
    assert not torch.equal(heads.network.coefficients(other)[:, -12:], found[:, -12:])
    assert torch.equal(heads.network.coefficients(other)[:, :-12], found[:, :-12])


def test_a_finished_head_looks_as_its_picture_does(heads):
    point = Point(ws=heads.mapped(torch.randn(1, heads.z_dim, generator=torch.Generator().manual_seed(2))))
    camera = Camera.from_label(LABEL.numpy())
    drawn = (heads.picture(point, LABEL[None])[0].permute(1, 2, 0).numpy() + 1) / 2
    view = heads.head(point).view(camera, 64)
    np.testing.assert_allclose(view.over((1, 1, 1)), drawn, atol=1e-4)
    assert 2.2 < view.depth[view.opacity > 0].min() < 2.7
    smooth = heads.head(point).view(camera, 64, 2)
    assert np.abs(smooth.over((1, 1, 1)) - drawn).mean() < 0.02


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_runs_on_the_bundled_model(problem, method):
    short = replace(method, stages=tuple(replace(s, steps=2) for s in method.stages), restarts=1)
    solution = finish(solve(problem, short))
    assert np.isfinite(solution.loss) and solution.loss <= solution.curve[-1] + 1e-6
    head = problem.generator.head(solution.point, solution.resolution)
    assert head.view(Camera.orbit(0.0, 0.0), 32).opacity.max() == 1


def test_descents_come_nearer_the_wider_the_space(problem):
    strange = replace(problem.target, picture=problem.target.picture.flip(3))
    hard = replace(problem, target=strange)

    def run(start, moves, rate=0.05):
        stages = (Stage(starts.from_mean, ("ws",), 12, 0.05, distances=((distances.squared, 1.0),)),)
        if start is not None:
            stages += (Stage(start, moves, 12, rate, distances=((distances.squared, 1.0),)),)
        return finish(solve(hard, Method("probe", "", "", stages))).loss

    narrow = run(None, ())
    wide, tuned, free = (
        run(starts.widened, ("ws",)),
        run(starts.with_weights(), ("weights",), 0.01),
        run(starts.with_features, ("features",), 0.002),
    )
    assert wide < narrow and tuned < 0.8 * narrow and free < narrow
