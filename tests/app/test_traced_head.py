"""Heads with cached distances in the viewport: what comes when, and what newer wishes leave undone."""

import time
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pytest

from app.drawing import Drawing
from app.engine import InversionCore
from app.frames import Frame, Request, Studio
from app.jobs import Rest
from app.pictures import Look, pixels
from inversion_core.camera import Camera
from inversion_core.generators.distance_cache import DistanceCache
from inversion_core.task import Progress
from tests.core.distance_cases import ball_field, ball_volume


class SlowHead:
    """A ball whose network's picture takes five steps, and is white."""

    def __init__(self):
        self.steps = 0

    @cached_property
    def distances(self):
        return DistanceCache(ball_field(), levels=(12, 24, 48))

    def prepared(self, camera):
        for step in range(5):
            self.steps += 1
            yield Progress(step, 5)

    def view(self, camera, size, samples=1):
        assert self.steps >= 5
        seen = ball_volume().view(camera, size, samples)
        seen.rgb[:] = 1
        return seen


class SlowEngine(InversionCore):
    def __init__(self):
        self.head = SlowHead()

    def edit(self, inversion, moves, model):
        return self.head if not moves else SlowHead()


@pytest.fixture
def studio():
    return Studio(SlowEngine())


@pytest.fixture
def request_for():
    inversion = SimpleNamespace()

    def made(yaw=0.0, **wishes):
        return Request(inversion, wishes.pop("moves", {}), None, Camera.orbit(yaw, 0.0), 96, **wishes)

    return made


def _driven(job):
    """What a job tells, in order, and its result."""
    told = []
    try:
        while True:
            told.append(next(job))
    except StopIteration as stop:
        return told, stop.value


def _previews(told):
    return [step.preview for step in told if not isinstance(step, Rest)]


def test_traced_pictures_come_first_and_the_networks_last(studio, request_for):
    told, frame = _driven(studio.frames(request_for()))
    previews = _previews(told)
    # The coarse grid, and each finer one; between any two steps newer wishes are heard.
    assert len(previews) >= 3 and not any(preview.final for preview in previews)
    assert isinstance(told[told.index(next(s for s in told if not isinstance(s, Rest))) - 1], Rest)
    first = pixels(previews[0].image)[..., :3]
    assert 20 < first[len(first) // 2, len(first) // 2].min() < 235
    assert frame.final and frame.image.width() == 96
    assert (pixels(frame.image)[48, 48] == 255).all()
    assert studio.engine.head.distances.volume.cells == 48
    assert sum(isinstance(step, Rest) for step in told) > 8


def test_a_newer_wish_finds_what_an_older_one_has_asked_for(studio, request_for):
    job = studio.frames(request_for())
    while not isinstance(next(job), Progress):
        pass
    cache = studio.engine.head.distances
    asked = cache.asked
    assert cache.volume.cells == 12
    job.close()
    told = studio.frames(request_for(0.4))
    assert isinstance(next(told), Progress) and cache.asked == asked
    assert studio.engine.head.steps == 0
    _, frame = _driven(told)
    assert frame.final and cache.asked < asked + 25**3 + 49**3


def test_the_viewport_traces_where_it_can(studio, request_for):
    told, frame = _driven(studio.frames(request_for(as_head=True)))
    previews = _previews(told)
    assert previews and all(p.drawn_by_viewport and p.head is studio.engine.head for p in previews)
    assert isinstance(frame, Frame) and frame.final and not frame.drawn_by_viewport


@pytest.mark.parametrize(("look", "steps"), [(Look.CLAY, 0), (Look.NORMALS, 0), (Look.RELIT, 5)])
def test_looks_and_the_head_before(studio, request_for, look, steps):
    """What shows only the surface needs no network."""
    request = request_for(moves={"Smiling": 1.0}, with_before=True, look=look)
    studio.engine.relit = lambda rendering, inversion, light: rendering
    told, frame = _driven(studio.frames(request))
    for shown in (_previews(told)[0], frame):
        one, other = pixels(shown.image), pixels(shown.before)
        assert one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 2
    assert studio.engine.head.steps == steps and frame.head is not None and frame.image.width() == 96


def test_a_hand_that_moves_faster_than_pictures_sees_pictures(qtbot, request_for):
    class Sluggish(SlowEngine):
        def edit(self, inversion, moves, model):
            return object()

        def view(self, head, camera, size, samples=1):
            time.sleep(0.03)
            return ball_volume(cells=8).view(camera, 8)

        def gl_draws(self, head, volumes):
            return False

    drawing, frames = Drawing(Sluggish()), []
    drawing.frame_ready.connect(frames.append)
    try:
        for n in range(60):
            drawing.ask(request_for(0.01 * n))
            qtbot.wait(8)
        assert len(frames) > 5 and len({frame.request.camera.angles for frame in frames}) > 5
        last = request_for(1.0)
        drawing.ask(last)
        qtbot.waitUntil(lambda: frames[-1].final and frames[-1].request is last, timeout=20_000)
        # Cancelled from elsewhere, the next wish is heard nonetheless.
        drawing.ask(request_for(0.5))
        drawing.ask(request_for(0.6))
        drawing.lane.cancel()
        drawing.ask(last)
        qtbot.waitUntil(lambda: frames[-1].final and frames[-1].request is last, timeout=20_000)
        assert drawing.lane.drain(5)
    finally:
        drawing.lane.close()
