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
DRESSED = 0.3
"""Share of what is cut off that clothes are at least, or the shoulders stay bare."""
NECKLINE = 1.3
"""Pixels that a neckline falls from column to column away from the clothes."""
PASSAGE, IN_FRONT = 40.0, 14.0
"""Pixels above the border over which the photo gives way to what goes on below, in other views and in its own."""
CLOSING = 110.0
"""Pixels below the border at which what is open there has closed by half."""
LIGHT, DARKEST = (0.0, 0.55, 0.83), 0.74
"""Direction from which the light comes there, and brightness in its shadow."""
SIDES, DOWN = (0.12, 0.2), (0.2, 0.28)
"""Canonical distances aside and down from the middle of the head between which the neck becomes the body."""
SUNNY = 0.3
"""How much nearer to the face's own tone bare shoulders are than the neck."""
ARC, ARC_FADE = (0.66, 0.36, 0.14), 0.22
"""Half axes of the arc in which the bust ends, and the depth at which it begins, in world units; share of it over
which the bust fades out."""
FLAT, CLOSED, MIDDLE = 0.01, 0.14, -0.03
"""In meshes: share that is left of what lies past the arc, how far past it the bust is closed, and where the middle of
the body is from front to back, in world units."""
TILT, CHEST = 0.3, 0.12
"""How much higher it ends behind, in depths, and where in front of the body's middle that begins, in world units."""
LOWEST = (0.43, 0.5)
"""Canonical depths between which it does so at the latest."""
SPREAD, BACK = 30.0, 0.36
"""Pixels by which colours have run into one another there; widths of the photo from the body's middle whose clothes
its back wears."""
EDGE = 6
"""Columns by which the person is narrower than its mask when clothes are looked at."""
FADE = 26.0
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
    photo: NDArray[np.float32],
    clothes: NDArray[np.float32],
    skin: NDArray[np.float32],
    last: int,
    middle: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """(W, 3) colours of the clothes that are cut off at row ``last``, and (W,) the row from which they cover the front
    of a column; None where there are hardly any.

    Args:
        photo: (H, W, 3); clothes, skin: (H, W) how likely a pixel is either; 0 beside the person.
        middle: column of the body's middle: a side that the photo does not show is dressed as the other one.
    """
    strip = slice(max(last - STRIP, 0), last)
    total, bare = clothes[strip].sum(0), skin[strip].sum(0)
    if total.sum() < DRESSED * (total + bare).sum():
        return None
    colours = (photo[strip] * clothes[strip, :, None]).sum(0)
    # Between the clothes the neckline; outside them the clothes go on.
    open_neck = cv2.blur((bare > total).astype(np.float32)[None], (9, 1))[0] > 0.5
    columns = np.arange(len(open_neck))
    edges = np.flatnonzero(~open_neck)
    distance = np.abs(columns[:, None] - edges[None]).min(1) if edges.size else np.zeros(len(columns))
    shown = np.flatnonzero(total + bare > 0.5 * STRIP)
    silent = ((columns < shown.min(initial=0)) | (columns > shown.max(initial=0)))[:, None]
    both = np.column_stack([colours, total])
    mirrored = np.stack([np.interp(2 * middle - columns, columns, v, 0, 0) for v in both.T], -1)
    both = both + silent * mirrored
    colours, total = both[:, :3], both[:, 3]
    result, left = np.zeros((photo.shape[1], 3), np.float32), np.ones(photo.shape[1], np.float32)
    for reach in (14.0, 42.0, 126.0, 378.0):
        near = cv2.GaussianBlur(total[None], (0, 0), sigmaX=reach, sigmaY=0.1)[0]
        colour = cv2.GaussianBlur(colours[None], (0, 0), sigmaX=reach, sigmaY=0.1)[0]
        share = np.clip(near / (0.4 * STRIP), 0, 1) * left
        result += colour / np.maximum(near, 1e-6)[:, None] * share[:, None]
        left = left - share
    result /= np.maximum(1 - left, 1e-6)[:, None]
    return result, (last + NECKLINE * distance).astype(np.float32)


