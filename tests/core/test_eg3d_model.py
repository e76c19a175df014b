"""A converted EG3D/GOAE folder behaves as any model: invert, edit, view, sculpt, pack, unpack."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_goae import tiny_goae_folder

from inversion_core.camera import Camera
from inversion_core.checkpoints.load import save_generator
from inversion_core.directions import EditDirection, install_directions
from inversion_core.eg3d_model import EG3DModel
from inversion_core.errors import BadInput, ProjectUnreadable
from inversion_core.model import FaceModel, load_model, read_card
from inversion_core.portrait import Portrait
from inversion_core.task import finish


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_goae_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def model(folder) -> FaceModel:
    model = load_model(folder, "cpu")
    assert isinstance(model, EG3DModel)
    return model


@pytest.fixture(scope="module")
def portrait():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
    landmarks = np.concatenate([rng.uniform(0.3, 0.7, (478, 2)), np.zeros((478, 1))], 1).astype(np.float32)
    camera = Camera.orbit(0.2, 0.1, radius=2.5)
    person = np.ones((256, 256), np.float32)
    return Portrait(image, camera, landmarks, person, b"", "photo.png", 0, np.eye(2, 3, dtype=np.float32))


@pytest.fixture(scope="module")
def inversion(model, portrait):
    return finish(model.invert(portrait))


def test_card_is_one_that_every_model_has(folder):
    card = read_card(folder)
    assert (card.name, card.kind) == ("small", "goae") and card.title and card.licence
    assert [(s.name, s.minimum, s.maximum) for s in card.sliders] == [("age", -2, 2), ("glass", -1, 1)]


def test_directions_are_replaced_by_name(folder, tmp_path):
    torch.manual_seed(0)
    save_generator(EG3DModel(read_card(folder), folder).generator, tmp_path / "m", "m")
    first = EditDirection("a", np.zeros((10, 32), np.float32))
    install_directions(tmp_path / "m", [first, EditDirection("b", first.offsets)])
    sliders = install_directions(tmp_path / "m", [EditDirection("a", first.offsets + 1, -5, 5)])
    assert [(s.name, s.maximum) for s in sliders] == [("b", 1), ("a", 5)]
    model = EG3DModel(read_card(tmp_path / "m"), tmp_path / "m")
    assert model.directions[1].offsets.max() == 1


def test_camera_is_brought_to_the_training_sphere(model, portrait, inversion):
    camera = inversion.portrait.camera
    assert np.linalg.norm(camera.position) == pytest.approx(2.7, abs=1e-5)
    np.testing.assert_allclose(camera.cam2world[:3, :3], portrait.camera.cam2world[:3, :3], atol=1e-6)
    assert camera.intrinsics[0, 0] == pytest.approx(4.2647)


def test_inversion_has_a_latent_and_scores(inversion):
    assert inversion.latent.ws.shape == (10, 32) and inversion.latent.space == "w+"
    assert inversion.latent.generator == "small" and inversion.method == "encoder"
    assert set(inversion.scores) == {"psnr", "ssim"} and inversion.seconds > 0


def test_portraits_without_landmarks_are_taken(model, portrait):
    unknown = dataclasses.replace(portrait, landmarks=np.full((478, 3), np.nan, np.float32))
    assert np.isfinite(finish(model.invert(unknown)).scores["psnr"])


def test_views_do_not_run_the_backbone(model, inversion, monkeypatch):
    head = model.edit(inversion, {})
    monkeypatch.setattr(model.generator.backbone.synthesis, "run", None)
    for size in (48, 256, 200):
        view = model.view(head, inversion.portrait.camera, size)
        assert view.rgb.shape == (size, size, 3) and view.depth.shape == view.opacity.shape == (size, size)
        assert view.rgb.min() >= 0 and view.rgb.max() <= 1 and 0 <= view.opacity.min() <= 1
    centre = view.depth[100, 100]
    along = model.generator.render_features(head.planes, inversion.detail.c)[1][0, 0, 64, 64].item()
    assert centre == pytest.approx(along, abs=0.05)


def test_depth_is_measured_along_the_axis(model, inversion):
    head, camera = model.edit(inversion, {}), inversion.portrait.camera
    view = model.view(head, camera, 32)
    along = model.generator.render_features(head.planes, inversion.detail.c, neural_rendering_resolution=32)[
        1
    ]
    cosine = (camera.rays(32)[1] @ camera.cam2world[:3, 2]).reshape(32, 32)
    np.testing.assert_allclose(view.depth, along[0, 0].numpy() * cosine, rtol=3e-4)


def test_views_have_a_form(model, inversion):
    view = model.view(model.edit(inversion, {}), inversion.portrait.camera, 40)
    lengths = np.linalg.norm(view.normals, axis=2)
    assert view.normals.shape == (40, 40, 3) and np.median(lengths) == pytest.approx(1, abs=1e-5)
    towards = view.normals @ -inversion.portrait.camera.cam2world[:3, 2]
    assert np.median(towards[view.opacity > 0.9]) > 0


def test_a_generator_of_another_size_takes_the_same_portrait(model, portrait):
    large = dataclasses.replace(portrait, image=portrait.image.repeat(2, 0).repeat(2, 1))
    found, expected = finish(model.invert(large)), finish(model.invert(portrait))
    np.testing.assert_allclose(found.latent.ws, expected.latent.ws, atol=1e-5)


def test_edits_move_codes_and_planes(model, inversion):
    plain, aged = model.edit(inversion, {}), model.edit(inversion, {"age": 1.0})
    age, glass = (direction.offsets for direction in model.directions)
    np.testing.assert_allclose((aged.ws - plain.ws)[0].numpy(), age - 0.8 * glass, atol=1e-5)
    assert not torch.equal(aged.planes, plain.planes)
    assert torch.equal(model.edit(inversion, {"age": 0.0}).planes, plain.planes)


def test_projects_bring_everything_back(model, portrait, inversion):
    arrays = model.pack(inversion)
    again = model.unpack(portrait, arrays)
    torch.testing.assert_close(again.detail.planes, inversion.detail.planes)
    assert again.scores == pytest.approx(inversion.scores, rel=1e-5)
    moved, expected = model.edit(again, {"age": 1.0}), model.edit(inversion, {"age": 1.0})
    torch.testing.assert_close(moved.planes, expected.planes)
    for name in ("ws", "mask"):
        with pytest.raises(ProjectUnreadable, match=name):
            model.unpack(portrait, {key: value for key, value in arrays.items() if key != name})
    with pytest.raises(ProjectUnreadable, match="refined"):
        model.unpack(portrait, {**arrays, "refined": np.zeros((2, 2))})


def test_mesh_of_a_head(model, inversion):
    head = model.edit(inversion, {})
    grid = model.generator.density(head.planes, torch.rand(1, 4000, 3) - 0.5)
    assert grid.max() > 10 > grid.min()
    mesh = finish(model.sculpt(head, 32))
    assert len(mesh.faces) > 20 and np.abs(mesh.vertices).max() <= 0.5
    assert mesh.vertex_colours.shape == mesh.vertices.shape


def test_a_generator_alone_takes_no_photos(folder, model, portrait, tmp_path):
    save_generator(model.generator, tmp_path / "alone", "alone")
    alone = EG3DModel(read_card(tmp_path / "alone"), tmp_path / "alone")
    with pytest.raises(BadInput, match="no encoder"):
        finish(alone.invert(portrait))
