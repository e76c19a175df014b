"""Hair as a layer of its own: a star-shaped surface round skull and neck, shaped by the photo's outline.

Rows run from the crown down (first by elevation over a sphere, then by height round a cylinder), columns by azimuth. How
far the layer stands off the skin is read off the person's mask where hair meets the background; where it is opaque, in
front, is the photo's own hair mask, so hairlines and fringes need no style to be recognised.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inversion_core.camera import Camera
from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.refine.ears import bare_silhouette, smoothstep

COLUMNS, DOME_ROWS, CURTAIN_ROWS = 144, 34, 44
ROWS = DOME_ROWS + CURTAIN_ROWS
WIDTH = COLUMNS + 1
CURTAIN = 0.42
"""World units from ear height down to the layer's last row."""
STANDOFF = 0.004
"""World units that the layer keeps from the skin at least."""
CROWN_ROWS = 12
"""Rows within which the layer's height evens out towards the crown."""
SUNK = 0.004
"""World units by which bare cells lie deeper than that."""
EAR_PLANE = 0.045
"""World units from the layer's axis forward to the ears."""
BEHIND = (0.014, 0.35)
"""World units, and share of the sides' standoff, that hair stands off behind."""
LEAN = 0.3
"""Share by which hair stands off less in front, and more behind, than at the sides."""
STEEPEST = 0.0035
"""World units from row to row by which falling hair draws in at most."""
SIDEBURN = (70.0, 76.0, 90.0, 97.0)
"""Degrees from straight ahead between which a sideburn's edges fade."""
TEMPLE, BROW_ROWS = (58.0, 66.0), (0.5 * DOME_ROWS, 0.62 * DOME_ROWS)
"""Degrees, and rows, at which short hair ends towards the face."""
REACH = 0.26
"""World units that hair may stand off at most."""


@dataclass(frozen=True)
class HairLayer:
    """The hair surface of one photo, in the photo's pose of the head.

    Attributes:
        vertices: (ROWS * WIDTH, 3) float32 world units; faces: (F, 3) int32.
        grid: (ROWS * WIDTH, 2) float32 row and column, each in [0, 1].
        anchors: (N, 4) int32 skin vertices that each vertex follows; weights: (N, 4) float32.
        unseen: (N,) float32 opacity where the photo does not show the vertex.
        bare: (N,) float32 1 over an uncovered ear and under the skin: no hair is invented there.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    grid: NDArray[np.float32]
    anchors: NDArray[np.int32]
    weights: NDArray[np.float32]
    unseen: NDArray[np.float32]
    bare: NDArray[np.float32]


def _centre(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3,) middle of the skull at ear height."""
    ear = 0.5 * (landmarks[234] + landmarks[454])
    return np.array([ear[0], ear[1] + 0.02, ear[2] - 0.045], np.float64)


