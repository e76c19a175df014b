"""Official files on the command line: adding models, samples, training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from official_pickles import tiny_generator, write_official

from inversion_core import cli, cli_official
from inversion_core.checkpoints import load_generator, load_goae
from inversion_core.checkpoints.install import install_model, installed_models
from inversion_core.directions import installed_directions
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.encoders.swin import SwinSettings
from inversion_core.errors import BadInput, CheckpointRefused, UsageError
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.model import load_model
from inversion_core.refine.afa import AFA, AFASettings
from inversion_core.samples import seeded_codes

SWIN = SwinSettings(64, 4, 8, (1, 1, 2, 1), (1, 2, 2, 4), 4, (3, 3, 3, 2))
ENCODER = GOAESettings(swin=SWIN, hidden=48)
ALIGNMENT = AFASettings(stages=(16, 32), blocks=1, channels=16, hidden=24)


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / "data")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Official files of one small system; the encoder's sizes are the test's, its layout the official one."""
    folder = tmp_path_factory.mktemp("official")
    volume = VolumeSettings(depth_resolution=6, depth_resolution_importance=6)
    generator = tiny_generator(
        superresolution="SuperresolutionHybrid2X", volume=volume, neural_rendering_resolution=16
    )
    # Dense enough to have a surface.
    generator.decoder.net[2].bias.data[0] += 15
    write_official(folder / "small.pkl", generator)
    torch.save(GOAEEncoder(ENCODER).state_dict(), folder / "encoder.pt")
    torch.save(AFA(ALIGNMENT).state_dict(), folder / "afa.pt")
    np.save(folder / "age.npy", np.ones((1, 14, 512), np.float32))
    return folder


@pytest.fixture
def small(monkeypatch):
    """The official sizes, made small."""
    monkeypatch.setattr("inversion_core.checkpoints.install.GOAESettings", lambda: ENCODER)
    monkeypatch.setattr("inversion_core.checkpoints.install.AFASettings", lambda: ALIGNMENT)


def facet(*words):
    return CliRunner().invoke(cli.facet, [str(word) for word in words], catch_exceptions=False)


def test_generator_with_directions_becomes_a_model(files):
    result = facet("models", "add", files / "small.pkl", files / "age.npy", "--json")
    record = json.loads(result.output)
    assert record["name"] == "small" and record["kind"] == "eg3d" and record["sliders"] == ["age"]
    listed = json.loads(facet("models", "--json").output)["models"]
    assert "small" in [model["name"] for model in listed]
    assert [folder.name for folder in installed_models()] == ["small"]


def test_goae_joins_a_generator_that_is_there(files, small):
    folder = install_model([files / "small.pkl", files / "age.npy"], "cats")
    with pytest.raises(UsageError, match="encoder and its AFA"):
        install_model([files / "encoder.pt"], "cats")
    assert install_model([files / "encoder.pt", files / "afa.pt"], "cats") == folder
    model = load_model("cats", "cpu")
    assert model.goae is not None and [d.name for d in model.directions] == ["age"]
    assert [s.name for s in model.card.sliders] == ["age"]
    assert load_goae(folder).encode(torch.zeros(1, 3, 64, 64)).shape == (1, 14, 512)


def test_parts_that_do_not_make_a_model(files, small, tmp_path):
    for words, message in (
        ([files / "age.npy"], "no name"),
        ([files / "small.pkl", files / "small.pkl"], "both the generator"),
    ):
        with pytest.raises(UsageError, match=message):
            install_model(words)
    with pytest.raises(UsageError, match="no model"):
        install_model([files / "age.npy"], "absent")
    for name in ("../up", "", ".", "a/b", "x" * 80):
        with pytest.raises(UsageError, match="no name"):
            install_model([files / "age.npy"], name)
    (tmp_path / "notes.txt").write_text("")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    for path in ("notes.txt", "other.pt"):
        with pytest.raises(CheckpointRefused, match="no file of EG3D or GOAE"):
            install_model([tmp_path / path], "x")
    assert installed_models() == []


def test_samples_of_an_added_model(files, tmp_path, monkeypatch):
    install_model([files / "small.pkl"])
    monkeypatch.chdir(tmp_path)
    facet(
        "sample",
        "--model",
        "small",
        "--seeds",
        "3",
        "--shapes",
        "--shape-resolution",
        "32",
        "--device",
        "cpu",
    )
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "seed0003.mrc",
        "seed0003.ply",
        "seed0003.png",
    ]


def test_samples_of_a_model(files, tmp_path):
    result = facet(
        "sample",
        "--model",
        files / "small.pkl",
        "--seeds",
        "0-1",
        "--trunc",
        "0.7",
        "-o",
        tmp_path / "out",
        "--device",
        "cpu",
        "--json",
    )
    written = json.loads(result.output)["samples"]
    assert [sample["seed"] for sample in written] == [0, 1] and set(written[0]) == {"seed", "picture"}
    assert (tmp_path / "out" / "seed0001.png").exists()


