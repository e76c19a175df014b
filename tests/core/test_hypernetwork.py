"""A hypernetwork over StyleSDF's weights, and its comparison with aligned features."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from stylesdf_cases import SMALL, small_e3dge_settings, small_generator, small_networks

from inversion_core.encoders.hypernetwork import Hypernetwork, HypernetworkSettings, WeightOffsets
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator
from inversion_core.generators.stylesdf import StyleSDFSettings
from inversion_core.refine.hypernetwork import hyper_inverted, hyper_view, steered, styled_layers, view_change
from inversion_core.task import finish
from inversion_core.training.e3dge import E3DGETrainer, E3DGETraining
from inversion_core.training.e3dge_refinements import HypernetworkTrainer, compared_refinements

TINY = HypernetworkSettings((8, 16), 16, 2)
SHORT = E3DGETraining(
    global_steps=1,
    alignment_steps=0,
    hybrid_steps=0,
    batch=2,
    local_batch=2,
    samples=4,
    points=16,
    truncation_psi=1.0,
    learning_rate=5e-3,
    aligner_rate=2e-3,
)


@pytest.fixture(scope="module")
def model():
    return small_networks()


def random_offsets(count=2, rank=2):
    torch.manual_seed(3)
    with torch.no_grad():
        network = Hypernetwork(SMALL, dataclasses.replace(TINY, rank=rank))
        for head in network.left:
            head.weight.normal_(0, 0.2)
        return network(torch.randn(count, 3, 64, 64), torch.randn(count, 3, 16, 16))


def trainer_of():
    generator = small_generator()
    generator.renderer.network.rgb_linear.weight.mul_(8)
    sizes = small_e3dge_settings()
    torch.manual_seed(4)
    pose = VolumeDiscriminator(sizes.pose).eval().requires_grad_(False)
    return E3DGETrainer(generator, pose, SHORT, sizes)


def test_it_starts_as_no_change(model):
    inversion = model.invert(torch.rand(2, 3, 64, 64) * 2 - 1, 0.1, 0.0)
    refined = hyper_inverted(Hypernetwork(SMALL, TINY), inversion)
    plain = model.generator.render(inversion.codes, 0.3, -0.1)["image"]
    torch.testing.assert_close(refined.render(0.3, -0.1), plain, atol=1e-5, rtol=1e-5)


def test_every_styled_layer_has_an_offset_of_its_size(model):
    shapes = [layer.weight.shape[1:3] for _, layer in styled_layers(model.generator.decoder)]
    assert [tuple(shape) for shape in shapes] == list(Hypernetwork(SMALL, TINY).sides[1:])
    with torch.device("meta"):
        official = Hypernetwork(StyleSDFSettings())
    assert len(official.sides) == 10 and official.sides[1] == (512, 256)


def test_offsets_are_a_share_of_the_weights(model):
    offsets, decoder = random_offsets(), small_generator().decoder
    features, ws = torch.randn(2, 16, 16, 16), torch.randn(2, 6, 16)
    found = steered(decoder, features, ws, offsets)
    for n in range(2):
        one = small_generator().decoder
        with torch.no_grad():
            for (_, layer), (a, b) in zip(styled_layers(one), offsets.convs, strict=True):
                layer.weight.mul_(1 + (a[n] @ b[n].t())[None, :, :, None, None])
        torch.testing.assert_close(
            found[n : n + 1], one(features[n : n + 1], ws[n : n + 1]), atol=1e-4, rtol=1e-4
        )


def test_the_view_layer_s_offset_is_one_of_its_weights():
    offsets = random_offsets(1)
    a, b = (part[0] for part in offsets.view)
    features, weight = torch.randn(1, 2, 2, 3, 16), torch.randn(5, 16)
    changed = view_change(offsets)(torch.zeros(1, 2, 2, 3, 3), features) @ weight.t()
    moved = weight + weight @ a @ (b / 4).t()
    torch.testing.assert_close(changed, features @ moved.t(), atol=1e-5, rtol=1e-5)


def test_geometry_stays(model):
    codes = model.generator.seeded_codes(1)
    angles = torch.tensor([0.2]), torch.tensor([0.0])
    offsets = random_offsets(1)
    seen, picture = hyper_view(model, codes, offsets, *angles)
    plain = model.generator.volume(codes, *angles)
    assert torch.equal(seen.depth, plain.depth) and torch.equal(seen.sdf, plain.sdf)
    assert float((seen.thumb - plain.thumb).abs().max()) > 1e-4
    nothing = WeightOffsets(
        tuple(0 * part for part in offsets.view), tuple((0 * a, b) for a, b in offsets.convs)
    )
    none, same = hyper_view(model, codes, nothing, *angles)
    torch.testing.assert_close(none.thumb, plain.thumb)
    assert float((picture - same).abs().max()) > 1e-3


@pytest.mark.slow
def test_it_learns_what_codes_miss():
    trainer = trainer_of()
    hyper = HypernetworkTrainer(trainer, TINY)
    batch = trainer.pairs.batch(0, 2, 0.0)
    losses = [sum(hyper.advance(batch).values()) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
def test_both_ways_are_measured_on_the_same_heads(tmp_path):
    rows = finish(compared_refinements(trainer_of(), tmp_path, 2, TINY, held_out=2))
    assert [row.name for row in rows] == ["codes alone", "aligned features", "hypernetwork"]
    assert rows[0].parameters == 0 and rows[2].parameters == sum(
        p.numel() for p in Hypernetwork(SMALL, TINY).parameters()
    )
    assert all(row.seconds > 0 and row.processor_seconds > 0 and row.steps == 2 for row in rows[1:])
    trainer = trainer_of()
    trainer.advance()
    batch = trainer.pairs.batch(SHORT.steps + 5, 2)
    codes = trainer.model.invert(batch.first.image, batch.first.azim, batch.first.elev).codes
    seen = trainer.generator.volume(codes, batch.second.azim, batch.second.elev)
    picture = trainer.model.pooled(trainer.generator.decoder(seen.features, codes.decoder, "stored"))
    assert F.mse_loss(picture, batch.second.image).item() == pytest.approx(rows[0].novel, rel=1e-3)
    assert "hypernetwork |" in (tmp_path / "refinements.md").read_text()
    assert torch.load(tmp_path / "hypernetwork.pt", weights_only=True)["hypernetwork"]