def worn(
    colours: NDArray[np.float32],
    across: NDArray[np.float32],
    depth: NDArray[np.float32],
    behind: NDArray[np.float32],
    middle: float,
) -> NDArray[np.float32]:
    """(N, 3) what clothes of (W, 3) colours along the border look like below it.

    Lapels, collars and open shirts close on the way down; behind, the body wears what it does at its sides.

    Args:
        across: (N,) columns; depth: (N,) pixels below the border; behind: (N,) share that is seen from behind.
        middle: column of the body's middle.
    """
    columns = np.arange(len(colours))
    soft = cv2.GaussianBlur(colours[None], (0, 0), sigmaX=SPREAD, sigmaY=0.1, borderType=cv2.BORDER_REPLICATE)
    aside, depth = across - middle, np.maximum(depth, 0)
    outward = np.maximum(np.abs(aside), BACK * len(colours))
    left = 1 - smoothstep(aside, -SPREAD, SPREAD)
    out = np.zeros((len(across), 3), np.float32)
    for share, at in (
        (1 - behind, aside * (1 + depth / CLOSING)),
        (behind * left, -outward),
        (behind * (1 - left), outward),
    ):
        far = smoothstep(depth, 0.0, CLOSING)
        for level, weight in ((colours, share * (1 - far)), (soft[0], share * far)):
            out += np.stack([np.interp(at + middle, columns, v) for v in level.T], -1) * weight[:, None]
    return out


def like_skin(colours: NDArray, typical: NDArray) -> NDArray[np.bool_]:
    """(N,) whether colours have the skin's hue, in light or in shadow."""
    total = np.maximum(colours.sum(-1, keepdims=True), 0.03)
    hue = np.abs(colours / total - typical / typical.sum()).max(-1)
    return (hue < 0.07) & (total[:, 0] > 0.2 * typical.sum())


