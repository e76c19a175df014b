import numpy as np
import pytest
import torch

from inversion_core.camera import RADIUS, Camera
from inversion_core.encoders.heads import (
    INPUT_SIZE,
    EncoderSizes,
    HeadEncoder,
    load_encoder,
    rotation_from_6d,
    save_encoder,
)
from inversion_core.errors import MissingResource
from inversion_core.generators.heads_field import CanonicalField, FieldSizes
from inversion_core.landmark_tables import OVAL, mean_points
from inversion_core.task import finish
from inversion_core.training.assets import HeadAssets
from inversion_core.training.encoder import EncoderSettings, train_encoder
from inversion_core.training.pairs import PairMaker, disturbed, noisy_landmarks
from inversion_core.training.template import build_template
from tests.tiny_assets import write_tiny_assets

SIZES = EncoderSizes(4, 3, 2, 1, ("bald", "short"), width=8, hidden=16)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = write_tiny_assets(tmp_path_factory.mktemp("assets"))
    return finish(build_template(HeadAssets(folder), samples=12))


@pytest.fixture(scope="module")
def maker(template):
    torch.manual_seed(0)
    sizes = FieldSizes(16, 4, 8, 4, 8, 4, 8, 4, 8, 2, 1)
    field = CanonicalField(sizes, ("a", "b"), ("blue",), ("thin",), ("short",)).requires_grad_(False)
    return PairMaker(template, field)


def crop(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (512, 512, 3), dtype=np.uint8)


def test_six_numbers_make_rotations():
    turn = rotation_from_6d(torch.randn(20, 6))
    assert torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3).expand(20, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(turn), torch.ones(20), atol=1e-5)


def test_untrained_encoder_looks_from_the_front():
    encoder = HeadEncoder(SIZES)
    torch.nn.init.zeros_(encoder.head.weight)
    torch.nn.init.zeros_(encoder.head.bias)
    landmarks = np.full((478, 3), 0.5, np.float32)
    codes = encoder.encode(crop(), landmarks)
    assert np.allclose(codes.cam2world, Camera.orbit(0, 0, RADIUS).cam2world, atol=1e-5)
    assert codes.identity.shape == (4,) and codes.units.shape == (3,) and codes.light.shape == (9, 3)
    assert codes.hair_probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_saved_encoder_comes_back(tmp_path):
    encoder = HeadEncoder(SIZES)
    save_encoder(encoder, tmp_path / "encoder.safetensors", {})
    landmarks = np.random.default_rng(0).random((478, 3)).astype(np.float32)
    before, after = (
        encoder.encode(crop(), landmarks),
        load_encoder(tmp_path / "encoder.safetensors").encode(crop(), landmarks),
    )
    assert np.allclose(before.identity, after.identity, atol=1e-2)
    assert np.allclose(before.cam2world, after.cam2world, atol=1e-2)


def test_missing_encoder_is_named(tmp_path):
    with pytest.raises(MissingResource, match=r"encoder\.safetensors"):
        load_encoder(tmp_path / "encoder.safetensors")


def test_pairs_tell_where_the_landmarks_are(maker, template):
    picture, truth = maker.draw(np.random.default_rng(3))
    assert picture.shape == (INPUT_SIZE, INPUT_SIZE, 3) and picture.dtype == np.uint8
    coarse = template.coarse(truth.identity, truth.units, np.zeros(len(template.shapes), np.float32))
    local = template.landmarks(coarse) @ truth.rotation.T + truth.translation
    projected = local[:, :2] / local[:, 2:] * Camera.orbit(0, 0).intrinsics[0, 0] + 0.5
    assert np.allclose(projected, truth.landmarks, atol=1e-4)


def test_pairs_repeat_with_their_seed(maker):
    first, second = (maker.draw(np.random.default_rng(7))[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_landmark_noise_is_largest_on_the_outline():
    still = np.repeat(mean_points()[None, :, :2] + 0.5, 400, 0).astype(np.float32)
    moved = noisy_landmarks(still, OVAL, np.random.default_rng(0)) - still
    inner = np.setdiff1d(np.arange(478), OVAL)
    assert moved[:, list(OVAL)].std() > 1.5 * moved[:, inner].std()
    assert moved.std() < 0.02


def test_disturbances_keep_pictures_pictures():
    rng = np.random.default_rng(0)
    for _ in range(30):
        image = disturbed(rng.random((INPUT_SIZE, INPUT_SIZE, 3)).astype(np.float32), rng)
        assert image.shape == (INPUT_SIZE, INPUT_SIZE, 3) and image.dtype == np.uint8


@pytest.mark.slow
def test_training_writes_an_encoder_that_continues(maker, template, tmp_path):
    settings = EncoderSettings(pool=24, held_out=8, batch=8, log_every=0.5)

    def train(minutes):
        return finish(train_encoder(tmp_path, minutes, "cpu", 0, template, maker.field, settings))

    path = train(0.03)
    done = (tmp_path / "encoder_curves.csv").read_text().splitlines()
    before = len(done)
    # The first update compiles: whatever it took, leave two more seconds.
    train((float(done[-1].split(",")[1]) + 2) / 60)
    rows = [line.split(",") for line in (tmp_path / "encoder_curves.csv").read_text().splitlines()]
    assert len(rows) > before
    assert int(rows[before][0]) > int(rows[before - 1][0])
    assert load_encoder(path).sizes.styles == ("bald", "short")
