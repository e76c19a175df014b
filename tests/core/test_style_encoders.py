"""pSp, e4e, ReStyle and IDInvert: what they predict, that short runs learn, and their files."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from inversion_core.camera import Camera
from inversion_core.encoders.style_pyramid import (
    METHODS,
    ONE_CODE,
    StyleEncoder,
    StylePyramid,
    StyleSizes,
    load_style_encoder,
    save_style_encoder,
)
from inversion_core.errors import CheckpointRefused, MissingResource
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.optimise.coded import statistics_of
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.task import finish
from inversion_core.training.invertible import InvertibleMapping, fitted_mapping
from inversion_core.training.style_encoders import (
    StyleTraining,
    held_out_errors,
    held_out_samples,
    train_style_encoder,
)
from inversion_core.training.style_recipes import RECIPES
from tests.tiny_eg3d import TINY_EG3D as TINY

SHORT = StyleTraining(
    pool=32,
    fresh=0,
    batch=8,
    shown=8,
    latent=0.2,
    side=12,
    rate=2e-3,
    mixed=0.0,
    input_size=32,
    width=8,
    steps=25,
)
SIZES = StyleSizes("psp", 8, 16, input_size=32, width=8)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(3)
    settings = dataclasses.replace(TINY, volume=dataclasses.replace(TINY.volume, depth_resolution=6))
    return CodedGenerator(TriPlaneGenerator(settings), samples=6)


def network_of(method, **changes):
    torch.manual_seed(0)
    sizes = dataclasses.replace(SIZES, method=method, **changes)
    return StylePyramid(sizes, torch.linspace(-1, 1, 16), 2.0)


@pytest.mark.parametrize("method", METHODS)
def test_an_untrained_encoder_gives_nearly_the_mean(method, generator):
    network = network_of(method, rounds=3 if method == "restyle" else 1)
    encoder = StyleEncoder(network, generator.glimpse)
    ws = encoder(
        torch.rand(2, 3, 128, 128) * 2 - 1, torch.from_numpy(Camera.orbit(0, 0).label()).repeat(2, 1)
    )
    assert ws.shape == (2, 8, 16)
    if method in ONE_CODE:
        assert torch.equal(ws[:, 1:], ws[:, :1].expand(-1, 7, -1))
    assert (ws - network.mean).abs().max() < 2.0


def test_e4e_frees_one_code_after_another():
    network = network_of("e4e")
    offsets = torch.randn(1, 8, 16)
    ws = network.placed(offsets, 1)
    torch.testing.assert_close(ws, ws[:, :1].expand(-1, 8, -1))
    third = network.placed(offsets, 3)
    assert not torch.equal(third[:, 2], third[:, 0])
    torch.testing.assert_close(third[:, 3:], third[:, :1].expand(-1, 5, -1))
    torch.testing.assert_close(third[:, 0], ws[:, 0])


def test_restyle_looks_again(generator):
    network = network_of("restyle", rounds=3)
    seen = []

    def glimpse(ws, label):
        seen.append(ws.clone())
        return torch.zeros(len(ws), 3, 16, 16)

    rounds = StyleEncoder(network, glimpse).rounds(torch.zeros(1, 3, 32, 32), torch.zeros(1, 25))
    assert len(rounds) == len(seen) == 3
    torch.testing.assert_close(seen[0], network.mean.expand(1, 8, -1))
    torch.testing.assert_close(seen[2], rounds[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("ali", "bigan")])
def test_a_short_run_lowers_the_held_out_error(method, generator, tmp_path):
    # Counted in steps, not in minutes: clocks of test machines differ.
    held = held_out_samples(generator, 12, 77, SHORT)
    # Three looks a step, or smaller steps where no code is known.
    changes = {"restyle": {"steps": 12}, "idinvert": {"rate": 1e-3}, "lia": {"steps": 40}}.get(method, {})
    settings = dataclasses.replace(SHORT, **changes)
    path = finish(train_style_encoder(generator, tmp_path, method, settings=settings))
    trained = load_style_encoder(path, generator)
    none = StylePyramid(
        trained.network.sizes, generator.statistics.mean, generator.statistics.deviation
    ).eval()
    before = held_out_errors(StyleEncoder(none, generator.glimpse), held, generator, SHORT)
    after = held_out_errors(trained, held, generator, SHORT)
    assert after["picture_error"] < 0.95 * before["picture_error"]
    assert (tmp_path / f"encoder-{method}.csv").read_text().startswith("step,")


@pytest.mark.slow
def test_telling_pairs_apart_spreads_codes_as_the_generators_are(generator, tmp_path):
    # So short a game teaches how codes are distributed, and not yet which picture has which.
    settings = dataclasses.replace(SHORT, pool=64, shown=1, steps=300)
    held = held_out_samples(generator, 12, 77, SHORT)
    path = finish(train_style_encoder(generator, tmp_path, "bigan", settings=settings))
    codes = load_style_encoder(path, generator)(held.picture, held.label)[:, 0]
    spread = codes.std(0).square().sum().sqrt() / generator.statistics.deviation
    assert 0.3 < float(spread) < 3.0


def test_attributes_are_read_and_replaced(generator):
    directions = generator.directions()
    sizes = dataclasses.replace(SIZES, method="icgan", attributes=len(directions))
    network = StylePyramid(sizes, generator.statistics.mean, 1.0, directions)
    ws = generator.statistics.mean + torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(4))
    wanted = torch.tensor([[1.0, 0.0, -2.0], [0.5, 0.5, 0.5]])
    changed = network.with_attributes(ws, wanted)
    torch.testing.assert_close(network.read_attributes(changed), wanted, atol=1e-4, rtol=1e-4)
    # What is no attribute stays: the change lies along the edits alone.
    torch.testing.assert_close(
        network.with_attributes(changed, network.read_attributes(ws)), ws, atol=1e-4, rtol=1e-4
    )
    # And the encoder's own codes have the attributes that it names.
    picture, label = torch.rand(2, 3, 32, 32), torch.zeros(2, 25)
    found = network.read_attributes(network(picture, label))
    torch.testing.assert_close(found, network.attributes(picture, label), atol=1e-4, rtol=1e-4)


def test_an_invertible_mapping_inverts_and_finds_a_gaussian():
    torch.manual_seed(0)
    mapping = InvertibleMapping(6)
    for step in mapping.steps:
        torch.nn.init.normal_(step[2].weight)
    w = torch.randn(5, 6)
    torch.testing.assert_close(mapping.inverse(mapping(w)), w, atol=1e-4, rtol=1e-4)

    class Bent:
        w_dim = z_dim = 2
        device = torch.device("cpu")

        def mapped(self, z):
            return torch.stack([z[:, 0], 0.5 * z[:, 1] + z[:, 0] ** 2], 1)[:, None]

        statistics = None

    bent = Bent()
    bent.statistics = statistics_of(bent.mapped, 2, bent.device)
    found = finish(fitted_mapping(bent, steps=200))
    unit = (
        (bent.mapped(torch.randn(2000, 2))[:, 0] - bent.statistics.mean[0])
        / bent.statistics.deviation
        * 2**0.5
    )
    plain = InvertibleMapping(2)
    assert found.surprise(unit).item() < plain.surprise(unit).item() - 0.1


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.method)
def test_every_recipe_takes_a_step_that_changes_its_encoder(recipe, generator, tmp_path):
    settings = dataclasses.replace(SHORT, pool=6, batch=3, shown=1, steps=1)
    path = finish(train_style_encoder(generator, tmp_path, recipe.method, settings=settings))
    trained = load_style_encoder(path, generator)
    moved = [name for name, p in trained.network.named_parameters() if p.isfinite().all()]
    assert len(moved) == len(list(trained.network.parameters()))
    assert recipe.method in METHODS and {r.method for r in RECIPES} == set(METHODS)
    ws = trained(torch.rand(1, 3, 128, 128), torch.from_numpy(Camera.orbit(0, 0).label())[None])
    assert ws.isfinite().all() and not torch.equal(ws[:, :1], trained.network.mean)


def test_files_are_checked(generator, tmp_path):
    path = tmp_path / "encoder-psp.safetensors"
    with pytest.raises(MissingResource):
        load_style_encoder(path, generator)
    network = network_of("psp")
    save_style_encoder(network, path, {"seed": 1})
    loaded = load_style_encoder(path, generator)
    picture, label = torch.rand(1, 3, 32, 32), torch.zeros(1, 25)
    torch.testing.assert_close(loaded(picture, label), network.eval()(picture, label))
    save_style_encoder(StylePyramid(dataclasses.replace(SIZES, num_ws=9), torch.zeros(16), 1.0), path, {})
    with pytest.raises(CheckpointRefused, match="9 codes"):
        load_style_encoder(path, generator)
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(CheckpointRefused):
        load_style_encoder(path, generator)
