"""Strokes of colour on the view: the head's colour codes are moved until it shows that colour there.

Source of the idea: Zhu et al. 2016 (iGAN), section 4, colour constraints; the codes are those of
:mod:`inversion_core.tints`, and what a stroke lies on most is what it is meant for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.rendering import Rendering
from inversion_core.tints import PARTS

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel

PICTURE = 128
"""Side in pixels of the picture of what lies under the brush."""
PROBE = -0.05
"""Change of a logarithm by which is seen what of the picture follows a code; darker, as brightening spares light."""
LEAST = 0.05
"""Share of the brush that must lie on the head."""
SMALL, FINE = ("lips", "irises", "eye whites", "brows", "teeth"), 2.5
"""Parts that are hard to hit, and how much more they are meant where they are hit."""
EXACT = 0.01
"""Standard deviation of the logarithm of the colour under the stroke."""
TINT = 0.2
"""Standard deviation of the skin's tint: what no skin has costs more than what skins have."""
STRONGEST, BRIGHTEST_IRIS = 2.5, 1.1
"""Largest logarithm of a tint, and of one that brightens eyes: more and they glow."""
FREE = 1e-3
"""Inverse variance of all other tints."""
TYPICAL, TYPICAL_IRIS = (0.3, 0.9), (0.6, 0.97)
"""Quantiles of brightness between which pixels under the brush count; much of what is under it in an eye is pupil."""
STEPS, ENOUGH = 12, 0.01
DARKEST, LIGHTEST = 0.02, 0.97


@dataclass(frozen=True)
class ColourStroke:
    """A stroke of a round brush over a square picture.

    Attributes:
        places: (x, y) along it in widths of the picture; radius: in the same; colour: sRGB in [0, 1].
    """

    places: tuple[tuple[float, float], ...]
    radius: float
    colour: tuple[float, float, float]


