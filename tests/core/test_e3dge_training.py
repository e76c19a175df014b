"""E3DGE's training on a small generator: pairs, losses, all three stages, resuming, and what it achieves."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from PIL import Image
from stylesdf_cases import small_e3dge_settings, small_generator

from inversion_core.checkpoints.stylesdf import load_e3dge
from inversion_core.cli_stylesdf import e3dge
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator
from inversion_core.errors import BadInput, CheckpointRefused, UsageError
from inversion_core.task import finish
from inversion_core.training.e3dge import E3DGETrainer, E3DGETraining, train_e3dge
from inversion_core.training.e3dge_losses import E3DGEWeights, field_losses, latent_loss
from inversion_core.training.e3dge_pairs import PseudoPairs, distances_and_gradients
from inversion_core.training.e3dge_reals import PictureFolder

SHORT = E3DGETraining(
    global_steps=1,
    alignment_steps=1,
    hybrid_steps=2,
    batch=2,
    local_batch=2,
    samples=4,
    points=16,
    truncation_psi=1.0,
    save_every=2,
)


@pytest.fixture(scope="module")
def generator():
    generator = small_generator()
    # Untrained colours are nearly grey.
    generator.renderer.network.rgb_linear.weight.mul_(8)
    return generator


def trainer_of(generator, settings, **options):
    torch.manual_seed(4)
    pose = VolumeDiscriminator(small_e3dge_settings().pose).eval().requires_grad_(False)
    return E3DGETrainer(generator, pose, settings, small_e3dge_settings(), **options)


def test_pairs_follow_from_seed_and_step(generator):
    pairs = PseudoPairs(generator, 64, 32, 0.5)
    first, again, other = pairs.batch(3, 2), pairs.batch(3, 2), pairs.batch(4, 2)
    assert torch.equal(first.first.image, again.first.image)
    assert not torch.equal(first.first.image, other.first.image)
    assert first.first.image.shape == (2, 3, 64, 64) and first.surface.points.shape == (2, 32, 3)
    view = generator.volume(first.codes, first.second.azim, first.second.elev)
    assert torch.equal(view.thumb, first.second.thumb)
    near = pairs.batch(3, 2, turn=0.0)
    assert torch.equal(near.first.thumb, near.second.thumb)
    assert torch.equal(near.first.azim, first.first.azim)
    assert float((first.second.azim - first.first.azim).abs().max()) > 0.01


def test_samples_are_the_field_s_own(generator):
    batch = PseudoPairs(generator, 64, 32).batch(0, 2)
    scale = generator.settings.renderer.scale
    # In double precision, as differences of untrained, wavy fields need short steps.
    exact, styles = copy.deepcopy(generator).double(), batch.codes.renderer.double()
    points = batch.uniform.points.double()
    sdf, gradient = distances_and_gradients(exact, styles, points)
    step = torch.tensor([0.0, 1e-7, 0.0], dtype=torch.float64)
    slope = (exact.renderer.sdf(points + step, styles) - sdf) / (1e-7 * scale)
    torch.testing.assert_close(gradient[..., 1:2].detach(), slope.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(batch.uniform.sdf, sdf.detach().float(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(batch.uniform.normals.norm(dim=-1), torch.ones(2, 32))
    assert float((batch.uniform.points * scale).abs().max()) <= 1


def test_true_codes_have_no_loss_but_the_eikonal(generator):
    batch = PseudoPairs(generator, 64, 32).batch(0, 2)
    losses = field_losses(generator, batch.codes.renderer, batch, E3DGEWeights())
    assert all(float(losses[name].detach()) < 1e-8 for name in ("surface", "normal", "uniform"))
    assert float(losses["eikonal"].detach()) > 1e-4
    assert float(latent_loss(batch.codes, batch.codes)) == 0
    styles = (batch.codes.renderer + 0.1).requires_grad_(True)
    wrong = field_losses(generator, styles, batch, E3DGEWeights())
    torch.stack(list(wrong.values())).sum().backward()
    assert float(wrong["normal"].detach()) > 1e-6 and float(styles.grad.abs().min()) >= 0
    assert float(styles.grad.abs().sum()) > 0


def test_views_turn_further_as_the_local_stages_go_on():
    settings = dataclasses.replace(SHORT, global_steps=10, alignment_steps=20, hybrid_steps=40)
    assert [settings.turn(step) for step in (10, 15, 20, 29, 30, 40, 50)] == [0, 0.5, 1, 1, 0, 0.5, 1]


def changed(before, module):
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def copies(trainer):
    parts = {
        "encoder": trainer.model.encoder,
        "local": trainer.model.local,
        "aligner": trainer.model.aligner,
        "fusion": trainer.model.fusion,
        "discriminator": trainer.discriminator,
        "generator": trainer.generator,
        "pose": trainer.model.pose_network,
    }
    return {
        name: (module, [p.detach().clone() for p in module.parameters()]) for name, module in parts.items()
    }


def test_each_stage_moves_its_own_networks(generator):
    trainer = trainer_of(generator, SHORT)
    moved = []
    for _ in range(3):
        before = copies(trainer)
        trainer.advance()
        moved.append({name for name, (module, old) in before.items() if changed(old, module)})
    # The modulation starts at zero, so what is before it learns from the second local step on.
    assert moved == [{"encoder"}, {"local", "aligner"}, {"local", "aligner", "fusion", "discriminator"}]


def test_the_discriminator_meets_the_reals_it_is_given(generator):
    asked = []

    def reals(step, count):
        asked.append((step, count))
        return torch.zeros(count, 3, 128, 128)

    trainer = trainer_of(
        generator, dataclasses.replace(SHORT, global_steps=0, alignment_steps=0), reals=reals
    )
    trainer.advance()
    assert asked == [(0, 2)]


def test_identity_distance_is_used_where_it_is_given(generator):
    trainer = trainer_of(generator, SHORT, identity=lambda a, b: F.l1_loss(a, b))
    assert trainer.advance()["identity"] > 0


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(generator, tmp_path):
    whole = trainer_of(generator, SHORT)
    finish(train_e3dge(whole, tmp_path / "whole"))
    task = train_e3dge(trainer_of(generator, SHORT), tmp_path / "parts")
    next(task), next(task)
    task.close()
    resumed = trainer_of(generator, SHORT)
    finish(train_e3dge(resumed, tmp_path / "parts"))
    assert resumed.step == 4
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, resumed.model.state_dict()[name])
    other = trainer_of(generator, dataclasses.replace(SHORT, batch=3))
    with pytest.raises(CheckpointRefused, match="other settings"):
        finish(train_e3dge(other, tmp_path / "parts"))


def test_the_result_loads_like_an_official_file(generator, tmp_path):
    trainer = trainer_of(generator, dataclasses.replace(SHORT, hybrid_steps=0))
    model = finish(train_e3dge(trainer, tmp_path))
    torch.save({"g_ema": generator.state_dict()}, tmp_path / "generator.pt")
    torch.save({"d": model.pose_network.state_dict()}, tmp_path / "pose.pt")
    paths = [tmp_path / name for name in ("runner.pt", "generator.pt", "pose.pt")]
    loaded = load_e3dge(*paths, settings=small_e3dge_settings())
    image = torch.randn(1, 3, 64, 64).clamp(-1, 1)
    assert torch.equal(loaded.encode(image).renderer, model.encode(image).renderer)


@pytest.mark.slow
def test_training_lowers_the_errors_on_heads_it_has_not_seen(generator):
    settings = dataclasses.replace(
        SHORT,
        samples=6,
        global_steps=80,
        alignment_steps=50,
        hybrid_steps=4,
        batch=8,
        local_batch=4,
        learning_rate=1e-3,
        aligner_rate=5e-3,
    )
    trainer = trainer_of(generator, settings)
    before = trainer.held_out_errors()
    for _ in range(settings.global_steps):
        trainer.advance()
    encoded = trainer.held_out_errors()
    assert encoded.thumb < 0.2 * before.thumb
    assert encoded.sdf < 0.2 * before.sdf
    for _ in range(settings.alignment_steps + settings.hybrid_steps):
        trainer.advance()
    aligned = trainer.held_out_errors()
    assert aligned.residual < 0.75 * encoded.residual
    assert (aligned.latent, aligned.plain_view) == (encoded.latent, encoded.plain_view)


def test_reals_come_from_a_folder(tmp_path):
    Image.new("RGB", (20, 30), (255, 0, 128)).save(tmp_path / "a.png")
    batch = PictureFolder(tmp_path, 8)(0, 2)
    assert batch.shape == (2, 3, 8, 8)
    torch.testing.assert_close(batch[0, :2, 0, 0], torch.tensor([1.0, -1.0]))
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadInput, match="no picture"):
        PictureFolder(tmp_path)


@pytest.mark.slow
def test_command_trains_the_small_networks_from_end_to_end(tmp_path):
    options = ["--steps", "3", "--alignment-steps", "1", "--hybrid-steps", "1", "--batch", "2"]
    result = CliRunner().invoke(e3dge, [*options, "-o", str(tmp_path), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "thumb:" in result.output and (tmp_path / "runner.pt").exists()
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert {row.split(",")[0] for row in rows} == {"1", "2", "3", "4", "5"}
    refused = CliRunner().invoke(e3dge, ["--generator", "x.pt", "-o", str(tmp_path)])
    assert isinstance(refused.exception, UsageError)
