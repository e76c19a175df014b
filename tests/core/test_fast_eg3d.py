"""The fast pictures of a triplane against the exact ones."""

import numpy as np
import pytest
import torch

from inversion_core.camera import Camera
from inversion_core.generators import fast_rays
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.fast_eg3d import FastView
from inversion_core.generators.fast_rays import FastRays
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.samples import label_of
from inversion_core.volume import camera_rays

SMALL = {"z_dim": 8, "w_dim": 16, "plane_resolution": 16, "plane_channels": 8, "channel_base": 64}


def made(density=1.0, offset=0.0, **settings):
    torch.manual_seed(3)
    volume = settings.pop("volume", VolumeSettings(depth_resolution=12, depth_resolution_importance=10))
    generator = TriPlaneGenerator(EG3DSettings(**SMALL, channel_max=8, volume=volume, **settings)).eval()
    generator.requires_grad_(False)
    generator.decoder.net[2].weight[0] *= density
    generator.decoder.net[2].bias[0] += offset
    # Biases that are not zero, as those of trained modules.
    for name, parameter in generator.named_parameters():
        if name.endswith("bias") and "affine" not in name:
            parameter += 0.1 * torch.randn_like(parameter)
    return generator, torch.randn(1, 3, 8, 16, 16), torch.randn(1, generator.num_ws, 16)


CASES = {
    "dense": {},
    "mostly empty": {"density": 40.0, "offset": -20.0},
    "box limits": {"volume": VolumeSettings(1.0, None, None, 12, 10)},
    "white and disparity": {
        "volume": VolumeSettings(
            depth_resolution=9, depth_resolution_importance=7, disparity_space_sampling=True, white_back=True
        )
    },
    "one pass": {"volume": VolumeSettings(depth_resolution=16, depth_resolution_importance=0)},
}


@pytest.mark.parametrize("case", CASES)
def test_rays_are_those_of_the_plain_generator(case):
    generator, planes, ws = made(**dict(CASES[case]), superresolution="FacetSuperresolution2X")
    c = label_of(Camera.orbit(0.3, -0.2), generator)
    expected = generator.render_features(planes, c, neural_rendering_resolution=33)
    found = FastView(generator, planes, ws).features(c, 33)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-4)
    # Something is seen, and not the same everywhere.
    assert expected[2].max() > 0.1 and expected[0].std() > 0.01


@pytest.mark.parametrize("many", [1, 7, 64, 289, 1000])
def test_every_ray_is_taken_once(many):
    rays = fast_rays._neighbours(many)
    assert np.array_equal(np.sort(rays[rays >= 0]), np.arange(many))


def test_rays_that_are_no_picture_are_the_same_rays():
    generator, planes, _ = made()
    rays = FastRays(planes, generator.decoder, generator.settings.volume)
    c = label_of(Camera.orbit(0.3, -0.2), generator)
    origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:].reshape(-1, 3, 3), 12)
    whole = rays.render(origins[0], directions[0])[0]
    torch.testing.assert_close(rays.render(origins[0, 5:75], directions[0, 5:75])[0], whole[5:75])


@pytest.mark.parametrize(
    ("module", "side"), [("FacetSuperresolution2X", 64), ("SuperresolutionHybrid4X", 128)]
)
def test_pictures_are_those_of_the_plain_module(module, side):
    generator, planes, ws = made(superresolution=module)
    view = FastView(generator, planes, ws)
    for given in (side, side // 2):
        features = torch.rand(1, 8, given, given) * 2 - 1
        expected = generator.superresolution(features[:, :3].clone(), features.clone(), ws, "none")
        kept = features.clone()
        torch.testing.assert_close(view.picture(features), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features, kept)
    error = (view.picture(features, half=True) - expected).square().mean().item()
    assert 10 * np.log10(4 / error) > 40


def test_the_module_that_enlarges_twice():
    generator, planes, ws = made(superresolution="SuperresolutionHybrid8X")
    module = generator.superresolution
    features = torch.rand(1, 8, 128, 128) * 2 - 1
    expected = module(features[:, :3].clone(), features, ws, "none")
    torch.testing.assert_close(
        FastView(generator, planes, ws).picture(features), expected, atol=1e-4, rtol=1e-4
    )
