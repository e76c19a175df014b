"""The head's skin laid out flat in the template's own atlas, so that colours of any source share one picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.rasterise import Fragments, interpolate, rasterise_screen
from inversion_core.refine.layer import sampled

ATLAS_SIZE = 1024
"""Texels a side; the face of a 512² crop has about as many pixels as its chart has texels."""


@dataclass(frozen=True)
class Chart:
    """The atlas of a template.

    Attributes:
        uv: (V, 2) float32 place of each vertex, v down; clear: (V,) float32, 0 beside seams, where a vertex has two
            places, 1 a few edges away and nowhere but on outer skin.
        fragments: which face covers each texel; faces: (F, 3) int32 into the vertices.
    """

    uv: NDArray[np.float32]
    clear: NDArray[np.float32]
    fragments: Fragments
    faces: NDArray[np.int32]

    def spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(S, S, N) of (V, N) values."""
        return interpolate(self.fragments, self.faces, np.ascontiguousarray(values, np.float32))

    def photographed(self, photo: NDArray[np.float32], uv: NDArray[np.float32]) -> NDArray[np.float32]:
        """(S, S, 3) colours that a photo shows at (V, 2) places of its vertices."""
        places = self.spread(uv)
        return sampled(photo, places.reshape(-1, 2)).reshape(*places.shape[:2], photo.shape[2])

    def bordered(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """The picture with its charts drawn out by some texels, so that no empty texel is blended in."""
        hit = self.fragments.hit.astype(np.float32)
        around = (
            cv2.blur(picture * hit[..., None], (7, 7)) / np.maximum(cv2.blur(hit, (7, 7)), 1e-6)[..., None]
        )
        return np.where(self.fragments.hit[..., None], picture, around).astype(np.float32)


def make_chart(template: HeadTemplate, size: int = ATLAS_SIZE) -> Chart:
    """The template's atlas at (size, size) texels."""
    uv = np.zeros((len(template.part), 2), np.float32)
    uv[template.faces.ravel()] = template.uv[template.faces_uv.ravel()] * [1, -1] + [0, 1]
    keys = np.unique(template.faces.ravel().astype(np.int64) * len(template.uv) + template.faces_uv.ravel())
    seam = np.bincount(keys // len(template.uv), minlength=len(uv)) > 1
    outer = (template.part == SKIN) & (template.interior < 0.25)
    near = seam | ~outer
    clear = np.where(near | ((template.adjacency @ near.astype(np.float32)) > 0), 0, 1).astype(np.float32)
    degree = np.maximum(np.asarray(template.adjacency.sum(1)).ravel(), 1)
    for _ in range(3):
        clear = np.minimum(clear, 0.5 * clear + 0.5 * (template.adjacency @ clear) / degree)
    points = np.ones((len(template.uv), 3), np.float32)
    points[:, :2] = (template.uv * [1, -1] + [0, 1]) * size
    fragments = rasterise_screen(points, template.faces_uv, size, size)
    return Chart(uv, clear.astype(np.float32), fragments, template.faces)
