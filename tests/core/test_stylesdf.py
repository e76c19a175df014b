"""StyleSDF: cameras, compositing, the SIREN, the picture network, codes and the official file."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from stylesdf_cases import SMALL, small_generator
from torch import nn

from inversion_core.camera import Camera
from inversion_core.checkpoints.stylesdf import load_stylesdf
from inversion_core.errors import CheckpointRefused
from inversion_core.generators.stylesdf import StyleSDF
from inversion_core.generators.stylesdf_decoder import EqualLinear, ModulatedConv2d, StyledConv, ToRGB
from inversion_core.generators.stylesdf_renderer import (
    FiLMSiren,
    RendererSettings,
    VolumeRenderer,
    calibrations,
    camera_poses,
    camera_rays,
    compositing_weights,
)

FOV = math.radians(6)


@pytest.fixture(scope="module")
def generator():
    return small_generator()


@pytest.fixture(scope="module")
def codes(generator):
    return generator.mapping(torch.randn(2, 8, generator=torch.Generator().manual_seed(3)))


class Ball(nn.Module):
    """A ball in the network's units, in place of the SIREN; its colour tells the height."""

    def __init__(self, radius):
        super().__init__()
        self.radius = radius

    def geometry(self, points, styles):
        return points.norm(dim=-1, keepdim=True) - self.radius, points

    def colour(self, features, directions, styles):
        return 8 * features, features


def test_official_layout():
    with torch.device("meta"):
        generator = StyleSDF()
    assert sum(p.numel() for p in generator.parameters()) == 8_007_613
    names = generator.state_dict()
    assert len(names) == 166
    assert names["renderer.network.views_linears.weight"].shape == (256, 259)
    assert names["decoder.convs.6.conv.weight"].shape == (1, 32, 64, 3, 3)
    assert names["decoder.noises.noise_8"].shape == (1, 1, 1024, 1024)


def test_cameras_sit_on_the_unit_sphere_and_look_at_the_origin():
    azim, elev = torch.tensor([0.0, 0.5]), torch.tensor([0.0, -0.3])
    poses = camera_poses(azim, elev)
    torch.testing.assert_close(poses[0], torch.eye(3, 4) + torch.tensor([[0.0] * 4, [0.0] * 4, [0, 0, 0, 1]]))
    expected = Camera.orbit(0.5, -0.3, radius=1.0)
    np.testing.assert_allclose(poses[1, :, 3], expected.position, atol=1e-6)
    # OpenGL's camera axes against OpenCV's.
    np.testing.assert_allclose(
        poses[1, :, :3] * torch.tensor([1, -1, -1]), expected.cam2world[:3, :3], atol=1e-6
    )


