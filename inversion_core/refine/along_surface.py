"""Colours and trust spread from vertex to vertex along the head's surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from inversion_core.generators.template import HeadTemplate
from inversion_core.refine.ears import solved


def smoothed(
    adjacency: sparse.csr_matrix, values: NDArray, rounds: int, weight: NDArray | None = None
) -> NDArray:
    """Values averaged over neighbours; with ``weight`` only weighted ones are averaged."""
    if weight is None:
        degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
        shares = adjacency.data * np.repeat(0.5 / degree, np.diff(adjacency.indptr))
        around = sparse.csr_matrix((shares, adjacency.indices, adjacency.indptr), adjacency.shape)
        for _ in range(rounds):
            values = 0.5 * values + around @ values
        return values
    total, norm = values * weight[:, None], weight.copy()
    for _ in range(rounds):
        total, norm = total + adjacency @ total, norm + adjacency @ norm
        scale = norm.max() + 1e-12
        total, norm = total / scale, norm / scale
    return total / np.maximum(norm, 1e-12)[:, None]


def harmonic(
    template: HeadTemplate, colours: NDArray, trust: NDArray, default: NDArray, pull: NDArray
) -> NDArray:
    """(V, 3) colours: trusted ones kept, the rest harmonic along the surface, drawn to ``default`` by ``pull``.

    Nothing is carried between scalp and face: hair must not stain the cheek, nor skin the crown.
    """
    adjacency, laplacian = template.spreading
    free = trust < 0.5
    index = np.flatnonzero(free)
    matrix = laplacian[index][:, index] + sparse.diags(pull[index].astype(np.float64))
    right = adjacency[index] @ np.where(free[:, None], 0, colours) + pull[index, None] * default[index]
    result = colours.astype(np.float64).copy()
    result[index] = solved(matrix, right)
    return np.clip(result, 0, 1).astype(np.float32)
