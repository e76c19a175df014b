"""Export options: fewer faces, closed surfaces, textures and normal maps baked again, axes, units, lids."""

import numpy as np
import pytest
import trimesh

from inversion_core.errors import OutputUnwritable, UsageError
from inversion_core.geometry.closing import closed, is_closed, mended
from inversion_core.geometry.export import export_mesh, make_mesh
from inversion_core.geometry.mesh_files import save_mesh
from inversion_core.geometry.mesh_options import MeshOptions, check_options
from inversion_core.geometry.rebake import nearest_places, rebaked
from inversion_core.geometry.simplify import joined, simplified
from inversion_core.geometry.tangents import normal_picture, read_normals, relief, tangents
from inversion_core.geometry.unwrap import unwrapped
from inversion_core.mesh import METRES_PER_UNIT, Mesh
from inversion_core.pipeline import edit
from inversion_core.task import finish


def _ball(subdivisions=4):
    ball = trimesh.creation.icosphere(subdivisions)
    return np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)


def test_a_ball_with_fewer_faces_is_still_that_ball():
    vertices, faces = _ball()
    coarse = simplified(vertices, faces, 500, closed=True)
    assert 400 <= len(coarse.faces) <= 520 and is_closed(coarse.faces)
    assert np.abs(np.linalg.norm(coarse.vertices, axis=1) - 1).max() < 0.04
    # Each vertex knows which of the fine ones it was.
    assert np.linalg.norm(vertices[coarse.origin] - coarse.vertices, axis=1).max() < 0.12
    assert (coarse.normals * coarse.vertices).sum(1).min() > 0.97


def test_small_parts_survive():
    vertices, faces = _ball()
    small, more = _ball(2)
    both = np.concatenate([vertices, small * 0.01 + [2, 0, 0]]).astype(np.float32)
    coarse = simplified(both, np.concatenate([faces, more + len(vertices)]), 600)
    assert (coarse.vertices[:, 0] > 1.9).sum() > 10


def test_mending_closes_holes_and_parts_what_touches():
    vertices, faces = _ball(2)
    holed = np.delete(faces, [3, 4, 40], axis=0)
    points, whole, origin = mended(vertices, holed)
    assert is_closed(whole) and len(points) >= len(vertices) and len(origin) == len(points)
    assert trimesh.Trimesh(points, whole, process=False).volume == pytest.approx(3.9, abs=0.4)
    # Two tetrahedra that share an edge.
    corners = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]], np.float32)
    first = np.array([[0, 1, 2], [1, 3, 2], [0, 3, 1], [0, 2, 3]], np.int32)
    second = np.array([0, 1, 4, 5])[first].astype(np.int32)
    touching = Mesh(corners, np.concatenate([first, second]))
    assert not is_closed(touching.faces)
    apart = closed(touching)
    assert is_closed(apart.faces) and len(apart.vertices) == 8


def test_tangents_of_a_plane_follow_its_texture():
    vertices = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    uv = vertices[:, :2] / 2
    np.testing.assert_allclose(tangents(vertices, faces, normals, uv), np.tile([1, 0, 0, 1.0], (4, 1)))
    mirrored = uv * [-1, 1] + [1, 0]
    np.testing.assert_allclose(
        tangents(vertices, faces, normals, mirrored), np.tile([-1, 0, 0, -1.0], (4, 1))
    )


def test_relief_leans_away_from_what_is_bright():
    image = np.full((256, 256, 3), 0.5, np.float32)
    image[:, 128:] = 0.6
    normals = relief(image, np.ones((256, 256), np.float32))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-5)
    assert normals[128, 127, 0] < -0.02 and abs(normals[128, 127, 1]) < 1e-4
    assert np.abs(normals[128, 20, :2]).max() < 0.01
    assert np.abs(read_normals(normal_picture(normals)) - normals).max() < 0.01
    flat = relief(image, np.zeros((256, 256), np.float32))
    assert np.abs(flat[..., :2]).max() == 0


