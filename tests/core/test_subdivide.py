"""Catmull-Clark against the points that the scheme's definition gives for a cube, and its border rule."""

import numpy as np

from inversion_core.training.assets import ObjMesh
from inversion_core.training.subdivide import subdivided


def _mesh(vertices, faces):
    vertices, faces = np.array(vertices, np.float32), np.array(faces, np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    corners = np.tile(np.arange(4, dtype=np.int32), (len(faces), 1))
    return ObjMesh(vertices, uv, faces, corners, np.array([""] * len(faces)))


def _cube():
    vertices = [[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]
    faces = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
    return _mesh(vertices, faces)


def test_a_cube_gives_the_known_points():
    cube = _cube()
    matrix, quads, _, _ = subdivided(cube)
    points = matrix @ cube.vertices
    assert matrix.shape == (8 + 12 + 6, 8)
    assert quads.shape == (24, 4)
    # Corner: (F + 2R + 0·P) / 3 with F = (1/3, 1/3, 1/3), R = (2/3, 2/3, 2/3): 5/9.
    assert np.allclose(points[:8], cube.vertices * 5 / 9, atol=1e-6)
    # Edge: the mean of its ends (1, 1, 0) and of its faces' points (1, 0, 0), (0, 1, 0): 3/4.
    edges = points[8:20]
    assert np.allclose(np.sort(np.abs(edges), 1), [[0, 0.75, 0.75]] * 12, atol=1e-6)
    assert np.allclose(np.sort(np.abs(points[20:]), 1), [[0, 0, 1]] * 6, atol=1e-6)


def test_the_cube_stays_closed_and_keeps_its_orientation():
    cube = _cube()
    matrix, quads, _, _ = subdivided(cube)
    points = matrix @ cube.vertices
    edges = np.concatenate([np.stack([quads[:, i], quads[:, (i + 1) % 4]], 1) for i in range(4)])
    assert {tuple(e) for e in edges} == {tuple(e[::-1]) for e in edges}
    a, b, d = points[quads[:, 0]], points[quads[:, 1]], points[quads[:, 3]]
    outward = (np.cross(b - a, d - a) * points[quads].mean(1)).sum(1)
    assert (outward > 0).all()


def test_rows_sum_to_one_so_that_moving_the_mesh_moves_the_result():
    matrix, *_ = subdivided(_cube())
    assert np.allclose(np.asarray(matrix.sum(1)).ravel(), 1, atol=1e-6)


def test_a_lone_square_follows_the_border_rule():
    square = _mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2, 3]])
    matrix, quads, quads_uv, uv = subdivided(square)
    points = matrix @ square.vertices
    # Corner: half itself, half the mean of its two edges' middles, so 3/4 itself and 1/8 each neighbour.
    assert np.allclose(points[0], [0.125, 0.125, 0], atol=1e-6)
    middles = {tuple(p) for p in np.round(points[4:8], 6).tolist()}
    assert middles == {(0.5, 0.0, 0.0), (1.0, 0.5, 0.0), (0.5, 1.0, 0.0), (0.0, 0.5, 0.0)}
    assert np.allclose(points[8], [0.5, 0.5, 0], atol=1e-6)
    # UVs are split linearly: every new quad has a quarter of the square.
    assert quads.shape == quads_uv.shape == (4, 4)
    corners = uv[quads_uv]
    assert np.allclose(corners.max(1) - corners.min(1), 0.5, atol=1e-5)
