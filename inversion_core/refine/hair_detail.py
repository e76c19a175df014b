"""The photo's detail on the hair surface: what it shows, and strands like those where it shows nothing."""

from __future__ import annotations

import cv2
import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.compiled import parallel
from inversion_core.generators.template import HeadTemplate, vertex_normals
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import COLUMNS, DOME_ROWS, ROWS, WIDTH, HairLayer, sideburns
from inversion_core.refine.hair_strands import CELL, HAIR_TEXTURE, LONG, strands
from inversion_core.refine.layer import (
    CHANNELS,
    COLOUR,
    GAIN,
    MIRROR_UV,
    MIRROR_WEIGHT,
    OPACITY,
    SEEN,
    SEEN_STRAIGHT,
    UV,
    WEIGHT,
    Layer,
    sampled,
    seen_by,
)

COARSE = 2
"""Texels to a side of what is enough for the texture's shares and low frequencies."""


def typical_hair(photo: NDArray[np.float32], hairy: NDArray[np.float32], skin: NDArray) -> NDArray:
    """(3,) colour of most hair in (512, 512, 3) under a (512, 512) mask; a darker skin's where there is none."""
    for least in (cv2.erode(hairy, np.ones((7, 7), np.uint8)), hairy):
        pixels = photo[least > 0.7]
        if len(pixels) > 400:
            # Skin shines through at hairline, beard and brow: what is most like it is left out.
            unlike = _unlike(pixels, np.median(pixels, 0), skin) > 0.5
            pixels = pixels[unlike] if unlike.sum() > 100 else pixels
            # Neither gloss nor shadow.
            low, high = np.quantile(pixels.sum(1), (0.2, 0.8))
            return pixels[(pixels.sum(1) >= low) & (pixels.sum(1) <= high)].mean(0)
    return 0.6 * skin