def test_walking_finds_the_nearest_place():
    vertices, faces = _ball(3)
    rng = np.random.default_rng(1)
    points = rng.normal(size=(300, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    towards = points + rng.normal(0, 0.2, points.shape)
    start = np.argmax(towards @ vertices.T, 1).astype(np.int32)
    places = nearest_places(points, start, vertices, faces)
    found = places.carried(faces, vertices)
    wanted = trimesh.proximity.closest_point_naive(trimesh.Trimesh(vertices, faces, process=False), points)[0]
    assert (
        np.abs(np.linalg.norm(found - points, axis=1) - np.linalg.norm(wanted - points, axis=1)).max() < 1e-3
    )


def test_colours_and_normals_are_baked_on_a_coarser_ball():
    vertices, faces = _ball()
    colours = np.round((vertices * 0.5 + 0.5) * 255).astype(np.uint8)
    fine = Mesh(vertices, faces, vertices, vertex_colours=colours, morphs={"grow": vertices * 0.1})
    coarse = simplified(vertices, faces, 600)
    charts = finish(unwrapped(coarse.vertices, coarse.faces, 256))
    made = rebaked(fine, coarse, *charts, 256, normals=True)
    assert made.texture.shape == made.normal_map.shape == (256, 256, 3)
    corners = made.uv[made.faces].mean(1)
    x, y = (corners[:, 0] * 256).astype(int), ((1 - corners[:, 1]) * 256).astype(int)
    middle = made.vertices[made.faces].mean(1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    told = made.texture[y, x] / 255 * 2 - 1
    assert np.median(np.abs(told - middle)) < 0.02 and np.quantile(np.abs(told - middle), 0.95) < 0.06
    # Its normal map turns the flat triangles' smooth normals into the true ball's.
    np.testing.assert_allclose(made.morphs["grow"], made.vertices * 0.1, atol=0.012)
    assert read_normals(made.normal_map)[y, x, 2].min() > 0.9
    assert len(joined(made)[0]) == len(coarse.vertices)


def test_choices_that_cannot_be_had_are_refused(tmp_path):
    for words, ending in (
        ({"watertight": True}, "obj"),
        ({"up": "z"}, "glb"),
        ({"unit": "mm"}, "glb"),
        ({"normal_map": True}, "ply"),
        ({"kind": "surface", "normal_map": True, "texture_size": 0}, "glb"),
        ({"kind": "cloud"}, "glb"),
        ({"faces": 3}, "glb"),
        ({"resolution": 5000}, "glb"),
        ({"texture_size": 20}, "glb"),
    ):
        with pytest.raises(UsageError):
            check_options(MeshOptions(**words), tmp_path / f"head.{ending}")
    with pytest.raises(OutputUnwritable):
        check_options(MeshOptions(), tmp_path / "head.fbx")


@pytest.mark.parametrize("ending", ["obj", "ply"])
def test_axis_and_unit(tmp_path, ending):
    vertices = np.array([[-1, 0, 1], [1, 0, 1], [0, 0, -1], [0, 2, 0]], np.float32)
    faces = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]], np.int32)
    save_mesh(Mesh(vertices, faces, welded=np.arange(4)), tmp_path / f"tip.{ending}", "z", "mm")
    loaded = trimesh.load(tmp_path / f"tip.{ending}", force="mesh")
    tip = loaded.vertices[np.argmax(loaded.vertices[:, 2])]
    np.testing.assert_allclose(tip, [0, 0, 2 * METRES_PER_UNIT * 1000], atol=1e-3)
    # What faced +z now faces -y.
    assert loaded.vertices[:, 1].min() == pytest.approx(-METRES_PER_UNIT * 1000) and loaded.volume > 0


@pytest.fixture(scope="module")
def head(inversion, model):
    return edit(inversion, {}, model)


@pytest.mark.slow
def test_a_lighter_head_keeps_teeth_colours_and_targets(head, tmp_path):
    options = MeshOptions(faces=6000, texture_size=512, normal_map=True)
    mesh = finish(export_mesh(head, tmp_path / "light.glb", options))
    assert 4500 < len(mesh.faces) < 8000 and len(mesh.morphs) >= 6
    assert mesh.texture.shape == (512, 512, 3) and mesh.normal_map.shape == (512, 512, 3)
    loaded = trimesh.load(tmp_path / "light.glb", force="mesh")
    assert len(loaded.faces) == len(mesh.faces)
    assert loaded.visual.material.normalTexture is not None
    whole = finish(make_mesh(head, MeshOptions(texture_size=64)))
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), np.ptp(whole.vertices, axis=0), rtol=0.04)
    moved = np.linalg.norm(mesh.morphs["jawOpen"], axis=1).max()
    assert moved == pytest.approx(np.linalg.norm(whole.morphs["jawOpen"], axis=1).max(), rel=0.1)


@pytest.mark.slow
def test_a_closed_surface_for_printing(head, tmp_path):
    options = MeshOptions("surface", 96, faces=8000, watertight=True, up="z", unit="mm")
    mesh = finish(export_mesh(head, tmp_path / "print.ply", options))
    loaded = trimesh.load(tmp_path / "print.ply", force="mesh", process=False)
    assert loaded.is_watertight and loaded.is_winding_consistent and loaded.volume > 0
    assert len(loaded.faces) < 9000 and mesh.texture is None
    assert 200 < loaded.extents[2] < 600
    assert loaded.visual.vertex_colors[:, :3].std(0).min() > 5
    # With a texture, OBJ keeps the points joined, so it is still closed.
    options = MeshOptions("surface", 64, texture_size=256, faces=3000, watertight=True)
    finish(export_mesh(head, tmp_path / "print.obj", options))
    rows = [
        line.split()[1:] for line in (tmp_path / "print.obj").read_text().splitlines() if line[:2] == "f "
    ]
    assert is_closed(np.array([[int(corner.split("/")[0]) - 1 for corner in row] for row in rows]))


@pytest.mark.slow
def test_closing_lids_show_skin_in_the_static_texture(head, inversion, model):
    mesh = finish(make_mesh(head, MeshOptions(texture_size=1024)))
    template = model.template
    lid = template.lids[:, 0].max(0) * (template.lids[:, 1].max(0) < 0.05)
    inner = np.flatnonzero((lid > 0.9) & (template.interior == 0))
    # The first split vertices are the template's, in its order of points.
    corner = np.flatnonzero(np.isin(mesh.welded, inner))
    x, y = (mesh.uv[corner, 0] * 1024).astype(int), ((1 - mesh.uv[corner, 1]) * 1536).astype(int)
    colours = mesh.texture[y, x] / 255
    assert len(corner) > 20
    assert np.linalg.norm(np.median(colours, 0) - inversion.detail.skin_colour) < 0.2
    # No lashes or eye whites are left on them: their brightness varies little.
    assert colours.mean(1).std() < 0.08
