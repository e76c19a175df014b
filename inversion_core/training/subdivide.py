"""One step of Catmull-Clark subdivision as a sparse matrix.

Source: Catmull and Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes" (1978);
boundary rule of Hoppe et al. (1994).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from inversion_core.training.assets import ObjMesh


def subdivided(
    mesh: ObjMesh,
) -> tuple[sparse.csr_matrix, NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Matrix (new, old) of vertices, new quads (4F, 4), their UV indices (4F, 4) and UVs (U, 2).

    New vertices are ordered: old ones moved, then edge points, then face points.
    """
    quads, n = mesh.faces.astype(np.int64), len(mesh.vertices)
    f = len(quads)
    edges = np.concatenate([np.stack([quads[:, i], quads[:, (i + 1) % 4]], 1) for i in range(4)])
    owner = np.tile(np.arange(f), 4)
    key = np.sort(edges, 1) @ np.array([n, 1])
    unique, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    ends = np.stack([unique // n, unique % n], 1)
    e = len(unique)

    def matrix(rows, columns, shape, value=1.0):
        return sparse.coo_matrix((np.full(len(rows), value), (rows, columns)), shape).tocsr()

    face_point = matrix(np.repeat(np.arange(f), 4), quads.ravel(), (f, n), 0.25)
    edge_faces = matrix(inverse.ravel(), owner, (e, f))
    edge_middle = matrix(np.repeat(np.arange(e), 2), ends.ravel(), (e, n), 0.5)
    inner = sparse.diags((count == 2).astype(float))
    border = sparse.diags((count != 2).astype(float))
    edge_point = inner @ (0.5 * edge_middle + 0.25 * (edge_faces @ face_point)) + border @ edge_middle

    vertex_edges = matrix(ends.ravel(), np.repeat(np.arange(e), 2), (n, e))
    vertex_faces = matrix(quads.ravel(), np.repeat(np.arange(f), 4), (n, f))
    valence = np.maximum(np.asarray(vertex_edges.sum(1)).ravel(), 1)
    face_valence = np.maximum(np.asarray(vertex_faces.sum(1)).ravel(), 1)
    border_edges = vertex_edges @ border
    border_count = np.asarray(border_edges.sum(1)).ravel()
    on_border = border_count > 0
    average_face = sparse.diags(1 / face_valence) @ vertex_faces @ face_point
    average_edge = sparse.diags(1 / valence) @ vertex_edges @ edge_middle
    smooth = (
        sparse.diags(1 / valence) @ average_face
        + sparse.diags(2 / valence) @ average_edge
        + sparse.diags((valence - 3) / valence)
    )
    edge_rule = (
        0.5 * sparse.identity(n)
        + sparse.diags(0.5 / np.maximum(border_count, 1)) @ border_edges @ edge_middle
    )
    moved = (
        sparse.diags((~on_border).astype(float)) @ smooth + sparse.diags(on_border.astype(float)) @ edge_rule
    )

    edge_id = inverse.reshape(4, f).T + n
    face_id = np.arange(f) + n + e
    new = np.concatenate(
        [np.stack([quads[:, i], edge_id[:, i], face_id, edge_id[:, (i + 3) % 4]], 1) for i in range(4)]
    )
    corner = mesh.uv[mesh.faces_uv]
    middle = (corner + np.roll(corner, -1, 1)) / 2
    centre = corner.mean(1)
    new_uv = np.concatenate(
        [np.stack([corner[:, i], middle[:, i], centre, middle[:, (i + 3) % 4]], 1) for i in range(4)]
    )
    table, index = np.unique(
        np.round(new_uv.reshape(-1, 2) * 2**18).astype(np.int64), axis=0, return_inverse=True
    )
    return (
        sparse.vstack([moved, edge_point, face_point]).tocsr().astype(np.float32),
        new.astype(np.int32),
        index.reshape(-1, 4).astype(np.int32),
        (table / 2**18).astype(np.float32),
    )
