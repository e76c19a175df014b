"""Lids in a texture that serves open and closed eyes: skin where they unfold, lashes along their margins."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import HeadTemplate
from inversion_core.geometry.texture import filled
from inversion_core.rasterise import Fragments, interpolate
from inversion_core.refine.ears import smoothstep

UNFOLDS_FROM, UNFOLDS_FULL = 1.1, 1.7
"""Growth of a lid's area from open to closed between which the photo's texels give way to skin."""
LASHES = 0.5
"""Brightness of a lid's margin, against the skin round it."""
RIM = 0.012
"""Share of the texture's width round a lid that may hold the photo's lashes, and lends no colour."""


def unfolding(
    template: HeadTemplate, opened: NDArray[np.float32], closed: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(V,) how far a vertex lies on a lid that unfolds as the eyes close, in [0, 1].

    Args:
        opened, closed: (V, 3) vertices of the head with either eye.
    """
    count = np.full(len(opened), 1e-6)
    areas = [_areas(vertices[template.faces]) for vertices in (opened, closed)]
    ratio = np.clip(areas[1] / np.maximum(areas[0], 1e-12), 0, 8)
    total = np.zeros(len(opened))
    for corner in range(3):
        np.add.at(total, template.faces[:, corner], ratio)
        np.add.at(count, template.faces[:, corner], 1.0)
    growth = (total / count).astype(np.float32)
    lid = np.minimum(2.5 * template.lids[:, 0].max(0), 1)
    return (smoothstep(growth, UNFOLDS_FROM, UNFOLDS_FULL) * lid).astype(np.float32)


def with_closing_lids(
    image: NDArray[np.float32],
    fragments: Fragments,
    faces: NDArray[np.int32],
    lid: NDArray[np.float32],
    margin: NDArray[np.float32],
    lendable: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The baked (H, W, 3) picture with the skin that surrounds the lids carried over them, and lashes at the margins.

    Args:
        fragments: of the texture's texels; faces: (F, 3) into the values below.
        lid, margin: (N,) in [0, 1]; lendable: (N,) 1 where a vertex is outer skin, which may lend its colour.
    """
    values = np.stack([lid, margin, lendable], 1)
    share, edge, lends = np.moveaxis(interpolate(fragments, faces, values), 2, 0)
    rows, columns = np.flatnonzero((share > 0.01).any(1)), np.flatnonzero((share > 0.01).any(0))
    if not len(rows):
        return image
    width = image.shape[1]
    pad = round(0.06 * width)
    part = (
        slice(max(rows[0] - pad, 0), rows[-1] + pad + 1),
        slice(max(columns[0] - pad, 0), columns[-1] + pad + 1),
    )
    share, edge, lends, own = share[part], edge[part], lends[part], image[part]
    reach = 2 * round(RIM * width) + 1
    taken = cv2.dilate(np.maximum(share, edge), np.ones((reach, reach), np.uint8)) > 0.05
    skin = filled(own, fragments.hit[part] & (lends > 0.99) & ~taken)
    skin = skin * (1 - (1 - LASHES) * smoothstep(edge, 0.35, 0.9))[..., None]
    soft = cv2.GaussianBlur(np.maximum(share, edge * (share > 0)), (0, 0), max(0.0012 * width, 0.5))[
        ..., None
    ]
    result = image.copy()
    result[part] = own + soft * (skin - own)
    return result


def _areas(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
