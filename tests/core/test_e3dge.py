"""E3DGE: encoder, pose, local branch, inversion, edits and official files."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from stylesdf_cases import small_e3dge_settings, small_generator, small_networks

from inversion_core.camera import Camera
from inversion_core.checkpoints.stylesdf import load_e3dge
from inversion_core.encoders.e3dge import E3DGEEncoder, StyleHead
from inversion_core.encoders.ir_blocks import ResidualBlock, SqueezeExcitation
from inversion_core.encoders.volume_discriminator import CoordConv, HalvingBlock, VolumeDiscriminator
from inversion_core.errors import CheckpointRefused, UsageError
from inversion_core.generators.stylesdf_renderer import calibrations, camera_poses
from inversion_core.refine.boundaries import Boundary, boundary_sliders, moved, read_boundaries
from inversion_core.refine.local_features import (
    AlignedMap,
    FusionBlock,
    LocalNetwork,
    ResnetFC,
    hybrid_modulation,
    inside,
    plain_modulation,
    positional_code,
    projected,
    sampled,
)
from inversion_core.refine.residual_aligner import ResidualAligner

FOV = math.radians(6)


@pytest.fixture(scope="module")
def model():
    return small_networks()


@pytest.fixture(scope="module")
def photo():
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return F.interpolate(coarse, size=(64, 64), mode="bilinear")


@pytest.fixture(scope="module")
def inversion(model, photo):
    return model.invert(photo, torch.tensor([0.1, -0.1]), 0.05)


@pytest.fixture(scope="module")
def boundaries():
    draws = np.random.default_rng(0)
    return {
        name: Boundary(draws.normal(size=8).astype("f"), draws.normal(size=16).astype("f"))
        for name in ("Smiling", "Young")
    }


def test_official_layouts():
    with torch.device("meta"):
        networks = [
            E3DGEEncoder(),
            VolumeDiscriminator(),
            LocalNetwork(),
            ResidualAligner(),
            FusionBlock(),
        ]
    sizes = [(len(m.state_dict()), sum(p.numel() for p in m.parameters())) for m in networks]
    assert sizes == [
        (709, 258_588_352),
        (28, 12_098_003),
        (456, 15_347_222),
        (295, 596_801),
        (13, 591_872),
    ]
    assert networks[0].taps == (2, 6, 20, 23)


def test_residual_block_is_its_definition():
    torch.manual_seed(0)
    block = ResidualBlock(4, 6, 2, excited=True).eval().requires_grad_(False)
    x = torch.randn(1, 4, 8, 8)
    first = block.res_layer[1](block.res_layer[0](x))
    first = torch.where(first > 0, first, 0.25 * first)
    second = block.res_layer[4](F.conv2d(first, block.res_layer[3].weight, stride=2, padding=1))
    squeeze = second.mean((2, 3)) @ block.res_layer[5].fc1.weight[:, :, 0, 0].t()
    gate = torch.sigmoid(squeeze.clamp(min=0) @ block.res_layer[5].fc2.weight[:, :, 0, 0].t())
    shortcut = block.shortcut_layer[1](F.conv2d(x, block.shortcut_layer[0].weight, stride=2))
    torch.testing.assert_close(block(x), second * gate[:, :, None, None] + shortcut)


def test_without_new_channels_the_shortcut_is_every_second_pixel():
    block = ResidualBlock(4, 4, 2, excited=False).eval()
    torch.nn.init.zeros_(block.res_layer[3].weight)
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(x), x[:, :, ::2, ::2])
    assert isinstance(SqueezeExcitation(32).fc1, torch.nn.Conv2d)


def test_head_keeps_convolving_a_single_pixel():
    torch.manual_seed(0)
    head = StyleHead(3, 4, 4).requires_grad_(False)
    x = torch.randn(2, 3, 4, 4)
    expected = x
    for index in (0, 2, 4, 6):
        conv = head.convs[index]
        expected = F.leaky_relu(F.conv2d(expected, conv.weight, conv.bias, 2, 1), 0.01)
    assert expected.shape[2:] == (1, 1)
    expected = expected[:, :, 0, 0] @ head.linear.weight.t() / 2 + head.linear.bias
    torch.testing.assert_close(head(x), expected)


def test_pyramid_adds_coarse_to_fine(model, photo):
    encoder = model.encoder
    p32, p64, p128 = encoder.pyramid(photo)
    assert [p.shape[-1] for p in (p32, p64, p128)] == [8, 16, 32]
    lifted = F.interpolate(p32, size=(16, 16), mode="bilinear", align_corners=True)
    x = encoder.input_layer(photo)
    for block in encoder.body[: encoder.taps[1] + 1]:
        x = block(x)
    torch.testing.assert_close(p64, lifted + encoder.latlayer128(x), atol=1e-5, rtol=1e-5)


def test_codes_are_offsets_from_the_mean_and_one_decoder_head_speaks(model, photo):
    codes = model.encode(photo)
    styles, ws = model.encoder(photo)
    torch.testing.assert_close(codes.renderer, styles + model.generator.mean_renderer)
    torch.testing.assert_close(codes.decoder, ws + model.generator.mean_decoder)
    assert codes.renderer.shape == (2, 4, 8) and codes.decoder.shape == (2, 6, 16)
    assert torch.equal(codes.decoder[:, 0], codes.decoder[:, 5])
    assert not torch.equal(codes.renderer[:, 0], codes.renderer[:, 1])


def test_larger_pictures_are_averaged_first(model, photo):
    large = photo.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(model.encode(large).renderer, model.encode(photo).renderer)


def test_coordinates_are_rows_then_columns():
    layer = CoordConv(1, 2)
    layer.conv.weight.data.zero_()
    layer.conv.weight.data[0, 1, 1, 1] = 1
    layer.conv.weight.data[1, 2, 1, 1] = 1
    out = layer(torch.randn(1, 1, 4, 4))
    line = torch.linspace(-1, 1, 4)
    torch.testing.assert_close(out[0, 0], line[:, None].expand(4, 4))
    torch.testing.assert_close(out[0, 1], line.expand(4, 4))


def test_halving_block_is_its_definition():
    torch.manual_seed(0)
    block = HalvingBlock(3, 5).requires_grad_(False)
    block.conv1.activation.bias.normal_()
    x = torch.randn(1, 3, 8, 8)
    inner = F.leaky_relu(block.conv1.conv(x) + block.conv1.activation.bias.view(1, -1, 1, 1), 0.2)
    inner = F.avg_pool2d(F.leaky_relu(block.conv2.conv(inner), 0.2), 2)
    skip = F.conv2d(F.avg_pool2d(x, 2), block.skip.conv.weight, block.skip.conv.bias)
    torch.testing.assert_close(block(x), (inner + skip) / math.sqrt(2))


def test_pose_is_what_follows_the_logit(model, photo):
    azim, elev = model.pose(photo)
    out = model.pose_network(F.avg_pool2d(photo, 4))
    torch.testing.assert_close(torch.stack([azim, elev], 1), out[:, 1:])


def test_projection_against_the_facet_camera():
    azim, elev = 0.3, -0.2
    calibration = calibrations(camera_poses(torch.tensor([azim]), torch.tensor([elev])), FOV)
    points = torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)) * 0.05
    camera = Camera.orbit(azim, elev, radius=1.0, focal=0.5 / math.tan(FOV))
    expected = camera.project(points[0].numpy())[:, :2] * 2 - 1
    np.testing.assert_allclose(projected(points, calibration)[0], expected, atol=1e-5)


def test_features_are_read_where_the_point_is_seen():
    side = 8
    centres = (torch.arange(side) + 0.5) / side * 2 - 1
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    picture = torch.stack([columns, rows])[None]
    xy = torch.tensor([[[0.125, -0.625], [0.3, 0.4], [1.5, 0.0]]])
    torch.testing.assert_close(sampled(picture, xy)[0, :2], xy[0, :2])
    assert sampled(picture, xy)[0, 2].tolist() == [0, 0]
    assert inside(torch.tensor([[[1.0, -1.0], [1.01, 0.0]]])).tolist() == [[True, False]]


def test_positional_code_order():
    code = positional_code(torch.tensor([[0.1, 0.2, 0.3]]), 2)[0]
    expected = [0.1, 0.2, 0.3]
    for k in (1, 2):
        expected += [math.sin(k * v) for v in (0.1, 0.2, 0.3)] + [math.cos(k * v) for v in (0.1, 0.2, 0.3)]
    torch.testing.assert_close(code, torch.tensor(expected))


def test_fully_connected_residual_block():
    torch.manual_seed(0)
    block = ResnetFC(5, 3).requires_grad_(False)
    x = torch.randn(4, 5)
    hidden = (x.clamp(min=0) @ block.fc_0.weight.t() + block.fc_0.bias).clamp(min=0)
    expected = hidden @ block.fc_1.weight.t() + block.fc_1.bias + x @ block.shortcut.weight.t()
    torch.testing.assert_close(block(x), expected)


def test_fusion_scales_and_shifts_the_reference():
    torch.manual_seed(0)
    block = FusionBlock(4).requires_grad_(False)
    aligned, visible, reference = torch.randn(3, 4), torch.ones(3, 1), torch.randn(3, 4)
    joint = block.encode_enc(torch.cat([aligned, visible, reference], 1))
    expected = reference * (1 + block.scale(joint)) + block.shift(joint)
    torch.testing.assert_close(block(aligned, visible, reference), expected)
    for parts in (block.scale, block.shift):
        parts[2].weight.zero_(), parts[2].bias.zero_()
    assert torch.equal(block(aligned, visible, reference), reference)


def test_visibility_belongs_to_the_ray_of_each_sample(model):
    """Every second ray sees a surface outside of the reference picture; only that may differ."""
    calibration = calibrations(camera_poses(torch.zeros(1), torch.zeros(1)), FOV)
    flat = AlignedMap(torch.ones(1, 16, 4, 4), calibration)
    points = torch.zeros(1, 4, 4, 3, 3)
    xyz = torch.zeros(1, 3, 4, 4)
    xyz[:, 0, :, ::2] = 5.0
    change = hybrid_modulation(model.local, model.fusion, flat, flat, xyz)
    out = change(points, torch.ones(1, 4, 4, 3, 16))
    assert torch.equal(out[:, :, ::2], out[:, :1, :1].expand_as(out[:, :, ::2]))
    assert torch.equal(out[:, :, 1::2], out[:, :1, 1:2].expand_as(out[:, :, 1::2]))
    assert float((out[:, :, 0] - out[:, :, 1]).abs().max()) > 1e-4


def test_modulation_by_the_reference_alone(model):
    calibration = calibrations(camera_poses(torch.zeros(1), torch.zeros(1)), FOV)
    reference = AlignedMap(torch.randn(1, 16, 4, 4), calibration)
    points, features = 0.02 * torch.randn(1, 2, 2, 3, 3), torch.randn(1, 2, 2, 3, 16)
    found = reference.at(points.reshape(1, -1, 3))
    code = torch.cat([found, positional_code(points.reshape(1, -1, 3), 4)], -1)
    alpha, beta = model.local.local_feat_to_tex_modulations_linear(code).split(16, -1)
    expected = features.reshape(1, -1, 16) * (1 + alpha) + beta
    torch.testing.assert_close(
        plain_modulation(model.local, reference)(points, features).reshape(1, -1, 16), expected
    )


def test_residual_is_what_the_nearest_thumb_misses(model, inversion, photo):
    grown = inversion.base.thumb.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(inversion.residual, photo - grown)


def test_stages_of_a_view_follow_from_one_another(model, inversion):
    azim, elev = torch.tensor([0.3, 0.0]), torch.tensor([-0.1, 0.2])
    out = inversion.render(azim, elev)
    base = model.generator.volume(inversion.codes, azim, elev)
    assert torch.equal(out["base_thumb"], base.thumb) and torch.equal(out["depth"], base.depth)
    aligned = model.aligner(inversion.residual, base.thumb)
    assert torch.equal(out["aligned"], aligned)
    query = model.feature_map(aligned, base.depth, azim, elev)
    change = hybrid_modulation(model.local, model.fusion, inversion.reference, query, base.xyz)
    full = model.generator.volume(inversion.codes, azim, elev, change)
    torch.testing.assert_close(out["features"], full.features)
    image = model.generator.decoder(full.features, inversion.codes.decoder, "stored")
    torch.testing.assert_close(out["image"], image)
    assert float((out["thumb"] - out["base_thumb"]).abs().max()) > 1e-3


def test_one_picture_of_a_batch_is_the_same_alone(model, photo, inversion):
    alone = model.invert(photo[1:], -0.1, 0.05).render(0.2, 0.0)
    both = inversion.render(0.2, 0.0)
    for name in ("thumb", "features", "depth", "xyz", "image"):
        torch.testing.assert_close(alone[name][0], both[name][1], atol=1e-4, rtol=1e-4)


def test_without_a_camera_the_photo_s_own_is_found_and_used(model, photo):
    found = model.invert(photo)
    azim, elev = model.pose(photo)
    assert torch.equal(found.azim, azim) and torch.equal(found.elev, elev)
    assert torch.equal(found.render()["thumb"], found.render(azim, elev)["thumb"])


def test_view_from_a_camera(inversion):
    ours = inversion.render_camera(Camera.orbit(0.25, 0.1))["thumb"]
    torch.testing.assert_close(ours, inversion.render(0.25, 0.1)["thumb"], atol=1e-4, rtol=0)


def test_edit_moves_all_codes_and_realigns(model, inversion, boundaries):
    edited = model.edit(inversion, {"Smiling": -1.5, "Young": 0.5}, boundaries)
    step = -1.5 * boundaries["Smiling"].decoder + 0.5 * boundaries["Young"].decoder
    change = edited.codes.decoder - inversion.codes.decoder
    torch.testing.assert_close(change, torch.from_numpy(step).expand_as(change), atol=1e-5, rtol=1e-5)
    base = model.generator.volume(edited.codes, inversion.azim, inversion.elev)
    torch.testing.assert_close(edited.residual, model.aligner(inversion.residual, base.thumb))
    expected = model.local.feature_map(edited.residual, base.depth)
    torch.testing.assert_close(edited.reference.features, expected)
    assert not torch.equal(edited.render()["image"], inversion.render()["image"])


def test_edits_are_counted_from_the_photo(model, inversion, boundaries):
    once = model.edit(inversion, {"Smiling": 1.0}, boundaries)
    again = model.edit(model.edit(inversion, {"Young": 2.0}, boundaries), {"Smiling": 1.0}, boundaries)
    assert torch.equal(once.codes.renderer, again.codes.renderer)
    assert model.edit(once, {}, boundaries) is inversion
    with pytest.raises(UsageError, match="Smyling"):
        model.edit(inversion, {"Smyling": 1.0}, boundaries)
    with pytest.raises(UsageError, match="number"):
        model.edit(inversion, {"Smiling": math.nan}, boundaries)
    with pytest.raises(UsageError, match="numbers where"):
        moved(inversion.codes, {"Smiling": 1.0}, {"Smiling": (np.zeros(3), np.zeros(16))})


def write_boundaries(folder, boundaries):
    for name, boundary in boundaries.items():
        for space, vector in zip(("renderer", "decoder"), boundary, strict=True):
            (folder / f"{space}_{name}").mkdir(parents=True)
            np.save(folder / f"{space}_{name}" / "boundary.npy", vector[None])
            (folder / f"{space}_{name}" / "log.txt").write_text("accuracy")


def test_boundaries_from_their_folder(model, inversion, boundaries, tmp_path):
    write_boundaries(tmp_path, boundaries)
    read = read_boundaries(tmp_path)
    assert list(read) == ["Smiling", "Young"]
    np.testing.assert_array_equal(read["Young"].decoder, boundaries["Young"].decoder)
    by_folder = model.edit(inversion, {"Young": 1.0}, tmp_path)
    assert torch.equal(
        by_folder.codes.renderer, model.edit(inversion, {"Young": 1.0}, boundaries).codes.renderer
    )
    sliders = boundary_sliders(read)
    assert [(s.name, s.label, s.minimum) for s in sliders] == [
        ("Smiling", "Smile", -2.0),
        ("Young", "Youth", -2.0),
    ]
    (tmp_path / "decoder_Young" / "boundary.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(CheckpointRefused, match="damaged"):
        read_boundaries(tmp_path)
    (tmp_path / "decoder_Young" / "boundary.npy").unlink()
    with pytest.raises(CheckpointRefused, match="decoder"):
        read_boundaries(tmp_path)
    with pytest.raises(CheckpointRefused, match="no boundaries"):
        read_boundaries(tmp_path / "absent")


def official_files(folder, model):
    """The three files as their makers wrote them: prefixes, optimiser states and all."""
    generator = {
        name.replace("renderer.network.", "renderer.network.netGlobal."): value
        for name, value in model.generator.state_dict().items()
    }
    torch.save({"g_ema": generator, "d": {}}, folder / "generator.pt")
    torch.save({"d": model.pose_network.state_dict()}, folder / "pose.pt")
    runner = {
        "iter": 7,
        "encoder": {f"module.{k}": v for k, v in model.encoder.state_dict().items()},
        "netLocal": model.local.state_dict(),
        "grid_align": model.aligner.state_dict(),
        "Fuse_sft_block": model.fusion.state_dict(),
        "optim": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]},
    }
    torch.save(runner, folder / "runner.pt")
    return runner


def test_official_files_give_the_same_inversion(model, photo, inversion, tmp_path):
    runner = official_files(tmp_path, model)
    paths = [tmp_path / name for name in ("runner.pt", "generator.pt", "pose.pt")]
    loaded = load_e3dge(*paths, settings=small_e3dge_settings())
    ours = loaded.invert(photo, torch.tensor([0.1, -0.1]), 0.05).render(0.2, 0.1)
    theirs = inversion.render(0.2, 0.1)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert all(torch.equal(a, b) for a, b in zip(loaded.pose(photo), model.pose(photo), strict=True))
    runner.pop("netLocal")
    torch.save(runner, paths[0])
    with pytest.raises(CheckpointRefused, match="netLocal"):
        load_e3dge(*paths, settings=small_e3dge_settings())


def test_given_means_shift_the_codes(model, photo, tmp_path):
    official_files(tmp_path, model)
    means = (torch.randn(8), torch.randn(16))
    loaded = load_e3dge(
        *(tmp_path / f"{n}.pt" for n in ("runner", "generator", "pose")), means, small_e3dge_settings()
    )
    shift = loaded.encode(photo).renderer - model.encode(photo).renderer
    expected = (means[0] - model.generator.mean_renderer).expand_as(shift)
    torch.testing.assert_close(shift, expected, atol=1e-5, rtol=1e-5)


def test_inversions_are_frozen(inversion):
    with pytest.raises(dataclasses.FrozenInstanceError):
        inversion.azim = None
    assert small_generator() is not inversion.model.generator
