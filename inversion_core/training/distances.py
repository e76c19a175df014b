"""Signed distances of the canonical head and of its hair styles, sampled for fitting the field's volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from inversion_core.generators.template import EYES, SKIN, HeadTemplate, vertex_normals
from inversion_core.training.appearance import CanonicalSampler, Cards, spread, triangle_areas

BOX_LOW = np.array([-0.45, -0.62, -0.48], np.float32)
BOX_HIGH = np.array([0.45, 0.46, 0.38], np.float32)
"""Canonical box in which distances are known; the shoulders' ends stick out of it."""
VOXEL = 0.0075
"""Side of the voxels in which hair is closed to a solid, world units."""
CLOSING = 0.032
"""Gaps between hair cards up to twice this wide are filled."""
ATTACHED = 0.045
"""How far below its cards hair reaches into the head."""
OPAQUE = 0.35
"""Alpha above which a card counts as hair."""


@dataclass(frozen=True)
class VolumeSamples:
    """Points in canonical space and what is true there; S hair styles.

    Attributes:
        points: (N, 3); head: (N,) signed distance; hair: (N, S) signed distances, world units, float32.
        luminance: (N, S) float32 in [0, 1], 0.5 the style's average, NaN away from that style's surface.
    """

    points: NDArray[np.float32]
    head: NDArray[np.float32]
    hair: NDArray[np.float32]
    luminance: NDArray[np.float32]


class HeadDistance:
    """Distance to the skin and the front of the eyeballs of the canonical head, negative inside."""

    def __init__(self, template: HeadTemplate, count: int, rng: np.random.Generator) -> None:
        normals = vertex_normals(template.canonical, template.faces)
        part, eyes = template.part, template.canonical[template.part == EYES]
        to_eyes, _ = cKDTree(eyes).query(template.canonical)
        # Sockets and the backs of the eyeballs are a gap inside the head, which counts as solid.
        hidden = ((template.interior > 0.5) & (to_eyes < 0.03)) | ((part == EYES) & (normals[:, 2] < 0))
        kept = (part == SKIN) | (part == EYES)
        faces = template.faces[(kept & ~hidden)[template.faces].all(1)]
        corners = template.canonical[faces]
        face, weights = spread(triangle_areas(corners), count, rng)
        self.points = (corners[face] * weights).sum(1).astype(np.float32)
        normals = (normals[faces][face] * weights).sum(1)
        self.normals = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
        self.spacing = float(np.sqrt(triangle_areas(corners).sum() / count))
        self.fine = cKDTree(self.points)
        # Far queries in a dense tree are slow, and need no precision.
        self.thinned = rng.permutation(count)[: min(count, 20_000)]
        self.coarse = cKDTree(self.points[self.thinned])

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) signed distances. Near the surface the distance to the tangent plane, which sampling cannot bias."""
        distance, nearest = self.coarse.query(points, k=4, workers=-1)
        nearest = self.thinned[nearest]
        close = np.flatnonzero(distance[:, 0] < 0.03)
        distance[close], nearest[close] = self.fine.query(points[close], k=4, workers=-1)
        along = ((points[:, None] - self.points[nearest]) * self.normals[nearest]).sum(2)
        near = np.abs(along[:, 0])
        blend = np.clip(distance[:, 0] / (4 * self.spacing) - 1, 0, 1)
        size = near + (distance[:, 0] - near) * blend
        return (np.sign(along.sum(1)) * size).astype(np.float32)


class HairDistance:
    """Distance to a hair style taken for a solid: its cards, the gaps between them and the head below closed."""

    def __init__(self, cards: Cards, inside_head: NDArray[np.bool_]) -> None:
        hair = cards.points[cards.alpha > OPAQUE]
        shape = inside_head.shape
        index = np.floor((hair - BOX_LOW) / VOXEL).astype(int)
        index = index[((index >= 0) & (index < shape)).all(1)]
        strands = np.zeros(shape, bool)
        strands[tuple(index.T)] = True
        to_strands = ndimage.distance_transform_edt(~strands, VOXEL).astype(np.float32)
        united = inside_head | (to_strands <= VOXEL)
        grown = ndimage.distance_transform_edt(~united, VOXEL) <= CLOSING
        closed = ndimage.distance_transform_edt(grown, VOXEL) > CLOSING
        solid = (closed | united) & (to_strands < ATTACHED)
        # Inside is negative; half a voxel puts the zero between the two voxels that differ.
        distance = ndimage.distance_transform_edt(~solid, VOXEL) - ndimage.distance_transform_edt(
            solid, VOXEL
        )
        self.grid = ndimage.gaussian_filter(distance.astype(np.float32), 1.0)
        luminance = cards.colours[cards.alpha > OPAQUE] @ np.array([0.299, 0.587, 0.114], np.float32)
        self.values = np.clip(0.5 * luminance / max(float(luminance.mean()), 1e-3), 0, 1)[::4]
        self.tree = cKDTree(hair[::4])

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        at = ((points - BOX_LOW) / VOXEL - 0.5).T
        return ndimage.map_coordinates(self.grid, at, order=1, mode="nearest").astype(np.float32)

    def luminance(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) mean luminance of the cards' nearest points."""
        _, nearest = self.tree.query(points, k=6, workers=-1)
        return self.values[nearest].mean(1).astype(np.float32)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(count, 3) random points within two voxels of the surface."""
        index = np.argwhere(np.abs(self.grid) < 2 * VOXEL)
        chosen = index[rng.integers(len(index), size=count)]
        return (BOX_LOW + (chosen + rng.random((count, 3))) * VOXEL).astype(np.float32)


def inside_head(head: HeadDistance) -> NDArray[np.bool_]:
    """(X, Y, Z) whether a voxel's centre lies in the head; asked at every second voxel and interpolated."""
    counts = np.ceil((BOX_HIGH - BOX_LOW) / VOXEL).astype(int)
    sparse = [BOX_LOW[i] + (np.arange(0, counts[i] + 1, 2) + 0.5) * VOXEL for i in range(3)]
    centres = np.stack(np.meshgrid(*sparse, indexing="ij"), -1).astype(np.float32)
    distance = head(centres.reshape(-1, 3)).reshape(centres.shape[:3])
    at = np.meshgrid(*(np.arange(count) / 2 for count in counts), indexing="ij")
    return ndimage.map_coordinates(distance, at, order=1, mode="nearest") < 0