def unlike_skin(colours: NDArray[np.float32], typical: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) in [0, 1] how little (N, 3) colours have the hue of skin, be it in the light or in shadow."""
    total = colours.sum(-1)
    away = colours / np.maximum(total, 0.03)[..., None] - typical / typical.sum()
    dark = 1 - smoothstep(total / typical.sum(), 0.18, 0.33)
    shaded = smoothstep(away[..., 0], -0.03, -0.01) * (1 - smoothstep(away[..., 0], 0.18, 0.26))
    shaded = shaded * smoothstep(colours[..., 1] - colours[..., 2], -0.02, 0.0)
    shaded = shaded * smoothstep(total / typical.sum(), 0.12, 0.25)
    unlike = np.maximum(smoothstep(np.abs(away).max(-1), 0.04, 0.08), dark)
    return (unlike * (1 - shaded)).astype(np.float32)


def _shaded_skin(colours: NDArray, typical: NDArray) -> NDArray[np.bool_]:
    """(...) whether colours are skin's that lies in another's shadow, which is redder than in the light."""
    total = colours.sum(-1, keepdims=True)
    away = colours / np.maximum(total, 0.03) - typical / typical.sum()
    red = (away[..., 0] > -0.02) & (away[..., 0] < 0.16) & (np.abs(away[..., 1:]).max(-1) < 0.14)
    dim = (total[..., 0] > 0.12 * typical.sum()) & (total[..., 0] < 1.2 * typical.sum())
    return red & dim & (colours[..., 1] > colours[..., 2] - 0.02)


def dressed(colours, uv, below, normals, photo, masks, typical, last) -> NDArray[np.float32]:
    """Colours with the clothes, or the bare skin, that the photo's lower border cuts going on over neck and shoulders."""
    behind, shade = smoothstep(-normals[:, 2], 0.0, 0.3), _shade(normals)
    # Shadows of hair on the neck are no clothes.
    near_hair = cv2.dilate(masks[..., 1], np.ones((15, 61), np.uint8))
    # Nor is what the mask's edge may have taken in of the background.
    inner = cv2.erode(masks[..., 0], np.ones((1, 2 * EDGE + 1), np.uint8))
    person = smoothstep(inner, 0.7, 0.95) * (1 - smoothstep(near_hair, 0.05, 0.4))
    soft = cv2.GaussianBlur(photo, (0, 0), 2)
    bare = like_skin(soft, typical) | _shaded_skin(soft, typical)
    hairy = masks[max(last - DEPTH_SIZE // 4, 0) : last, :, 1] > 0.9
    if hairy.sum() > 200:
        # Where hair hangs so far down, its mask may end before it does.
        hair = np.median(photo[max(last - DEPTH_SIZE // 4, 0) : last][hairy], 0)
        person = person * (np.abs(soft - hair).max(-1) > 0.15)
    row, column = uv[:, 1] * DEPTH_SIZE, uv[:, 0] * DEPTH_SIZE
    beside = (below > 0.5) & (np.abs(row - last) < STRIP)
    middle = float(column[beside].mean()) if beside.any() else DEPTH_SIZE / 2
    found = clothes_below(
        photo, (person * ~bare).astype(np.float32), (person * bare).astype(np.float32), last, middle
    )
    if found is None:
        strip = (bare & (person > 0.5))[max(last - STRIP, 0) : last]
        if strip.sum() < 200:
            return colours
        # A neck lies in the chin's shadow; what is below it does not.
        skin = np.median(photo[max(last - STRIP, 0) : last][strip], 0)
        skin = (skin + SUNNY * (typical - skin)) * shade
        return colours + (skin - colours) * (below * smoothstep(row - last, -10.0, 50.0))[:, None]
    start = found[1][np.clip(column, 0, DEPTH_SIZE - 1).astype(int)] * (1 - behind) + last * behind
    share = below * smoothstep(row - start, -PASSAGE, 10.0)
    wear = worn(found[0], column, row - last, behind, middle) * shade
    return colours + (wear - colours) * share[:, None]


def _shade(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 1) brightness of a body in soft light from before and above it."""
    lit = np.clip(normals @ np.array(LIGHT, np.float32) / LIGHT[2], 0, 1)
    return (DARKEST + (1 - DARKEST) * lit)[:, None]


def parted(
    bare: NDArray[np.float64],
    mixed: NDArray[np.float64],
    clothed: NDArray[np.float64],
    canonical: NDArray[np.float32],
) -> NDArray[np.float64]:
    """(V, 3) colours of either skin or clothes where both spread into what the photo does not show.

    A collar goes on round the neck, but does not run up into skin; shoulders wear clothes, in their own colour.

    Args:
        bare: (V, 3) the skin's colours alone; mixed: (V, 3) those of both; clothed: (V, 1) share of clothes in them.
        canonical: (V, 3) the vertices' canonical places.
    """
    aside, down = np.abs(canonical[:, 0]), -canonical[:, 1]
    body = (smoothstep(aside, *SIDES) * smoothstep(down, *DOWN))[:, None]
    alone = 1 - body + body / np.maximum(clothed, 0.25)
    worn_there = smoothstep(clothed, 0.4 - 0.25 * body, 0.9 - 0.4 * body)
    return np.clip(bare + (mixed - bare) * alone * worn_there, 0, 1)


def _arc(vertices: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray]:
    """(V,) places across and down in the arc in which busts end, in its half axes, and how much higher it lies there."""
    # Higher behind: from below one would look into it.
    rise = TILT * np.maximum(CHEST - vertices[:, 2], 0)
    return vertices[:, 0] / ARC[0], np.maximum(rise - vertices[:, 1] - ARC[2], 0) / ARC[1], rise


def rounded(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V, 3) vertices of a head with what lies past the arc drawn in to it and inward, so that it closes the bust.

    A mesh cannot fade out: so it ends cleanly, with the same vertices and faces.
    """
    across, down, _ = _arc(vertices)
    far, end = np.hypot(across, down), 1 - ARC_FADE / 2
    past = np.maximum(far - end, 0)
    # A little of what was there stays, so that no face loses its area.
    scale = np.where(past > 0, (end + FLAT * past) / np.maximum(far, 1e-6), 1)
    inward = np.minimum(past / CLOSED, 1 - FLAT)
    result = vertices.copy()
    result[:, 0] *= scale
    result[:, 2] += inward * (MIDDLE - vertices[:, 2])
    sunk = (past > 0) & (down > 0)
    rise = _arc(result)[2]
    result[sunk, 1] = (rise - ARC[2] - down * scale * ARC[1])[sunk]
    return result


def ending(fine: NDArray[np.float32], canonical: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V,) opacity of a bust that fades out in an arc before the template's ragged end.

    Args:
        fine: (V, 3) the head in the photo's pose; canonical: (V, 3) its vertices' canonical places.
    """
    aside, down, _ = _arc(fine)
    arc = 1 - smoothstep(np.hypot(aside, down), 1 - ARC_FADE, 1.0) * (down > 0)
    # Raised shoulders carry the template's end up with them.
    return arc * (1 - smoothstep(-canonical[:, 1], *LOWEST))


def shown_above(uv: NDArray[np.float32], below: NDArray[np.float32], last: int, passage: float) -> NDArray:
    """(N,) how far the photo goes on to be shown towards its lower border, which shows as no line then."""
    return 1 - below * (1 - smoothstep(last - uv[:, 1] * DEPTH_SIZE, 0.0, passage))
