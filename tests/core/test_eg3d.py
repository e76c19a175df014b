"""The generator as a whole: planes, decoding, rays, draws, and what is computed when."""

import dataclasses

import numpy as np
import pytest
import torch
from official_pickles import tiny_generator

from inversion_core.camera import Camera
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.triplane import (
    Draws,
    OSGDecoder,
    VolumeSettings,
    draws,
    query,
    render_rays,
    sample_planes,
)
from inversion_core.volume import camera_rays, importance_depths, march

FEW = VolumeSettings(depth_resolution=12, depth_resolution_importance=12)


@pytest.fixture(scope="module")
def generator():
    return tiny_generator(superresolution="SuperresolutionHybrid2X", volume=FEW)


@pytest.fixture(scope="module")
def ws(generator):
    torch.manual_seed(1)
    return generator.mapping(torch.randn(2, 512), labels(), truncation_psi=0.7)


def labels():
    cameras = [Camera.orbit(0.2, 0.1, pivot=(0, 0, 0.2)), Camera.orbit(-0.3, 0.0, pivot=(0, 0, 0.2))]
    return torch.from_numpy(np.stack([camera.label() for camera in cameras]))


def test_official_layout():
    with torch.device("meta"):
        network = TriPlaneGenerator(EG3DSettings())
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert sizes == {"backbone": 800_768 + 28_207_533, "superresolution": 1_649_578, "decoder": 4_257}
    assert len(network.state_dict()) == 176 and network.num_ws == 14
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 31_493_160


def test_planes_are_read_at_xy_xz_and_zx():
    side = 8
    ramp = (torch.arange(side) + 0.5) / side - 0.5
    planes = torch.stack([torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)])] * 3)[None]
    x, y, z = 0.11, -0.23, 0.31
    features = sample_planes(planes, torch.tensor([[[x, y, z]]]), box_warp=1.0)[0, :, 0]
    # Channel 0 rises along the width, channel 1 along the height.
    np.testing.assert_allclose(features.numpy(), [[x, y], [x, z], [z, x]], atol=1e-6)


def test_planes_are_interpolated_and_zero_outside():
    torch.manual_seed(0)
    planes = torch.randn(1, 3, 2, 4, 4)
    outside = sample_planes(planes, torch.tensor([[[0.7, 0.0, 0.0], [0.0, 0.0, -1.2]]]), 1.0)[0]
    assert outside[0, 0].abs().max() == 0 and outside[1, 1].abs().max() == 0
    # At the corner between four pixels: their mean; half-way off the edge: half the pixel.
    corner = sample_planes(planes, torch.tensor([[[0.25, 0.25, 0.0]]]), 1.0)[0, 0, 0]
    torch.testing.assert_close(corner, planes[0, 0, :, 2:, 2:].mean(dim=(1, 2)))
    edge = sample_planes(planes, torch.tensor([[[0.5, 0.375, 0.0]]]), 1.0)[0, 0, 0]
    torch.testing.assert_close(edge, planes[0, 0, :, 3, 3] / 2)


def test_decoder_is_mean_softplus_and_clamped_sigmoid():
    torch.manual_seed(0)
    decoder = OSGDecoder(4, 2)
    features = torch.randn(1, 3, 5, 4)
    rgb, sigma = decoder(features)
    w0, w2 = (decoder.net[i].weight.detach().numpy() for i in (0, 2))
    hidden = np.log1p(np.exp(features[0].mean(dim=0).numpy() @ w0.T / 2))
    out = hidden @ w2.T / 8
    np.testing.assert_allclose(sigma[0].detach().numpy(), out[:, :1], atol=1e-5)
    np.testing.assert_allclose(rgb[0].detach().numpy(), 1.002 / (1 + np.exp(-out[:, 1:])) - 0.001, atol=1e-5)


def test_rays_are_two_passes_over_the_field(generator, ws):
    """The renderer in one piece against its parts, without chunks."""
    planes, c = generator.backbone_planes(ws), labels()
    origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:].reshape(-1, 3, 3), 6)
    drawn = draws("midpoint", 2, 36, FEW, torch.device("cpu"))
    colours, depth, opacity = render_rays(
        planes, generator.decoder, origins, directions, FEW, drawn, at_once=7
    )

    def field(depths):
        points = origins[:, :, None] + depths * directions[:, :, None]
        rgb, sigma = query(planes, generator.decoder, points.reshape(2, -1, 3), 1.0)
        return rgb.reshape(2, 36, -1, 32), sigma.reshape(2, 36, -1, 1)

    spacing = (3.3 - 2.25) / 11
    coarse = (2.25 + spacing * (torch.arange(12) + 0.5)).reshape(1, 1, 12, 1).expand(2, 36, 12, 1)
    weights = march(*field(coarse), coarse)[2]
    fine = importance_depths(coarse, weights, ((torch.arange(12) + 0.5) / 12).expand(72, 12))
    depths = torch.cat([coarse, fine], dim=2).sort(dim=2).values
    rgb, expected, weights = march(*field(depths), depths)
    torch.testing.assert_close(colours, rgb, atol=1e-4, rtol=0)
    torch.testing.assert_close(depth, expected.clamp(depths.min(), depths.max()), atol=1e-4, rtol=0)
    torch.testing.assert_close(opacity, weights.sum(dim=2), atol=1e-4, rtol=0)
    assert opacity.std() > 0.01


