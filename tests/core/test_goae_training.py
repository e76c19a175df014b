"""GOAE's training: each loss, the schedule, resuming, and a small run that learns."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from inversion_core.camera import Camera
from inversion_core.checkpoints import load_goae
from inversion_core.encoders.goae import GOAESettings
from inversion_core.encoders.swin import SwinSettings
from inversion_core.errors import BadInput, CheckpointRefused
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.image import from_signed
from inversion_core.refine.afa import AFASettings
from inversion_core.task import finish
from inversion_core.training.goae import GOAETrainer, GOAETraining, held_out_error, shortened, train_goae
from inversion_core.training.goae_losses import (
    CanonicalDiscriminator,
    LossWeights,
    background_depth_loss,
    canonical_loss,
    discriminator_loss,
    structure_distance,
)
from inversion_core.training.goae_portraits import GeneratedPortraits, PhotoFolder

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
SHORT = GOAETraining(
    encoder_steps=3,
    alignment_steps=2,
    level_steps=(1, 2, 3),
    warmup_steps=0,
    batch=2,
    rays=16,
    learning_rate=2e-3,
    save_every=2,
)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    settings = EG3DSettings(
        z_dim=16,
        w_dim=32,
        plane_resolution=64,
        plane_channels=8,
        channel_base=1024,
        channel_max=16,
        superresolution="SuperresolutionHybrid2X",
        volume=VolumeSettings(depth_resolution=6, depth_resolution_importance=6),
    )
    network = TriPlaneGenerator(settings).eval().requires_grad_(False)
    c = torch.from_numpy(Camera.orbit(0, 0).label())[None].expand(500, -1)
    network.backbone.mapping.w_avg.copy_(network.mapping(torch.randn(500, 16), c)[:, 0].mean(dim=0))
    return network


@pytest.fixture(scope="module")
def portraits(generator):
    return GeneratedPortraits(generator, rays=16)


def test_learning_rate_rises_and_falls():
    settings = GOAETraining(warmup_steps=100)
    rates = [settings.rate(step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(2e-8) and rates[100] == pytest.approx(2e-5)
    assert rates[1000] == pytest.approx(2e-7) and rates[550] == pytest.approx((2e-5 + 2e-7) / 2)
    assert max(rates) == rates[100]


def test_levels_join_one_after_the_other():
    settings = GOAETraining()
    assert [settings.level(step) for step in (0, 9_999, 10_000, 20_000, 30_000)] == [0, 0, 1, 2, 3]
    assert shortened(settings, 1000, 500).level_steps == (100, 200, 300)


def test_background_is_pulled_to_the_farthest_depth():
    depth = torch.tensor([[[[2.0, 2.5], [3.0, 3.0]]]], requires_grad=True)
    person = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    loss = background_depth_loss(depth, person)
    # One background pixel of three is half a range in front.
    assert loss.item() == pytest.approx(0.25 / 3, abs=1e-5)
    loss.backward()
    assert depth.grad[0, 0, 0, 0] == 0 and depth.grad[0, 0, 0, 1] < 0
    assert background_depth_loss(depth, torch.ones(1, 1, 4, 4)).item() == 0


def test_structure_ignores_brightness_and_sees_edges():
    first = torch.rand(1, 3, 32, 32)
    assert structure_distance(first, first + 0.3).item() == pytest.approx(0, abs=1e-5)
    moved = torch.roll(first, 1, dims=3)
    assert structure_distance(first, moved).item() > 0.3


def test_discriminator_learns_which_codes_are_canonical():
    torch.manual_seed(0)
    network = CanonicalDiscriminator(8, hidden=16, layers=2)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    canonical, encoded = torch.randn(256, 8), torch.randn(256, 8) + 1.5
    before = canonical_loss(network, encoded).item()
    for _ in range(150):
        optimiser.zero_grad()
        discriminator_loss(network, canonical, encoded, r1=0.1).backward()
        optimiser.step()
    assert (network(canonical) > 0).float().mean() > 0.85
    assert (network(encoded) < 0).float().mean() > 0.85
    assert canonical_loss(network, encoded).item() > before
    assert canonical_loss(network, canonical) < canonical_loss(network, encoded)


def test_gradient_penalty_counts():
    network = CanonicalDiscriminator(4, hidden=8, layers=2)
    codes = torch.randn(6, 4)
    plain = discriminator_loss(network, codes, codes, r1=0)
    real = codes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(real).sum(), real)
    expected = plain + 5 * gradient.square().sum(dim=1).mean()
    torch.testing.assert_close(discriminator_loss(network, codes, codes, r1=10), expected)


def test_generated_portraits_repeat_and_differ(portraits):
    first, again, other = portraits.batch(3, 2), portraits.batch(3, 2), portraits.batch(4, 2)
    assert torch.equal(first.image, again.image) and torch.equal(first.c, again.c)
    assert not torch.equal(first.image, other.image)
    assert first.image.shape == (2, 3, 128, 128) and first.person.shape == (2, 1, 128, 128)
    assert 0 < first.person.mean() < 1


def test_photo_folders(tmp_path):
    (tmp_path / "00000").mkdir()
    (tmp_path / "masks").mkdir()
    labels = []
    for index in range(3):
        Image.new("RGB", (40, 40), (index * 80, 0, 0)).save(tmp_path / "00000" / f"{index}.png")
        Image.new("L", (40, 40), 255 * (index % 2)).save(tmp_path / "masks" / f"{index}.png")
        labels.append([f"00000/{index}.png", Camera.orbit(index / 10, 0).label().tolist()])
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    folder = PhotoFolder(tmp_path, side=32)
    batches = [folder.batch(step, 1) for step in range(3)]
    reds = sorted(int(from_signed(batch.image[0].numpy())[0, 0, 0]) for batch in batches)
    assert reds == [0, 80, 160]
    for batch in batches:
        index = from_signed(batch.image[0].numpy())[0, 0, 0] // 80
        assert batch.person.mean().item() == index % 2 and batch.image.shape == (1, 3, 32, 32)
        np.testing.assert_allclose(batch.c[0].numpy(), labels[index][1], atol=1e-6)
    (tmp_path / "masks" / "1.png").unlink()
    assert folder.batch(0, 3).person is None
    for content in ("", "{}", '{"labels": []}', '{"labels": [["a", [1]]]}'):
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(BadInput):
            PhotoFolder(tmp_path)


def test_steps_move_only_the_networks_of_their_phase(generator, portraits):
    trainer = GOAETrainer(generator, SHORT, ENCODER, ALIGNMENT)
    before = [p.clone() for p in generator.parameters()]

    def snapshot():
        return [
            torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (trainer.encoder, trainer.afa)
        ]

    start = snapshot()
    losses = trainer.advance(portraits)
    assert set(losses) == {"pixel", "structure", "canonical", "background", "discriminator"}
    middle = snapshot()
    assert not torch.equal(start[0], middle[0]) and torch.equal(start[1], middle[1])
    trainer.step = 3
    assert set(trainer.advance(portraits)) == {"pixel", "structure", "background"}
    end = snapshot()
    assert torch.equal(middle[0], end[0]) and not torch.equal(middle[1], end[1])
    assert all(torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))


def test_losses_can_be_left_out_or_given(generator, portraits):
    weights = LossWeights(structure=0, canonical=0, background=0)
    trainer = GOAETrainer(
        generator,
        dataclasses.replace(SHORT, weights=weights),
        ENCODER,
        ALIGNMENT,
        identity=lambda a, b: (a - b).abs().mean(),
    )
    assert set(trainer.advance(portraits)) == {"pixel", "identity"}


def test_a_resumed_run_is_the_unbroken_one(generator, portraits, tmp_path):
    whole = finish(train_goae(generator, portraits, tmp_path / "a", SHORT, ENCODER, ALIGNMENT))
    task = train_goae(generator, portraits, tmp_path / "b", SHORT, ENCODER, ALIGNMENT)
    for _ in range(3):
        next(task)
    task.close()
    resumed = finish(train_goae(generator, portraits, tmp_path / "b", SHORT, ENCODER, ALIGNMENT))
    for first, second in ((whole.encoder, resumed.encoder), (whole.afa, resumed.afa)):
        for ours, theirs in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
            assert torch.equal(ours, theirs)
    with (tmp_path / "a" / "curves.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert {row[0] for row in rows} == {"1", "2", "3", "4", "5"}
    assert (tmp_path / "a" / "preview.png").exists()
    with pytest.raises(CheckpointRefused, match="other settings"):
        finish(train_goae(generator, portraits, tmp_path / "b", SHORT, ENCODER, AFASettings(channels=16)))


@pytest.mark.slow
def test_a_small_run_learns_and_its_model_loads(generator, portraits, tmp_path):
    settings = dataclasses.replace(
        SHORT, encoder_steps=60, alignment_steps=45, level_steps=(10, 20, 30), save_every=1000
    )
    untrained = GOAETrainer(generator, settings, ENCODER, ALIGNMENT).goae
    before, _ = held_out_error(untrained, portraits, 10_000, 8)
    batch = portraits.batch(10_000, 8)
    mean_code = generator.backbone.mapping.w_avg.expand(8, 10, 32)
    guess = generator.synthesis(mean_code, batch.c)["image"]
    mean_head = torch.nn.functional.mse_loss(guess, batch.image).item()
    trained = finish(train_goae(generator, portraits, tmp_path, settings, ENCODER, ALIGNMENT))
    plain, refined = held_out_error(trained, portraits, 10_000, 8)
    # Better than it was, better than the same head for everyone, and better again once aligned.
    assert plain < 0.5 * before and plain < 0.8 * mean_head
    assert refined < plain
    loaded = load_goae(tmp_path / "model")
    assert held_out_error(loaded, portraits, 10_000, 8) == pytest.approx((plain, refined), rel=1e-4)
