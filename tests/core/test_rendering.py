"""Normals that are read off a depth picture."""

import numpy as np

from inversion_core.camera import Camera
from inversion_core.rendering import depth_normals


def test_normals_of_a_ball():
    camera, size, radius = Camera.orbit(0.4, 0.2), 200, 0.25
    origins, directions = camera.rays(size)
    along = -(origins * directions).sum(1)
    inside = radius**2 - ((origins**2).sum(1) - along**2)
    reach = np.where(inside > 0, along - np.sqrt(np.maximum(inside, 0)), 0)
    depth = (reach * (directions @ camera.cam2world[:3, 2])).reshape(size, size).astype(np.float32)
    normals = depth_normals(depth, camera)
    truth = ((origins + reach[:, None] * directions) / radius).reshape(size, size, 3)
    sure = (inside > 0.4 * radius**2).reshape(size, size)
    assert sure.sum() > 3000
    assert np.degrees(np.arccos(np.clip((normals * truth).sum(2)[sure], -1, 1))).max() < 1.0
    assert not normals[depth == 0].any()
    np.testing.assert_allclose(np.linalg.norm(normals[sure], axis=1), 1, atol=1e-6)