def test_depth_of_empty_rays_is_the_farthest_sample_of_the_batch(generator):
    planes = torch.zeros(2, 3, 32, 4, 4)
    decoder = OSGDecoder()
    decoder.net[2].bias.data[0] = -1000
    origins = torch.tensor([[[0.0, 0.0, 2.7]], [[0.0, 0.0, 2.7]]])
    directions = torch.tensor([[[0.0, 0.0, -1.0]], [[0.0, 0.0, -1.0]]])
    drawn = draws("midpoint", 2, 1, FEW, torch.device("cpu"))
    depth = render_rays(planes, decoder, origins, directions, FEW, drawn)[1]
    assert depth.flatten().tolist() == pytest.approx([3.3 + 1.05 / 22] * 2, abs=1e-5)


def test_rays_limited_by_the_box_stay_inside_it(generator):
    settings = dataclasses.replace(FEW, ray_start=None, ray_end=None)
    origins = torch.tensor([[[0.0, 0.0, 2.7], [0.2, 0.1, 2.0]]])
    directions = torch.tensor([[[0.0, 0.0, -1.0], [0.0, 0.0, -1.0]]])
    drawn = draws("midpoint", 1, 2, settings, torch.device("cpu"))
    decoder = OSGDecoder()
    decoder.net[2].bias.data[0] = 60
    depth = render_rays(torch.zeros(1, 3, 32, 4, 4), decoder, origins, directions, settings, drawn)[1]
    # A dense box is seen at its front: 2.2 and 1.5 away, within one sample's spacing.
    assert depth[0, :, 0].tolist() == pytest.approx([2.2, 1.5], abs=1 / 11)


def test_synthesis_is_deterministic_and_render_repeats_it_without_the_backbone(generator, ws, monkeypatch):
    first = generator.synthesis(ws, labels(), neural_rendering_resolution=16)
    planes = generator.backbone_planes(ws)

    def forbidden(*_):
        raise AssertionError("the backbone ran")

    monkeypatch.setattr(generator.backbone.synthesis, "run", forbidden)
    second = generator.render(planes, ws, labels(), neural_rendering_resolution=16)
    assert first.keys() == {"image", "image_raw", "image_depth"}
    assert [tuple(v.shape) for v in first.values()] == [(2, 3, 128, 128), (2, 3, 16, 16), (2, 1, 16, 16)]
    for key in first:
        assert torch.equal(first[key], second[key])


def test_default_resolution_is_128_rays(generator, ws):
    assert (
        generator.render(generator.backbone_planes(ws[:1]), ws[:1], labels()[:1])["image_depth"].shape[-1]
        == 128
    )


def test_random_sampling_draws_jitter_then_importance(generator, ws):
    planes = generator.backbone_planes(ws)
    torch.manual_seed(7)
    features, depth, _ = generator.render_features(planes, labels(), "random", 5)
    torch.manual_seed(7)
    jitter = torch.rand_like(torch.empty(2, 25, 12, 1))
    u = torch.rand(50, 12)
    drawn = draws("midpoint", 2, 25, FEW, torch.device("cpu"))
    drawn = dataclasses.replace(drawn, jitter=jitter, u=u)
    c = labels()
    rays = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:].reshape(-1, 3, 3), 5)
    colours, expected, _ = render_rays(planes, generator.decoder, *rays, FEW, drawn)
    assert torch.equal(features, colours.transpose(1, 2).reshape(2, 32, 5, 5))
    assert torch.equal(depth, expected.reshape(2, 1, 5, 5))
    assert not torch.equal(features, generator.render_features(planes, labels(), "midpoint", 5)[0])


def test_sample_mixed_is_the_field_of_the_codes(generator, ws):
    torch.manual_seed(0)
    points = torch.rand(2, 50, 3) - 0.5
    out = generator.sample_mixed(points, torch.zeros(2, 50, 3), ws)
    assert out["rgb"].shape == (2, 50, 32) and out["sigma"].shape == (2, 50, 1)
    rgb, sigma = generator.decoder(sample_planes(generator.backbone_planes(ws), points, 1.0))
    torch.testing.assert_close(out["sigma"], sigma)
    torch.testing.assert_close(out["rgb"], rgb)


