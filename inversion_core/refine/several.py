"""Several photos of one person fused: each part of the head from the photo that shows it best.

The first photo stays what the head is seen in from its own view; the others replace what would else be mirrored or
carried. Their colours follow the first one's by a factor that varies slowly over the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import SKIN, HeadTemplate, vertex_normals
from inversion_core.rasterise import rasterise
from inversion_core.refine.along_surface import harmonic, smoothed
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.chart import Chart
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import ROWS, WIDTH
from inversion_core.refine.hair_strands import HAIR_TEXTURE
from inversion_core.refine.layer import (
    COLOUR,
    DEPTH_SIZE,
    GAIN,
    MIRROR_UV,
    MIRROR_WEIGHT,
    OPACITY,
    SEEN,
    TOLERANCE,
    UV,
    WEIGHT,
    Layer,
    sampled,
)

BEST_VIEW = 8
"""Power of the cosine to the line of sight by which photos compete for a vertex."""
FIRST_LEAD = 2.0
"""How much more the first photo counts than the others: the face is to be of one moment."""
SPREAD = 60
"""Edges over which the colours of one photo are matched with those of another."""
MOST_GAIN = 1.8


@dataclass(frozen=True)
class Witness:
    """What one photo says of each vertex.

    Attributes:
        uv: (V, 2) where the photo shows it; trust: (V,) and claim: (V,) how well compared with other photos.
        gain: (V, 3) factor that gives the photo the first one's colours.
    """

    detail: PhotoDetail
    uv: NDArray[np.float32]
    trust: NDArray[np.float32]
    claim: NDArray[np.float32]
    gain: NDArray[np.float32]


def fused_photos(template: HeadTemplate, chart: Chart, details: Sequence[PhotoDetail]) -> PhotoDetail:
    """The first detail with what the others show better; its ``atlas`` holds the colours of all of them.

    Args:
        details: each fused on its own from a fit with the same identity.
    """
    first = details[0]
    witnesses = _witnesses(template, details)
    claims = np.stack([w.claim for w in witnesses])
    shares = claims / np.maximum(claims.sum(0), 1e-6)
    trust = np.stack([w.trust for w in witnesses]).max(0)
    adjacency = template.adjacency
    shares = np.stack([smoothed(adjacency, share, 4) for share in shares]).astype(np.float32)
    outer = (template.part == SKIN) & (template.interior < 0.25)

    def mixed(which: NDArray) -> NDArray[np.float32]:
        """(V, 3) colours of the photos at the vertices ``which``."""
        total = np.zeros((len(trust), 3))
        for share, w in zip(shares, witnesses, strict=True):
            soft = cv2.GaussianBlur(w.detail.photo, (0, 0), 1.2)
            total += share[which, None] * sampled(soft, w.uv[which]) * w.gain[which]
        return total.astype(np.float32)

    everyone = np.arange(len(trust))
    sure = (trust > 0.75).astype(np.float64)
    low = smoothed(adjacency, mixed(everyone), 10, weight=sure + 1e-9)
    own = first.head.attributes[:, COLOUR]
    base = harmonic(template, low, sure, own, np.full(len(trust), 2e-3))
    base = smoothed(adjacency, np.where(sure[:, None] > 0, low, base), 2)
    base = np.where(outer[:, None], base, own)

    mirror = template.mirror
    mirrored = np.where(outer, smoothed(adjacency, trust[mirror] * (1 - trust), 2), 0)
    mirrored *= 1 - smoothstep(template.scalp, 0.2, 0.6)
    balance = np.clip(base / np.maximum(low[mirror], 0.02), 0.4, 2.0)
    direct, reflected = 0.0, 0.0
    for share, w in zip(shares, witnesses, strict=True):
        photo = w.detail.photo
        direct = direct + chart.photographed(photo, w.uv) * chart.spread(share[:, None] * w.gain)
        reflected = reflected + chart.photographed(photo, w.uv[mirror]) * chart.spread(
            share[mirror, None] * w.gain[mirror] * balance
        )
    atlas = chart.spread(base)
    atlas += chart.spread(mirrored[:, None]) * (reflected - atlas)
    atlas += chart.spread(trust[:, None]) * (direct - atlas)
    atlas = chart.bordered(np.clip(atlas, 0, 1))

    attributes = first.head.attributes.copy()
    attributes[:, MIRROR_UV] = np.where(outer[:, None], chart.uv, attributes[:, MIRROR_UV])
    attributes[:, MIRROR_WEIGHT] = chart.clear
    attributes[:, GAIN] = 1
    painted = trust[:, None] * mixed(everyone) + (1 - trust[:, None]) * base
    attributes[:, COLOUR] = np.where(outer[:, None], painted, own)
    alone = smoothstep(shares[0] * witnesses[0].trust, 0.4, 0.85)
    attributes[:, WEIGHT] = np.where(outer, np.minimum(attributes[:, WEIGHT], alone), attributes[:, WEIGHT])
    hair, texture = _fused_hair(template, details)
    return replace(
        first,
        head=replace(first.head, attributes=attributes),
        atlas=atlas,
        hair=hair,
        hair_texture=texture,
    )


def _witnesses(template: HeadTemplate, details: Sequence[PhotoDetail]) -> list[Witness]:
    outer = (template.part == SKIN) & (template.interior < 0.25)
    found, reference = [], None
    for number, detail in enumerate(details):
        layer = detail.head
        uv, trust = layer.attributes[:, UV], layer.attributes[:, WEIGHT]
        towards = detail.camera.position - layer.vertices
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        cosine = np.clip((vertex_normals(layer.vertices, layer.faces) * towards).sum(1), 0, 1)
        colours = np.clip(sampled(cv2.GaussianBlur(detail.photo, (0, 0), 3), uv), 0.02, 1)
        gain = np.ones_like(colours)
        if number == 0:
            reference = (colours, trust)
            claim = FIRST_LEAD * trust * cosine**BEST_VIEW
        else:
            trust = np.where(outer, trust, 0)
            claim = trust * cosine**BEST_VIEW
            gain = _matched(template, reference, (colours, trust))
        found.append(Witness(detail, uv, trust, claim, gain))
    return found


def _matched(template: HeadTemplate, reference, other) -> NDArray[np.float32]:
    """(V, 3) slowly varying factors from a photo's colours to the reference's, by what both show."""
    both = reference[1] * other[1] * (template.scalp < 0.5)
    ratio = np.log(reference[0] / other[0])
    seen = both > 0.05
    usual = np.median(ratio[seen], 0) if seen.sum() > 100 else np.zeros(3)
    ratio = np.where(seen[:, None], ratio, usual)
    smooth = smoothed(template.adjacency, ratio, SPREAD, weight=both + 2e-3)
    return np.clip(np.exp(smooth), 1 / MOST_GAIN, MOST_GAIN).astype(np.float32)


def grid_faces() -> NDArray[np.int32]:
    """(F, 3) all faces of the hair's grid."""
    index = np.arange(ROWS * WIDTH).reshape(ROWS, WIDTH)
    a, b, d, c = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    return faces.astype(np.int32)