def test_lists_of_seeds():
    assert cli_official.numbers("0-3,7, 12-12") == [0, 1, 2, 3, 7, 12]
    for words in ("", "a", "3-1", "1-", "-3", "0-99999", "4294967296"):
        with pytest.raises(UsageError):
            cli_official.numbers(words)


def test_training_starts_and_leaves_a_model(files, tmp_path, monkeypatch):
    monkeypatch.setattr("inversion_core.training.goae.GOAEEncoder", lambda _: GOAEEncoder(ENCODER))
    monkeypatch.setattr("inversion_core.training.goae.AFA", lambda _: AFA(ALIGNMENT))
    words = ["--steps", 2, "--alignment-steps", 1, "--batch", 1, "--device", "cpu", "-o", tmp_path / "run"]
    facet("train", "goae", "--model", files / "small.pkl", *words)
    assert load_goae(tmp_path / "run" / "model").encoder.settings == ENCODER
    assert load_generator(tmp_path / "run" / "model").num_ws == 14
    assert (tmp_path / "run" / "curves.csv").exists()


def test_a_project_is_opened_with_the_model_it_was_made_with(monkeypatch, tmp_path):
    from inversion_core import project
    from inversion_core.errors import MissingResource

    asked = []

    def load(path=None):
        asked.append(path)
        if path is not None and path.name == "gone":
            raise MissingResource("There is no such model.", "Add it.")
        return str(path)

    monkeypatch.setattr("inversion_core.model.load_model", load)
    monkeypatch.setattr(project, "load_project", lambda path, model: model)
    for made_with, expected in (("mine", "mine"), ("facet-head", "None"), ("", "None"), ("gone", "None")):
        monkeypatch.setattr(project, "project_model", lambda path, name=made_with: name)
        assert project.open_project(tmp_path / "a.facet") == (expected, expected)
    assert project.open_project(tmp_path / "a.facet", tmp_path)[1] == str(tmp_path)
    with pytest.raises(MissingResource):
        project.open_project(tmp_path / "a.facet", tmp_path / "gone")


def test_directions_are_found_for_a_model_and_become_sliders(files, tmp_path):
    folder = install_model([files / "small.pkl", files / "age.npy"])
    generator = load_generator(folder)
    normal = np.random.default_rng(0).normal(size=512)
    seeds = range(40)
    scores = [seeded_codes(generator, seed)[0, 0].numpy() @ normal for seed in seeds]
    lines = [f"{seed}, {score:.4f}" for seed, score in zip(seeds, scores, strict=True)]
    (tmp_path / "fluffy.csv").write_text("\n".join(lines))
    words = ["--components", 2, "--styles", 1, "--labels", tmp_path / "fluffy.csv", "--without", "age"]
    record = json.loads(facet("models", "find-directions", "small", *words, "--json").output)
    assert record["found"] == ["component_1", "component_2", "style_1", "fluffy"]
    assert record["sliders"] == ["age", *record["found"]]
    kept = {d.name: d for d in installed_directions(folder, 14, 512)}
    for name in record["found"]:
        # Perpendicular to what it must not move.
        assert abs((kept[name].offsets * kept["age"].offsets).sum()) < 1e-3
    moved = kept["fluffy"].offsets[0] / np.linalg.norm(kept["fluffy"].offsets[0])
    along = [seeded_codes(generator, seed)[0, 0].numpy() @ moved for seed in seeds]
    assert np.corrcoef(along, scores)[0, 1] > 0.5


def test_labels_that_are_none_are_said(files, tmp_path):
    folder = install_model([files / "small.pkl"])
    for content in ("1 x", "1", "1 2 3", "1 0.5\n1 0.7", "-1 0.5", "\n".join(f"{i} {i}" for i in range(5))):
        (tmp_path / "a.txt").write_text(content)
        result = CliRunner().invoke(
            cli.facet, ["models", "find-directions", str(folder), "--labels", str(tmp_path / "a.txt")]
        )
        assert isinstance(result.exception, BadInput), content
    for words in ((), ("--styles", "1", "--without", "absent")):
        result = CliRunner().invoke(cli.facet, ["models", "find-directions", str(folder), *words])
        assert isinstance(result.exception, UsageError)
    assert installed_directions(folder, 14, 512) == []


def test_a_model_s_name_finds_added_ones_before_facet_s_own(tmp_path):
    from inversion_core.checkpoints.install import model_place
    from inversion_core.model import BUNDLED

    assert model_place(Path(BUNDLED.name), tmp_path) == BUNDLED
    (tmp_path / BUNDLED.name).mkdir()
    assert model_place(Path(BUNDLED.name), tmp_path) == tmp_path / BUNDLED.name
    assert model_place(Path("nobody"), tmp_path) == tmp_path / "nobody"
    assert model_place(tmp_path, tmp_path / "other") == tmp_path
