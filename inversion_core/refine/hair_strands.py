"""Hair where the photo shows none: small pieces of the hair that it does show, combed along the head.

Pieces of the photo's fine detail (its colours over their own low frequencies) are laid beside and over each other on four
shifted lattices, each turned so that its strands run down the head, and blended so that their contrast stays: with
weights w, a sum is divided by the root of the sum of w² (Heitz and Neyret 2018, "High-Performance By-Example Noise using
a Histogram-Preserving Blending Operator", section 3). Coarser locks are noise as uneven as the photo's own.
"""

from __future__ import annotations

import cv2
import numba as nb
import numpy as np
from numpy.typing import NDArray

from inversion_core.compiled import parallel
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import COLUMNS, DOME_ROWS, ROWS, WIDTH
from inversion_core.refine.matte import widely_blurred

CELL = 8
"""Texels to a cell of the hair's grid: about one to a pixel of the photo."""
HAIR_TEXTURE = (CELL * ROWS, CELL * WIDTH)
PIECE = (150, CELL * COLUMNS / 29)
"""Texels down and across of a piece; a whole number of them goes round the head."""
STRETCH = (1.5, 2.0)
"""How much longer a piece is on the head than in the photo, in short and long hair: strands that nobody sees begin and
end less often."""
LONG = (8, 20)
"""Rows below the ears that hair reaches from short to long."""
LATTICES = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.25), (0.5, 0.75))
FINE, LOCK, BROAD = 8.0, 8.0, 22.0
"""Pixels of blur that part the photo's fine detail from the rest, and its locks from broader light and shade."""
LOCKS = 0.12
"""Largest deviation of locks' brightness."""
SWEPT = 14
"""Cells that strands at the sides run towards the back on their way down."""
ENOUGH = 400
"""Pixels of hair that tell how hair looks."""


def strands(
    photo: NDArray[np.float32], known: NDArray[np.float32], low: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, W, 3) sRGB strands over the colours ``low``, (H, W, 3) with H at most and W just as in HAIR_TEXTURE.

    Args:
        photo: (512, 512, 3) in [0, 1]; known: (512, 512) share of it that is hair and nothing else.
    """
    height = low.shape[0]
    grey = photo.mean(-1)
    blurred = np.maximum(within(grey, known, FINE), 0.02)
    bright = blurred[known > 0.6]
    # In the dark between locks noise would pass for strands.
    sure = (known > 0.6) & (blurred > 0.5 * np.median(bright)) if bright.size else known > 1
    sure = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8))
    rng = np.random.default_rng(0)
    bent = _bent(rng, height)
    if sure.sum() < ENOUGH:
        return np.broadcast_to(low, low.shape)
    detail = grey / blurred - 1
    least, most = np.quantile(detail[sure > 0], (0.01, 0.99))
    detail = np.clip(detail, least, most)
    detail -= detail[sure > 0].mean()
    relative = _pieces(rng, detail, grey, sure, bent)
    coarse = blurred / np.maximum(within(grey, known, BROAD), 0.02) - 1
    deviation = min(float(np.sqrt((coarse[sure > 0] ** 2).mean())), LOCKS)
    relative += deviation * _along(_noise(rng, 7, 60, height), bent)
    # Towards the crown the grid's columns meet, and strands would fan out from a point.
    calm = smoothstep(np.arange(height, dtype=np.float32) / HAIR_TEXTURE[0], 0.01, 0.05)[:, None]
    ramp = _ramp(photo, blurred, sure)
    return low * np.power(np.maximum(1 + relative * calm, 0.15)[..., None], ramp)


def within(values: NDArray, known: NDArray, size: float) -> NDArray[np.float32]:
    """(H, W) blur of the known values alone."""
    total, weight = cv2.split(widely_blurred(np.dstack([values * known, known]).astype(np.float32), size))
    return total / np.maximum(weight, 1e-4)


def _ramp(photo, blurred, sure) -> NDArray[np.float32]:
    """(3,) powers by which the colours of hair follow its brightness: gloss is paler, shadow richer."""
    pixels, light = photo[sure > 0], np.log(blurred[sure > 0])
    light = light - light.mean()
    logs = np.log(np.maximum(pixels, 0.02))
    power = (light[:, None] * (logs - logs.mean(0))).mean(0) / max(float((light**2).mean()), 1e-4)
    return np.clip(power / max(float(power.mean()), 0.2), 0.7, 1.4).astype(np.float32)


def _orientation(grey: NDArray, sure: NDArray) -> NDArray[np.float32]:
    """(512, 512) radians by which strands are turned from upright, by the structure tensor."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) * sure for order in ((1, 0), (0, 1)))
    xx, yy, xy = cv2.split(widely_blurred(np.dstack([across * across, down * down, across * down]), 9))
    return 0.5 * np.arctan2(2 * xy, xx - yy)


def _bent(rng: np.random.Generator, height: int) -> NDArray[np.float32]:
    """(H, W) column that each texel's strand comes from: slow noise, or hair would hang like a comb's teeth."""
    columns = np.arange(HAIR_TEXTURE[1], dtype=np.float32)[None]
    bent = columns + 16 * _noise(rng, 90, 180, height) + 4 * _noise(rng, 25, 60, height)
    # From forehead and temples it is combed back; below the ears it falls.
    around = 2 * columns / (CELL * COLUMNS) - 1
    side = np.sign(around) * smoothstep(np.abs(around), 0.0, 0.5) * (1 - smoothstep(np.abs(around), 0.5, 1.0))
    run = smoothstep(
        np.arange(height, dtype=np.float32)[:, None], 0.3 * CELL * DOME_ROWS, 1.25 * CELL * DOME_ROWS
    )
    # Long hair hangs more.
    swept = SWEPT * (1 - 0.5 * smoothstep(height / CELL - DOME_ROWS, *LONG))
    return bent - CELL * swept * side * run