def _fused_hair(template: HeadTemplate, details: Sequence[PhotoDetail]) -> tuple[Layer, NDArray[np.float32]]:
    """The first photo's hair with opacity and colours of the others where they show it better."""
    first, faces = details[0], grid_faces()
    vertices = first.hair.vertices
    if len(vertices) != ROWS * WIDTH:
        return first.hair, first.hair_texture
    views = [_hair_view(template, detail, vertices, faces) for detail in details]
    claims = [view.seen * np.clip(view.cosine, 0, 1) ** 4 for view in views]
    claims[0] = claims[0] * FIRST_LEAD
    total = np.sum(claims, 0)
    own = np.where(total > 1e-3, claims[0] / np.maximum(total, 1e-3), 1)
    further = np.maximum(total - claims[0], 1e-6)
    seen = np.max([view.seen for view in views[1:]], 0)
    hairy = np.sum([c * v.hairy for c, v in zip(claims[1:], views[1:], strict=True)], 0) / further
    attributes = first.hair.attributes.copy()
    attributes[:, OPACITY] += seen * (hairy - attributes[:, OPACITY])
    attributes[:, SEEN] *= own
    attributes[:, WEIGHT] *= smoothstep(own, 0.3, 0.7)
    texture = first.hair_texture.copy()
    shape = (HAIR_TEXTURE[1], HAIR_TEXTURE[0])

    def dense(values: NDArray) -> NDArray[np.float32]:
        return cv2.resize(values.reshape(ROWS, WIDTH, -1).astype(np.float32), shape)

    for detail, view, claim in zip(details[1:], views[1:], claims[1:], strict=True):
        places = dense(view.uv).reshape(-1, 2)
        colours = sampled(detail.photo, places).reshape(*HAIR_TEXTURE, 3)
        gain = np.clip(first.hair_colour / np.maximum(detail.hair_colour, 0.02), 0.6, 1.6)
        share = claim / np.maximum(total, 1e-3)
        known = dense(smoothstep(share, 0.2, 0.6) * view.visible * smoothstep(view.cosine, 0.1, 0.4))
        mask = sampled(np.ascontiguousarray(detail.masks[..., 1:]), places).reshape(HAIR_TEXTURE)
        known = known * smoothstep(mask, 0.6, 0.95)
        known = cv2.GaussianBlur(cv2.erode(known, np.ones((5, 5))), (0, 0), 3)[..., None]
        texture += known * (np.clip(colours * gain, 0, 1) - texture)
    shown = sampled(first.masks, attributes[:, UV])[:, 1]
    opaque = np.where(attributes[:, SEEN] > 0.5, shown, attributes[:, OPACITY])
    straight = np.where(first.hair.attributes[:, SEEN] > 0.5, shown, 0)
    kept = np.maximum(opaque, straight)[faces].max(1) > 0.04
    return Layer(vertices, np.ascontiguousarray(faces[kept]), attributes), texture.astype(np.float32)


