"""What closed lids look like: the skin round the eye goes on over them, lashes along their margins."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.landmark_tables import LEFT_EYE, RIGHT_EYE
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import COLOUR, WEIGHT, sampled

RING = (1.2, 2.0)
"""From where to where round the eye skin lends its colour, in half widths of the eye."""
REACH = 0.018
"""World units over which neighbouring skin counts for a place on the lid."""
LASH_REACH = (0.3, 0.8)
"""How far from the open lid's rim the photo may show lashes, in half widths of the eye."""
LASH_SHARE = 0.84
"""How much of the photo's lashes over a closed lid goes; the rest passes for its fold."""
LASH_DARK = (0.03, 0.18)
"""How much darker than the skin round the eye what counts as lashes is."""
CREASE = 0.16
"""Light that the fold takes away in which a lid begins."""
LID_TONE = np.array([0.985, 0.96, 0.95], np.float32)
"""Factor on the skin round the eye: lids are thin, and darker and redder."""
UNEVEN = 0.17
"""Range of brightness, but for an even slope, from which on a piece of cheek is none that a lid could wear."""
PATCHES = tuple(
    (across, down) for down in (1.6, 2.0, 2.4, 2.8, 3.2) for across in (-0.8, -0.4, 0.0, 0.4, 0.8)
)
"""Where skin for a lid is looked for, from its own place, in half widths of the eye: cheekwards and outwards."""
GRAIN = 0.09
"""Detail of the skin that a lid borrows is finer than this share of the eye's half width."""
LASHES = np.array([0.80, 0.86, 0.88], np.float32)
"""How much of the light dark lashes take away, in sRGB."""
FAIR = 0.9
"""Share of that which the fairest ones take."""


@dataclass(frozen=True)
class LidSkin:
    """One eye's lid, n vertices, and the skin round it, m vertices.

    Attributes:
        zone: (n,) vertices; share: (n,) how far each of them is lid.
        ring: (m,) vertices; near: (n, m) how much each counts for a place on the lid.
        bulge: (n,) factor on the colour, for the eyeball below.
        travel: (n, 3) world units by which the vertices move as the lid closes; outwards: 1 or -1, the temple's side.
        lashes: (V,) in [0, 1].
    """

    zone: NDArray[np.intp]
    share: NDArray[np.float32]
    lash: NDArray[np.float32]
    ring: NDArray[np.intp]
    near: NDArray[np.float32]
    bulge: NDArray[np.float32]
    lashes: NDArray[np.float32]
    travel: NDArray[np.float32]
    outwards: float

    def colours(self, attributes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3) of the closed lid on a head with these attributes."""
        skin = attributes[self.ring]
        colour = skin[:, COLOUR]
        bright = colour.mean(1)
        # Brows and lashes are darker than the skin between them.
        typical = np.quantile(bright, 0.6)
        trust = (0.02 + skin[:, WEIGHT]) * smoothstep(bright / max(float(typical), 1e-3), 0.55, 0.85) + 1e-4
        weight = self.near * trust
        tone = 1 + (LID_TONE - 1) * self.share[:, None]
        return (weight @ colour) / weight.sum(1, keepdims=True) * self.bulge[:, None] * tone

    def darkness(self, skin: NDArray[np.float32], photo: NDArray[np.float32]) -> float:
        """How dark the lashes are over the open eye, 1 for black ones: (n, 3) colours of the closed lid and the photo."""
        darker = 1 - photo.mean(1) / np.maximum(skin.mean(1), 1e-3)
        return float(np.clip(FAIR + 1.1 * np.quantile(darker[self.lash > 0.6], 0.85) - 0.2, FAIR, 1))

    def grain(self, detail: PhotoDetail, colour: NDArray[np.float32]) -> tuple[NDArray, NDArray] | None:
        """(n, 2) where in the photo there is skin whose pores the closed lid may wear at the same size, the most even
        of the cheek, and (n, 3) factors that give it these colours; None where there is none."""
        own = detail.camera.project(detail.head.vertices[self.zone] + self.travel)[:, :2]
        half = float(np.ptp(own[self.share > 0.5, 0])) / 2
        shifts = np.array(PATCHES, np.float32)[:, None] * np.float32([self.outwards * half, half])
        patches = own + shifts
        inner = (patches > 0.01).all((1, 2)) & (patches < 0.99).all((1, 2))
        if not inner.any():
            return None
        patches = patches[inner]
        size = len(detail.photo)
        # Only there is the photo worth blurring; beyond its part, its edge goes on.
        low, high = patches.min((0, 1)), patches.max((0, 1))
        (left, top), (right, bottom) = (low * size - 8).astype(int).clip(0), (high * size + 9).astype(int)
        soft = np.zeros_like(detail.photo)
        part = detail.photo[top:bottom, left:right]
        soft[top:bottom, left:right] = cv2.GaussianBlur(part, (0, 0), max(GRAIN * half * size, 0.8))
        # A quarter of the places tells them apart as well.
        tried = np.ascontiguousarray(patches[:, ::4])
        flat = tried.reshape(-1, 2)
        person, hair = sampled(detail.masks, flat).T.reshape(2, len(patches), -1)
        bright = sampled(soft, flat).mean(1).reshape(len(patches), -1)
        bare = (person.min(1) >= 0.8) & (hair.max(1) <= 0.2)
        slopes = np.column_stack([own, np.ones(len(own))])[::4]
        left_over = bright.T - slopes @ np.linalg.lstsq(slopes, bright.T, rcond=None)[0]
        uneven = np.where(bare, np.ptp(np.quantile(left_over, (0.02, 0.98), axis=0), axis=0), np.inf)
        best = int(np.argmin(uneven))
        if uneven[best] >= UNEVEN:
            return None
        return patches[best], np.clip(colour / np.maximum(sampled(soft, patches[best]), 0.05), 0.5, 2.0)

    def hidden(self, skin: NDArray[np.float32], photo: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) how far the closed lid's skin replaces what the photo shows: (n, 3) colours of either."""
        darker = 1 - photo.mean(1) / np.maximum(skin.mean(1), 1e-3)
        return np.maximum(self.share, LASH_SHARE * self.lash * smoothstep(darker, *LASH_DARK))


