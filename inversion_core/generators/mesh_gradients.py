"""Operations on meshes with gradients, in compiled loops: torch's own gathers take most of a picture's time."""

from __future__ import annotations

import numba as nb
import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from inversion_core.generators.template import add_face_normals


@nb.njit(cache=True)
def _face_normals_back(vertices, faces, gradient, out):
    u, v, g = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        for n in range(3):
            u[n] = vertices[j, n] - vertices[i, n]
            v[n] = vertices[k, n] - vertices[i, n]
            g[n] = gradient[i, n] + gradient[j, n] + gradient[k, n]
        for n in range(3):
            a, b = (n + 1) % 3, (n + 2) % 3
            second = v[a] * g[b] - v[b] * g[a]
            third = g[a] * u[b] - g[b] * u[a]
            out[j, n] += second
            out[k, n] += third
            out[i, n] -= second + third


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vertices: Tensor, faces: Tensor) -> Tensor:
        ctx.save_for_backward(vertices, faces)
        total = torch.zeros_like(vertices)
        add_face_normals(vertices.detach().contiguous().numpy(), faces.numpy(), total.numpy())
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor):
        vertices, faces = ctx.saved_tensors
        out = torch.zeros_like(vertices)
        _face_normals_back(
            vertices.detach().contiguous().numpy(),
            faces.numpy(),
            gradient.contiguous().numpy(),
            out.numpy(),
        )
        return out, None


class _Carried(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, matrix: sparse.csr_matrix) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(np.ascontiguousarray(matrix @ values.detach().numpy()))

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return torch.from_numpy(np.ascontiguousarray(ctx.matrix.T @ gradient.numpy())), None


def mesh_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """(V, 3) area-weighted unit normals of float32 vertices (V, 3) and int64 faces (F, 3)."""
    total = _Normals.apply(vertices, faces)
    return total / total.norm(dim=1, keepdim=True).clamp_min(1e-12)


def carried(values: Tensor, matrix: sparse.csr_matrix) -> Tensor:
    """(V, N) float32: a sparse matrix (V, C) applied to values (C, N)."""
    return _Carried.apply(values, matrix)
