import numpy as np
import pytest
import torch

from inversion_core.errors import MissingResource
from inversion_core.generators.heads_field import (
    LAYERS,
    CanonicalField,
    FeaturePlanes,
    FieldSizes,
    load_field,
    packed_planes,
    save_field,
    unpacked_planes,
)
from inversion_core.generators.template import EYES, SKIN, TEETH

SIZES = FieldSizes(16, 6, 8, 4, 12, 4, 12, 5, 8, 3, 2)


@pytest.fixture
def field() -> CanonicalField:
    torch.manual_seed(0)
    made = CanonicalField(SIZES, ("a", "b"), ("blue",), ("thin", "thick"), ("short", "long"))
    made.attributes.copy_(torch.randn(4, 3))
    made.skin_codes.copy_(torch.randn(2, 3))
    return made.requires_grad_(False)


def points(count=50, seed=0):
    return np.random.default_rng(seed).uniform(-1.1, 1.1, (count, 3)).astype(np.float32)


def test_planes_sample_a_linear_function_exactly():
    planes = FeaturePlanes(32, 1)
    centres = (torch.arange(32) + 0.5) / 32
    with torch.no_grad():
        planes.texels.zero_()
        planes.texels[0, :, :, 0] = centres[None] * 2 + centres[:, None] * 3  # xy
        planes.texels[2, :, :, 0] = centres[None] * 5  # z of zy
    at = points() * 0.8
    unit = (at + 1) / 2
    expected = 2 * unit[:, 0] + 3 * unit[:, 1] + 5 * unit[:, 2]
    got = planes(torch.from_numpy(at))[:, 0].detach().numpy()
    assert np.allclose(got, expected, atol=1e-4)


def test_both_samplers_and_their_gradients_agree():
    ours = FeaturePlanes(9, 5)
    theirs = FeaturePlanes(9, 5).double()
    theirs.load_state_dict(ours.state_dict())
    at = torch.from_numpy(points())
    ours(at).square().sum().backward()
    theirs(at.double()).square().sum().backward()
    assert torch.allclose(ours.texels.grad.double(), theirs.texels.grad, atol=1e-5)


def test_stretched_axes_stay_monotone_and_inside():
    planes = FeaturePlanes(8, 2, knots=5)
    planes.stretch.copy_(torch.tensor([0, 0.1, 0.6, 0.9, 1.0]).repeat(3, 1))
    line = torch.linspace(-1.2, 1.2, 40)[:, None].repeat(1, 3)
    unit = planes.unit(line)
    assert (unit.diff(dim=0) >= 0).all()
    assert unit.min() >= 0 and unit.max() <= 1


def test_albedo_is_linear_in_the_skin_code(field):
    at = torch.from_numpy(points())
    basis, _ = field.surface_basis(at)
    code = field.skin_appearance(1)
    expected = torch.einsum("nkc,k->nc", basis, torch.cat([torch.ones(1), field.skin_codes[1]])).clamp(0, 1)
    assert np.allclose(field.albedo(points(), code), expected, atol=1e-5)


def test_brows_mix_their_colour_in(field):
    colour = (0.9, 0.1, 0.2)
    bare = field.albedo(points(), field.attributes_to_appearance())
    code = field.attributes_to_appearance(brow=1, brow_colour=colour, brow_strength=0.5)
    density = 0.5 * field.brow_density(points(), 1)[:, None]
    assert np.allclose(field.albedo(points(), code), bare + (np.array(colour) - bare) * density, atol=1e-5)


def test_parts_are_coloured_by_their_own_planes(field):
    part = np.repeat(np.array([SKIN, EYES, TEETH], np.uint8), [20, 20, 10])
    code = field.attributes_to_appearance(iris=0)
    mixed = field.albedo(points(), code, part)
    assert np.allclose(mixed[:20], field.albedo(points()[:20], code), atol=1e-6)
    mirrored = points() * np.array([-1, 1, 1], np.float32)
    assert np.allclose(field.albedo(mirrored, code, part)[20:40], mixed[20:40], atol=1e-6)


def test_volume_outputs(field):
    at = points()
    assert field.signed_distance(at).shape == (50,)
    layers = field.layers(at)
    assert layers.shape == (50, len(LAYERS))
    assert np.allclose(layers.sum(1), 1, atol=1e-5)
    distance, luminance = field.hair(at, 1)
    assert distance.shape == luminance.shape == (50,)
    assert luminance.min() >= 0 and luminance.max() <= 1


def test_attributes_are_affine(field):
    def code(**k):
        return field.attributes_to_appearance(**k)

    assert np.allclose(
        code(age=1, masculinity=-1) - code(), code(age=1) - code() + code(masculinity=-1) - code(), atol=1e-5
    )


def test_planes_survive_bytes():
    texels = torch.randn(3, 7, 7, 4)
    step = (texels.amax((1, 2)) - texels.amin((1, 2))).max() / 255
    assert (unpacked_planes(packed_planes(texels)) - texels).abs().max() < step


def test_saved_field_comes_back(field, tmp_path):
    path = tmp_path / "field.safetensors"
    save_field(field, path, {"seed": 1})
    again = load_field(path)
    assert again.skins == field.skins and again.styles == field.styles
    code = field.skin_appearance(0)
    assert np.abs(again.albedo(points(), code) - field.albedo(points(), code)).max() < 0.02
    assert [p.name for p in tmp_path.iterdir()] == ["field.safetensors"]


def test_missing_field_is_named(tmp_path):
    with pytest.raises(MissingResource, match=r"field\.safetensors"):
        load_field(tmp_path / "field.safetensors")
