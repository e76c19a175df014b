"""From project to mesh on the command line, and the whole job without a window."""

import json
import struct
import sys

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from inversion_core import cli, headless
from inversion_core.errors import OutputUnwritable
from inversion_core.geometry.mesh_files import save_mesh
from inversion_core.mesh import METRES_PER_UNIT
from inversion_core.pipeline import edit, sculpt
from inversion_core.task import finish


@pytest.fixture(autouse=True)
def loaded(monkeypatch, model):
    monkeypatch.setattr("inversion_core.model.load_model", lambda path=None: model)


@pytest.fixture(scope="module")
def mesh(inversion, model):
    return finish(sculpt(edit(inversion, {}, model)))


def _facet(*words):
    return CliRunner().invoke(cli.facet, [str(word) for word in words], catch_exceptions=False)


def _document(path):
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length])


def test_the_mesh_is_a_textured_head(mesh):
    assert mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.vertices) - 1
    assert np.isfinite(mesh.vertices).all()
    assert mesh.uv.shape == (len(mesh.vertices), 2) and mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    assert mesh.texture.dtype == np.uint8 and mesh.texture.shape[2] in (3, 4)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
    height = np.ptp(mesh.vertices[:, 1]) * METRES_PER_UNIT
    assert 0.2 < height < 0.6


def test_its_texture_shows_the_photo_s_skin(mesh, inversion):
    points = mesh.vertices
    middle = np.abs(points[:, 0] - np.median(points[:, 0])) < 0.1
    front = np.flatnonzero(middle & (points[:, 2] > np.quantile(points[:, 2], 0.97)))
    height, width = mesh.texture.shape[:2]
    x = np.clip(mesh.uv[front, 0] * width, 0, width - 1).astype(int)
    y = np.clip((1 - mesh.uv[front, 1]) * height, 0, height - 1).astype(int)
    colour = np.median(mesh.texture[y, x, :3], 0) / 255
    assert np.linalg.norm(colour - inversion.detail.skin_colour) < 0.25


def test_its_morph_targets_are_the_expressions(mesh, inversion, model):
    assert len(mesh.morphs) >= 6
    assert any("blink" in name.lower() for name in mesh.morphs)
    for name, offsets in mesh.morphs.items():
        assert offsets.shape == mesh.vertices.shape
        moved = np.abs(offsets).max()
        assert 0.003 < moved < 0.2, name


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["obj", "ply", "glb"])
def test_export_writes_files_that_open(project_file, tmp_path, ending, mesh):
    path = tmp_path / f"my head.{ending}"
    done = _facet("export", project_file, "-o", path, "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["vertices"] == len(mesh.vertices) and record["faces"] == len(mesh.faces)
    assert record["morphs"] == list(mesh.morphs)
    opened = trimesh.load(path, force="mesh")
    assert np.allclose(opened.extents, np.ptp(mesh.vertices, axis=0) * METRES_PER_UNIT, atol=1e-3)
    if ending == "glb":
        assert _document(path)["meshes"][0]["extras"]["targetNames"] == list(mesh.morphs)


@pytest.mark.slow
def test_moves_change_what_is_exported(project_file, tmp_path, mesh):
    done = _facet("export", project_file, "--set", "jaw_width=1", "-o", tmp_path / "wide.ply")
    assert done.exit_code == 0, done.output
    opened = trimesh.load(tmp_path / "wide.ply", process=False)
    assert np.abs(opened.vertices - mesh.vertices * METRES_PER_UNIT).max() > 0.002


@pytest.mark.slow
def test_marching_cubes_give_one_coloured_surface(project_file, tmp_path):
    done = _facet("export", project_file, "--resolution", "48", "-o", tmp_path / "volume.ply", "--json")
    assert done.exit_code == 0, done.output
    opened = trimesh.load(tmp_path / "volume.ply", process=False)
    assert len(opened.faces) == json.loads(done.stdout)["faces"] > 2000
    assert opened.volume > 0  # normals point outward
    assert opened.visual.vertex_colors[:, :3].std(0).min() > 5
    assert 0.2 < opened.extents[1] < 0.6


def test_unwritable_places_are_refused(mesh, tmp_path):
    with pytest.raises(OutputUnwritable):
        save_mesh(mesh, tmp_path / "no" / "head.glb")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_headless_does_the_same_job_to_files(tmp_path, monkeypatch, inversion, model):
    from inversion_core import pipeline, turntable

    def found(portrait, model):
        yield from ()
        return inversion

    # The inversion is the session's own; a turntable of two frames will do.
    monkeypatch.setattr(pipeline, "invert", found)
    original = turntable.save_turntable
    monkeypatch.setattr(
        turntable, "save_turntable", lambda head, path, inv: original(head, path, inv, 0.4, 5, 64)
    )
    done = CliRunner().invoke(headless.headless, ["--out", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    names = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {"astronaut.facet", "astronaut/sheet.png", "astronaut.glb", "astronaut.mp4"} <= names
    assert "astronaut.glb" in done.stdout


def test_headless_refuses_what_is_no_photo(tmp_path):
    (tmp_path / "text.jpg").write_text("Milk, bread, eggs. " * 50)
    done = CliRunner().invoke(headless.headless, [str(tmp_path / "text.jpg"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 3
    assert "text.jpg" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_running_it_as_a_module_is_quick_to_refuse(tmp_path):
    import subprocess

    words = [sys.executable, "-m", "inversion_core.system_check"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode in (0, 4)
    assert (done.returncode == 4) == ("apt-get install" in done.stderr)