def _pieces(rng, detail, grey, sure, bent) -> NDArray[np.float32]:
    """(H, W) pieces of the detail, each from a place of its own."""
    depth = cv2.distanceTransform(sure, cv2.DIST_L2, 5)
    edge = np.clip(depth / 5, 0, 1)
    pool = np.flatnonzero((depth > min(14.0, 0.6 * depth.max())).ravel())
    angle = _orientation(grey, sure).ravel()
    height = len(bent)
    elevation = np.clip(1 - np.arange(height) / (CELL * DOME_ROWS), 0, 1) * np.pi / 2
    # Columns draw together towards the crown, pieces do not.
    narrow = np.maximum(np.cos(elevation), 0.15)
    around, down = round(CELL * COLUMNS / PIECE[1]), int(height / PIECE[0]) + 2
    shape = (len(LATTICES), down, around)
    place = pool[rng.integers(len(pool), size=shape)]
    turn = angle[place] + rng.normal(0, 0.06, shape)
    flip = rng.choice([-1.0, 1.0], shape)
    y, x = np.divmod(place, detail.shape[1])
    stretch = STRETCH[0] + (STRETCH[1] - STRETCH[0]) * smoothstep(height / CELL - DOME_ROWS, *LONG)
    # Where each piece's middle lies, and the steps in the photo of one texel across and down.
    across = np.stack([np.cos(turn), np.sin(turn)]) * flip
    along = np.stack([-np.sin(turn), np.cos(turn)]) / stretch
    pieces = np.stack([x, y, *across, *along], -1).astype(np.float32)
    source = np.stack([detail * edge, edge], -1).astype(np.float32)
    result = np.empty_like(bent)
    _lay(bent, narrow.astype(np.float32), pieces, source, np.array(LATTICES, np.float32), *PIECE, result)
    return result


@parallel
def _lay(bent, narrow, pieces, source, lattices, high, wide, out):
    """Fill ``out`` with the pieces of all lattices, each fading to its rim, at their common contrast."""
    height, width = bent.shape
    rows, columns = source.shape[:2]
    # Plain numbers would make the loop count in double precision.
    one, four, half, steps = np.float32(1), np.float32(4), np.float32(0.5), np.float32(1 / wide)
    high, wide = np.float32(high), np.float32(wide)
    for row in nb.prange(height):
        for column in range(width):
            total = np.float32(0.0)
            power = np.float32(0.0)
            for n in range(len(lattices)):
                u = np.float32(row) / high + lattices[n, 0]
                v = bent[row, column] * steps + lattices[n, 1]
                i, j = int(np.floor(u)), int(np.floor(v))
                u, v = u - np.float32(i) - half, v - np.float32(j) - half
                weight = (one - four * u * u) * (one - four * v * v)
                weight *= weight
                j %= pieces.shape[2]
                piece = pieces[n, np.uintp(i), np.uintp(j)]
                down, across = u * high, v * wide * narrow[row]
                x = piece[0] + across * piece[2] + down * piece[4]
                y = piece[1] + across * piece[3] + down * piece[5]
                left, top = int(np.floor(x)), int(np.floor(y))
                if left < 0 or top < 0 or left >= columns - 1 or top >= rows - 1:
                    continue
                a, b = x - np.float32(left), y - np.float32(top)
                left, top = np.uintp(left), np.uintp(top)
                right, low = left + np.uintp(1), top + np.uintp(1)
                upper = source[top, left, 0] + (source[top, right, 0] - source[top, left, 0]) * a
                lower = source[low, left, 0] + (source[low, right, 0] - source[low, left, 0]) * a
                total += (upper + (lower - upper) * b) * weight
                upper = source[top, left, 1] + (source[top, right, 1] - source[top, left, 1]) * a
                lower = source[low, left, 1] + (source[low, right, 1] - source[low, left, 1]) * a
                share = (upper + (lower - upper) * b) * weight
                power += share * share
            out[row, column] = total / np.sqrt(max(power, np.float32(2e-2)))


def _along(noise: NDArray[np.float32], bent: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) noise bent like the strands."""
    rows = np.repeat(np.arange(len(noise), dtype=np.float32)[:, None], noise.shape[1], 1)
    return cv2.remap(
        noise, np.mod(bent, CELL * COLUMNS), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _noise(rng: np.random.Generator, width: float, height: float, rows: int) -> NDArray[np.float32]:
    """(rows, W) smooth noise of unit deviation that closes round the head; sizes in texels."""
    # A quarter of the resolution shows nothing less of what is so smooth.
    columns, fewer = CELL * COLUMNS // 4, -(-rows // 4)
    noise = np.tile(rng.standard_normal((fewer, columns)).astype(np.float32), (1, 2))
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=width / 4, sigmaY=height / 4)
    noise = noise[:, columns // 2 - 1 : columns // 2 + columns + 4]
    noise = cv2.resize(noise / noise.std(), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(noise[:rows, 4 : 4 + HAIR_TEXTURE[1]])
