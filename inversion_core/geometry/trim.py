"""Cutting a mesh where a value on its vertices crosses a level, as a linear map of the old vertices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def trimmed(
    faces: NDArray[np.int32], values: NDArray[np.float32], level: float = 0.5
) -> tuple[sparse.csr_matrix, NDArray[np.int32]]:
    """The part of a mesh where ``values`` (V,) are at least ``level``.

    Returns:
        (N, V) sparse matrix that takes anything on the old vertices to the N kept and cut ones, rows summing to 1;
        (M, 3) faces, in the old orientation.
    """
    count = len(values)
    inside = values >= level
    number = inside[faces].sum(1)
    whole = faces[number == 3]
    # Turned so that the corner that differs from both others comes first.
    first, first_inside = (
        _odd_first(faces[number == 1], inside, True),
        _odd_first(faces[number == 2], inside, False),
    )
    kept, edges = [whole], []
    for corners, single in ((first, True), (first_inside, False)):
        a, b, c = corners.T
        base = count + sum(len(e) for e in edges)
        ab = np.arange(len(a)) + base
        ac = ab + len(a)
        edges += [np.stack([a, b], 1), np.stack([a, c], 1)]
        if single:
            kept.append(np.stack([a, ab, ac], 1))
        else:
            kept += [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
    edge = np.concatenate(edges).reshape(-1, 2)
    ordered = np.sort(edge, 1)
    unique, inverse = np.unique(ordered, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    low, high = values[unique[:, 0]], values[unique[:, 1]]
    share = np.clip((level - low) / np.where(high == low, 1, high - low), 0, 1)
    index = np.concatenate([np.arange(count), count + inverse])
    result = index[np.concatenate(kept).astype(np.int64)].reshape(-1, 3)
    used, flat = np.unique(result, return_inverse=True)
    rows = np.arange(len(unique))
    cut = sparse.coo_matrix(
        (
            np.concatenate([1 - share, share]).astype(np.float32),
            (np.concatenate([rows, rows]), np.concatenate([unique[:, 0], unique[:, 1]])),
        ),
        (len(unique), count),
    )
    carried = sparse.vstack([sparse.identity(count, np.float32, "csr"), cut.tocsr()]).tocsr()[used]
    return carried, flat.reshape(-1, 3).astype(np.int32)


def _odd_first(faces: NDArray[np.int32], inside: NDArray[np.bool_], wanted: bool) -> NDArray[np.int32]:
    start = np.argmax(inside[faces] == wanted, 1)
    return faces[np.arange(len(faces))[:, None], (start[:, None] + np.arange(3)) % 3]
