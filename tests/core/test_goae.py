"""GOAE's encoder, feature alignment, fusion and edits."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from inversion_core.camera import Camera
from inversion_core.encoders.cross_attention import CrossAttention
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.encoders.swin import SwinSettings
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.image import from_signed, to_signed
from inversion_core.refine.afa import AFA, AFASettings, Bottleneck, EqualConv2d
from inversion_core.refine.goae import GOAE, encoder_input
from inversion_core.refine.occlusion import drawn_sigmas, fused_planes, gaussian_blurred, seen_mask

SWIN = SwinSettings(
    image_size=64,
    embed_dim=8,
    depths=(1, 1, 2, 1),
    heads=(1, 2, 2, 4),
    window=4,
    pretrained_windows=(3, 3, 3, 2),
)
ENCODER = GOAESettings(swin=SWIN, w_dim=32, levels=(3, 3, 3), hidden=48)
ALIGNMENT = AFASettings(stages=(16, 16, 32), blocks=1, channels=16, hidden=24)
GENERATOR = EG3DSettings(
    z_dim=16,
    w_dim=32,
    plane_resolution=64,
    plane_channels=8,
    channel_base=1024,
    channel_max=16,
    superresolution="SuperresolutionHybrid2X",
    volume=VolumeSettings(depth_resolution=6, depth_resolution_importance=6),
)


def small_goae():
    torch.manual_seed(0)
    generator = TriPlaneGenerator(GENERATOR)
    generator.backbone.mapping.w_avg.normal_()
    parts = [GOAEEncoder(ENCODER), AFA(ALIGNMENT), generator]
    return GOAE(*(part.eval().requires_grad_(False) for part in parts))


@pytest.fixture(scope="module")
def goae():
    return small_goae()


@pytest.fixture(scope="module")
def photo():
    torch.manual_seed(1)
    coarse = torch.rand(2, 3, 8, 8) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bilinear")


@pytest.fixture(scope="module")
def labels():
    cameras = [Camera.orbit(0.2, 0.1), Camera.orbit(-0.2, 0.0)]
    return torch.from_numpy(np.stack([camera.label() for camera in cameras]))


@pytest.fixture(scope="module")
def inversion(goae, photo, labels):
    return goae.invert(photo, labels)


def test_official_layouts():
    with torch.device("meta"):
        encoder, afa = GOAEEncoder(), AFA()
    sizes = [(len(m.state_dict()), sum(p.numel() for p in m.parameters())) for m in (encoder, afa)]
    assert sizes == [(545, 111_218_822), (174, 12_099_904)]
    masks = [name for name in encoder.state_dict() if name.endswith("attn_mask")]
    assert masks == [f"swin_model.layers.{stage}.blocks.1.attn_mask" for stage in (0, 1)]


def test_cross_attention_is_attention_norm_and_feed_forward():
    torch.manual_seed(0)
    layer = CrossAttention(8, 2, 12).eval()
    layer.multihead_attn.in_proj_bias.data.normal_()
    query, keys = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    weight, bias = layer.multihead_attn.in_proj_weight, layer.multihead_attn.in_proj_bias
    q = query[0] @ weight[:8].t() + bias[:8]
    k = keys[0] @ weight[8:16].t() + bias[8:16]
    v = keys[0] @ weight[16:].t() + bias[16:]
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        heads.append((q[:, head] @ k[:, head].t() / 2).softmax(dim=1) @ v[:, head])
    t = query[0] + layer.multihead_attn.out_proj(torch.cat(heads, dim=1))
    t = (t - t.mean(1, keepdim=True)) / (t.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    expected = t + layer.linear2(torch.relu(layer.linear1(t)))
    torch.testing.assert_close(layer(query, keys)[0], expected, atol=1e-5, rtol=1e-5)


def test_base_code_is_in_every_position_and_alone_in_the_first(goae):
    image = torch.randn(1, 3, 64, 64)
    base, full = goae.encoder(image, stage=0), goae.encoder(image)
    assert full.shape == (1, 10, 32)
    assert torch.equal(base, base[:, :1].expand_as(base))
    torch.testing.assert_close(full[:, 0], base[:, 0])
    for stage, corrected in ((1, 4), (2, 7), (3, 10)):
        partial = goae.encoder(image, stage=stage)
        torch.testing.assert_close(partial[:, :corrected], full[:, :corrected])
        torch.testing.assert_close(partial[:, corrected:], base[:, corrected:])
    assert ((full - base)[:, 1:].abs().amax(dim=2) > 1e-3).all()


def test_heads_are_two_layers_over_tokens_and_channels(goae):
    encoder, torch_ = goae.encoder, torch.nn.functional
    end = torch.randn(1, 64, 4)
    spatial, channel = encoder.mapper_base_spatial, encoder.mapper_base_channel
    s = spatial[2](torch_.leaky_relu(spatial[0](end), 0.01)).transpose(1, 2)
    mixed = s + end.max(dim=2).values[:, None]
    expected = channel[2](torch_.leaky_relu(channel[0](mixed), 0.01))
    torch.testing.assert_close(encoder.base_code(end), expected)
    spatial, channel = encoder.mapper_query_spatial_mid, encoder.mapper_query_channel_mid
    s = spatial[2](torch_.leaky_relu(spatial[0](end), 0.01)).transpose(1, 2)
    mixed = s + end.max(dim=2).values[:, None]
    expected = channel[2](torch_.leaky_relu(channel[0](mixed), 0.01))
    assert expected.shape == (1, 3, 32)
    torch.testing.assert_close(encoder.queries(end, "mid"), expected)


def test_keys_grow_from_coarse_to_fine(goae):
    """The fine correction gathers from keys that the coarse and mid features reach too."""
    encoder, f = goae.encoder, torch.nn.functional
    image = torch.randn(1, 3, 64, 64)
    (fine, mid, coarse, query), _ = encoder.swin_model(image)

    def lrelu(x):
        return f.leaky_relu(x, 0.01)

    def tokens(mapper, x):
        return lrelu(mapper[2](lrelu(mapper[0](x.transpose(1, 2))))).transpose(1, 2)

    kv = lrelu(encoder.mapper_coarse_channel[0](coarse))
    kv = lrelu(encoder.mapper_mid_channel[0](mid)) + tokens(encoder.mapper_coarse_to_mid_spatial, kv)
    channel = encoder.mapper_fine_channel
    kv = lrelu(channel[2](lrelu(channel[0](fine)))) + tokens(encoder.mapper_mid_to_fine_spatial, kv)
    delta = encoder.cross_att_fine(encoder.queries(query.transpose(1, 2), "fine"), kv)
    full = encoder(image)
    torch.testing.assert_close(full[:, 7:] - full[:, :1], delta, atol=1e-5, rtol=1e-4)


def test_mean_code_is_added(goae):
    image = torch.randn(1, 3, 64, 64)
    expected = goae.encoder(image) + goae.generator.backbone.mapping.w_avg
    assert torch.equal(goae.encode(image), expected)


def test_residual_block():
    torch.manual_seed(0)
    block = Bottleneck(16, 16, 2).eval()
    x = torch.randn(1, 16, 6, 6)
    torch.testing.assert_close(block.shortcut_layer(x), x[:, :, ::2, ::2])
    bn0, conv1, prelu, conv2, bn1, se = block.res_layer
    y = bn1(conv2(prelu(conv1(bn0(x)))))
    gate = torch.sigmoid(se.fc2(torch.relu(se.fc1(y.mean(dim=(2, 3), keepdim=True)))))
    torch.testing.assert_close(block(x), y * gate + x[:, :, ::2, ::2])
    assert conv1.stride == (1, 1) and conv2.stride == (2, 2)
    assert Bottleneck(16, 32, 2).shortcut_layer[0].weight.shape == (32, 16, 1, 1)


def test_equalised_convolution():
    layer = EqualConv2d(2, 3)
    layer.bias.data.normal_()
    x = torch.randn(1, 2, 4, 4)
    expected = torch.nn.functional.conv2d(x, layer.weight / 18**0.5, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)


def test_alignment_scales_and_shifts_the_features(goae):
    torch.manual_seed(2)
    afa = goae.afa
    image, rendering = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 64, 64)
    features = 5 * torch.randn(1, 16, 8, 8)
    x = afa.body(afa.input_layer(rendering - image))
    assert x.shape == (1, 32, 8, 8)
    x = afa.output_layer[2](torch.nn.functional.leaky_relu(afa.output_layer[0](x), 0.2) * 2**0.5)

    def tokens(t):
        t = t.flatten(2).transpose(1, 2)
        return (t - t.mean(-1, keepdim=True)) / (t.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    gamma, beta = (
        layer(tokens(features), tokens(x)).transpose(1, 2).reshape(1, 16, 8, 8)
        for layer in (afa.cross_att_gamma, afa.cross_att_beta)
    )
    torch.testing.assert_close(afa(image, rendering, features), gamma * features + beta, atol=1e-4, rtol=1e-4)


def test_blur_is_a_reflected_gaussian():
    torch.manual_seed(0)
    image = torch.rand(1, 20, 24)
    expected = gaussian_filter(image[0].double().numpy(), 1.3, mode="mirror", radius=4)
    np.testing.assert_allclose(gaussian_blurred(image, 1.3)[0].numpy(), expected, atol=1e-6)


def test_blur_widths_are_fixed_or_drawn_in_order():
    assert drawn_sigmas(1.5, 2) == [(1.5, 1.5)] * 2
    torch.manual_seed(0)
    expected = (torch.rand(4) + 1).tolist()
    torch.manual_seed(0)
    assert [s for pair in drawn_sigmas(None, 2) for s in pair] == pytest.approx(expected)


def test_mask_marks_the_surface_that_the_camera_sees():
    """A wall at z = 0 seen by a narrow camera: the mask is the square that the camera sees of it."""
    camera = Camera.orbit(0.0, 0.0, radius=2.7, focal=5.4)
    label = torch.from_numpy(camera.label())[None]
    _, directions = camera.rays(128)
    depth = torch.from_numpy(2.7 / -directions[:, 2]).reshape(1, 1, 128, 128)
    mask = seen_mask(depth, label, 64, blur_sigma=1.0)
    assert mask.shape == (1, 1, 64, 64)
    # Half a width of 2.7 / 5.4 / 2 = 0.25: plane pixels 16 to 48.
    assert mask[0, 0, 20:44, 20:44].min().item() == pytest.approx(1, abs=1e-5)
    assert mask[0, 0, :10].max() == 0 and mask[0, 0, :, 54:].max() == 0
    assert 0.2 < mask[0, 0, 32, 15:17].mean() < 0.8


def test_mask_takes_y_for_rows_and_clamps_to_the_box():
    label = torch.from_numpy(Camera.orbit(0.0, 0.0).label())[None]
    _, directions = Camera.orbit(0.0, 0.0).rays(2)
    near = torch.from_numpy((2.7 - 0.4) / -directions[:, 2]).reshape(1, 1, 2, 2)
    points = Camera.orbit(0.0, 0.0).position + near.reshape(-1, 1).numpy() * directions
    # A single hit would not survive the blur; the upper two rays are spread over neighbours by hand.
    rows = np.trunc(np.clip((points[:, 1] + 0.5) * 64, 0, 63)).astype(int)
    assert rows[0] > 32 > rows[2]
    far = torch.full((1, 1, 64, 64), 400.0)
    mask = seen_mask(far, label, 64)
    assert mask.shape == (1, 1, 64, 64) and torch.isfinite(mask).all()


def test_fusion_blends_the_front_plane_only():
    refined, plain = torch.ones(1, 3, 2, 4, 4), torch.zeros(1, 3, 2, 4, 4)
    mask = torch.rand(1, 1, 4, 4)
    planes = fused_planes(refined, plain, mask)
    assert torch.equal(planes[0, 0, 1], mask[0, 0]) and planes[0, 1:].min() == 1


def test_inversion_holds_every_stage(goae, inversion, photo, labels):
    generator = goae.generator
    assert inversion.ws.shape == (2, 10, 32) and inversion.mask.shape == (2, 1, 64, 64)
    torch.testing.assert_close(inversion.planes_w, generator.backbone_planes(inversion.ws))
    again = generator.render(inversion.planes_w, inversion.ws, labels)
    assert torch.equal(again["image"], inversion.w_render["image"])
    refined = goae.afa(photo, inversion.w_render["image"], inversion.features)
    torch.testing.assert_close(inversion.refined, refined)
    assert inversion.f_render["image_depth"].shape == (2, 1, 128, 128)
    torch.testing.assert_close(inversion.planes[:, 1:], inversion.planes_f[:, 1:])
    assert not torch.equal(inversion.planes[:, 0], inversion.planes_f[:, 0])
    assert 0 < inversion.mask.mean() < 1


def test_a_batch_is_inverted_as_its_photos_are(goae, inversion, photo, labels):
    alone = goae.invert(photo[1:], labels[1:])
    torch.testing.assert_close(alone.planes, inversion.planes[1:], atol=1e-3, rtol=1e-3)


def test_an_edit_of_nothing_is_the_inversion(goae, inversion):
    edit = goae.edit(inversion, torch.zeros(1, 10, 32))
    torch.testing.assert_close(edit.planes, inversion.planes)
    torch.testing.assert_close(edit.ws, inversion.ws)
    expected = goae.generator.render(inversion.planes, inversion.ws, inversion.c)
    torch.testing.assert_close(edit.render["image"], expected["image"])


def test_an_edit_moves_codes_and_features_together(goae, inversion, labels):
    direction = 0.3 * torch.randn(1, 10, 32)
    generator, edit = goae.generator, goae.edit(inversion, direction)
    ws = inversion.ws + direction
    features, img = generator.backbone_features(ws, 32)
    refined = inversion.refined + features - inversion.features
    planes_f = generator.planes_from_features(refined, img, inversion.ws)
    torch.testing.assert_close(edit.planes[:, 1:], planes_f[:, 1:])
    expected = fused_planes(planes_f, generator.backbone_planes(ws), edit.mask)
    torch.testing.assert_close(edit.planes, expected)
    image = generator.render(edit.planes, ws, labels)["image"]
    torch.testing.assert_close(edit.render["image"], image)


def test_random_inversions_repeat_with_the_seed(goae, photo, labels):
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(goae.invert(photo[:1], labels[:1], sampling="random", blur_sigma=None))
    assert torch.equal(results[0].mask, results[1].mask)
    assert torch.equal(results[0].planes, results[1].planes)
    assert not torch.equal(results[0].mask, results[2].mask)


def test_a_random_edit_draws_in_the_official_order(goae, inversion, labels):
    """The edited code's rendering first, then the refined one, the blurs, and the fused one."""
    torch.manual_seed(2)
    direction, generator = 0.3 * torch.randn(1, 10, 32), goae.generator
    torch.manual_seed(3)
    edit = goae.edit(inversion, direction, sampling="random", blur_sigma=None)
    features, img = generator.backbone_features(edit.ws, 32)
    refined = inversion.refined + (features - inversion.features)
    planes_w = generator.planes_from_features(features, img, edit.ws)
    planes_f = generator.planes_from_features(refined, img, inversion.ws)
    torch.manual_seed(3)
    generator.render(planes_w, edit.ws, labels, "random", 128)
    depth = generator.render(planes_f, edit.ws, labels, "random", 128)["image_depth"]
    mask = seen_mask(depth, labels, 64, blur_sigma=None)
    fused = generator.render(fused_planes(planes_f, planes_w, mask), edit.ws, labels, "random", 128)
    assert torch.equal(edit.mask, mask) and 0 < mask.mean() < 1
    torch.testing.assert_close(edit.render["image"], fused["image"], atol=1e-4, rtol=0)


def test_encoder_input_is_pillows_bicubic():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(picture).resize((64, 64)))
    tensor = encoder_input(torch.from_numpy(to_signed(picture))[None], 64)[0]
    assert np.array_equal(from_signed(tensor.numpy()), small)
    assert torch.equal(encoder_input(tensor[None], 64)[0], tensor)
    # Between 8-bit steps the same filter runs without rounding; overshoots are cut off as Pillow does.
    soft = np.asarray(Image.fromarray(picture).resize((12, 12)).resize((96, 96)))
    signed = torch.from_numpy(to_signed(soft))[None]
    exact, rounded = encoder_input(signed * 0.9991, 64), encoder_input(signed, 64)
    assert (exact / 0.9991 - rounded).abs().max() < 1.5 / 127
