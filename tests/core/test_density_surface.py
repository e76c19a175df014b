"""A generator's surface, sparse against the whole density grid."""

import numpy as np
import pytest
import torch

from inversion_core.errors import UsageError
from inversion_core.generators.eg3d import EG3DSettings, TriPlaneGenerator
from inversion_core.geometry.density_surface import density_surface
from inversion_core.samples import density_grid, surface_mesh
from inversion_core.task import finish

RESOLUTION = 72


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    sizes = {"z_dim": 8, "w_dim": 8, "plane_resolution": 16, "plane_channels": 4, "channel_base": 64}
    settings = EG3DSettings(**sizes, channel_max=4, superresolution="FacetSuperresolution2X")
    return TriPlaneGenerator(settings).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def planes():
    """Smooth ones, so that the surface has parts of all sizes but none that a coarse grid misses."""
    torch.manual_seed(1)
    return torch.nn.functional.interpolate(torch.randn(3, 4, 5, 5), size=16, mode="bicubic")[None]


def test_the_surface_is_that_of_the_whole_grid(generator, planes):
    grid = finish(density_grid(generator, planes, RESOLUTION))
    level = float(np.quantile(grid, 0.9))
    asked, whole = [], generator.density
    generator.density = lambda planes, points: asked.append(points.shape[1]) or whole(planes, points)
    try:
        mesh = finish(density_surface(generator, planes, RESOLUTION, level))
    finally:
        del generator.density
    expected = surface_mesh(generator, planes, grid, level)
    assert sum(asked) < 0.35 * RESOLUTION**3
    # Vertices of one are vertices of the other, to the rounding by which places are told apart.
    step = 1.0 / (RESOLUTION - 1) / 512
    rounded = [{tuple(v) for v in np.round(m.vertices / step / 4).astype(int)} for m in (mesh, expected)]
    assert len(rounded[0]) > 500 and len(rounded[0] ^ rounded[1]) < 0.05 * len(rounded[0])
    assert abs(len(mesh.faces) - len(expected.faces)) < 0.02 * len(expected.faces)
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    d, e, f = expected.vertices[expected.faces].astype(np.float64).transpose(1, 0, 2)
    assert np.einsum("ij,ij", a, np.cross(b, c)) == pytest.approx(
        np.einsum("ij,ij", d, np.cross(e, f)), rel=1e-4
    )
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
    assert mesh.vertex_colours.shape == mesh.normals.shape == mesh.vertices.shape


def test_nothing_so_dense_is_said(generator, planes):
    with pytest.raises(UsageError, match="1e\\+06"):
        finish(density_surface(generator, planes, 40, 1e6))
