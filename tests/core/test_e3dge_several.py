"""Several photos of one person to one head of E3DGE."""

import numpy as np
import pytest
import torch
from stylesdf_cases import small_networks

from inversion_core.camera import Camera
from inversion_core.errors import ProjectUnreadable
from inversion_core.pipeline import invert
from inversion_core.portrait import Portrait
from inversion_core.refine.boundaries import Boundary
from inversion_core.refine.e3dge_several import LEAST, SeveralMaps, invert_several, view_shares
from inversion_core.stylesdf_model import StyleSDFModel
from inversion_core.task import finish


@pytest.fixture(scope="module")
def model():
    return small_networks()


@pytest.fixture(scope="module")
def photos():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1


def test_one_photo_is_as_before(model, photos):
    several = invert_several(model, photos[:1], 0.1, 0.0).render(0.3, -0.1)
    alone = model.invert(photos[:1], 0.1, 0.0).render(0.3, -0.1)
    for name in ("thumb", "features", "aligned", "image"):
        torch.testing.assert_close(several[name], alone[name], atol=1e-4, rtol=1e-4)


def test_the_same_photo_twice_says_no_more(model, photos):
    twice = invert_several(model, photos[[0, 0]], 0.1, 0.0)
    alone = model.invert(photos[:1], 0.1, 0.0)
    torch.testing.assert_close(twice.render(0.2)["image"], alone.render(0.2)["image"], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(twice.codes.renderer, alone.codes.renderer)


def test_codes_are_the_mean_and_residuals_are_of_them(model, photos):
    angles = torch.tensor([0.3, 0.0, -0.3])
    found = invert_several(model, photos, angles, 0.0)
    torch.testing.assert_close(found.codes.renderer[0], model.encode(photos).renderer.mean(0))
    assert len(found.codes.decoder) == 1 and len(found.views.residual) == 3
    thumb = model.generator.volume(found.codes, angles[2:], torch.zeros(1)).thumb
    expected = model.residual(found.views.image[2:], thumb)
    torch.testing.assert_close(found.views.residual[2:], expected, atol=1e-5, rtol=1e-4)


def test_nearer_photos_count_more():
    shares = view_shares(
        torch.tensor([0.0, 0.4, 0.4]), torch.tensor([0.0, 0.0, 0.3]), torch.zeros(1), torch.zeros(1)
    )
    assert float(shares.sum()) == pytest.approx(1) and shares[0] > shares[1] > shares[2]
    assert float(shares[0] / shares[1]) == pytest.approx(np.exp(8 * 0.4), rel=1e-4)


def test_a_point_takes_features_from_who_sees_it(model):
    from inversion_core.generators.stylesdf_renderer import calibrations, camera_poses

    angles = torch.tensor([np.pi / 2, -np.pi / 2], dtype=torch.float32)
    calibration = calibrations(camera_poses(angles, torch.zeros(2)), model.generator.settings.renderer.fov)
    features = torch.stack([torch.full((2, 4, 4), 1.0), torch.full((2, 4, 4), 5.0)])
    # A wall through the middle: either camera sees its own side.
    maps = SeveralMaps(features, calibration, torch.ones(2, 1, 4, 4), torch.tensor([0.5, 0.5]))
    points = torch.tensor([[[0.05, 0.0, 0.0], [-0.05, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    found = maps.at(points)[0, :, 0]
    expected = torch.tensor([(1 + 5 * LEAST) / (1 + LEAST), (5 + LEAST) / (1 + LEAST), 3.0])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert maps.covers(torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]])).tolist() == [[True, False]]


@pytest.fixture(scope="module")
def full(model):
    draws = np.random.default_rng(0)
    return StyleSDFModel(
        model, {"Smiling": Boundary(draws.normal(size=8).astype("f"), draws.normal(size=16).astype("f"))}
    )


def portrait(seed):
    picture = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8).repeat(64, 0).repeat(64, 1)
    nowhere = np.full((478, 3), np.nan, np.float32)
    person = np.ones((512, 512), np.float32)
    return Portrait(picture, Camera.orbit(0, 0), nowhere, person, b"", "x.png", 0, np.eye(2, 3, dtype="f"))


def test_a_model_takes_several_edits_them_and_keeps_them(full):
    first, second = portrait(1), portrait(2)
    inversion = finish(invert(first, full, [second]))
    assert inversion.others == (second,) and "2 photos" in inversion.method
    alone = finish(full.invert(first))
    camera = Camera.orbit(0.3, 0.1)
    views = [full.view(full.edit(i, {}), camera, 48).rgb for i in (inversion, alone)]
    assert np.abs(views[0] - views[1]).mean() > 1e-3
    smile = full.view(full.edit(inversion, {"Smiling": 1.0}), camera, 48).rgb
    assert np.abs(views[0] - smile).mean() > 1e-3
    arrays = full.pack(inversion)
    again = full.unpack(first, arrays)
    np.testing.assert_array_equal(full.view(full.edit(again, {}), camera, 48).rgb, views[0])
    assert finish(full.edit(inversion, {}).sculpt(16)).vertices.shape[1] == 3
    with pytest.raises(ProjectUnreadable, match="elev"):
        full.unpack(first, {**arrays, "elev": np.zeros(3, np.float32)})
