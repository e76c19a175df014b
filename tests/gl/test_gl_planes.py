"""Triplanes marched in shaders against the model's own rays."""

import dataclasses

import numpy as np
import pytest
import torch

from inversion_core.camera import Camera
from inversion_core.eg3d_model import PlanesHead
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.metrics import psnr

pytest.importorskip("moderngl", reason="moderngl is not installed")

SIZE, CHANNELS, SIDE, RADIUS = 40, 8, 64, 0.3
SETTINGS = EG3DSettings(
    z_dim=16,
    w_dim=32,
    plane_resolution=SIDE,
    plane_channels=CHANNELS,
    channel_base=1024,
    channel_max=16,
    superresolution="SuperresolutionHybrid4X",
)
PIVOT = (0.0, 0.0, 0.2)


@pytest.fixture(autouse=True)
def _current(context):
    """Other tests make contexts of their own, which are current then."""
    with context:
        yield


@pytest.fixture(scope="module")
def renderer(context):
    from inversion_core.gl.planes import PlanesRenderer

    with context:
        made = PlanesRenderer(context, cells=24)
    yield made
    with context:
        made.release()


def _generator(**volume):
    torch.manual_seed(0)
    settings = dataclasses.replace(SETTINGS, volume=VolumeSettings(**volume))
    return TriPlaneGenerator(settings).eval()


@torch.no_grad()
def _random_head(dense=True, **volume):
    """A head of random weights: a thick fog, or one that hides what is behind it."""
    generator = _generator(**volume)
    if dense:
        generator.decoder.net[2].weight[0] *= 30
        generator.decoder.net[2].bias[0] += 42
    ws = generator.mapping(torch.randn(1, 16), torch.zeros(1, 25))
    return PlanesHead(generator, ws, generator.backbone_planes(ws))


@torch.no_grad()
def _ball(hardness=10, **volume):
    """A dense ball in empty space: the planes hold squares, whose sum one neuron compares with the radius'."""
    generator = _generator(**volume)
    axis = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    planes = torch.zeros(1, 3, CHANNELS, SIDE, SIDE)
    # Both from a number on downwards, so that the zeros outside the box are far from any surface.
    planes[0, 0, 0] = 0.2 - axis[None] ** 2 - axis[:, None] ** 2
    planes[0, 1, 0] = 0.2 - (axis**2)[:, None].expand(SIDE, SIDE)
    planes[0, :, 1:] = torch.randn(3, CHANNELS - 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    first, second = generator.decoder.net[0], generator.decoder.net[2]
    first.weight[0] = 0
    first.weight[0, 0] = 3 * 600 / first.weight_gain
    first.bias[0] = 600 * (RADIUS**2 - 0.4)
    second.weight[0] = 0
    second.weight[0, 0] = hardness / second.weight_gain
    second.bias[0] = -12
    return PlanesHead(generator, torch.zeros(1, generator.num_ws, 32), planes)


def _likeness(one, other):
    return psnr(one, other, np.ones(one.shape[:2], np.float32))


def _grey(values):
    return np.repeat(values[..., None], 3, 2)


@pytest.mark.parametrize(
    "head",
    [
        _random_head(),
        _random_head(dense=False),
        _random_head(ray_start=None, ray_end=None),
        _ball(),
        _ball(white_back=True),
    ],
    ids=["dense", "fog", "in the box", "ball", "on white"],
)
@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_the_picture_is_the_models(renderer, head, yaw):
    camera = Camera.orbit(yaw, 0.1, pivot=PIVOT)
    wanted, drawn = head.view(camera, SIZE), renderer.render(head, camera, SIZE)
    assert _likeness(wanted.rgb, drawn.rgb) > 40
    assert _likeness(_grey(wanted.opacity), _grey(drawn.opacity)) > 40
    solid = wanted.opacity > 0.99
    if solid.any():
        assert np.abs(wanted.depth - drawn.depth)[solid].mean() < 0.005


def test_the_ball_is_as_large_and_as_near_as_it_is(renderer):
    drawn = renderer.render(_ball(hardness=200), Camera.orbit(0.0, 0.0), 64)
    # Matter begins where 200 · softplus(600 (R² - r²)) - 12 reaches 1.
    radius = np.sqrt(RADIUS**2 - np.log(np.expm1(13 / 200)) / 600)
    assert drawn.depth[32, 32] == pytest.approx(2.7 - radius, abs=0.02) and drawn.opacity[32, 32] > 0.99
    # The silhouette of a ball at distance d is a disc of radius f · r / sqrt(d² - r²).
    disc = 4.2647 * radius / np.sqrt(2.7**2 - radius**2)
    assert drawn.opacity.mean() == pytest.approx(np.pi * disc**2, rel=0.03)


def test_empty_space_is_passed_over_without_a_trace(context, renderer):
    from inversion_core.gl.planes import PlanesRenderer

    head, camera = _ball(), Camera.orbit(0.4, 0.2)
    plain = PlanesRenderer(context, cells=0)
    assert _likeness(plain.render(head, camera, 64).rgb, renderer.render(head, camera, 64).rgb) > 60
    cells = np.frombuffer(renderer._held["cells.flat"].read(), np.float32)
    assert 0.3 < (cells < 5e-4).mean() < 0.9
    plain.release()


def test_planes_are_uploaded_once_a_head(renderer):
    first, second = _random_head(), _ball()
    assert renderer.show(first) >= first.planes.numel() * 2
    assert renderer.show(first) == 0
    assert renderer.show(second) > 0


def test_a_decoder_that_is_too_large_is_refused_in_a_sentence(renderer):
    from inversion_core.generators.triplane import OSGDecoder
    from inversion_core.gl.context import NoOpenGL

    head = _random_head()
    head.generator.decoder = OSGDecoder(CHANNELS, 8, hidden=1024)
    with pytest.raises(NoOpenGL, match="1024 neurons"):
        renderer.show(head)


def test_heads_get_the_renderer_of_their_kind(context, inversion, model):
    from inversion_core.gl import kinds
    from inversion_core.gl.head import HeadRenderer
    from inversion_core.gl.planes import PlanesRenderer

    marched, posed = _ball(), model.edit(inversion, {})
    assert kinds.is_volume(marched) and not kinds.is_surface(marched)
    assert kinds.is_surface(posed) and not kinds.is_volume(posed)
    for head, wanted in ((marched, PlanesRenderer), (posed, HeadRenderer)):
        made = kinds.renderer_of(head, context)
        assert type(made) is wanted
        made.release()


def test_more_rays_smooth_the_edge(renderer):
    camera = Camera.orbit(0.0, 0.0)
    one, four = (renderer.render(_ball(), camera, 32, samples).opacity for samples in (1, 3))
    edge = [((alpha > 0.1) & (alpha < 0.9)).sum() for alpha in (one, four)]
    assert edge[1] > edge[0]
    assert _likeness(_grey(one), _grey(four)) > 20
