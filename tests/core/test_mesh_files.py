"""Mesh files as trimesh reads them: metres, upright, outward, textured the right way up, morphs by name."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from inversion_core.errors import OutputUnwritable
from inversion_core.geometry.mesh_files import save_mesh, vertex_colours
from inversion_core.mesh import METRES_PER_UNIT, Mesh

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TEXTURE = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8).repeat(8, 0).repeat(8, 1)
"""Red at the top left, green at the top right, blue at the bottom left."""


def _wedge():
    """A tetrahedron: wide below, its tip up, its front face towards +z."""
    vertices = np.array([[-1, 0, 1], [1, 0, 1], [0, 0, -1], [0, 2, 0]], np.float32)
    faces = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]], np.int32)
    normals = vertices - [0, 0.5, 0]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    uv = np.array([[0.1, 0.9], [0.9, 0.9], [0.1, 0.1], [0.9, 0.1]], np.float32)
    smile = np.zeros((4, 3), np.float32)
    smile[3] = [0, 0.5, 0]
    return Mesh(
        vertices, faces, normals.astype(np.float32), uv, TEXTURE, None, {"smile": smile, "blink": -smile}
    )


def _coloured():
    mesh = _wedge()
    return Mesh(
        mesh.vertices, mesh.faces, mesh.normals, vertex_colours=np.array([RED, GREEN, BLUE, WHITE], np.uint8)
    )


def _glb(path):
    content = path.read_bytes()
    magic, version, total, length, kind = struct.unpack_from("<4sIII4s", content)
    assert (magic, version, total, kind) == (b"glTF", 2, len(content), b"JSON")
    document = json.loads(content[20 : 20 + length])
    binary_length, binary_kind = struct.unpack_from("<I4s", content, 20 + length)
    assert binary_kind == b"BIN\0" and 20 + length + 8 + binary_length == total
    return document, content[28 + length :]


@pytest.mark.parametrize("ending", ["obj", "ply", "glb"])
@pytest.mark.parametrize("make", [_wedge, _coloured])
def test_every_format_keeps_form_size_and_orientation(tmp_path, ending, make):
    mesh = make()
    save_mesh(mesh, tmp_path / f"head.{ending}")
    loaded = trimesh.load(tmp_path / f"head.{ending}", force="mesh")
    assert loaded.vertices.shape == (4, 3)
    assert np.allclose(loaded.extents, np.ptp(mesh.vertices, axis=0) * METRES_PER_UNIT, atol=1e-5)
    tip = loaded.vertices[np.argmax(loaded.vertices[:, 1])]
    assert np.allclose(tip, [0, 2 * METRES_PER_UNIT, 0], atol=1e-5)
    assert loaded.is_watertight
    assert loaded.volume > 0
    order = [
        int(np.argmin(np.linalg.norm(loaded.vertices - v * METRES_PER_UNIT, axis=1))) for v in mesh.vertices
    ]
    assert ((loaded.vertex_normals[order] * mesh.normals).sum(1) > 0.9).all()


@pytest.mark.parametrize("ending", ["obj", "glb"])
def test_textures_are_the_right_way_up(tmp_path, ending):
    save_mesh(_wedge(), tmp_path / f"head.{ending}")
    loaded = trimesh.load(tmp_path / f"head.{ending}", force="mesh")
    front = np.argmin(np.linalg.norm(loaded.vertices - np.array([-1, 0, 1]) * METRES_PER_UNIT, axis=1))
    material = loaded.visual.material
    picture = material.image if ending == "obj" else material.baseColorTexture
    picture = np.asarray(picture.convert("RGB"))
    assert picture.shape == TEXTURE.shape
    # trimesh hands out v running up, whatever the file's convention.
    u, v = loaded.visual.uv[front]
    height, width = picture.shape[:2]
    assert tuple(picture[int((1 - v) * height), int(u * width)]) == RED


def test_obj_names_its_material_and_picture_by_bare_names(tmp_path):
    save_mesh(_wedge(), tmp_path / "my head.obj")
    assert {p.name for p in tmp_path.iterdir()} == {"my head.obj", "my head.mtl", "my head.png"}
    text = (tmp_path / "my head.obj").read_text()
    assert "mtllib my head.mtl\n" in text and "usemtl head\n" in text
    assert "map_Kd my head.png\n" in (tmp_path / "my head.mtl").read_text()
    assert str(tmp_path) not in text
    assert np.array_equal(np.asarray(Image.open(tmp_path / "my head.png")), TEXTURE)


def test_glb_follows_the_specification(tmp_path):
    mesh = _wedge()
    save_mesh(mesh, tmp_path / "head.glb")
    document, binary = _glb(tmp_path / "head.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    position = document["accessors"][primitive["attributes"]["POSITION"]]
    assert np.allclose(position["min"], mesh.vertices.min(0) * METRES_PER_UNIT)
    assert np.allclose(position["max"], mesh.vertices.max(0) * METRES_PER_UNIT)

    def stored(name, width):
        accessor = document["accessors"][primitive["attributes"][name]]
        start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
        return np.frombuffer(binary, "<f4", 4 * width, start).reshape(4, width)

    assert np.allclose(stored("NORMAL", 3), mesh.normals)
    # In the file itself v runs down.
    assert np.allclose(stored("TEXCOORD_0", 2), np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], 1))
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    assert document["buffers"][0]["byteLength"] <= len(binary)


def test_glb_carries_morph_targets_by_name(tmp_path):
    mesh = _wedge()
    save_mesh(mesh, tmp_path / "head.glb")
    document, binary = _glb(tmp_path / "head.glb")
    entry = document["meshes"][0]
    assert entry["extras"]["targetNames"] == ["smile", "blink"]
    assert entry["weights"] == [0.0, 0.0]
    for target, offsets in zip(entry["primitives"][0]["targets"], mesh.morphs.values(), strict=True):
        accessor = document["accessors"][target["POSITION"]]
        assert accessor["count"] == len(mesh.vertices)
        start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
        stored = np.frombuffer(binary, "<f4", 12, start).reshape(4, 3)
        assert np.allclose(stored, offsets * METRES_PER_UNIT)


@pytest.mark.parametrize("ending", ["obj", "ply"])
def test_vertex_colours_come_through(tmp_path, ending):
    save_mesh(_coloured(), tmp_path / f"head.{ending}")
    assert [p.name for p in tmp_path.iterdir()] == [f"head.{ending}"]
    loaded = trimesh.load(tmp_path / f"head.{ending}", force="mesh")
    front = np.argmin(np.linalg.norm(loaded.vertices - np.array([-1, 0, 1]) * METRES_PER_UNIT, axis=1))
    assert tuple(loaded.visual.vertex_colors[front, :3]) == RED


def test_glb_stores_vertex_colours_linear(tmp_path):
    mesh = _coloured()
    grey = Mesh(mesh.vertices, mesh.faces, vertex_colours=np.full((4, 3), 128, np.uint8))
    save_mesh(grey, tmp_path / "head.glb")
    document, binary = _glb(tmp_path / "head.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    accessor = document["accessors"][primitive["attributes"]["COLOR_0"]]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    # sRGB 128 is 0.2159 of full light.
    assert np.allclose(np.frombuffer(binary, "<f4", 12, start), 0.2159, atol=5e-3)


def test_obj_stores_the_normals_it_was_given(tmp_path):
    mesh = _wedge()
    save_mesh(mesh, tmp_path / "head.obj")
    lines = (tmp_path / "head.obj").read_text().splitlines()
    stored = np.array([line.split()[1:] for line in lines if line.startswith("vn ")], float)
    assert np.allclose(stored, mesh.normals, atol=1e-4)


def test_ply_takes_colours_from_the_texture():
    assert vertex_colours(_wedge()).tolist() == [list(c) for c in (RED, GREEN, BLUE, WHITE)]
    bare = Mesh(_wedge().vertices, _wedge().faces)
    assert (vertex_colours(bare) == 128).all()


@pytest.mark.parametrize("ending", ["obj", "ply", "glb"])
def test_a_bare_mesh_is_written_too(tmp_path, ending):
    save_mesh(Mesh(_wedge().vertices, _wedge().faces), tmp_path / f"head.{ending}")
    assert trimesh.load(tmp_path / f"head.{ending}", force="mesh").is_watertight


@pytest.mark.parametrize("name", ["head.stl", "head", "head.fbx"])
def test_unknown_endings_are_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(OutputUnwritable) as caught:
        save_mesh(_wedge(), tmp_path / name)
    assert ".obj, .ply, .glb" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["obj", "ply", "glb"])
def test_a_folder_that_is_not_there_is_an_error_without_leftovers(tmp_path, ending):
    with pytest.raises(OutputUnwritable):
        save_mesh(_wedge(), tmp_path / "no" / f"head.{ending}")
    assert not list(tmp_path.iterdir())