def brush(stroke: ColourStroke, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…,) distance of places (…, 2) from the middle of the stroke, in radii."""
    points = np.asarray(stroke.places, np.float64).reshape(-1, 2)
    nearest = np.full(grid.shape[:-1], np.inf)
    for start, end in zip(points, [*points[1:], points[-1]], strict=True):
        along = end - start
        share = np.clip(((grid - start) @ along) / max(float(along @ along), 1e-12), 0, 1)
        away = np.linalg.norm(grid - start - share[..., None] * along, axis=-1)
        nearest = np.minimum(nearest, away)
    return nearest / stroke.radius


def coloured(
    model: BundledModel,
    inversion: Inversion,
    moves: Mapping[str, float],
    camera: Camera,
    stroke: ColourStroke,
) -> tuple[Inversion, str]:
    """The inversion whose head, with these moves, shows the stroke's colour under it; and which part follows.

    Args:
        camera: through which the stroke was painted.

    Raises:
        BadInput: nothing of the head lies under the stroke.
    """
    near, zoomed = _closer(camera, stroke)
    modes = model.skin_modes

    def shown(codes: NDArray[np.float32]) -> Rendering:
        return model.edit(replace(inversion, colours=codes), moves).view(zoomed, PICTURE)

    number = modes.logs.shape[1]
    codes = np.zeros(modes.codes, np.float32) if inversion.colours is None else inversion.colours.copy()
    plain = np.zeros(modes.codes, np.float32)
    before = shown(plain)
    follow = _follow(shown, plain, number, before)
    # An artist aims with the middle of the brush; its rim may lie on anything.
    aim = np.exp(-((near / 0.35) ** 2))
    meant = (follow * aim[..., None]).sum((0, 1)) / aim.sum()
    if meant.max() < LEAST:
        raise BadInput("There is nothing to paint at that place.", "Paint on the head.")
    part = int(np.argmax([share * (FINE if PARTS[i] in SMALL else 1) for i, share in enumerate(meant)]))
    weight = follow[..., part] ** 2 * np.clip(2 * (1 - near), 0, 1)
    # Neither pupils and gaps between strands nor gloss are the colour of anything.
    bright = before.rgb.mean(-1)
    part_of_it = TYPICAL_IRIS if PARTS[part] == "irises" else TYPICAL
    low, high = np.quantile(bright[weight > 0.25 * weight.max()], part_of_it)
    weight = weight * ((bright >= low) & (bright <= high))
    weight /= weight.sum()

    def reached_by(codes: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.log(np.clip((shown(codes).rgb * weight[..., None]).sum((0, 1)), 1e-3, 1))

    chosen = number + 3 * part + np.arange(3)
    unknown, prior = chosen, np.full(3, FREE)
    found = codes.copy()
    if PARTS[part] == "skin":
        unknown = np.r_[np.arange(number), chosen]
        prior = np.r_[np.ones(number), np.full(3, TINT**-2)]
    found[unknown] = 0
    reached = reached_by(found)
    probe = found.copy()
    probe[chosen] += 2 * PROBE
    own = np.maximum((reached_by(probe) - reached) / (2 * PROBE), 0.2)
    response = np.diag(own)
    if PARTS[part] == "skin":
        bare = model.edit(inversion, moves)
        fragments = rasterise(bare.head.vertices, bare.head.faces, zoomed, PICTURE, bare.behind)
        logs = interpolate(fragments, bare.head.faces, modes.logs.reshape(len(modes.logs), -1))
        mean = (logs * (weight * fragments.hit)[..., None]).sum((0, 1)).reshape(number, 3)
        response = np.concatenate([own[:, None] * mean.T, response], 1)
    matrix = response.T @ response / EXACT**2 + np.diag(prior)
    strongest = BRIGHTEST_IRIS if PARTS[part] == "irises" else STRONGEST
    goal = np.log(np.clip(stroke.colour, DARKEST, LIGHTEST))
    for _ in range(STEPS):
        step = np.linalg.solve(matrix, response.T @ (goal - reached) / EXACT**2 - prior * found[unknown])
        found[unknown] = np.clip(found[unknown] + step, -STRONGEST, strongest)
        if np.abs(step).max() < ENOUGH:
            break
        reached = reached_by(found)
    return replace(inversion, colours=found.astype(np.float32)), PARTS[part]


def _follow(
    shown: Callable[[NDArray[np.float32]], Rendering],
    codes: NDArray[np.float32],
    number: int,
    before: Rendering,
) -> NDArray[np.float64]:
    """(S, S, len(PARTS)) how much of each pixel follows the tint of each part, all layers and edges included."""
    follow = np.zeros((*before.opacity.shape, len(PARTS)))
    # Channels know nothing of each other: three parts are probed at once.
    for first in range(0, len(PARTS), 3):
        probe = codes.copy()
        parts = range(first, min(first + 3, len(PARTS)))
        for channel, part in enumerate(parts):
            probe[number + 3 * part + channel] += PROBE
        after = shown(probe).rgb.astype(np.float64)
        change = (after - before.rgb) / np.maximum(before.rgb, 0.01) / np.expm1(PROBE)
        for channel, part in enumerate(parts):
            follow[..., part] = np.clip(change[..., channel], 0, 1) * before.opacity
    # Skin seen through a brow is not what is meant there.
    skin, brows = PARTS.index("skin"), PARTS.index("brows")
    follow[..., skin] = np.maximum(follow[..., skin] - follow[..., brows], 0)
    return follow


def _closer(camera: Camera, stroke: ColourStroke) -> tuple[NDArray[np.float64], Camera]:
    """(PICTURE, PICTURE) distances from the stroke in radii, and the camera that sees no more than the stroke."""
    points = np.asarray(stroke.places, np.float64).reshape(-1, 2)
    low, high = points.min(0) - stroke.radius, points.max(0) + stroke.radius
    side = float((high - low).max())
    corner = (low + high - side) / 2
    intrinsics = np.asarray(camera.intrinsics, np.float64).copy()
    intrinsics[:2] /= side
    intrinsics[:2, 2] -= corner / side
    axis = (np.arange(PICTURE) + 0.5) / PICTURE * side
    grid = corner + np.stack(np.meshgrid(axis, axis), -1)
    return brush(stroke, grid), Camera(camera.cam2world, intrinsics.astype(np.float32))
