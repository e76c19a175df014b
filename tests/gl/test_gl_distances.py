"""Cached distances traced in a shader against the processor's own tracer."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.generators.distance_cache import DistanceCache
from inversion_core.metrics import psnr
from tests.core.distance_cases import ball, ball_field, ball_volume

pytest.importorskip("moderngl", reason="moderngl is not installed")
SIZE = 96


@pytest.fixture(scope="module")
def renderer(context):
    from inversion_core.gl.distances import DistancesRenderer

    with context:
        made = DistancesRenderer(context)
    yield made
    with context:
        made.release()


@pytest.fixture(autouse=True)
def _current(context):
    """Other tests make contexts of their own, which are current then."""
    with context:
        yield


def _rippled(places):
    return ball(places) + 0.01 * np.sin(25 * places).sum(-1)


def _likeness(one, other):
    return psnr(one, other, np.ones(one.shape[:2], np.float32))


@pytest.mark.parametrize("beta", [1e-4, 0.004, 0.05], ids=["hard", "soft", "fog"])
@pytest.mark.parametrize(
    "camera",
    [Camera.orbit(0.3, 0.1), Camera.orbit(-2.0, 0.4, 1.9), Camera.orbit(0.1, 0.0, pivot=(0.1, 0.05, 0.0))],
    ids=["front", "near", "aside"],
)
def test_the_picture_is_the_processors(renderer, beta, camera):
    volume = ball_volume(beta, distance=_rippled)
    wanted, drawn = volume.view(camera, SIZE, 2), renderer.render(volume, camera, SIZE, 2)
    assert _likeness(wanted.over(), drawn.over()) > 40
    assert np.abs(wanted.opacity - drawn.opacity).mean() < 1e-3
    both = (wanted.opacity == 1) & (drawn.opacity == 1)
    assert both.sum() > 0.1 * SIZE**2
    assert np.abs(wanted.depth - drawn.depth)[both].mean() < 1e-3
    assert (wanted.normals * drawn.normals).sum(-1)[both].mean() > 0.999


def test_an_empty_field_shows_nothing(renderer):
    empty = ball_volume(distance=lambda places: np.full(places.shape[:-1], 0.3))
    drawn = renderer.render(empty, Camera.orbit(0.0, 0.0), SIZE)
    assert not drawn.opacity.any() and not drawn.depth.any() and not drawn.normals.any()


def test_finer_grids_take_the_coarser_ones_place(renderer):
    coarse, fine = ball_volume(cells=16), ball_volume(cells=64)
    camera = Camera.orbit(0.2, 0.1)
    assert renderer.show(coarse) == 17**3 * 8 and renderer.show(coarse) == 0
    assert renderer.show(fine) == 65**3 * 8
    assert _likeness(fine.view(camera, SIZE).over(), renderer.render(fine, camera, SIZE).over()) > 40


def test_a_wide_picture_shows_the_middle_of_the_square(renderer):
    from inversion_core.gl.looks import GLLook, Shown

    renderer.show(ball_volume(0.004))
    straight, camera = Shown(GLLook.STRAIGHT, exact=True), Camera.orbit(0.2, 0.0)

    def picture(size):
        colour = renderer.draw(camera, size, 1, straight).colours[0]
        return np.frombuffer(colour.read(), np.float32).reshape(size[1], size[0], 4)[::-1]

    square, wide = picture((96, 96)), picture((96, 60))
    assert np.abs(square[18:78] - wide).max() < 1e-3


@pytest.mark.parametrize("look", ["CLAY", "NORMALS", "DEPTH"])
def test_looks_are_those_of_the_window(renderer, look):
    pictures = pytest.importorskip("app.pictures", reason="PySide6 is not installed")
    from inversion_core.gl.looks import GLLook, Shown

    volume, camera, light = ball_volume(0.004), Camera.orbit(0.3, 0.05), (-0.6, 0.5)
    renderer.show(volume)
    lamp = (np.sin(light[0]) * np.cos(light[1]), np.sin(light[1]), np.cos(light[0]) * np.cos(light[1]))
    near, far = 2.7 - pictures.DEPTH_NEAR, 2.7 + pictures.DEPTH_FAR
    colour = renderer.draw(camera, (SIZE, SIZE), 2, Shown(GLLook[look], lamp, (near, far))).colours[0]
    drawn = np.frombuffer(colour.read(), np.uint8).reshape(SIZE, SIZE, 4)[::-1, :, :3] / 255
    image = pictures.picture(volume.view(camera, SIZE, 2), pictures.Look[look], light)
    alpha = pictures.pixels(image)[..., 3:] / 255
    wanted = pictures.pixels(image)[..., :3] / 255 * alpha
    assert _likeness(wanted.astype(np.float32), drawn.astype(np.float32)) > 35


class _Traced:
    def __init__(self):
        self.cache = DistanceCache(ball_field(), levels=(12, 24))

    @property
    def distances(self):
        return self.cache


def test_both_tracers_are_timed_once_there_is_something_to_trace(context):
    from inversion_core.gl.measure import compared

    head, camera = _Traced(), Camera.orbit(0.0, 0.0)
    assert compared(head, camera, 32) is None
    head.cache.finished()
    ours, theirs = compared(head, camera, 32)
    assert ours > 0 and theirs > 0


def test_kinds_of_heads_are_told_without_asking_them(context):
    from inversion_core.gl.distances import DistancesRenderer
    from inversion_core.gl.kinds import is_surface, is_traced, is_volume, renderer_of

    class Unasked:
        @property
        def distances(self):
            raise AssertionError("asked")

    head = Unasked()
    assert is_traced(head) and not is_surface(head) and not is_volume(head)
    made = renderer_of(head, context)
    assert isinstance(made, DistancesRenderer)
    made.release()
