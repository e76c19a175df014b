"""Marching cubes on blocks along the surface against marching cubes on the whole grid."""

import numpy as np
import pytest
from skimage.measure import marching_cubes

from inversion_core.geometry.sparse_grid import BLOCK, blocks_for, surface_on_grid
from inversion_core.task import finish

SIDE = 64
OUTSIDE = np.float32(9)


def torus(index):
    x, y, z = (index - np.array([31.2, 30.7, 32.4])).T
    return (np.hypot(np.hypot(x, z) - 17, y) - 6.3).astype(np.float32)


def two_balls(index):
    """Two balls apart; the values are cut off two cells from the surface, as fused depths are."""
    first = np.linalg.norm(index - np.array([20.3, 22.1, 19.7]), axis=1) - 11
    second = np.linalg.norm(index - np.array([46.2, 44.4, 43.3]), axis=1) - 9
    return np.clip(np.minimum(first, second), -2, 2).astype(np.float32)


def cut_by_the_grid(index):
    """A wavy sheet that is closed one sample before the grid ends."""
    x, y, z = index.T
    values = (y - 30 - 6 * np.sin(x / 7) * np.cos(z / 9)).astype(np.float32)
    return np.where(((index < 1) | (index > SIDE - 2)).any(1), OUTSIDE, values)


def dense(field):
    grid = np.stack(np.meshgrid(*[np.arange(SIDE + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    values = field(grid).reshape(SIDE + 1, SIDE + 1, SIDE + 1)
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="descent")
    # Places that are the same to 1/512 of a cell are one.
    places, number = np.unique(np.round(vertices.astype(np.float64) * 512), axis=0, return_inverse=True)
    a, b, c = number.reshape(-1)[faces].T
    return places / 512, int(((a != b) & (b != c) & (c != a)).sum())


def started(field):
    """Blocks whose middle is near the surface, and sides of all by their middles."""
    middles = (np.argwhere(np.ones(blocks_for((SIDE,) * 3), bool)) + 0.5) * BLOCK
    values = field(middles).reshape(blocks_for((SIDE,) * 3))
    return np.zeros(values.shape, bool), values < 0


@pytest.mark.parametrize("field", [torus, two_balls, cut_by_the_grid])
def test_the_surface_is_that_of_the_whole_grid(field):
    asked = []

    def values_at(index):
        asked.append(len(index))
        return field(index)

    vertices, faces = finish(surface_on_grid(values_at, *started(field), 0.0))
    expected, triangles = dense(field)
    assert len(vertices) == len(expected) and len(faces) == triangles
    rounded = np.round(vertices * 512)
    np.testing.assert_allclose(rounded[np.lexsort(rounded.T[::-1])] / 512, expected, atol=2.1 / 512)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert {tuple(e) for e in edges} == {tuple(e[::-1]) for e in edges}
    assert sum(asked) < 0.5 * (SIDE + 1) ** 3


def test_one_block_grows_to_the_whole_of_its_part_and_no_further():
    near, inside = started(two_balls)
    inside[:] = False
    near[20 // BLOCK + 2, 22 // BLOCK, 20 // BLOCK] = True
    vertices, _ = finish(surface_on_grid(two_balls, near, inside, 0.0))
    out = np.linalg.norm(vertices - np.array([20.3, 22.1, 19.7]), axis=1)
    assert np.abs(out - 11).max() < 0.1 and np.ptp(vertices, axis=0) == pytest.approx([22, 22, 22], abs=0.5)
    assert near.mean() < 0.1


def test_no_point_is_asked_for_twice_while_a_window_grows():
    near, inside = started(torus)
    seen = set()

    def values_at(index):
        # Samples on the common side of two windows belong to both; others to one.
        for place in map(tuple, index[(index % 32 != 0).all(1)]):
            assert place not in seen
            seen.add(place)
        return torus(index)

    near[31 // BLOCK + 5, 31 // BLOCK, 31 // BLOCK] = True
    assert len(finish(surface_on_grid(values_at, near, inside, 0.0))[0]) > 1000


def test_no_surface_gives_nothing():
    nothing = np.zeros(blocks_for((40, 20, 10)), bool)
    vertices, faces = finish(surface_on_grid(torus, nothing, nothing.copy(), 0.0))
    assert vertices.shape == faces.shape == (0, 3)
