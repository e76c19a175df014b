"""Official files are told apart by their content, and become models of their kinds."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from official_pickles import write_official
from stylesdf_cases import small_e3dge_settings, small_networks
from test_e3dge import official_files
from test_eg3d import tiny_generator

from inversion_core import cli
from inversion_core.checkpoints import companions
from inversion_core.checkpoints.companions import AFA, ENCODER, GENERATOR, POSE, RUNNER, STYLESDF, identified
from inversion_core.checkpoints.install import AFA_KEY, ENCODER_KEY
from inversion_core.checkpoints.stylesdf import load_e3dge
from inversion_core.errors import CheckpointRefused, UsageError
from inversion_core.model import load_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    model = small_networks()
    official_files(folder, model)
    torch.save({ENCODER_KEY: torch.zeros(1)}, folder / "encoder.pt")
    torch.save({AFA_KEY: torch.zeros(1)}, folder / "afa.pt")
    np.save(folder / "age.npy", np.ones((1, 14, 512), np.float32))
    write_official(folder / "small.pkl", tiny_generator())
    torch.save({"x": torch.zeros(1)}, folder / "other.pt")
    return folder


def test_files_are_told_apart(files):
    names = ("runner.pt", "generator.pt", "pose.pt")
    parts = identified([files / name for name in names])
    assert {role: path.name for role, path in parts.files.items()} == dict(
        zip((RUNNER, STYLESDF, POSE), names, strict=True)
    )
    assert parts.kind == "e3dge" and parts.missing == ()
    first = identified([files / "encoder.pt"])
    assert first.kind == "goae" and first.missing == (GENERATOR, AFA)
    whole = identified([files / "afa.pt", files / "small.pkl", files / "age.npy"], first)
    assert whole.missing == () and set(whole.files) == {GENERATOR, ENCODER, AFA}
    assert whole.directions == (files / "age.npy",)
    assert identified([files], parts).boundaries == files


def test_what_does_not_belong_is_refused(files):
    with pytest.raises(CheckpointRefused, match=r"other\.pt"):
        identified([files / "other.pt"])
    with pytest.raises(UsageError, match="EG3D and to StyleSDF"):
        identified([files / "runner.pt", files / "encoder.pt"])
    with pytest.raises(UsageError, match="both"):
        identified([files / "pose.pt"], companions.Parts({POSE: files / "elsewhere.pt"}))
    with pytest.raises(UsageError, match="missing"):
        companions.install_parts(identified([files / "runner.pt"]), "x", files)


def test_parts_become_models(files, tmp_path, monkeypatch):
    folder = companions.install_parts(identified([files / "small.pkl"]), "mine", tmp_path)
    assert load_model(folder, "cpu").card.kind == "eg3d"
    monkeypatch.setattr(
        "inversion_core.checkpoints.stylesdf_folder.load_e3dge",
        lambda *paths: load_e3dge(*paths, settings=small_e3dge_settings()),
    )
    parts = identified([files / name for name in ("runner.pt", "generator.pt", "pose.pt")])
    folder = companions.install_parts(parts, "", tmp_path)
    assert folder.name == "stylesdf" and load_model(folder, "cpu").card.kind == "stylesdf"
    with pytest.raises(UsageError, match="no name"):
        companions.install_parts(parts, "../up", tmp_path)


def test_the_command_line_tells_files_apart_too(files, tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path)
    monkeypatch.setattr(
        "inversion_core.checkpoints.stylesdf_folder.load_e3dge",
        lambda *paths: load_e3dge(*paths, settings=small_e3dge_settings()),
    )
    three = [str(files / f"{name}.pt") for name in ("pose", "runner", "generator")]
    result = CliRunner().invoke(cli.facet, ["models", "add", *three, "--json"], catch_exceptions=False)
    assert json.loads(result.output)["kind"] == "stylesdf"
    assert load_model("stylesdf", "cpu").card.title == "StyleSDF with E3DGE"
    result = CliRunner().invoke(cli.facet, ["models", "add", *three[:2]])
    assert isinstance(result.exception, UsageError) and "ffhq1024x1024.pt" in str(result.exception)
