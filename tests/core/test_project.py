"""Projects: the same head after a round trip, and a sentence for every damaged, newer or foreign file."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from inversion_core import project as module
from inversion_core.camera import Camera
from inversion_core.errors import ImageUnreadable, OutputUnwritable, ProjectUnreadable
from inversion_core.pipeline import edit, view
from inversion_core.project import Project, load_project, project_model, save_project


@pytest.fixture
def members(project_file):
    with zipfile.ZipFile(project_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _written(path, members, **manifest):
    if manifest:
        members = {**members, "project.json": json.dumps({**json.loads(members["project.json"]), **manifest})}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_project_gives_back_the_same_head_moves_and_view(inversion, model, tmp_path):
    moves, camera = {"smile": 0.5, "age": -0.3}, Camera.orbit(0.3, 0.1)
    save_project(Project(inversion, moves, camera), tmp_path / "a b.facet", model)
    again = load_project(tmp_path / "a b.facet", model)
    assert again.moves == moves
    assert np.allclose(again.camera.label(), camera.label())
    one, two = (view(edit(x, moves, model), camera, 128) for x in (inversion, again.inversion))
    assert np.abs(one.over() - two.over()).max() < 0.02
    # Half precision lets a few pixels at hair's soft edge fall to the other side of solid.
    assert (np.abs(one.depth - two.depth) > 1e-4).mean() < 0.002
    before, after = inversion.portrait, again.inversion.portrait
    assert np.array_equal(before.image, after.image)
    assert np.array_equal(before.landmarks, after.landmarks)
    assert np.abs(before.person - after.person).max() <= 0.5 / 255 + 1e-6
    assert (before.source, before.name, before.face) == (after.source, after.name, after.face)


def test_saving_what_was_loaded_changes_nothing_more(project_file, model, tmp_path):
    first = load_project(project_file, model)
    save_project(first, tmp_path / "again.facet", model)
    second = load_project(tmp_path / "again.facet", model)
    camera = first.inversion.portrait.camera
    one, two = (view(edit(x.inversion, {}, model), camera, 96) for x in (first, second))
    assert np.array_equal(one.rgb, two.rgb)


def test_the_file_is_a_zip_of_json_pictures_and_safetensors(members):
    assert set(members) == {"project.json", "crop.png", "photo", "inversion.safetensors"}
    manifest = json.loads(members["project.json"])
    assert manifest["version"] == module.VERSION
    assert manifest["model"] == "facet-head"
    assert members["crop.png"].startswith(b"\x89PNG")


def test_a_newer_version_is_refused_before_its_contents_are_read(members, model, tmp_path):
    members["inversion.safetensors"] = b"a format of the future"
    path = _written(tmp_path / "new.facet", members, version=module.VERSION + 1, extra={"unknown": 1})
    with pytest.raises(ProjectUnreadable, match="newer version"):
        load_project(path, model)


def test_another_model_is_refused_by_name(members, model, tmp_path):
    path = _written(tmp_path / "other.facet", members, model="somebody-else")
    with pytest.raises(ProjectUnreadable, match="somebody-else"):
        load_project(path, model)


def test_an_unknown_slider_is_refused(members, model, tmp_path):
    path = _written(tmp_path / "moves.facet", members, moves={"wings": 1.0})
    with pytest.raises(ProjectUnreadable, match="wings"):
        load_project(path, model)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 torn", b"\x89PNG\r\n"])
def test_other_files_are_refused(content, model, tmp_path):
    path = tmp_path / "wrong.facet"
    path.write_bytes(content)
    with pytest.raises(ProjectUnreadable) as caught:
        load_project(path, model)
    assert "wrong.facet" in caught.value.what and caught.value.hint


def test_a_missing_file_is_said_to_be_missing(model, tmp_path):
    with pytest.raises(ImageUnreadable, match=r"none\.facet"):
        load_project(tmp_path / "none.facet", model)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_projects_are_refused(project_file, model, tmp_path, share):
    content = project_file.read_bytes()
    path = tmp_path / "torn.facet"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ProjectUnreadable):
        load_project(path, model)


@pytest.mark.parametrize("where", [0.2, 0.4, 0.6, 0.8])
def test_flipped_bytes_are_noticed(project_file, model, tmp_path, where):
    content = bytearray(project_file.read_bytes())
    start = int(where * len(content))
    content[start : start + 64] = bytes(255 - b for b in content[start : start + 64])
    path = tmp_path / "flipped.facet"
    path.write_bytes(content)
    with pytest.raises(ProjectUnreadable):
        load_project(path, model)


@pytest.mark.parametrize("name", ["project.json", "crop.png", "photo", "inversion.safetensors"])
def test_a_project_without_one_of_its_parts_is_refused(members, model, tmp_path, name):
    del members[name]
    with pytest.raises(ProjectUnreadable):
        load_project(_written(tmp_path / "part.facet", members), model)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("project.json", b"[]"),
        ("project.json", b"{}"),
        ("project.json", b'{"version": "one"}'),
        ("project.json", b'{"version": 1}'),
        ("project.json", b"\xff\xfe"),
        ("crop.png", b"no picture"),
        ("inversion.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
        ("inversion.safetensors", b"\xff" * 64),
    ],
)
def test_nonsense_in_a_part_is_refused(members, model, tmp_path, name, content):
    members[name] = content
    with pytest.raises(ProjectUnreadable):
        load_project(_written(tmp_path / "odd.facet", members), model)


def test_a_crop_of_another_size_is_refused(members, model, tmp_path):
    from inversion_core.image import encode

    members["crop.png"] = encode(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ProjectUnreadable):
        load_project(_written(tmp_path / "small.facet", members), model)


@pytest.mark.parametrize("camera", [[0.0] * 7, []])
def test_a_camera_of_the_wrong_length_is_refused(members, model, tmp_path, camera):
    with pytest.raises(ProjectUnreadable):
        load_project(_written(tmp_path / "camera.facet", members, camera=camera), model)


def test_arrays_of_wrong_shapes_are_refused(members, model, tmp_path):
    from safetensors.numpy import load, save

    arrays = load(members["inversion.safetensors"])
    for name, wrong in (
        ("detail.head.vertices", np.zeros((7, 3), np.float32)),
        ("detail.latent", np.zeros(3, np.float32)),
        ("detail.camera", np.zeros(4, np.float32)),
        ("portrait.landmarks", np.zeros((5, 3), np.float32)),
        ("detail.hair.faces", np.full((5, 3), 10**6, np.int32)),
        ("detail.hair.attributes", np.zeros((5, 3), np.float16)),
        ("detail.hair_anchors", np.full_like(arrays["detail.hair_anchors"], -1)),
        ("detail.photo", np.zeros((4, 4, 3), np.float16)),
        ("detail.light", np.full(9, np.nan, np.float32)),
    ):
        members["inversion.safetensors"] = save({**arrays, name: wrong})
        with pytest.raises(ProjectUnreadable):
            load_project(_written(tmp_path / "shape.facet", members), model)
    members["inversion.safetensors"] = save({k: v for k, v in arrays.items() if k != "detail.photo"})
    with pytest.raises(ProjectUnreadable):
        load_project(_written(tmp_path / "shape.facet", members), model)


def test_members_that_unpack_to_absurd_sizes_are_not_unpacked(members, model, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, b"\0" * 2_000_000 if name == "photo" else content)
    path = tmp_path / "bomb.facet"
    path.write_bytes(buffer.getvalue())
    monkeypatch.setattr(module, "LARGEST_MEMBER", 1_000_000)
    with pytest.raises(ProjectUnreadable, match="absurd"):
        load_project(path, model)


def test_a_folder_that_is_not_there_leaves_nothing(inversion, model, tmp_path):
    with pytest.raises(OutputUnwritable):
        save_project(Project(inversion), tmp_path / "no" / "where.facet", model)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_project(project_file, inversion, model, tmp_path, monkeypatch):
    from pathlib import Path

    path = tmp_path / "kept.facet"
    shutil.copy(project_file, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputUnwritable):
        save_project(Project(inversion, {"smile": 1.0}), path, model)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept.facet"]


def test_the_model_of_a_project_is_told_without_opening_it(project_file, model, tmp_path):
    assert project_model(project_file) == model.card.name
    (tmp_path / "damaged.facet").write_bytes(b"PK\3\4 but no more")
    assert project_model(tmp_path / "damaged.facet") == project_model(tmp_path / "absent.facet") == ""
