"""Neck, shoulders and clothes below the photo's lower border: they go on as they are cut off."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import DEPTH_SIZE

BORDER_BLUR = 8
"""Pixels over which the person's mask fades at the photo's border."""
WIDE = 0.3
"""Share of the crop's width that neck or shoulders take at least where a photo cuts them."""
STRIP = 24
"""Rows above the border whose clothes go on below it."""
DRESSED = 0.35
"""Share of what is cut off that clothes are at least, or the shoulders stay bare."""
NECKLINE = 1.3
"""Pixels that a neckline falls from column to column away from the clothes."""
FADE = 50.0
"""Pixels below the border over which the person's outline there gives way to the model's shoulders."""


def cut_at(person: NDArray[np.float32]) -> int | None:
    """Row at which the photo's lower border cuts a (H, W) person through neck or shoulders; None where it does not."""
    rows = np.flatnonzero((person > 0.5).any(1))
    if not rows.size or rows[-1] < 0.8 * len(person):
        return None
    last = max(int(rows[-1]) - (BORDER_BLUR if rows[-1] < len(person) - 1 else 0), 0)
    return last if (person[last] > 0.5).mean() > WIDE else None


def going_on(
    person: NDArray[np.float32], uv: NDArray[np.float32], last: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W) mask that below the border's row goes on as there, and (N,) how far the model's shoulders take over."""
    result = person.copy()
    result[last:] = person[last]
    return result, smoothstep(uv[:, 1] * len(person) - last, 0.0, FADE)


def clothes_below(
    photo: NDArray[np.float32], clothes: NDArray[np.float32], skin: NDArray[np.float32], last: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """(W, 3) colours of the clothes that are cut off at row ``last``, and (W,) the row from which they cover the front
    of a column; None where there are hardly any.

    Args:
        photo: (H, W, 3); clothes, skin: (H, W) how likely a pixel is either; 0 beside the person.
    """
    strip = slice(max(last - STRIP, 0), last)
    total, bare = clothes[strip].sum(0), skin[strip].sum(0)
    if total.sum() < DRESSED * (total + bare).sum():
        return None
    colours = (photo[strip] * clothes[strip, :, None]).sum(0)
    result, left = np.zeros((photo.shape[1], 3), np.float32), np.ones(photo.shape[1], np.float32)
    for reach in (14.0, 42.0, 126.0, 378.0):
        near = cv2.GaussianBlur(total[None], (0, 0), sigmaX=reach, sigmaY=0.1)[0]
        colour = cv2.GaussianBlur(colours[None], (0, 0), sigmaX=reach, sigmaY=0.1)[0]
        share = np.clip(near / (0.4 * STRIP), 0, 1) * left
        result += colour / np.maximum(near, 1e-6)[:, None] * share[:, None]
        left = left - share
    result /= np.maximum(1 - left, 1e-6)[:, None]
    # Between the clothes the neckline; outside them the clothes go on.
    open_neck = cv2.blur((bare > total).astype(np.float32)[None], (9, 1))[0] > 0.5
    columns = np.arange(len(open_neck))
    edges = np.flatnonzero(~open_neck)
    distance = np.abs(columns[:, None] - edges[None]).min(1) if edges.size else np.zeros(len(columns))
    return result, (last + NECKLINE * distance).astype(np.float32)


def like_skin(colours: NDArray, typical: NDArray) -> NDArray[np.bool_]:
    """(N,) whether colours have the skin's hue, in light or in shadow."""
    total = np.maximum(colours.sum(-1, keepdims=True), 0.03)
    hue = np.abs(colours / total - typical / typical.sum()).max(-1)
    return (hue < 0.07) & (total[:, 0] > 0.2 * typical.sum())


def dressed(colours, uv, below, behind, photo, masks, typical, last) -> NDArray[np.float32]:
    """Colours with the clothes, or the bare skin, that the photo's lower border cuts going on over neck and shoulders."""
    # Shadows of hair on the neck are no clothes.
    near_hair = cv2.dilate(masks[..., 1], np.ones((15, 61), np.uint8))
    person = smoothstep(masks[..., 0], 0.7, 0.95) * (1 - smoothstep(near_hair, 0.05, 0.4))
    soft = cv2.GaussianBlur(photo, (0, 0), 2)
    bare = like_skin(soft, typical)
    hairy = masks[max(last - DEPTH_SIZE // 4, 0) : last, :, 1] > 0.9
    if hairy.sum() > 200:
        # Where hair hangs so far down, its mask may end before it does.
        hair = np.median(photo[max(last - DEPTH_SIZE // 4, 0) : last][hairy], 0)
        person = person * (np.abs(soft - hair).max(-1) > 0.15)
    found = clothes_below(
        photo, (person * ~bare).astype(np.float32), (person * bare).astype(np.float32), last
    )
    row = uv[:, 1] * DEPTH_SIZE
    if found is None:
        strip = (bare & (person > 0.5))[max(last - STRIP, 0) : last]
        if strip.sum() < 200:
            return colours
        skin = np.median(photo[max(last - STRIP, 0) : last][strip], 0)
        return colours + (skin - colours) * (below * smoothstep(row - last, -10.0, 50.0))[:, None]
    column = np.clip(uv[:, 0] * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int)
    start = found[1][column] * (1 - behind) + last * behind
    share = below * smoothstep(row - start, -10.0, 24.0)
    return colours + (found[0][column] - colours) * share[:, None]
