"""The graphics card's picture of a head against the core's own."""

from dataclasses import replace

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.metrics import psnr
from inversion_core.pipeline import edit, turntable_camera
from inversion_core.refine.layer import CHANNELS, Layer
from inversion_core.render import closeness, render

pytest.importorskip("moderngl", reason="moderngl is not installed")
LEAST_PSNR = 45.0


@pytest.fixture(scope="module")
def renderer(context):
    from inversion_core.gl.head import HeadRenderer

    with context:
        made = HeadRenderer(context)
    yield made
    with context:
        made.release()


@pytest.fixture(autouse=True)
def _current(context):
    """Other tests make contexts of their own, which are current then."""
    with context:
        yield


@pytest.fixture(scope="module")
def plain(inversion, model):
    return edit(inversion, {}, model)


def _likeness(one, other):
    return psnr(one, other, np.ones(one.shape[:2], np.float32))


def _empty():
    return Layer(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, CHANNELS), np.float32)
    )


@pytest.mark.parametrize(
    ("moves", "yaw"),
    [
        ({}, 0),
        ({}, 40),
        ({}, -75),
        ({"smile": 0.8, "age": 0.8}, 12),
        ({"blink": 1.0, "hair_lightness": 0.8}, -5),
    ],
    ids=["front", "turned", "profile", "smile and age", "lids and hair"],
)
def test_the_picture_is_the_renderers(renderer, inversion, model, moves, yaw):
    head = edit(inversion, moves, model)
    camera = turntable_camera(inversion, float(np.radians(yaw)), 0.05)
    wanted, drawn = render(head, camera, 192, 2), renderer.render(head, camera, 192, 2)
    assert _likeness(wanted.over(), drawn.over()) > LEAST_PSNR
    opaque = np.repeat(wanted.opacity[..., None], 3, 2), np.repeat(drawn.opacity[..., None], 3, 2)
    assert _likeness(*opaque) > LEAST_PSNR
    both = (wanted.depth > 0) & (drawn.depth > 0)
    assert both.sum() > 0.99 * (wanted.depth > 0).sum()
    assert np.quantile(np.abs(wanted.depth - drawn.depth)[both], 0.99) < 1e-4
    assert (wanted.normals * drawn.normals).sum(-1)[both].mean() > 0.999


@pytest.mark.parametrize("moves", [{}, {"smile": 1.0}], ids=["as it is", "edited"])
def test_the_photos_own_view_is_trusted_as_the_renderer_trusts_it(renderer, inversion, model, moves):
    head = edit(inversion, moves, model)
    # A little nearer: the shell's grid would meet the pixels' centres, and either side of a tie is right.
    photo = inversion.portrait.camera
    camera = Camera(photo.cam2world, photo.intrinsics * np.array([[1.07], [1.07], [1]], np.float32))
    assert closeness(head, camera) == 1
    wanted, drawn = render(head, camera, 192, 2), renderer.render(head, camera, 192, 2)
    assert _likeness(wanted.over(), drawn.over()) > LEAST_PSNR
    assert np.abs(wanted.opacity - drawn.opacity).mean() < 5e-4


def test_an_atlas_takes_the_photos_place_beside_it(renderer, plain):
    colours = np.random.default_rng(0).random((96, 96, 3), np.float32)
    head = replace(plain, detail=replace(plain.detail, atlas=colours))
    camera = Camera.orbit(0.6, 0.0)
    drawn = renderer.render(head, camera, 128, 2)
    assert _likeness(render(head, camera, 128, 2).over(), drawn.over()) > LEAST_PSNR
    assert _likeness(renderer.render(plain, camera, 128, 2).over(), drawn.over()) < 35


def test_layers_may_be_missing(renderer, plain):
    bald = replace(plain, hair=_empty(), shell=_empty(), hair_light=np.zeros((0, 3), np.float32))
    camera = Camera.orbit(0.3, 0.1)
    drawn = renderer.render(bald, camera, 128, 2)
    assert _likeness(render(bald, camera, 128, 2).over(), drawn.over()) > LEAST_PSNR
    with_hair = renderer.render(plain, camera, 128, 2)
    assert _likeness(render(plain, camera, 128, 2).over(), with_hair.over()) > LEAST_PSNR
    assert _likeness(drawn.over(), with_hair.over()) < 30