def test_points_of_a_ray_project_to_its_pixel():
    poses = camera_poses(torch.tensor([0.4]), torch.tensor([0.2]))
    origins, directions, views = camera_rays(poses, FOV, 8)
    points = origins[0] + 1.05 * directions[0]
    seen = calibrations(poses, FOV)[0] @ F.pad(points.reshape(-1, 3), (0, 1), value=1.0).t()
    depth = -seen[2]
    torch.testing.assert_close(depth, torch.full((64,), 1.05))
    centres = (torch.arange(8) + 0.5) / 4 - 1
    torch.testing.assert_close((seen[0] / depth).view(8, 8), centres.expand(8, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        (-seen[1] / depth).view(8, 8), centres[:, None].expand(8, 8), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(views.norm(dim=-1), torch.ones(1, 8, 8))


def test_the_last_sample_takes_what_a_uniform_fog_lets_through():
    steps = torch.full((5,), 0.3)
    weights = compositing_weights(torch.full((5,), 2.0), steps)
    expected = [math.exp(-0.6 * k) * (1 - math.exp(-0.6)) for k in range(4)] + [math.exp(-0.6 * 4)]
    torch.testing.assert_close(weights, torch.tensor(expected))
    behind = compositing_weights(torch.zeros(5), steps)
    torch.testing.assert_close(behind, torch.tensor([0.0, 0, 0, 0, 1]), atol=1e-6, rtol=0)


def test_a_ball_has_its_depth_its_outline_and_its_colours():
    settings = RendererSettings(resolution=31, samples=240)
    renderer = VolumeRenderer(settings)
    renderer.network = Ball(0.5)
    renderer.requires_grad_(False).sigmoid_beta.fill_(1e-4)
    view = renderer(torch.zeros(1, 9, 256), torch.tensor([0.7]), torch.tensor([0.1]))
    step = 0.24 / 240
    # A radius of 0.5 in the network's units is 0.06 in the world's.
    assert abs(float(view.depth[0, 0, 15, 15]) - (1 - 0.06)) < step
    middle = view.xyz[0, :, 15, 15]
    torch.testing.assert_close(
        middle, 0.06 * camera_poses(torch.tensor([0.7]), torch.tensor([0.1]))[0, :, 2], atol=step, rtol=0
    )
    area = float(view.mask.sum()) / 31**2 * (2 * math.tan(FOV)) ** 2
    seen_radius = 0.06 / math.sqrt(1 - 0.06**2)
    assert abs(area / (math.pi * seen_radius**2) - 1) < 0.03
    assert view.thumb[0, 1, 9, 15] > 0.5 > -0.5 > view.thumb[0, 1, 21, 15]


def test_density_of_a_signed_distance():
    renderer = VolumeRenderer(SMALL.renderer)
    torch.testing.assert_close(
        renderer.density(torch.tensor([0.0, 1.0])), torch.tensor([5.0, 10 / (1 + math.exp(10.0))])
    )


def test_film_siren_is_its_formula():
    torch.manual_seed(0)
    layer = FiLMSiren(3, 5, 4)
    x, style = torch.randn(2, 7, 3), torch.randn(2, 4)
    gamma = 15 * (style @ layer.gamma.weight.t() + layer.gamma.bias) + 30
    beta = 0.25 * (style @ layer.beta.weight.t() + layer.beta.bias)
    expected = torch.sin(gamma[:, None] * (x @ layer.weight.t() + layer.bias) + beta[:, None])
    torch.testing.assert_close(layer(x, style), expected, atol=1e-4, rtol=0)


def test_field_of_single_points_equals_the_view_of_its_samples(generator, codes):
    view = generator.volume(codes, torch.tensor([0.1, -0.2]), torch.tensor([0.0, 0.1]))
    points = view.points[:, 3, 5]
    torch.testing.assert_close(
        generator.renderer.sdf(points, codes.renderer), view.sdf[:, 3, 5], atol=1e-5, rtol=0
    )


def test_a_modulation_changes_colours_and_not_the_surface(generator, codes):
    angles = torch.zeros(2), torch.zeros(2)
    plain = generator.volume(codes, *angles)
    same = generator.volume(codes, *angles, modulation=lambda points, features: features)
    other = generator.volume(codes, *angles, modulation=lambda points, features: 0.5 * features)
    assert torch.equal(plain.features, same.features)
    assert torch.equal(plain.depth, other.depth)
    assert float((plain.features - other.features).abs().max()) > 0.01


def up_sampled_by_definition(x, weight, kernel):
    """Zeros between the pixels, full convolution, then the filter over a picture padded by one."""
    n, c, h, w = x.shape
    spread = torch.zeros(n, c, 2 * h - 1, 2 * w - 1)
    spread[..., ::2, ::2] = x
    x = F.conv2d(spread, weight.flip((2, 3)), padding=2)
    kernel = kernel.flip((0, 1)).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, groups=x.shape[1])


@pytest.mark.parametrize("upsample", [False, True])
def test_modulated_convolution_is_its_definition(upsample):
    torch.manual_seed(0)
    layer = ModulatedConv2d(4, 6, 3, 5, upsample=upsample)
    x, w = torch.randn(2, 4, 8, 8), torch.randn(2, 5)
    for index in range(2):
        style = w[index] @ layer.modulation.weight.t() / math.sqrt(5) + 1
        weight = layer.weight[0] * style.view(1, 4, 1, 1) / math.sqrt(36)
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        one = x[index : index + 1]
        if upsample:
            line = torch.tensor([1.0, 3, 3, 1]) / 4
            expected = up_sampled_by_definition(one, weight, line[:, None] * line)
        else:
            expected = F.conv2d(one, weight, padding=1)
        torch.testing.assert_close(layer(x, w)[index], expected[0], atol=1e-5, rtol=1e-5)


def test_styled_convolution_ignores_the_bias_that_files_hold():
    torch.manual_seed(0)
    layer = StyledConv(3, 4, 5)
    layer.noise.weight.data.fill_(0.5)
    layer.activate.bias.data.normal_()
    x, w, noise = torch.randn(1, 3, 8, 8), torch.randn(1, 5), torch.randn(1, 1, 8, 8)
    before = layer(x, w, noise)
    layer.bias.data.fill_(9.0)
    assert torch.equal(layer(x, w, noise), before)
    bare = layer.conv(x, w) + 0.5 * noise + layer.activate.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(before, torch.where(bare > 0, bare, 0.2 * bare) * 2**0.5)


def test_rgb_of_a_plain_skip_stays_plain():
    layer = ToRGB(4, 5)
    layer.conv.weight.data.zero_()
    rgb = layer(torch.zeros(1, 4, 16, 16), torch.zeros(1, 5), torch.full((1, 3, 8, 8), 0.3))
    torch.testing.assert_close(rgb[:, :, 2:-2, 2:-2], torch.full((1, 3, 12, 12), 0.3))


def test_mapping_layers_scale_by_their_learning_rate():
    layer = EqualLinear(4, 2, lr_mul=0.01, activated=True)
    layer.weight.data.fill_(100.0)
    layer.bias.data.copy_(torch.tensor([100.0, -1000.0]))
    out = layer(torch.ones(1, 4))
    torch.testing.assert_close(out, torch.tensor([[(2 + 1) * 2**0.5, (2 - 10) * 0.2 * 2**0.5]]))


def test_noise_comes_from_where_it_is_asked_from(generator, codes):
    angles = 0.1, 0.0
    stored = generator.render(codes, *angles)["image"]
    assert torch.equal(stored, generator.render(codes, *angles, "stored")["image"])
    none = generator.render(codes, *angles, "none")["image"]
    torch.manual_seed(0)
    random = generator.render(codes, *angles, "random")["image"]
    assert not torch.equal(random, generator.render(codes, *angles, "random")["image"])
    assert not torch.equal(stored, none) and not torch.equal(random, none)
    assert stored.shape == (2, 3, 64, 64)


def test_truncation_goes_through_both_spaces(generator):
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    mean, full = generator.mean_codes(), generator.mapping(z)
    half, none = generator.mapping(z, 0.5), generator.mapping(z, 0.0)
    torch.testing.assert_close(none.renderer, mean.renderer)
    torch.testing.assert_close(none.decoder, mean.decoder)
    torch.testing.assert_close(half.renderer, 0.5 * (full.renderer + mean.renderer))
    inner = generator.decoder.mapping(half.renderer[:, 0])
    torch.testing.assert_close(half.decoder[:, 3], 0.5 * (inner + mean.decoder[:, 3]))


def test_mean_latents_are_seeded_means(generator):
    again = generator.computed_mean_latents()
    assert torch.equal(again[0], generator.mean_renderer)
    fewer = generator.computed_mean_latents(count=200, seed=5)
    assert float((fewer[0] - again[0]).abs().max()) < 0.5
    assert again[1].shape == (16,)


def test_view_from_a_camera_follows_its_direction(generator, codes):
    camera = Camera.orbit(0.3, -0.1)
    ours, theirs = generator.render_camera(codes, camera), generator.render(codes, 0.3, -0.1)
    torch.testing.assert_close(ours["image"], theirs["image"], atol=1e-4, rtol=0)


def test_official_file_gives_the_same_pictures(generator, codes, tmp_path):
    path = tmp_path / "ffhq.pt"
    torch.save({"g_ema": generator.state_dict(), "d": {"x": torch.zeros(1)}}, path)
    loaded = load_stylesdf(path, settings=SMALL)
    assert torch.equal(loaded.render(codes, 0.2, 0.1)["image"], generator.render(codes, 0.2, 0.1)["image"])
    assert torch.equal(loaded.mean_decoder, generator.mean_decoder)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_given_mean_latents_are_kept_in_either_form(generator, tmp_path):
    path = tmp_path / "ffhq.pt"
    torch.save({"g_ema": {f"module.{k}": v for k, v in generator.state_dict().items()}}, path)
    single = torch.randn(8), torch.randn(16)
    layered = single[0].expand(4, 8), single[1].expand(6, 16)
    first, second = (load_stylesdf(path, means, SMALL).mean_codes() for means in (single, layered))
    assert torch.equal(first.renderer, second.renderer) and torch.equal(first.decoder, second.decoder)
    assert torch.equal(first.renderer[0, 2], single[0])
    with pytest.raises(CheckpointRefused, match="mean latent"):
        load_stylesdf(path, (torch.zeros(9), torch.zeros(16)), SMALL)


def test_wrong_files_are_refused(generator, tmp_path):
    path = tmp_path / "file.pt"
    state = generator.state_dict()
    for content in (
        {"d": state},
        {"g_ema": {}},
        [1],
        {"g_ema": {**state, "extra": torch.zeros(1)}},
        {"g_ema": {**state, "style.0.bias": torch.zeros(3)}},
        {"g_ema": {**state, "style.0.bias": "none"}},
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointRefused):
            load_stylesdf(path, settings=SMALL)
    path.write_bytes(b"PK nothing")
    with pytest.raises(CheckpointRefused):
        load_stylesdf(path, settings=SMALL)
    with pytest.raises(CheckpointRefused):
        load_stylesdf(tmp_path / "absent.pt", settings=SMALL)


def test_gradients_reach_codes_and_cameras(generator):
    settings = dataclasses.replace(SMALL.renderer, resolution=8)
    renderer = VolumeRenderer(settings)
    renderer.load_state_dict(generator.renderer.state_dict())
    styles = torch.randn(1, 4, 8, requires_grad=True)
    azim = torch.tensor([0.1], requires_grad=True)
    renderer(styles, azim, torch.zeros(1)).thumb.sum().backward()
    assert float(styles.grad.abs().sum()) > 0 and float(azim.grad.abs()) > 0
