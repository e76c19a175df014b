"""Ears: bare ones stick out, those that hair hides or hangs about lie flat and are carried by it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from inversion_core.camera import Camera
from inversion_core.generators.template import HeadTemplate
from inversion_core.rasterise import rasterise


def solved(matrix: sparse.spmatrix, right: NDArray) -> NDArray:
    """Solution of a sparse symmetric positive definite system."""
    # Factors of meshes are too sparse for SuperLU's blocks of columns to pay.
    factors = splu(
        matrix.tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        relax=1,
        panel_size=1,
        options={"SymmetricMode": True},
    )
    return factors.solve(right)


def smoothstep(x: NDArray, low: float, high: float) -> NDArray:
    """0 below ``low``, 1 above ``high``, cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def flat_ears(
    template: HeadTemplate, fine: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(V, 3) offsets that lay ears against the head, for heads whose hair hides them.

    Args:
        share: (2,) how much of the ear at +x and of the ear at -x is hidden, 0 … 1.
    """
    loose = np.flatnonzero(template.ears > 0.02)
    adjacency = template.adjacency
    degree = sparse.diags(np.asarray(adjacency.sum(1)).ravel())
    laplacian = (degree - adjacency).tocsr().astype(np.float64)
    held = fine.astype(np.float64)
    held[loose] = 0
    harmonic = solved(laplacian[loose][:, loose], -(laplacian[loose] @ held))
    offsets = np.zeros_like(fine)
    side = np.where(fine[loose, 0] > 0, share[0], share[1])[:, None]
    offsets[loose] = (harmonic - fine[loose]) * side
    return offsets


def hidden_ears(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    camera: Camera,
    person: NDArray[np.float32],
    hair: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(2,) how close the ear at +x and the ear at -x lie under hair, 0 … 1, and the (512, 512) mask of the hair with
    what shows of such ears: the hair that hangs about them carries it.

    An ear lies close where the photo shows next to no skin about it, where hair hangs below it, and where it would
    stick out of the person's outline. One that the head itself hides is taken to be as the other.

    Args:
        person, hair: (512, 512) the photo's soft masks.
    """
    size = hair.shape[0]
    face = cv2.dilate(bare_silhouette(template, fine, camera, size, template.ears < 0.02), np.ones((5, 5)))
    bald_side = (person > 0.6) & (hair < 0.5)
    shares, carried = [], hair
    for side in (fine[:, 0] > 0, fine[:, 0] <= 0):
        ear = bare_silhouette(template, fine, camera, size, (template.ears > 0.3) & side)
        about = (cv2.dilate(ear, np.ones((11, 11))) > 0) & (face < 0.5)
        if about.sum() < 0.0015 * size * size or ((ear > 0) & (face < 0.5)).sum() < 60:
            shares.append(np.nan)
            continue
        upper = (ear > 0) & (face < 0.5)
        rows = np.flatnonzero(upper.any(1))
        # Below a cap of hair the lobe's place shows the neck.
        upper[rows.min() + int(0.7 * np.ptp(rows)) :] = False
        bared = bald_side[upper].mean()
        hidden = 1 - smoothstep(bared, 0.06, 0.14)
        outside = (person < 0.5)[(ear > 0) & (face < 0.5)]
        sticking_out = 0.85 * smoothstep(outside.mean(), 0.4, 0.8) if outside.sum() > 40 else 0.0
        rows, columns = np.nonzero(about)
        tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        below = np.zeros_like(about)
        below[rows.max() : rows.max() + tall // 2, max(columns.min() - wide, 0) : columns.max() + wide] = True
        below &= (face < 0.5) & (person > 0.5)
        hanging = smoothstep(hair[below].mean(), 0.35, 0.6) if below.sum() > 60 else 0.0
        hanging *= 1 - smoothstep(bared, 0.4, 0.5)
        shares.append(max(hidden, sticking_out, hanging))
        if hanging > 0.5:
            near = cv2.GaussianBlur(cv2.dilate(ear, np.ones((31, 31))) * (1 - face), (0, 0), 2)
            carried = np.maximum(carried, person * near).astype(np.float32)
    known = [share for share in shares if not np.isnan(share)]
    return np.nan_to_num(np.array(shares, np.float32), nan=known[0] if known else 0.0), carried


def bare_silhouette(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    camera: Camera,
    size: int,
    chosen: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """(size, size) 1 where the skin (of the ``chosen`` (V,) vertices) is in the picture, hair or not."""
    faces = template.faces[template.skin_faces]
    if chosen is not None:
        faces = faces[chosen[faces].all(1)]
    return rasterise(fine, np.ascontiguousarray(faces), camera, size).hit.astype(np.float32)
