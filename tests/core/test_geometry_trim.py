"""Cutting a mesh at a level, and filling what a texture leaves empty."""

import numpy as np
import pytest

from inversion_core.geometry.texture import filled, texel_fragments
from inversion_core.geometry.trim import trimmed


def square(n=6):
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


@pytest.mark.parametrize("level", [0.33, 0.5, 0.9])
def test_a_square_is_cut_along_a_straight_line(level):
    vertices, faces = square()
    carry, kept = trimmed(faces, vertices[:, 0], level)
    cut = carry @ vertices
    a, b, c = cut[kept].transpose(1, 0, 2)
    areas = 0.5 * np.cross(b - a, c - a)[:, 2]
    assert areas.sum() == pytest.approx(1 - level, abs=1e-5)
    assert (areas >= -1e-7).all() and cut[:, 0].min() == pytest.approx(level, abs=1e-6)
    np.testing.assert_allclose(np.asarray(carry.sum(1)).ravel(), 1, atol=1e-6)


def test_nothing_and_everything_are_kept_whole():
    vertices, faces = square()
    assert len(trimmed(faces, np.zeros(len(vertices), np.float32))[1]) == 0
    np.testing.assert_array_equal(trimmed(faces, np.ones(len(vertices), np.float32))[1], faces)


def test_filling_keeps_what_is_known_and_leaves_no_hole():
    known = np.zeros((37, 50), bool)
    known[10:20, 5:30] = True
    image = np.where(known[..., None], np.float32([0.2, 0.5, 0.9]), 0).astype(np.float32)
    result = filled(image, known)
    np.testing.assert_allclose(result, np.broadcast_to(np.float32([0.2, 0.5, 0.9]), result.shape), atol=1e-4)


def test_texture_rows_run_down_while_v_runs_up():
    uv = np.float32([[0, 0.5], [1, 0.5], [1, 1], [0, 1]])
    fragments = texel_fragments(uv, np.int32([[0, 1, 2], [0, 2, 3]]), 8, 8)
    assert fragments.hit[:4].all() and not fragments.hit[4:].any()
