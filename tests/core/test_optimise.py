"""Inversion problems: operators, distances, latent spaces, the one loop, and every row of the table."""

from dataclasses import replace

import pytest
import torch

from inversion_core.camera import Camera
from inversion_core.errors import BadInput, UsageError
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.optimise import distances, operators, regularisers, starts
from inversion_core.optimise.coded import moved_label
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.optimise.methods import METHODS, method_named, ramped
from inversion_core.optimise.point import Point, released
from inversion_core.optimise.problem import InversionProblem, Method, Moment, Stage, Target
from inversion_core.optimise.solve import Best, solve
from inversion_core.task import finish
from tests.tiny_eg3d import TINY_EG3D


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(3)
    return CodedGenerator(TriPlaneGenerator(TINY_EG3D), samples=6)


@pytest.fixture(scope="module")
def problem(generator):
    label = torch.from_numpy(Camera.orbit(0.1, 0.0).label())[None]
    true = generator.mapped(torch.randn(1, 12, generator=torch.Generator().manual_seed(5)))
    picture = generator.picture(Point(ws=true), label).detach()
    mean = generator.statistics.mean

    def encoder(pictures, labels):
        # Half of the way from the mean to the truth, and dependent on the picture as a real encoder is.
        found = mean + 0.5 * (true - mean) + 0.01 * pictures.mean((1, 2, 3))[:, None, None]
        return found.expand(-1, generator.num_ws, -1)

    return InversionProblem(generator, Target(picture, torch.ones(1, 1, 128, 128), label), encoder)


def _gap(problem, point, resolution=16):
    guess = problem.generator.picture(point, problem.target.label, resolution)
    return float((guess - problem.target.picture).square().mean())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_comes_nearer_or_stays_and_gives_a_head(problem, method):
    # A few steps: the distance of the kept point never exceeds that of the first one of its stage.
    solution = finish(solve(problem, method, speed=30))
    assert len(solution.curve) >= len(method.stages)
    assert solution.loss <= solution.curve[-1] + 1e-6
    planes = problem.generator.planes(solution.point, solution.resolution)
    assert planes.shape == (1, 3, 4, 32, 32) and planes.isfinite().all()
    network = problem.generator.tuned(solution.point)
    tunes = bool(solution.point.weights or solution.point.noise)
    assert (network is problem.generator.network) != tunes


def test_a_wider_space_explains_a_strange_picture_better(problem):
    strange = replace(problem.target, picture=problem.target.picture.flip(3).clamp(-1, 1))
    hard = replace(problem, target=strange)

    def wide_mean(problem, before, draws):
        return starts.widened(problem, starts.from_mean(problem, before, draws), draws)

    def run(start, moves):
        stage = Stage(start, moves, 25, 0.05, distances=((distances.squared, 1.0),))
        return finish(solve(hard, Method("probe", "", "", (stage,)))).loss

    nothing, narrow, wide = run(starts.from_mean, ()), run(starts.from_mean, ("ws",)), run(wide_mean, ("ws",))
    pivot = Stage(starts.from_mean, ("ws",), 25, 0.05, distances=((distances.squared, 1.0),))
    tuned = Stage(starts.with_weights(), ("weights",), 15, 0.01, distances=((distances.squared, 1.0),))
    both = finish(solve(hard, Method("both", "", "", (pivot, tuned)))).loss
    assert both < narrow < nothing and wide < narrow


def test_stopping_keeps_the_best(problem):
    best = Best()
    task = solve(problem, method_named("w"), best)
    for _ in range(8):
        next(task)
    task.close()
    assert best.solution is not None
    assert best.solution.loss == pytest.approx(min(best.solution.curve))
    start = Point(ws=problem.generator.statistics.mean)
    assert _gap(problem, best.solution.point) < _gap(problem, start)


def test_the_same_seed_gives_the_same_answer(problem):
    first, second = (finish(solve(problem, method_named("stylegan2_projector"), speed=40)) for _ in range(2))
    assert first.curve == second.curve
    third = finish(solve(replace(problem, seed=9), method_named("stylegan2_projector"), speed=40))
    assert third.curve != first.curve


def test_tuning_leaves_the_generator_alone(problem):
    before = {k: v.clone() for k, v in problem.generator.network.state_dict().items()}
    solution = finish(solve(problem, method_named("pti"), speed=20))
    after = problem.generator.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    tuned = problem.generator.tuned(solution.point).state_dict()
    assert any(not torch.equal(before[name], tuned[name]) for name in before)


def test_only_the_named_layers_move(problem):
    start = Point(ws=problem.generator.statistics.mean.expand(1, problem.generator.num_ws, -1))
    point, leaves = released(start, ("ws",), slice(2, 4))
    problem.generator.picture(point, problem.target.label).mean().backward()
    moved = leaves[0].grad.abs().sum(2)[0] > 0
    assert moved[2:4].all() and not moved[:2].any() and not moved[4:].any()


def test_methods_that_encode_ask_for_an_encoder(problem):
    with pytest.raises(BadInput, match="encoder"):
        finish(solve(replace(problem, encoder=None), method_named("psp")))
    with pytest.raises(UsageError, match="nonsense"):
        method_named("nonsense")


def test_a_masked_picture_is_completed(problem):
    known = torch.ones(1, 1, 128, 128)
    known[..., :, 64:] = 0
    operator = operators.masked(known)
    target = Target(operator(problem.target.picture), known, problem.target.label, operator)
    solution = finish(solve(replace(problem, target=target), method_named("w"), speed=3))
    start = Point(ws=problem.generator.statistics.mean)
    # The half that nobody showed comes nearer, too.
    hidden = [
        float((problem.generator.picture(p, target.label) - problem.target.picture)[..., 64:].square().mean())
        for p in (start, solution.point)
    ]
    assert hidden[1] < hidden[0]


