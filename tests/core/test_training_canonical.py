from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inversion_core.errors import MissingResource
from inversion_core.generators.heads_field import FieldSizes, load_field
from inversion_core.generators.template import EYES, SKIN
from inversion_core.task import finish
from inversion_core.training.ageing import UNITY, build_ageing
from inversion_core.training.appearance import CanonicalSampler, principal_codes, sampled, spread
from inversion_core.training.assets import HeadAssets
from inversion_core.training.canonical import CanonicalSettings, attribute_map, train_canonical
from inversion_core.training.distances import HeadDistance
from inversion_core.training.template import build_template
from tests.tiny_assets import write_tiny_assets

SIZES = FieldSizes(24, 8, 12, 8, 12, 8, 16, 8, 16, 2, 1)
SETTINGS = CanonicalSettings(3000, 400, 2000, 300, 512, 128, 128, 256, log_every=0.5)


@pytest.fixture(scope="module")
def assets(tmp_path_factory) -> Path:
    return write_tiny_assets(tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="module")
def template(assets):
    return finish(build_template(HeadAssets(assets), samples=12))


@pytest.fixture(scope="module")
def sampler(assets, template):
    return CanonicalSampler(HeadAssets(assets), template)


def test_bilinear_sampling_hits_texel_centres():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1).repeat(3, 2)
    uv = np.array([[0.5 / 4, 1 - 0.5 / 3], [3.5 / 4, 0.5 / 3], [1.0 / 4, 1 - 1.5 / 3]])
    assert np.allclose(sampled(image, uv)[:, 0], [0, 11, 4.5], atol=0.51)


def test_spread_follows_the_share():
    face, weights = spread(np.array([1.0, 3.0]), 40_000, np.random.default_rng(0))
    assert abs((face == 1).mean() - 0.75) < 0.01
    assert np.allclose(weights.sum(1), 1, atol=1e-6)


def test_principal_codes_keep_all_with_enough_modes():
    values = np.random.default_rng(0).normal(size=(4, 30))
    codes, kept = principal_codes(values, 3)
    assert kept == pytest.approx(1)
    assert np.allclose(codes.mean(0), 0, atol=1e-5) and np.allclose((codes**2).mean(0), 1, atol=1e-5)
    basis = np.linalg.lstsq(np.c_[np.ones(4), codes], values, rcond=None)[0]
    assert np.allclose(np.c_[np.ones(4), codes] @ basis, values)


def test_skin_samples_lie_on_the_surface(sampler, template):
    surface = sampler.skin_surface(2000, np.random.default_rng(0))
    skin = template.canonical[template.part == SKIN]
    assert (surface.points >= skin.min(0) - 1e-5).all() and (surface.points <= skin.max(0) + 1e-5).all()
    assert surface.colours.shape == (2000, 3, 3)
    means = dict(zip([s.name for s in sampler.skins], surface.colours.mean((0, 2)), strict=True))
    assert means["old_dark_male"] < means["middleage_light_male"] < means["young_light_female"]


def test_eyes_come_with_every_iris(sampler):
    assert sampler.part_surface(EYES, 100, np.random.default_rng(0)).colours.shape == (100, 2, 3)


def test_attribute_map_finds_the_tone(sampler):
    surface = sampler.skin_surface(500, np.random.default_rng(0))
    codes = np.array([[1.0], [2.0], [3.0]], np.float32)
    table = attribute_map(sampler.skins, surface, codes)
    assert table.shape == (4, 1) and np.isfinite(table).all()


def test_head_distance_has_its_sign_and_size(template):
    head = HeadDistance(template, 60_000, np.random.default_rng(0))
    index = np.arange(0, len(head.points), 97)
    for step in (-0.01, 0.0, 0.015):
        moved = (head.points[index] + step * head.normals[index]).astype(np.float32)
        assert np.median(np.abs(head(moved) - step)) < 2e-3


@pytest.mark.slow
def test_training_improves_resumes_and_loads(assets, template, tmp_path):
    def train(minutes):
        settings = replace(SETTINGS, checkpoint_every=1.0)
        return finish(train_canonical(assets, tmp_path, minutes, "cpu", 0, template, SIZES, settings))

    path = train(0.05)
    first = (tmp_path / "curves.csv").read_text().splitlines()
    # The first update compiles: whatever it took, leave three more seconds.
    train((float(first[-1].split(",")[1]) + 3) / 60)
    curve = [line.split(",") for line in (tmp_path / "curves.csv").read_text().splitlines()]
    assert [",".join(row) for row in curve[: len(first)]] == first
    step, psnr = curve[0].index("step"), curve[0].index("albedo_psnr")
    assert int(curve[len(first)][step]) > int(curve[len(first) - 1][step])
    assert float(curve[-1][psnr]) > float(curve[1][psnr]) + 0.1
    field = load_field(path)
    assert field.styles == ("short01",) and field.irises == ("blue", "brown")
    albedo = field.albedo(template.canonical, field.skin_appearance(0), template.part)
    assert albedo.shape == template.canonical.shape and albedo.min() >= 0 and albedo.max() <= 1
    assert cv2.imread(str(tmp_path / "preview.png")) is not None


def test_ageing_leaves_tone_alone(assets, template, tmp_path):
    path = finish(build_ageing(assets, tmp_path, 128, template))
    picture = cv2.imread(str(path))
    assert picture.shape == (128, 128, 3)
    assert picture.std() > 0.5
    assert abs(picture.mean() - UNITY) < 6


def test_training_without_assets_names_the_folder(tmp_path, template):
    with pytest.raises(MissingResource):
        finish(
            train_canonical(tmp_path / "nothing", tmp_path / "out", 0.01, "cpu", 0, template, SIZES, SETTINGS)
        )