def _coordinates(points: NDArray, centre: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Fractional row and column and radius of (N, 3) points."""
    x, y, z = (points - centre).T.astype(np.float64)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * COLUMNS
    flat = np.hypot(x, z)
    elevation = np.arctan2(y, flat)
    dome = (1 - elevation / (np.pi / 2)) * DOME_ROWS
    row = np.where(y > 0, dome, DOME_ROWS - y / CURTAIN * CURTAIN_ROWS)
    return row, column, np.where(y > 0, np.hypot(flat, y), flat)


def _azimuth(columns: int = COLUMNS) -> NDArray[np.float64]:
    return (np.arange(columns) / COLUMNS - 0.5) * 2 * np.pi


def _points(radius: NDArray, centre: NDArray) -> NDArray[np.float32]:
    """(ROWS, W, 3) world points of a (ROWS, W) radius."""
    theta = _azimuth(radius.shape[1])[None]
    elevation = np.clip(1 - np.arange(ROWS) / DOME_ROWS, 0, 1)[:, None] * np.pi / 2
    drop = -np.clip((np.arange(ROWS) - DOME_ROWS) / CURTAIN_ROWS, 0, 1)[:, None] * CURTAIN
    flat = radius * np.cos(elevation)
    result = np.stack([flat * np.sin(theta), radius * np.sin(elevation) + drop, flat * np.cos(theta)], -1)
    return (result + centre).astype(np.float32)


def _wrapped_blur(values: NDArray, rows: float, columns: float) -> NDArray:
    """Gaussian blur that wraps round the head and repeats the first and last row."""
    pad = COLUMNS // 2
    wide = np.concatenate([values[:, -pad:], values, values[:, :pad]], 1).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), sigmaX=columns, sigmaY=rows, borderType=cv2.BORDER_REPLICATE)[
        :, pad:-pad
    ]


def _binned(row: NDArray, column: NDArray, values: NDArray, largest: bool) -> NDArray:
    """(ROWS, COLUMNS) of scattered values (largest or mean a cell), holes filled from their surroundings."""
    r, c = np.clip(np.round(row), 0, ROWS - 1).astype(int), np.round(column).astype(int) % COLUMNS
    total, count = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    np.add.at(count, (r, c), 1)
    if largest:
        np.maximum.at(total, (r, c), values)
    else:
        np.add.at(total, (r, c), values)
        total /= np.maximum(count, 1)
    known = (count > 0).astype(np.float64)
    result, size = np.where(known > 0, total, 0), 0.8
    left = known == 0
    while left.any() and size < 40:
        near = _wrapped_blur(known, size, size)
        guess = _wrapped_blur(total * known, size, size) / np.maximum(near, 1e-9)
        new = left & (near > 0.05)
        result[new] = guess[new]
        left &= ~new
        size *= 1.6
    return result


def _standoff_by_side(
    base: NDArray, centre: NDArray, camera: Camera, person: NDArray[np.float32], hair: NDArray[np.float32]
) -> tuple[NDArray, NDArray, NDArray]:
    """(2, ROWS) standoff seen at the picture's right and left outline, NaN where the frame cuts it off;
    (2, ROWS) what it is at least there; and (2, ROWS) whether hair is what meets the background."""
    size = person.shape[0]
    right, forward = camera.cam2world[:3, 0].astype(np.float64), camera.cam2world[:3, 2].astype(np.float64)
    up = np.array([0.0, 1.0, 0.0]) - forward[1] * forward
    up /= np.linalg.norm(up)
    right = np.cross(forward, up) * np.sign(np.cross(forward, up) @ right)
    yaw = np.arctan2(-forward[0], -forward[2])
    steps = np.arange(0.03, 0.62, 0.0015)
    elevation = np.clip(1 - np.arange(ROWS) / DOME_ROWS, 0, 1) * np.pi / 2
    drop = -np.clip((np.arange(ROWS) - DOME_ROWS) / CURTAIN_ROWS, 0, 1) * CURTAIN
    standoff, least, hairy = np.full((2, ROWS), np.nan), np.zeros((2, ROWS)), np.zeros((2, ROWS))
    for side, sign in enumerate((1, -1)):
        column = int(np.round(((yaw + sign * np.pi / 2) / (2 * np.pi) + 0.5) * COLUMNS)) % COLUMNS
        for row in range(ROWS):
            ray = sign * np.cos(elevation[row]) * right + np.sin(elevation[row]) * up
            line = centre + drop[row] * np.array([0.0, 1.0, 0.0]) + steps[:, None] * ray
            seen = camera.project(line)[:, :2] * size
            inside = ((seen > 2) & (seen < size - 3)).all(1)
            x, y = np.clip(seen, 0, size - 1).astype(int).T
            out = np.flatnonzero((person[y, x] < 0.5) | ~inside)
            if not out.size or out[0] < 3:
                continue
            end = out[0]
            rim = slice(max(end - 14, 0), max(end - 2, 1))
            hairy[side, row] = hair[y[rim], x[rim]].mean()
            if inside[end]:
                standoff[side, row] = steps[end] - base[row, column]
            else:
                least[side, row] = steps[end] - base[row, column]
    return standoff, least, hairy


def _completed(values: NDArray) -> NDArray:
    """A (ROWS,) profile with NaN runs filled from their ends, 0.02 where nothing is known."""
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return np.full(ROWS, 0.02)
    return np.interp(np.arange(ROWS), known, values[known])


def _rooted(radius: NDArray, centre: NDArray, camera: Camera, hair: NDArray[np.float32]) -> NDArray:
    """(ROWS, COLUMNS) factor that lets the layer rise from the skin along the hairline that the photo shows."""
    points = _points(radius, centre).reshape(-1, 3)
    seen = camera.project(points)[:, :2] * hair.shape[0]
    x, y = np.clip(seen, 0, hair.shape[0] - 1).astype(int).T
    outward = (points - centre) * [1, 0, 1]
    towards = camera.position - points
    towards /= np.linalg.norm(towards, axis=1, keepdims=True) * np.linalg.norm(outward, axis=1, keepdims=True)
    # Where one looks along the head, hair that stands off hides what grows there.
    facing = (outward * towards).sum(1).reshape(ROWS, COLUMNS) > 0.35
    shown = ((seen > 0) & (seen < hair.shape[0])).all(1).reshape(ROWS, COLUMNS)
    bare = (hair[y, x].reshape(ROWS, COLUMNS) < 0.5) & shown & facing
    bare &= np.abs(_azimuth())[None] < np.radians(85)
    distance = cv2.distanceTransform(1 - bare.astype(np.uint8), cv2.DIST_L2, 5)
    rooted = 0.08 + 0.92 * smoothstep(distance - 1, 0.0, 7.0)
    # Below the ears hair hangs; where it parts there, it does not come out of the skin.
    hanging = smoothstep(np.arange(ROWS, dtype=np.float32)[:, None], DOME_ROWS + 4, DOME_ROWS + 12)
    hanging = hanging * smoothstep(np.abs(_azimuth())[None], np.radians(80), np.radians(100))
    return rooted + (1 - rooted) * hanging


def _behind_the_jaw(
    radius: NDArray,
    base: NDArray,
    reach_down: NDArray,
    centre: NDArray,
    camera: Camera,
    hair: NDArray,
    skin: NDArray,
    burns: NDArray,
) -> tuple[NDArray, NDArray]:
    """(ROWS, COLUMNS) radius with what hangs below the ears no farther forward than they are, nor drawn in to the neck,
    and what that sinks under the skin.

    A picture says nothing of the depth of hair beside jaw and neck; wrapped round them it would cling to the cheek in
    every other view. Where the photo shows it before the skin it stays.
    """
    points = _points(radius, centre).reshape(-1, 3)
    seen = camera.project(points)[:, :2] * hair.shape[0]
    x, y = np.clip(seen, 0, hair.shape[0] - 1).astype(int).T
    inner = cv2.erode(skin, np.ones((13, 13), np.uint8))
    over = ((hair[y, x] > 0.5) & (inner[y, x] > 0.5)).reshape(ROWS, COLUMNS)
    # From a strand over the skin outward, hair lies on the cheek.
    turned, before = _azimuth()[None], np.zeros((ROWS, COLUMNS), np.float32)
    for side in (turned >= 0, turned < 0):
        innermost = np.where(over & side, np.abs(turned), np.inf).min(1, keepdims=True)
        before[side & (np.abs(turned) >= innermost)] = 1
    before = _wrapped_dilation(cv2.medianBlur(before.astype(np.uint8), 3).astype(np.float32), 3)
    limit = EAR_PLANE / np.maximum(np.cos(_azimuth())[None], 1e-3)
    below = smoothstep((np.arange(ROWS)[:, None] - DOME_ROWS) * CURTAIN / CURTAIN_ROWS, 0.0, 0.1)
    below = below * (1 - _wrapped_blur(before, 1.2, 0.8)) * (1 - burns)
    sunk = ((limit < base) & (below > 0.01)).astype(np.float32)
    # The row above crosses the skin as well.
    sunk[:-1] = np.maximum(sunk[:-1], sunk[1:])
    # A curtain: as far out as at the sides, as far forward as the ears, whatever neck and jaw do behind it.
    beside = np.stack([radius[:, COLUMNS // 4], radius[:, 3 * COLUMNS // 4]])
    aside = np.where(turned < 0, beside[0][:, None], beside[1][:, None])
    curtain = np.minimum(limit, aside / np.maximum(np.abs(np.sin(_azimuth()))[None], 0.2))
    hangs = below * reach_down * smoothstep(np.abs(turned), np.radians(62), np.radians(75))
    hangs = hangs * (1 - smoothstep(np.abs(turned), np.radians(85), np.radians(100)))
    radius = np.maximum(radius, radius + (curtain - radius) * hangs)
    # What lies on cheek and jaw falls on from there; it does not turn in to the neck.
    falls = reach_down * smoothstep(np.abs(turned), np.radians(50), np.radians(65))
    falls = falls * (1 - _wrapped_dilation(sunk, 5))
    for row in range(DOME_ROWS + 1, ROWS):
        radius[row] = np.maximum(radius[row], (radius[row - 1] - STEEPEST) * falls[row])
    radius = np.where(radius > limit, radius + (limit - radius) * below, radius)
    # Nor is there hair close along the jaw's lower edge that the photo does not show.
    close = (radius - base < 4 * STANDOFF) & (below > 0.3) & (np.abs(turned) < np.radians(75))
    return radius, np.maximum(sunk, close)


def sideburns() -> NDArray[np.float32]:
    """(ROWS, COLUMNS) opacity of the strip of short hair before each ear."""
    turned, rows = np.degrees(np.abs(_azimuth()))[None], np.arange(ROWS, dtype=np.float32)[:, None]
    strip = smoothstep(turned, *SIDEBURN[:2]) * (1 - smoothstep(turned, *SIDEBURN[2:]))
    return (
        strip
        * smoothstep(rows, 0.4 * DOME_ROWS, 0.6 * DOME_ROWS)
        * (1 - smoothstep(rows, DOME_ROWS + 2, DOME_ROWS + 7))
    )


def _wrapped_dilation(values: NDArray, size: int) -> NDArray[np.float32]:
    """Largest value in (size, size) cells around each, round the head."""
    wide = np.concatenate([values[:, -size:], values, values[:, :size]], 1).astype(np.float32)
    return cv2.dilate(wide, np.ones((size, size), np.uint8))[:, size:-size]


def build_hair(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    camera: Camera,
    person: NDArray[np.float32],
    hair: NDArray[np.float32],
    covered_ears: NDArray[np.float32],
) -> HairLayer:
    """The hair layer of a fitted head.

    Args:
        fine: (V, 3) the head in the photo's pose; landmarks: (478, 3) its landmarks.
        person, hair: (512, 512) soft masks; covered_ears: (2,) as :func:`inversion_core.refine.ears.hidden_ears` gives.
    """
    centre = _centre(landmarks)
    skin = np.flatnonzero((template.part == SKIN) & (template.interior < 0.5))
    row, column, radius = _coordinates(fine[skin], centre)
    kept = row < ROWS - 0.5
    base = _binned(row[kept], column[kept], radius[kept], largest=True)
    base[:3] = base[:3].mean()
    base = np.maximum(_wrapped_blur(base, 1.0, 1.0), base - 0.004)
    bare = kept & (template.ears[skin] < 0.02)
    scalp = np.clip(_binned(row[bare], column[bare], template.scalp[skin][bare], largest=False), 0, 1)

    seen, least, hairy = _standoff_by_side(base, centre, camera, person, hair)
    profiles, long = [], []
    for side in range(2):
        grown = np.where(hairy[side] > 0.4, seen[side], 0.0)
        unknown = np.isnan(seen[side]) & (hairy[side] > 0.4)
        grown[unknown] = np.nan
        cut_off = np.where(unknown, least[side] + 0.01, 0)
        profile = np.clip(np.maximum(_completed(grown), cut_off), 0, REACH)
        below = hairy[side, DOME_ROWS:] > 0.4
        gap = np.flatnonzero(np.convolve(~below, np.ones(4), "valid") == 4)
        length = int(gap[0]) if gap.size else CURTAIN_ROWS
        fade = np.clip((DOME_ROWS + length - np.arange(ROWS)) / 3 + 1, 0, 1)
        profiles.append(
            cv2.GaussianBlur((profile * fade).reshape(-1, 1), (0, 0), sigmaX=0.1, sigmaY=1.6).ravel()
        )
        long.append(fade)
    forward = camera.cam2world[:3, 2]
    delta = _azimuth() - np.arctan2(-forward[0], -forward[2])
    mix = 0.5 + 0.5 * np.sin(delta)[None]
    at_right, at_left = profiles[0][:, None], profiles[1][:, None]
    standoff = mix * at_right + (1 - mix) * at_left
    reach_down = mix * long[0][:, None] + (1 - mix) * long[1][:, None]
    turned = np.abs(_azimuth())[None]
    # What stands out at the outline stands out most a little behind it.
    standoff = standoff * (1 - LEAN * np.cos(_azimuth())[None])
    # The back of the head hair follows more closely than it stands out at the sides; below, it hangs as far out.
    above = smoothstep(1 - np.arange(ROWS)[:, None] / DOME_ROWS, 0.0, 0.35)
    rear = above * smoothstep(turned, np.radians(95), np.radians(150))
    standoff = standoff + (BEHIND[0] + BEHIND[1] * standoff - standoff) * rear
    dome = np.clip(1 - np.arange(ROWS) / DOME_ROWS, 0, 1)[:, None]
    # In front hair lies close; towards sides and crown it has its full volume.
    ramp = np.clip((turned - np.radians(25)) / np.radians(50), 0, 1)
    volume = np.maximum(ramp * ramp * (3 - 2 * ramp), np.clip((dome - 0.45) / 0.3, 0, 1))
    standoff = standoff * (0.12 + 0.88 * volume)
    radius = base + STANDOFF + standoff
    # Long hair hangs from the skull: behind, no row is narrower than those above it allow.
    behind = np.clip((turned - np.radians(95)) / np.radians(40), 0, 1)
    hang = np.repeat(radius[DOME_ROWS : DOME_ROWS + 1], ROWS, 0) * 0.97
    hanging = behind * reach_down * (np.arange(ROWS) >= DOME_ROWS)[:, None]
    radius = np.maximum(radius, radius * (1 - hanging) + hang * hanging)
    risen = np.maximum(_wrapped_blur(radius, 1.2, 1.6) - base - STANDOFF, 0)
    rooted = _rooted(base + STANDOFF, centre, camera, hair)
    # It comes out of the skin, or one would look between the two from the side.
    radius = base + STANDOFF + risen * rooted - SUNK * (1 - smoothstep(rooted, 0.08, 0.15))
    # The grid's columns meet at the crown.
    crown = smoothstep(np.arange(CROWN_ROWS) / CROWN_ROWS, 0.0, 1.0)[:, None]
    radius[:CROWN_ROWS] = radius[0].mean() + (radius[:CROWN_ROWS] - radius[0].mean()) * crown
    is_long = np.clip((reach_down.sum(0, keepdims=True) - DOME_ROWS - 8) / 5, 0, 1)
    above_ears = hairy[:, DOME_ROWS // 3 : 3 * DOME_ROWS // 4].mean(1).max()
    burns = sideburns() * (1 - is_long) * smoothstep(above_ears, 0.2, 0.6)
    silhouette = bare_silhouette(template, fine, camera, hair.shape[0])
    radius, sunk = _behind_the_jaw(radius, base, reach_down, centre, camera, hair, silhouette, burns)

    # Where the photo shows nothing, hair grows on the scalp, and as far down as it hangs at the sides.
    side_zone = np.clip((turned - np.radians(70)) / np.radians(20), 0, 1)
    below = np.clip((np.arange(ROWS) - 0.45 * DOME_ROWS) / 4, 0, 1)[:, None]
    unseen = np.maximum(scalp, side_zone * reach_down * is_long * below)
    before = (1 - smoothstep(np.degrees(turned), *TEMPLE)) * smoothstep(np.arange(ROWS)[:, None], *BROW_ROWS)
    unseen = np.maximum(unseen * (1 - (1 - is_long) * before), burns)
    unseen = _wrapped_blur(unseen, 0.8, 0.8)

    bare_ear = template.ears[skin] * (1 - np.where(fine[skin, 0] > 0, *covered_ears))
    ears = np.clip((_binned(row[kept], column[kept], bare_ear[kept], largest=True) - 0.9) / 0.09, 0, 1)
    # Hair grows up to the ear and over its rim.
    ears = -_wrapped_dilation(-ears, 3)
    # What lies under the skin must not show where it dips through.
    bare = np.maximum(ears, sunk)
    bare = np.concatenate([bare, bare[:, :1]], 1)
    # The first column is repeated at the end, so that textures need not wrap.
    radius = np.concatenate([radius, radius[:, :1]], 1)
    unseen = np.concatenate([unseen, unseen[:, :1]], 1)
    vertices = _points(radius, centre).reshape(-1, 3)
    index = np.arange(ROWS * WIDTH).reshape(ROWS, WIDTH)
    a, b, d, c = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    rows, columns = np.meshgrid(np.arange(ROWS) / (ROWS - 1), np.arange(WIDTH) / COLUMNS, indexing="ij")
    tree = cKDTree(fine[skin], balanced_tree=False, compact_nodes=False)
    distance, nearest = tree.query(vertices, k=4, workers=-1)
    weights = 1 / (distance + 2e-3)
    return HairLayer(
        vertices,
        faces.astype(np.int32),
        np.stack([rows, columns], -1).reshape(-1, 2).astype(np.float32),
        skin[nearest].astype(np.int32),
        (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        unseen.reshape(-1).astype(np.float32),
        bare.reshape(-1).astype(np.float32),
    )