def make_lid_skin(template: HeadTemplate) -> tuple[LidSkin, LidSkin]:
    """Of the head's left and right eye, in the order of :attr:`HeadTemplate.lids`."""
    return tuple(
        _one(template, unit, rim, *template.lids[side])
        for side, (unit, rim) in enumerate((("eye-left-closure", LEFT_EYE), ("eye-right-closure", RIGHT_EYE)))
    )


def _one(template: HeadTemplate, unit: str, rim: tuple[int, ...], lid: NDArray, margin: NDArray) -> LidSkin:
    opened = template.fine(template.mean)
    closed = opened + template.fine(template.unit_offsets[template.units.index(unit)])
    corners = template.landmarks(template.mean)[list(rim)]
    centre, half = corners.mean(0), float(np.ptp(corners[:, 0])) / 2
    outer = (template.part == SKIN) & (template.interior < 0.25)

    upper = corners[corners[:, 1] > centre[1] - 0.1 * half]
    upper = upper[np.argsort(upper[:, 0])]
    upper = np.concatenate([upper, (upper[1:] + upper[:-1]) / 2])
    upper = upper[np.argsort(upper[:, 0])]
    from_rim = cKDTree(upper).query(opened)[0] / half
    above = opened[:, 1] > np.interp(opened[:, 0], upper[:, 0], upper[:, 1]) - 0.02 * half
    lash = (1 - smoothstep(from_rim, *LASH_REACH)) * outer * above

    # With those beside them: between two vertices what they show must not jump.
    zone = np.flatnonzero(template.adjacency @ ((lid > 0) | (lash > 0)) * (template.part == SKIN))
    away = np.linalg.norm((closed - centre)[:, :2], axis=1) / half
    around = (away > RING[0]) & (away < RING[1]) & (np.abs(closed[:, 2] - centre[2]) < half)
    around[zone] = False
    ring = np.flatnonzero(outer & around)
    apart = ((closed[zone, None, :2] - closed[None, ring, :2]) ** 2).sum(-1)
    near = np.exp(-0.5 * (apart - apart.min(1, keepdims=True)) / REACH**2)

    share, x, y = lid[zone], closed[zone, 0], closed[zone, 1]
    edge = (share > 0.9) & (margin[zone] > 0.5)
    up = (y - np.polyval(np.polyfit(x[edge], y[edge], 2), x)) / half
    rounded = 0.05 * np.exp(-(((up - 0.38) / 0.2) ** 2)) * share
    turned_under = 0.10 * np.exp(-((up / 0.14) ** 2)) * (share > 0.9)
    crease = CREASE * 2 * share * (1 - share)
    # Lashes are long towards the temple and few by the nose.
    along = (closed[:, 0] - centre[0]) / half * np.sign(centre[0])
    full = smoothstep(along, -1.15, -0.5) * (1 - 0.5 * smoothstep(along, 0.95, 1.15))
    lashes = smoothstep(margin, 0.3, 1.0) * (0.35 + 0.65 * full)
    return LidSkin(
        zone,
        share.astype(np.float32),
        lash[zone].astype(np.float32),
        ring,
        near.astype(np.float32),
        (1 + rounded - turned_under - crease).astype(np.float32),
        lashes.astype(np.float32),
        (closed - opened)[zone].astype(np.float32),
        float(np.sign(centre[0])),
    )