def test_operators_on_plain_pictures():
    picture = torch.full((1, 3, 16, 16), 0.5)
    picture[:, 1] = -0.5
    assert operators.grey(picture).flatten()[0] == pytest.approx(0.299 * 0.5 - 0.587 * 0.5 + 0.114 * 0.5)
    assert torch.equal(operators.identity(picture), picture)
    assert operators.downsampled(4)(picture).shape == (1, 3, 4, 4)
    torch.testing.assert_close(operators.blurred(2.0)(picture), picture)
    point = torch.zeros(1, 1, 31, 31)
    point[..., 15, 15] = 1
    spread = operators.blurred(2.0)(point)
    assert spread.sum() == pytest.approx(1.0, abs=1e-4)
    # Variance of a Gaussian of two pixels, cut at three deviations.
    at = torch.arange(31.0) - 15
    assert float((spread[0, 0].sum(0) * at**2).sum()) == pytest.approx(4.0, rel=0.05)
    assert operators.cropped(2, 3, 4, 5)(picture).shape == (1, 3, 4, 5)
    noise = operators.noisy(0.1, seed=1)
    assert torch.equal(noise(picture), noise(picture))
    assert float((noise(picture) - picture).std()) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    "distance",
    [
        distances.squared,
        distances.absolute,
        distances.gradients,
        distances.feature_pyramid,
        distances.structural,
    ],
)
def test_distances_are_zero_for_equals_and_ignore_what_weighs_nothing(distance):
    torch.manual_seed(0)
    a = torch.rand(1, 3, 32, 32) * 2 - 1
    weight = torch.ones(1, 1, 32, 32)
    assert float(distance(a, a, weight)) == pytest.approx(0, abs=1e-6)
    b = a + 0.2 * torch.randn_like(a)
    assert float(distance(a, b, weight)) > 0.005
    assert float(distance(a, a + 0.4 * (b - a), weight)) < float(distance(a, b, weight))
    if distance in (distances.squared, distances.absolute):
        weight[..., 16:] = 0
        c = a.clone()
        c[..., 16:] += 1
        assert float(distance(a, c, weight)) == 0


def test_a_turn_of_the_camera_keeps_its_distance():
    label = torch.from_numpy(Camera.orbit(0.2, 0.1).label())[None]
    torch.testing.assert_close(moved_label(label, torch.zeros(6)), label)
    moved = moved_label(label, torch.tensor([0.0, 0.1, 0.0, 0.0, 0.0, 0.0]))
    wanted = Camera.orbit(0.3, 0.1).label()
    torch.testing.assert_close(moved[0], torch.from_numpy(wanted), atol=1e-5, rtol=0)


def test_regularisers_against_closed_forms(problem):
    generator = problem.generator
    mean, statistics = generator.statistics.mean, generator.statistics
    z = torch.randn(512, 12, generator=torch.Generator().manual_seed(1))
    ws = generator.mapped(z)
    draws = torch.Generator().manual_seed(0)

    def moment(codes, **kinds):
        return Moment(problem, Point(**kinds), codes, problem.target.picture, Point(), 0.0, draws)

    # Whitened codes of the generator's own heads have unit variance, but for the directions that hardly vary.
    assert 0.3 < float(regularisers.near_mean(moment(ws))) <= 1.1
    assert float(regularisers.near_mean(moment(mean))) == pytest.approx(0, abs=1e-9)
    wide = mean.expand(1, 4, -1)
    assert float(regularisers.small_deltas(moment(wide))) == 0
    stepped = wide.clone()
    stepped[:, 1:, 0] += statistics.deviation
    assert float(regularisers.small_deltas(moment(stepped))) == pytest.approx(1.0, rel=1e-5)
    smooth, rough = torch.ones(16, 16), torch.randn(64, 64, generator=draws)
    low = float(regularisers.white_noise(moment(mean, noise={"a": rough})))
    high = float(regularisers.white_noise(moment(mean, noise={"a": smooth})))
    assert low < 0.05 < high == pytest.approx(4.0)
    z = torch.full((1, 12), 9.0)
    z[0, 0] = 0.5
    regularisers.clipped(problem, Point(z=z), draws)
    assert z[0, 0] == 0.5 and z.abs().max() <= regularisers.CLIP
    noise = {"a": 3 + 2 * torch.randn(16, 16, generator=draws)}
    regularisers.standardised_noise(problem, Point(noise=noise), draws)
    assert float(noise["a"].mean()) == pytest.approx(0, abs=1e-5)
    assert float(noise["a"].square().mean()) == pytest.approx(1, rel=1e-4)
    statistics = problem.generator.statistics
    away = problem.generator.mapped(torch.randn(1, 12, generator=draws)) - statistics.mean
    ws = torch.cat([statistics.mean + 0.01 * away, statistics.mean + 50 * away], 1)
    near, far = ws[:, 0].clone(), ws[:, 1] - statistics.mean[0]
    regularisers.truncated(problem, Point(ws=ws), draws)
    torch.testing.assert_close(ws[:, 0], near)
    length = ((ws[:, 1] - statistics.mean[0]) @ statistics.whitener).square().mean().sqrt()
    assert float(length) == pytest.approx(regularisers.TRUNCATION, rel=1e-4)
    assert float(torch.cosine_similarity(ws[:, 1] - statistics.mean[0], far)) == pytest.approx(1, abs=1e-5)


def test_the_projectors_schedule_rises_and_falls():
    assert ramped(0.0) < 0.05 and ramped(0.5) == 1 and ramped(0.999) < 0.01