@dataclass(frozen=True)
class _HairView:
    """What a photo shows of the hair's N vertices: (N, 2) places, cosines to the line of sight, whether they are
    visible, how far they can be judged, and how much hair is there."""

    uv: NDArray[np.float32]
    cosine: NDArray[np.float32]
    visible: NDArray[np.float32]
    seen: NDArray[np.float32]
    hairy: NDArray[np.float32]


def _hair_view(template: HeadTemplate, detail: PhotoDetail, vertices, faces) -> _HairView:
    camera = detail.camera
    points = camera.project(vertices)
    towards = camera.position - vertices
    cosine = (vertex_normals(vertices, faces) * towards).sum(1) / np.linalg.norm(towards, axis=1)
    depth = rasterise(detail.head.vertices, template.faces[template.skin_faces], camera, DEPTH_SIZE).depth
    depth = np.minimum(depth, rasterise(vertices, faces, camera, DEPTH_SIZE).depth)
    uv = points[:, :2].astype(np.float32)
    x, y = np.clip(uv * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int).T
    visible = smoothstep(depth[y, x] - points[:, 2], -3 * TOLERANCE, -TOLERANCE)
    visible = visible * ((uv > 0.004) & (uv < 0.996)).all(1)
    inside = cv2.erode(detail.masks[..., 0], np.ones((9, 9), np.uint8))[..., None]
    within = sampled(inside, uv)[:, 0]
    seen = visible * smoothstep(cosine, 0.15, 0.5) * smoothstep(within, 0.5, 0.95)
    return _HairView(uv, cosine, visible, seen, sampled(detail.masks, uv)[:, 1])
