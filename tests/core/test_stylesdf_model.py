"""StyleSDF with E3DGE behind the interface that every model has."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from stylesdf_cases import small_networks

from inversion_core.camera import Camera
from inversion_core.checkpoints.stylesdf_folder import load_e3dge_folder, save_e3dge
from inversion_core.errors import CheckpointRefused, ProjectUnreadable
from inversion_core.geometry.signed_distance import frustum_mesh
from inversion_core.image import from_signed, to_float
from inversion_core.model import load_model
from inversion_core.portrait import Portrait
from inversion_core.project import Project, load_project, save_project
from inversion_core.refine.boundaries import Boundary
from inversion_core.stylesdf_model import StyleSDFModel, _placed
from inversion_core.task import finish


@pytest.fixture(scope="module")
def model():
    draws = np.random.default_rng(0)
    boundary = Boundary(draws.normal(size=8).astype("f"), draws.normal(size=16).astype("f"))
    return StyleSDFModel(small_networks(), {"Smiling": boundary})


@pytest.fixture(scope="module")
def portrait():
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8).repeat(64, 0).repeat(64, 1)
    nowhere = np.full((478, 3), np.nan, np.float32)
    person = np.ones((512, 512), np.float32)
    return Portrait(picture, Camera.orbit(0, 0), nowhere, person, b"", "x.png", 0, np.eye(2, 3, dtype="f"))


@pytest.fixture(scope="module")
def inversion(model, portrait):
    return finish(model.invert(portrait))


def test_the_photo_s_view_is_the_decoder_s_picture(model, inversion):
    head = model.edit(inversion, {})
    view = model.view(head, inversion.portrait.camera, 64)
    expected = to_float(from_signed(inversion.detail.render()["image"][0].numpy()))
    np.testing.assert_allclose(view.rgb, expected, atol=2e-2)
    assert {"psnr", "ssim"} == inversion.scores.keys() and inversion.method == "encoder"
    assert view.rgb.shape == (64, 64, 3) and view.depth.shape == view.opacity.shape == (64, 64)
    seen = view.depth[view.opacity > 0]
    assert seen.size == 0 or (seen.min() > 2.3 and seen.max() < 3.1)


def test_zoom_and_shift_move_the_picture():
    row = np.linspace(0, 1, 64, dtype=np.float32)
    picture = np.tile(row, (64, 1))
    np.testing.assert_allclose(_placed(picture, 64, (1.0, 0.5, 0.5), 1), picture, atol=1e-6)
    near = _placed(picture, 64, (2.0, 0.5, 0.5), 1)
    np.testing.assert_allclose(near[32], 0.5 + (row - 0.5) / 2, atol=1e-2)
    right = _placed(picture, 64, (1.0, 0.75, 0.5), 1)
    np.testing.assert_allclose(right[5, 16:], row[:48], atol=1e-6)
    assert _placed(picture, 32, (1.0, 0.5, 0.5), 1).shape == (32, 32)


def test_a_nearer_camera_shows_the_head_larger(model, inversion):
    head = model.edit(inversion, {})
    azim, elev = float(inversion.detail.azim[0]), float(inversion.detail.elev[0])
    far = model.view(head, Camera.orbit(azim, elev), 64).rgb
    near = model.view(head, Camera.orbit(azim, elev, radius=1.35), 64).rgb
    np.testing.assert_allclose(near[31:33, 31:33].mean((0, 1)), far[31:33, 31:33].mean((0, 1)), atol=0.1)
    assert np.abs(near - far).mean() > 1e-3


def test_sliders_move_the_head(model, inversion):
    assert [slider.name for slider in model.card.sliders] == ["Smiling"]
    still = model.view(model.edit(inversion, {}), Camera.orbit(0.2, 0.0), 64)
    moved = model.view(model.edit(inversion, {"Smiling": 1.5}), Camera.orbit(0.2, 0.0), 64)
    assert np.abs(still.rgb - moved.rgb).mean() > 1e-2


def test_mesh_is_in_the_units_of_other_models(model, inversion):
    head = model.edit(inversion, {})
    mesh = finish(model.sculpt(head, 24))
    own = frustum_mesh(model.e3dge.generator, inversion.detail.codes, 24)
    # Half of the crop's width, seen from 2.7 with EG3D's lens and from 1 with StyleSDF's.
    ratio = (0.5 * 2.7 / 4.2647) / np.tan(np.radians(6))
    np.testing.assert_allclose(mesh.vertices, own.vertices * ratio, rtol=1e-5)


def test_a_project_brings_the_inversion_back(model, portrait, inversion):
    arrays = model.pack(inversion)
    again = model.unpack(portrait, arrays)
    np.testing.assert_array_equal(again.latent.ws, inversion.latent.ws)
    assert again.scores == pytest.approx(inversion.scores, rel=1e-6)
    camera = Camera.orbit(-0.2, 0.1)
    ours, theirs = (model.view(model.edit(one, {}), camera, 48).rgb for one in (again, inversion))
    np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ProjectUnreadable, match="azim"):
        model.unpack(portrait, {**arrays, "azim": np.zeros(3, np.float32)})


def test_a_project_file_brings_the_inversion_back(model, portrait, inversion, tmp_path):
    photo = io.BytesIO()
    Image.fromarray(portrait.image).save(photo, "PNG")
    whole = replace(inversion, portrait=replace(inversion.portrait, source=photo.getvalue()))
    save_project(Project(whole, {"Smiling": 0.5}), tmp_path / "head.facet", model)
    again = load_project(tmp_path / "head.facet", model)
    assert dict(again.moves) == {"Smiling": 0.5}
    assert again.inversion.scores == pytest.approx(inversion.scores, rel=1e-6)
    # Pictures may be kept in half precision.
    np.testing.assert_allclose(again.inversion.latent.ws, inversion.latent.ws, atol=1e-2)


def test_a_model_folder_opens_as_the_same_model(model, portrait, inversion, tmp_path):
    save_e3dge(model.e3dge, model.boundaries, tmp_path / "mine", "mine", {"a.pt": "0"})
    opened = load_model(tmp_path / "mine", "cpu")
    assert opened.card.kind == "stylesdf" and opened.card.sliders == model.card.sliders
    again = finish(opened.invert(portrait))
    np.testing.assert_array_equal(again.latent.ws, inversion.latent.ws)
    ours, theirs = (m.edit(i, {"Smiling": 1.0}) for m, i in ((opened, again), (model, inversion)))
    assert torch.equal(ours.inversion.render()["image"], theirs.inversion.render()["image"])
    (tmp_path / "mine" / "local.safetensors").write_bytes(b"changed")
    with pytest.raises(CheckpointRefused, match="not the file"):
        load_e3dge_folder(tmp_path / "mine")