def hair_distances(
    sampler: CanonicalSampler, styles: list[str], head: HeadDistance, rng: np.random.Generator
) -> list[HairDistance]:
    """One distance per hair style."""
    inside = inside_head(head)
    return [HairDistance(sampler.cards(sampler.assets.proxy(s), 400_000, rng), inside) for s in styles]


def volume_samples(
    head: HeadDistance, hair: list[HairDistance], count: int, rng: np.random.Generator
) -> VolumeSamples:
    """Random points: near the head, near any hair, and all over the box."""
    near = head.points[rng.integers(len(head.points), size=int(0.45 * count))]
    scale = np.where(rng.random(len(near)) < 0.6, 0.004, 0.025)[:, None]
    blocks = [near + rng.normal(size=near.shape) * scale]
    blocks += [style.surface_points(int(0.3 * count / max(len(hair), 1)), rng) for style in hair]
    rest = count - sum(map(len, blocks))
    blocks.append(rng.uniform(BOX_LOW, BOX_HIGH, (rest, 3)))
    points = np.concatenate(blocks).astype(np.float32)
    points = points[((points > BOX_LOW) & (points < BOX_HIGH)).all(1)]
    distances = (
        np.stack([style(points) for style in hair], 1) if hair else np.zeros((len(points), 0), np.float32)
    )
    luminance = np.full(distances.shape, np.nan, np.float32)
    for i, style in enumerate(hair):
        close = np.abs(distances[:, i]) < 4 * VOXEL
        luminance[close, i] = style.luminance(points[close])
    return VolumeSamples(points, head(points), distances, luminance)