def test_only_what_changed_is_uploaded(renderer, inversion, model, plain):
    renderer.show(plain)
    assert renderer.show(plain) == 0
    first = renderer.show(edit(inversion, {"smile": 0.4}, model))
    repainted = renderer.show(edit(inversion, {"smile": 0.4, "age": 0.5}, model))
    moved = 3 * (plain.head.vertices.nbytes + plain.hair.vertices.nbytes + plain.shell.vertices.nbytes)
    # Where the form leaves the photo's, the weights do as well.
    assert (
        0 < first <= moved + plain.head.attributes.nbytes
        and 0 < repainted <= moved + plain.head.attributes.nbytes
    )


def test_a_wide_picture_shows_the_middle_of_the_square(renderer, plain):
    from inversion_core.gl.looks import GLLook, Shown

    renderer.show(plain)
    camera = Camera.orbit(0.2, 0.0)
    straight = Shown(GLLook.STRAIGHT, exact=True)

    def picture(size):
        colour = renderer.draw(camera, size, 1, straight).colours[0]
        return np.frombuffer(colour.read(), np.float32).reshape(size[1], size[0], 4)[::-1]

    square, wide, tall = (picture(size) for size in ((160, 160), (160, 100), (80, 160)))
    # The rasteriser snaps corners to parts of a pixel, and does so anew for each size of picture.
    assert np.mean(np.abs(square[30:130] - wide)) < 2e-3
    assert np.mean(np.abs(square[:, 40:120] - tall)) < 2e-3


@pytest.mark.parametrize("look", ["CLAY", "NORMALS", "DEPTH"])
def test_looks_are_those_of_the_window(renderer, plain, look):
    pictures = pytest.importorskip("app.pictures", reason="PySide6 is not installed")
    from inversion_core.gl.looks import GLLook, Shown

    renderer.show(plain)
    camera, light = Camera.orbit(0.3, 0.05), (-0.6, 0.5)
    lamp = (np.sin(light[0]) * np.cos(light[1]), np.sin(light[1]), np.cos(light[0]) * np.cos(light[1]))
    near, far = 2.7 - pictures.DEPTH_NEAR, 2.7 + pictures.DEPTH_FAR
    colour = renderer.draw(camera, (128, 128), 2, Shown(GLLook[look], lamp, (near, far))).colours[0]
    drawn = np.frombuffer(colour.read(), np.uint8).reshape(128, 128, 4)[::-1, :, :3] / 255
    image = pictures.picture(render(plain, camera, 128, 2), pictures.Look[look], light)
    alpha = pictures.pixels(image)[..., 3:] / 255
    wanted = pictures.pixels(image)[..., :3] / 255 * alpha
    assert _likeness(wanted.astype(np.float32), drawn.astype(np.float32)) > 35


def test_a_missing_shader_is_told_in_a_sentence(context, monkeypatch, tmp_path):
    from inversion_core.gl import programs
    from inversion_core.gl.context import NoOpenGL

    (tmp_path / "bad.frag").write_text("#version 330 core\nvoid main() { nonsense; }\n")
    (tmp_path / "good.vert").write_text("#version 330 core\nvoid main() { gl_Position = vec4(0.0); }\n")
    monkeypatch.setattr(programs, "SHADERS", tmp_path)
    with pytest.raises(NoOpenGL, match=r"absent\.frag is missing"):
        programs.program(context, "good.vert", "absent.frag")
    with pytest.raises(NoOpenGL, match=r"refuses the shader bad\.frag"):
        programs.program(context, "good.vert", "bad.frag")


def test_software_is_told_from_hardware():
    from inversion_core.gl.context import GLInfo

    assert GLInfo("llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa", "4.5").software
    assert GLInfo("GDI Generic", "Microsoft Corporation", "1.1").software
    assert not GLInfo("NVIDIA H200/PCIe/SSE2", "NVIDIA Corporation", "4.6").software