def hair_detail(
    hair: HairLayer,
    fine: NDArray[np.float32],
    template: HeadTemplate,
    camera: Camera,
    photo: NDArray[np.float32],
    masks: NDArray[np.float32],
    rim: NDArray[np.float32],
    hair_colour: NDArray,
    skin_colour: NDArray,
) -> tuple[Layer, NDArray[np.float32]]:
    """The hair's layer, and its texture (HAIR_TEXTURE + (3,)) in rows and columns of the hair's grid, sRGB.

    Args:
        fine: (V, 3) the head in the photo's pose; photo: (512, 512, 3) in [0, 1]; masks: (512, 512, 2) person and hair.
        rim: (512, 512) share of skin that counts as hair in the photo's own view alone.
        hair_colour, skin_colour: (3,) typical ones, sRGB.
    """
    normals = vertex_normals(hair.vertices, hair.faces)
    head_faces = template.faces[template.skin_faces]
    uv, cosine, visible = seen_by(camera, hair.vertices, normals, hair.faces, [(fine, head_faces)])
    person, hairy = sampled(masks, uv).T
    facing = smoothstep(cosine, 0.25, 0.55)
    # Past the outline the photo shows background: from there on the hair goes on as beside it.
    within = sampled(cv2.erode(masks[..., :1], np.ones((9, 9), np.uint8))[..., None], uv)[:, 0]
    trust = visible * facing * smoothstep(hairy, 0.05, 0.3) * smoothstep(within, 0.3, 0.9)
    trust *= 1 - smoothstep(
        sampled(cv2.dilate(rim, np.ones((5, 5), np.uint8))[..., None], uv)[:, 0], 0.1, 0.5
    )
    grid = (ROWS, WIDTH)
    trust = np.minimum(trust, cv2.blur(trust.reshape(grid).astype(np.float32), (3, 3)).reshape(-1) * 1.2)
    attributes = np.zeros((len(uv), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, WEIGHT] = uv, trust
    rows, columns = hair.grid.T
    attributes[:, MIRROR_UV] = np.stack([columns, rows], 1)
    attributes[:, MIRROR_WEIGHT] = 1
    attributes[:, GAIN] = 1
    attributes[:, COLOUR] = hair_colour
    attributes[:, SEEN] = visible * smoothstep(cosine, 0.15, 0.5) * smoothstep(within, 0.5, 0.95)
    attributes[:, SEEN_STRAIGHT] = (
        visible * smoothstep(cosine, 0.0, 0.1) * smoothstep(hairy, 0.0, 0.08) * smoothstep(person, 0.0, 0.05)
    )
    grown = continued(attributes[:, SEEN].reshape(grid) > 0.6, hairy.reshape(grid), hair.unseen.reshape(grid))
    grown = _ragged(grown, attributes[:, SEEN].reshape(grid))
    bare = (hair.bare * (1 - smoothstep(hairy, 0.3, 0.6))).reshape(grid).astype(np.float32)
    # Less than an ear, or the skin before a curtain, is a hole.
    bare = cv2.morphologyEx(bare, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    attributes[:, OPACITY] = (grown * (1 - bare)).ravel()
    lowest = int(np.flatnonzero((grown > 0.02).any(1)).max(initial=0)) + 2
    texture = _hair_texture(
        uv.reshape(*grid, 2), trust.reshape(grid), photo, masks[..., 1], hair_colour, skin_colour, lowest
    )
    opaque = np.where(attributes[:, SEEN] > 0.5, hairy, attributes[:, OPACITY])
    kept = opaque[hair.faces].max(1) > 0.04
    return Layer(hair.vertices, np.ascontiguousarray(hair.faces[kept]), attributes), texture


def continued(seen: NDArray[np.bool_], hairy: NDArray, unseen: NDArray) -> NDArray[np.float32]:
    """(ROWS, WIDTH) opacity where nothing is seen: next to seen cells it goes on as they are, farther off as on the
    other side, or else as hair grows."""
    # Along its outline hair thins out to nothing; what goes on behind is the hair a few cells further in.
    # Before a hairline there is none of it.
    hairy = (hairy * seen).astype(np.float32)
    hairy = np.concatenate(
        [
            cv2.dilate(hairy, np.ones((1, 7), np.uint8), anchor=(0, 0))[:, : WIDTH // 2],
            cv2.dilate(hairy, np.ones((1, 7), np.uint8), anchor=(6, 0))[:, WIDTH // 2 :],
        ],
        1,
    )
    other = cv2.GaussianBlur((seen & _beside()).astype(np.float32), (0, 0), 1.5)[:, ::-1]
    unseen = unseen + (hairy[:, ::-1] - unseen) * other
    result = unseen.astype(np.float32).copy()
    columns = np.arange(WIDTH)
    for row in np.flatnonzero(seen.any(1)):
        known = np.flatnonzero(seen[row])
        nearest = known[np.argmin(np.abs(known[None] - columns[:, None]), 1)]
        # Hair seen near by is followed far, bare skin only a little: the scalp begins behind the temple.
        reach = 8 + 14 * hairy[row, nearest]
        share = smoothstep(np.abs(nearest - columns) / reach, 0.25, 1.0)
        result[row] = (1 - share) * hairy[row, nearest] + share * unseen[row]
    result = cv2.GaussianBlur(result, (0, 0), 1.0)
    # No sideburn without hair above it.
    strip = np.pad(sideburns().max(0) > 0.5, (0, 1), mode="wrap")
    result[DOME_ROWS - 4 :, strip] = np.minimum.accumulate(result[DOME_ROWS - 4 :, strip])
    return result


def _ragged(opacity: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Opacity with lower ends that differ from lock to lock, as sharp as locks' ends are, where none is seen."""
    noise = np.random.default_rng(0).standard_normal(COLUMNS).astype(np.float32)
    noise = cv2.GaussianBlur(np.tile(noise, 3)[None], (0, 0), 0.7)[0, COLUMNS : COLUMNS + WIDTH]
    rows, columns = np.indices(opacity.shape, np.float32)
    ends = smoothstep(rows - DOME_ROWS, -6.0, 4.0)
    # At the nape short hair thins out instead.
    lowest = np.flatnonzero((opacity > 0.5).any(1)).max(initial=0) - DOME_ROWS
    nape = smoothstep(np.abs(columns / COLUMNS - 0.5), 0.3, 0.36)
    ends = ends * (1 - nape * (1 - smoothstep(float(lowest), *LONG)))
    shifted = cv2.remap(
        opacity, columns, rows + 1.7 * np.maximum(noise / noise.std(), 0) * ends, cv2.INTER_LINEAR
    )
    sharp = smoothstep(shifted, 0.3, 0.7)
    return opacity + (sharp - opacity) * ends * (1 - cv2.GaussianBlur(seen, (0, 0), 1.0))


def _beside() -> NDArray[np.bool_]:
    """(ROWS, WIDTH) cells at the sides of the head down to the ears: hairlines there are much alike on both sides."""
    sides = np.abs(np.arange(WIDTH) / COLUMNS - 0.5) > 40 / 360
    return sides & (np.arange(ROWS)[:, None] < DOME_ROWS + 5)


def _hair_texture(uv, trust, photo, hairy, hair_colour, skin_colour, lowest) -> NDArray[np.float32]:
    """(H, W, 3) hair all round the head: the photo's where it is seen, strands like its own elsewhere, down to the
    lowest row of the grid that shows any."""
    shape = (HAIR_TEXTURE[1], HAIR_TEXTURE[0])
    fewer = (shape[0] // COARSE, shape[1] // COARSE)
    dense = cv2.resize(uv.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR)
    seen = sampled(photo, dense.reshape(-1, 2)).reshape(*HAIR_TEXTURE, 3)
    colours = cv2.resize(seen, fewer, interpolation=cv2.INTER_AREA)
    share = cv2.resize(
        sampled(hairy[..., None], dense.reshape(-1, 2)).reshape(HAIR_TEXTURE),
        fewer,
        interpolation=cv2.INTER_AREA,
    )
    sure = (cv2.resize(trust.astype(np.float32), fewer) > 0.6) & (share > 0.8)
    sure = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if sure.sum() < 400:
        return np.broadcast_to(hair_colour.astype(np.float32), (*HAIR_TEXTURE, 3)).copy()
    # Between thin hair skin shines through: what has more of its colour says nothing of the hair's.
    known = sure * _unlike(cv2.GaussianBlur(colours, (0, 0), 3), hair_colour, skin_colour)
    low = _spread(colours, known, hair_colour)
    soft = _softened(sure)
    # The other side's hair first, in this side's tone.
    other = _softened(sure)[:, ::-1] * (1 - soft) * smoothstep(known[:, ::-1], 0.5, 1.0)[..., None]
    tone = np.clip(low / np.maximum(low[:, ::-1], 0.02), 0.5, 2.0)
    soft, other, tone, low = (
        cv2.resize(values, shape).reshape(*HAIR_TEXTURE, -1) for values in (soft, other, tone, low)
    )
    hair_only = _unlike(cv2.GaussianBlur(photo, (0, 0), 2), hair_colour, skin_colour)
    drawn, rows = low.copy(), CELL * lowest
    drawn[:rows] = strands(photo, smoothstep(hairy, 0.7, 0.9) * hair_only, low[:rows])
    mixed = np.empty_like(seen)
    _mix(seen, soft, tone, other, drawn, mixed)
    return mixed


@parallel
def _mix(seen, soft, tone, other, drawn, out):
    """Write into ``out`` (H, W, 3) in [0, 1]: what is seen by its share ``soft``, mirrored in this side's ``tone`` by the
    share ``other``, and what is drawn by the rest."""
    height, width = seen.shape[:2]
    for y in nb.prange(height):
        for x in range(width):
            own, across = soft[y, x, 0], other[y, x, 0]
            rest = np.float32(1) - own - across
            for n in range(3):
                value = seen[y, x, n] * own + seen[y, width - 1 - x, n] * tone[y, x, n] * across
                out[y, x, n] = min(max(value + drawn[y, x, n] * rest, np.float32(0)), np.float32(1))


def _softened(sure: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W, 1) share in [0, 1], 0 at the rim of what is sure."""
    return cv2.GaussianBlur(cv2.erode(sure.astype(np.float32), np.ones((9, 9))), (0, 0), 4)[..., None]


def _unlike(colours: NDArray, hair: NDArray, skin: NDArray) -> NDArray[np.float32]:
    """(...) share in [0, 1] to which colours lie nearer to the hair's than to the skin's, hue before brightness."""

    def described(rgb: NDArray) -> NDArray:
        total = np.maximum(np.asarray(rgb, np.float32).sum(-1, keepdims=True), 0.06)
        return np.concatenate([rgb[..., :2] / total, 0.1 * np.log(total)], -1)

    start = described(hair)
    axis = described(skin) - start
    along = (described(colours) - start) @ axis / max(float(axis @ axis), 1e-4)
    return (1 - smoothstep(along, 0.55, 0.9)).astype(np.float32)


def _spread(colours: NDArray, known: NDArray, fallback: NDArray) -> NDArray[np.float32]:
    """(H, W, 3) low frequencies of the known colours, carried into the rest; farther off the hair's usual colour."""
    # One value to a cell of the hair's grid is enough for what is so smooth.
    shape, cell = known.shape, CELL // COARSE
    colours, known = _averaged(colours * known[..., None], cell), _averaged(known, cell)
    result, left = np.zeros_like(colours), np.ones(known.shape, np.float32)
    for size, own in ((10.0, 1.0), (20.0, 0.8), (40.0, 0.6), (80.0, 0.4), (160.0, 0.3)):
        weight = cv2.GaussianBlur(known, (0, 0), size / cell)
        colour = cv2.GaussianBlur(colours, (0, 0), size / cell) / np.maximum(weight, 1e-6)[..., None]
        share = np.clip(weight / 0.15, 0, 1) * left
        result += (own * colour + (1 - own) * np.asarray(fallback, np.float32)) * share[..., None]
        left = left - share
    result += left[..., None] * np.asarray(fallback, np.float32)
    return cv2.resize(result, shape[::-1], interpolation=cv2.INTER_LINEAR)


def _averaged(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Means over squares of ``size`` texels."""
    rows, columns = values.shape[:2]
    small = cv2.resize(values, (columns // size, rows // size), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)
