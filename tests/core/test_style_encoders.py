"""pSp, e4e, ReStyle and IDInvert: what they predict, that short runs learn, and their files."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from inversion_core.camera import Camera
from inversion_core.encoders.style_pyramid import (
    METHODS,
    StyleEncoder,
    StylePyramid,
    StyleSizes,
    load_style_encoder,
    save_style_encoder,
)
from inversion_core.errors import CheckpointRefused, MissingResource
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.task import finish
from inversion_core.training.style_encoders import (
    StyleTraining,
    held_out_errors,
    held_out_samples,
    train_style_encoder,
)
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
@pytest.mark.parametrize("method", METHODS)
def test_a_short_run_lowers_the_held_out_error(method, generator, tmp_path):
    # Counted in steps, not in minutes: clocks of test machines differ.
    held = held_out_samples(generator, 12, 77, SHORT)
    # Three looks a step, or smaller steps where no code is known.
    changes = {"restyle": {"steps": 12}, "idinvert": {"rate": 1e-3}}.get(method, {})
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
