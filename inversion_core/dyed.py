"""Hair in another colour, in the photo itself: factors would lift the noise of dark hair, not its colour."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import COLOUR, Layer

PERSON, HAIR = 0, 1
"""Channels of the photo's masks."""
BESIDE = 31
"""Pixels across of what counts as beside the face."""
CALMED = 0.35
"""How much less contrast brightened hair has, for every e-fold of light."""
GLOSSIEST = 1.3
"""Times typical hair that its rim shines at most: brighter is skin."""
INSIDE, DEEP = 11, 41
"""Pixels across of the photo's hair within which its rim may be mixed with skin, and outside which there is none."""


def dyed(
    detail: PhotoDetail,
    share: NDArray[np.float32],
    tint: NDArray[np.float32],
    on_atlas: NDArray[np.float32] | None = None,
) -> PhotoDetail:
    """The detail with its hair multiplied by exp(tint), seen and unseen.

    Args:
        share: (V,) how much of each vertex of the head is hair; tint: (3,) logarithms for typical hair.
        on_atlas: (S, S, 1) the same in the template's atlas, where the detail has one.
    """
    target = np.clip(detail.hair_colour * np.exp(tint), 0.0, 1.0).astype(np.float32)

    def change(colours: NDArray) -> NDArray[np.float32]:
        typical = detail.hair_colour
        return _recoloured(colours, typical, target) - _recoloured(colours, typical, typical)

    mask = detail.masks[..., HAIR]
    inner = cv2.GaussianBlur(cv2.erode(mask, np.ones((INSIDE, INSIDE), np.uint8)), (0, 0), 2)
    deep = cv2.GaussianBlur(cv2.erode(mask, np.ones((DEEP, DEEP), np.uint8)), (0, 0), 3)
    apart = detail.hair_colour - detail.skin_colour
    size = float(apart @ apart)
    looks = np.clip((detail.photo - detail.skin_colour) @ apart / max(size, 1e-3), 0, 1)
    # Gloss looks as little like hair as skin does, but is greyer than skin.
    least = 0.7 * float(1 - detail.skin_colour.min() / max(float(detail.skin_colour.max()), 0.03))
    grey = 1 - detail.photo.min(-1) / np.maximum(detail.photo.max(-1), 0.03)
    strand = np.maximum(smoothstep(looks, 0.0, 0.3), 1 - smoothstep(grey, 0.7 * least, least))
    # Farther in there is nothing but hair.
    strand = np.maximum(strand, deep)
    # Where hair and skin differ, what looks like hair is hair out to its last strand, but for the face's side.
    clear = float(smoothstep(np.float32(size), 0.01, 0.05))
    face = ((detail.masks[..., PERSON] > 0.9) & (mask < 0.1)).astype(np.float32)
    beside = cv2.GaussianBlur(cv2.dilate(face, np.ones((BESIDE, BESIDE), np.uint8)), (0, 0), 4)
    last = mask + (smoothstep(mask, 0.02, 0.3) - mask) * (1 - beside)
    cover = clear * last * np.maximum(inner * strand, looks)
    cover = cover + (1 - clear) * mask
    cover, inner = cover[..., None], inner[..., None]
    # What is half skin, half hair keeps its half of skin.
    own = detail.photo - (1 - cover) * detail.skin_colour
    strands = np.where(cover > 0.1, own / np.maximum(cover, 0.1), detail.hair_colour).clip(0, 1)
    strands = np.minimum(strands, inner + (1 - inner) * GLOSSIEST * detail.hair_colour)
    photo = detail.photo + cover * change(strands)

    def carried(layer: Layer, share: NDArray | float) -> Layer:
        attributes = layer.attributes.copy()
        before = attributes[:, COLOUR]
        attributes[:, COLOUR] = (before + share * change(before)).clip(0, 1)
        return replace(layer, attributes=attributes)

    atlas = detail.atlas
    if atlas is not None and on_atlas is not None:
        atlas = atlas + on_atlas * change(atlas)
    return replace(
        detail,
        atlas=atlas,
        photo=np.ascontiguousarray(photo.clip(0, 1), np.float32),
        hair_texture=(detail.hair_texture + change(detail.hair_texture)).clip(0, 1),
        hair_colour=target,
        head=carried(detail.head, share[:, None]),
        hair=carried(detail.hair, 1.0),
    )


def _recoloured(colours: NDArray, typical: NDArray, target: NDArray) -> NDArray[np.float32]:
    """(…, 3) colours of hair that lie about ``target`` as they did about ``typical``."""
    before, after = float(typical.mean()), float(target.mean())
    lift = max(float(np.log(max(after, 1e-3) / max(before, 1e-3))), 0.0)
    light = np.maximum(colours.mean(-1, keepdims=True), 1e-3)
    contrast = (light / max(before, 1e-3)) ** (1 / (1 + CALMED * lift))
    hue = (np.maximum(colours, 1e-3) / light) / (np.maximum(typical, 1e-3) / max(before, 1e-3))
    # The hue of nearly black hair is noise.
    kept = hue.clip(0.3, 3) ** max(1 - lift, 0.0)
    return (target * contrast * kept).clip(0, 1).astype(np.float32)
