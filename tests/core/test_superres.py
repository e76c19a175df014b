"""The super-resolution modules: layouts, sizes, and what they do to the raw picture."""

import pytest
import torch
import torch.nn.functional as F

from inversion_core.errors import UsageError
from inversion_core.generators.resample import upsample2d
from inversion_core.generators.superres import SHAPES, Superresolution

ENTRIES = {
    "SuperresolutionHybrid8XDC": (38, 1_649_578),
    "SuperresolutionHybrid8X": (39, 574_954),
    "SuperresolutionHybrid4X": (39, 574_954),
    "SuperresolutionHybrid2X": (39, 574_954),
    "SuperresolutionHybridDeepfp32": (39, 574_954),
}


def module(name, **options):
    torch.manual_seed(0)
    return Superresolution(SHAPES[name], features=8, w_dim=16, **options).eval().requires_grad_(False)


@pytest.mark.parametrize("name", ENTRIES)
def test_official_layout(name):
    with torch.device("meta"):
        network = Superresolution(SHAPES[name])
    parameters = sum(p.numel() for p in network.parameters())
    assert (len(network.state_dict()), parameters) == ENTRIES[name]
    side = SHAPES[name].img_resolution
    assert network.block1.conv1.noise_const.shape == (side, side)


@pytest.mark.parametrize("name", SHAPES)
def test_size_of_the_picture(name):
    shape = SHAPES[name]
    features = torch.randn(1, 8, 32, 32)
    image = module(name)(features[:, :3], features, torch.randn(1, 14, 16))
    assert image.shape == (1, 3, shape.img_resolution, shape.img_resolution)
    assert image.abs().max() <= 1024


def test_only_the_last_code_matters():
    network = module("SuperresolutionHybrid2X")
    features, ws = torch.randn(1, 8, 32, 32), torch.randn(1, 5, 16)
    other = torch.cat([torch.randn(1, 4, 16), ws[:, -1:]], dim=1)
    torch.testing.assert_close(
        network(features[:, :3], features, ws), network(features[:, :3], features, other)
    )


@pytest.mark.parametrize(
    ("name", "side", "changed"),
    [
        ("SuperresolutionHybrid2X", 64, True),
        ("SuperresolutionHybrid2X", 32, False),
        ("SuperresolutionHybrid4X", 128, True),
        ("SuperresolutionHybrid8X", 128, False),
    ],
)
def test_raw_picture_takes_block_0_where_nothing_was_resized(name, side, changed):
    network = module(name)
    features, ws = torch.randn(1, 8, side, side), torch.randn(1, 14, 16)
    rgb, before = features[:, :3], features.clone()
    network(rgb, features, ws)
    codes = ws[:, -1:].expand(-1, 3, -1)
    if changed:
        added = network.block0(before, torch.zeros_like(rgb), codes, "none")[1]
        torch.testing.assert_close(rgb, before[:, :3] + added)
    else:
        assert torch.equal(features, before)


def test_picture_is_the_sum_of_both_blocks():
    network = module("SuperresolutionHybrid4X", sr_num_fp16_res=0)
    features, ws = torch.randn(1, 8, 128, 128), torch.randn(1, 2, 16)
    codes = ws[:, -1:].expand(-1, 3, -1)
    x, rgb = network.block0(features.clone(), features[:, :3].clone(), codes, "none")
    image = network(features[:, :3].clone(), features, ws)
    x = network.block1.conv0(x, codes[:, 0], "none")
    x = network.block1.conv1(x, codes[:, 1], "none")
    expected = upsample2d(rgb, network.block1.resample_filter) + network.block1.torgb(x, codes[:, 2])
    torch.testing.assert_close(image, expected)


def test_reduced_features_are_smoothed_only_where_the_model_says_so():
    features, ws = torch.randn(1, 8, 128, 128), torch.randn(1, 2, 16)
    for antialias in (True, False):
        network = module("SuperresolutionHybrid2X", sr_antialias=antialias)
        small = F.interpolate(features, size=(64, 64), mode="bilinear", antialias=antialias)
        expected = network(small[:, :3].clone(), small, ws)
        torch.testing.assert_close(network(features[:, :3], features, ws), expected)


def test_too_many_rays_for_a_module_that_does_not_reduce():
    with pytest.raises(UsageError, match="128 x 128"):
        module("SuperresolutionHybrid4X")(
            torch.zeros(1, 3, 160, 160), torch.zeros(1, 8, 160, 160), torch.zeros(1, 2, 16)
        )


def test_activations_are_clamped_at_256_where_half_precision_was_trained():
    assert module("SuperresolutionHybrid2X").block0.conv0.conv_clamp == 256
    assert module("SuperresolutionHybrid2X", sr_num_fp16_res=0).block0.conv0.conv_clamp is None


def test_gradients_pass_where_the_picture_is_written_in_place():
    network = module("SuperresolutionHybrid2X")
    leaf = torch.randn(1, 8, 64, 64, requires_grad=True)
    features = leaf * 1.0
    rgb = features[:, :3]
    image = network(rgb, features, torch.randn(1, 2, 16))
    (image.square().mean() + rgb.square().mean()).backward()
    assert torch.isfinite(leaf.grad).all() and (leaf.grad != 0).float().mean() > 0.9