def test_features_and_the_blocks_after_them_make_the_planes(generator, ws):
    features, img = generator.backbone_features(ws, 32)
    assert features.shape == (2, 16, 32, 32) and img.shape == (2, 96, 32, 32)
    kept = features.clone(), img.clone()
    torch.testing.assert_close(
        generator.planes_from_features(features, img, ws), generator.backbone_planes(ws)
    )
    assert torch.equal(features, kept[0]) and torch.equal(img, kept[1])


def test_camera_conditioning(generator):
    z, c = torch.randn(1, 512), labels()
    assert not torch.equal(generator.mapping(z, c[:1]), generator.mapping(z, c[1:]))
    blind = tiny_generator(superresolution="SuperresolutionHybrid2X", c_gen_conditioning_zero=True)
    assert torch.equal(blind.mapping(z, c[:1]), blind.mapping(z, c[1:]))
    unscaled = tiny_generator(superresolution="SuperresolutionHybrid2X", c_scale=0.0)
    assert torch.equal(unscaled.mapping(z, c[:1]), unscaled.mapping(z, torch.zeros(1, 25)))


def test_noise_modes_of_the_backbone(generator, ws):
    const, none = (generator.backbone_planes(ws, mode) for mode in ("const", "none"))
    assert not torch.equal(const, none)
    torch.manual_seed(3)
    first = generator.backbone_planes(ws, "random")
    assert not torch.equal(first, generator.backbone_planes(ws, "random"))
    torch.manual_seed(3)
    assert torch.equal(first, generator.backbone_planes(ws, "random"))


def test_gradients_reach_the_codes(generator, ws):
    codes = ws[:1].clone().requires_grad_()
    out = generator.synthesis(codes, labels()[:1], neural_rendering_resolution=8)
    (out["image"].mean() + out["image_depth"].mean()).backward()
    assert torch.isfinite(codes.grad).all() and codes.grad.abs().sum(dim=2).min() >= 0
    assert codes.grad.abs().max() > 0


@pytest.mark.slow
def test_full_size_generator_renders_a_picture():
    torch.manual_seed(0)
    network = TriPlaneGenerator(EG3DSettings()).eval().requires_grad_(False)
    codes = network.mapping(torch.randn(1, 512), labels()[:1], truncation_psi=0.7)
    out = network.synthesis(codes, labels()[:1])
    assert out["image"].shape == (1, 3, 512, 512) and torch.isfinite(out["image"]).all()
    depth = out["image_depth"]
    assert (depth >= 2.25).all() and (depth <= 3.3 + 1.05 / 47).all()


def test_density_noise_is_drawn_in_the_official_order():
    settings = VolumeSettings(depth_resolution=5, depth_resolution_importance=3, density_noise=0.5)
    torch.manual_seed(4)
    found = draws("random", 2, 9, settings, torch.device("cpu"))
    torch.manual_seed(4)
    jitter, first = torch.rand(2, 9, 5, 1), torch.randn(2, 45, 1)
    u, second = torch.rand(18, 3), torch.randn(2, 27, 1)
    torch.testing.assert_close(found.jitter, jitter)
    torch.testing.assert_close(found.u, u)
    torch.testing.assert_close(found.noises[0].reshape(2, 45, 1), first * 0.5)
    torch.testing.assert_close(found.noises[1].reshape(2, 27, 1), second * 0.5)
    assert draws("midpoint", 2, 9, settings, torch.device("cpu")).noises == ()


def test_density_noise_reaches_the_densities_of_both_passes():
    """Where planes and decoder are flat, noise is all that there is to see."""
    torch.manual_seed(0)
    planes, decoder = torch.zeros(1, 3, 4, 8, 8), OSGDecoder(4, 4)
    origins = torch.tensor([[[0.0, 0.0, -2.7]]]).expand(1, 6, 3)
    directions = torch.tensor([[[0.0, 0.0, 1.0]]]).expand(1, 6, 3)
    settings = VolumeSettings(depth_resolution=6, depth_resolution_importance=4)
    plain = draws("random", 1, 6, settings, torch.device("cpu"))
    for noises in ((20.0, 0.0), (0.0, 20.0)):
        shift = (torch.full((1, 6, 6, 1), noises[0]), torch.full((1, 6, 4, 1), noises[1]))
        noisy = Draws(plain.jitter, plain.u, shift)
        opacity = render_rays(planes, decoder, origins, directions, settings, noisy)[2]
        assert (opacity > render_rays(planes, decoder, origins, directions, settings, plain)[2] + 0.1).all()
