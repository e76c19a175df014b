"""What the head looks like, as samples on the canonical surface: skins, brows, eyes, teeth, tongue and hair cards.

Colours are sRGB in [0, 1] as painted in the textures; they are taken for albedo.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inversion_core.errors import MissingResource
from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE, HeadTemplate
from inversion_core.training.assets import HeadAssets, ObjMesh, Proxy, read_rgba
from inversion_core.training.head_model import expression_recipe, eye_centre, morphed
from inversion_core.training.subdivide import subdivided
from inversion_core.training.template import CANONICAL_UNITS, TemplateBuilder, to_world

HEAD_WINDOW = (0.625, 1 - 1760 / 2048, 0.375, 1408 / 2048)
"""Left, bottom, width and height, in the sheet's UV, of the head window kept at full resolution."""
AGES = {"young": -1.0, "middleage": 0.0, "old": 1.0}
BROW_REACH = 0.012
"""World units within which a brow card paints the skin."""


@dataclass(frozen=True)
class Skin:
    """One whole-body skin.

    Attributes:
        name: the texture's stem without "_diffuse".
        age: -1 young, 0 middle-aged, 1 old; masculinity: -1 female, 1 male.
        sheet: (H, W, 3) uint8; head: (h, w, 3) uint8, the head window at full resolution.
    """

    name: str
    age: float
    masculinity: float
    sheet: NDArray[np.uint8]
    head: NDArray[np.uint8]

    def colours(self, uv: NDArray[np.float32], on_head: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """(N, 3) uint8 colours at sheet coordinates (N, 2)."""
        left, bottom, width, height = HEAD_WINDOW
        near = (uv - [left, bottom]) / [width, height]
        return np.where(on_head[:, None], sampled(self.head, near), sampled(self.sheet, uv))


@dataclass(frozen=True)
class Surface:
    """Random points on the canonical surface of one part.

    Attributes:
        points: (N, 3) float32 canonical.
        colours: (N, K, 3) uint8, of every variant (skins, irises; one for teeth and tongue).
        brows: (N, B) uint8, density of every brow style; B = 0 away from the skin.
        layer: (N,) uint8, index into LAYERS of ``heads_field``.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]
    brows: NDArray[np.uint8]
    layer: NDArray[np.uint8]


@dataclass(frozen=True)
class Cards:
    """Points spread over a card mesh in canonical space: positions (N, 3), alpha (N,) and colour (N, 3) in [0, 1]."""

    points: NDArray[np.float32]
    alpha: NDArray[np.float32]
    colours: NDArray[np.float32]


def sampled(image: NDArray[np.uint8], uv: NDArray) -> NDArray[np.uint8]:
    """(N, C) bilinear colours of (H, W, C) at (N, 2) coordinates, v up."""
    height, width = image.shape[:2]
    count, row = len(uv), 8192
    padded = np.zeros((-(-count // row) * row, 2), np.float32)
    padded[:count] = uv
    x = (padded[:, 0] * width - 0.5).reshape(-1, row)
    y = ((1 - padded[:, 1]) * height - 0.5).reshape(-1, row)
    blocks = [
        cv2.remap(image, x[i : i + 4096], y[i : i + 4096], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for i in range(0, len(x), 4096)
    ]
    return np.concatenate(blocks).reshape(-1, image.shape[2])[:count]


def read_skins(assets: HeadAssets) -> list[Skin]:
    """All skins of the pack, by name.

    Raises:
        MissingResource: the pack holds none.
    """
    result = []
    for sheet in assets.skins:
        match = re.match(r"(young|middleage|old)_.*?(female|male)", sheet.stem)
        window = sheet.with_name(f"{sheet.stem}_head.jpg")
        if match is None or not window.is_file():
            continue
        result.append(
            Skin(
                name=sheet.stem.replace("_diffuse", ""),
                age=AGES[match[1]],
                masculinity=1.0 if match[2] == "male" else -1.0,
                sheet=read_rgba(sheet)[..., :3],
                head=read_rgba(window)[..., :3],
            )
        )
    if not result:
        raise MissingResource("The asset pack holds no skins.", "See docs/training.md for the folder layout.")
    return result


class CanonicalSampler:
    """Draws surface points of the template in its canonical pose, with what the textures say there."""

    def __init__(self, assets: HeadAssets, template: HeadTemplate) -> None:
        self.assets, self.template = assets, template
        self.builder = TemplateBuilder(assets)
        recipe = dict(self.builder.average)
        for unit, strength in CANONICAL_UNITS.items():
            recipe.update(expression_recipe(unit, strength))
        self.base = morphed(assets, recipe)
        self.centre = eye_centre(morphed(assets, self.builder.average))
        self.skins = read_skins(assets)
        self.sheet_uv = self._sheet_uv()

    def _sheet_uv(self) -> NDArray[np.float32]:
        """(skin faces, 3, 2) MakeHuman's own UVs, in the order of the template's skin faces."""
        base, kept = self.assets.base, self.builder.kept
        compact = np.zeros(len(base.vertices), np.int32)
        compact[self.builder.body] = np.arange(len(self.builder.body))
        flat = np.zeros((len(self.builder.body), 3), np.float32)
        skin = ObjMesh(flat, base.uv, compact[base.faces[kept]], base.faces_uv[kept], np.array([]))
        uv = subdivided(skin)[3]
        return uv[self.template.faces_uv[self.template.skin_faces]]

    def placed(self, proxy: Proxy) -> NDArray[np.float32]:
        """(V, 3) a proxy's vertices on the canonical head, world units."""
        return to_world(proxy.fitted(self.base), self.centre, self.builder.reference)

    def cards(self, proxy: Proxy, count: int, rng: np.random.Generator) -> Cards:
        """``count`` points spread over a card mesh by area."""
        quads, quads_uv = proxy.mesh.faces, proxy.mesh.faces_uv
        corners = self.placed(proxy)[np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])]
        uv = proxy.mesh.uv[np.concatenate([quads_uv[:, [0, 1, 2]], quads_uv[:, [0, 2, 3]]])]
        face, weights = spread(triangle_areas(corners), count, rng)
        rgba = sampled(proxy.texture, (uv[face] * weights).sum(1)).astype(np.float32) / 255
        return Cards((corners[face] * weights).sum(1).astype(np.float32), rgba[:, 3], rgba[:, :3])

    def skin_surface(self, count: int, rng: np.random.Generator) -> Surface:
        """Points of the skin; the face, whose texels are denser, gets more than its area's share."""
        corners = self.template.canonical[self.template.faces[self.template.skin_faces]]
        area = triangle_areas(corners)
        texels = np.abs(np.cross(*np.moveaxis(self.sheet_uv[:, 1:] - self.sheet_uv[:, :1], 1, 0)))
        share = 0.4 * area / area.sum() + 0.6 * texels / texels.sum()
        # The mouth's inner wall lies close behind the cheeks; few samples of it keep its red off the skin.
        interior_faces = self.template.interior[self.template.faces[self.template.skin_faces]].min(1) > 0.5
        share *= np.where(interior_faces, 0.04, 1)
        face, weights = spread(share, count, rng)
        points = (corners[face] * weights).sum(1).astype(np.float32)
        uv = (self.sheet_uv[face] * weights).sum(1).astype(np.float32)
        u, v = uv.T
        on_head = (u > 0.638) & (v > 0.145)
        colours = np.stack([skin.colours(uv, on_head) for skin in self.skins], 1)
        interior = (
            self.template.interior[self.template.faces[self.template.skin_faces]][face] * weights[..., 0]
        ).sum(1)
        layer = np.where(interior > 0.5, 2, self._lips(points)).astype(np.uint8)
        return Surface(points, colours, self._brows(points, rng), layer)

    def _lips(self, points: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(N,) 1 on the lips, 0 elsewhere: inside MediaPipe's outer lip line, seen from the front."""
        # The outer line of the lips, from the head's right corner over the upper lip.
        outer = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
        triangles, weights = self.assets.landmarks
        at = (self.base[triangles[outer]] * weights[outer][..., None]).sum(1)
        ring = to_world(at, self.centre, self.builder.reference)
        close = (np.abs(points - ring.mean(0)) < 0.15).all(1) & (points[:, 2] > ring[:, 2].min() - 0.03)
        result = np.zeros(len(points), np.uint8)
        polygon = (ring[:, :2] * 4096).astype(np.float32).reshape(-1, 1, 2)
        index = np.flatnonzero(close)
        scaled = points[index, :2].astype(np.float64) * 4096
        result[index] = [cv2.pointPolygonTest(polygon, (x, y), False) > 0 for x, y in scaled]
        return result

    def _brows(self, points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
        """(N, B) density that every brow card leaves on the skin below it."""
        names = self.assets.names("eyebrows")
        result = np.zeros((len(points), len(names)), np.uint8)
        for i, name in enumerate(names):
            cards = self.cards(self.assets.proxy(name), 150_000, rng)
            low, high = cards.points.min(0) - BROW_REACH, cards.points.max(0) + BROW_REACH
            index = np.flatnonzero(((points > low) & (points < high)).all(1))
            distance, nearest = cKDTree(cards.points).query(
                points[index], k=3, distance_upper_bound=BROW_REACH
            )
            alpha = np.append(cards.alpha, 0)[nearest].mean(1)
            fade = np.clip(2 - 2 * distance[:, 0] / BROW_REACH, 0, 1)
            result[index, i] = np.round(255 * alpha * np.where(np.isfinite(fade), fade, 0))
        return result

    def eye_textures(self) -> tuple[list[str], list[NDArray[np.uint8]]]:
        """Names and RGBA pictures of the irises."""
        paths = sorted((self.assets.root / "eyes" / "materials").glob("*_eye.png"))
        return [p.stem.removesuffix("_eye") for p in paths], [read_rgba(p) for p in paths]

    def part_surface(self, part: int, count: int, rng: np.random.Generator) -> Surface:
        """Points of the eyeballs, the teeth or the tongue."""
        proxy, textures, layer = {
            EYES: ("eyes/high-poly", self.eye_textures()[1], 3),
            TEETH: ("teeth/teeth_base", self._first("teeth/materials/teeth.png"), 4),
            TONGUE: ("tongue/tongue01", self._first("tongue/tongue01/tongue01_diffuse.jpg"), 5),
        }[part]
        mesh = self.assets.proxy(proxy).mesh
        vertices = self.template.canonical[self.template.part == part]
        corners = vertices[np.concatenate([mesh.faces[:, [0, 1, 2]], mesh.faces[:, [0, 2, 3]]])]
        uv = mesh.uv[np.concatenate([mesh.faces_uv[:, [0, 1, 2]], mesh.faces_uv[:, [0, 2, 3]]])]
        face, weights = spread(triangle_areas(corners), count, rng)
        points = (corners[face] * weights).sum(1).astype(np.float32)
        at = (uv[face] * weights).sum(1)
        colours = np.stack([sampled(opaque(t), at) for t in textures], 1)
        if part == EYES:
            clear = sampled(textures[0], at)[:, 3] < 128
            colours = _seen_through(points, colours, clear)
        none = np.zeros((count, 0), np.uint8)
        return Surface(points, colours, none, np.full(count, layer, np.uint8))

    def _first(self, name: str) -> list[NDArray[np.uint8]]:
        return [read_rgba(self.assets.root / Path(name))]


def _seen_through(points: NDArray[np.float32], colours: NDArray[np.uint8], clear: NDArray[np.bool_]):
    """Eyeball colours (N, K, 3) with the clear cornea's replaced by those of the iris behind it."""
    side = np.where(points[:, :1] > 0, 1, -1)
    folded = points * np.concatenate([side, np.ones((len(points), 2))], 1)
    ball = folded[~clear]
    centre = 0.5 * (ball.min(0) + ball.max(0))
    direction = (folded - centre) / (np.linalg.norm(folded - centre, axis=1, keepdims=True) + 1e-9)
    if clear.any() and not clear.all():
        _, nearest = cKDTree(direction[~clear]).query(direction[clear])
        colours = colours.copy()
        colours[clear] = colours[~clear][nearest]
    return colours


def opaque(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) the picture over its own mean colour, so that clear texels bleed nothing foreign."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mean = (rgba[..., :3] * alpha).sum((0, 1)) / max(float(alpha.sum()), 1.0)
    return np.round(rgba[..., :3] * alpha + mean * (1 - alpha)).astype(np.uint8)


def triangle_areas(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """(F,) areas of (F, 3, 3) triangles."""
    edges = corners[:, 1:].astype(np.float64) - corners[:, :1]
    return 0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)


def spread(
    share: NDArray, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Faces (count,) drawn by ``share`` and uniform barycentric weights (count, 3, 1)."""
    face = np.sort(rng.choice(len(share), count, p=share / share.sum()))
    a, b = rng.random((2, count))
    root = np.sqrt(a)
    weights = np.stack([1 - root, root * (1 - b), root * b], 1)
    return face, weights[..., None].astype(np.float32)


def principal_codes(values: NDArray[np.float64], modes: int) -> tuple[NDArray[np.float32], float]:
    """Codes (K, modes) of K variants (K, D), each of unit standard deviation, and the share of variance they keep."""
    centred = values - values.mean(0)
    u, s, _ = np.linalg.svd(centred @ centred.T)
    kept = min(modes, len(values) - 1)
    codes = np.zeros((len(values), modes), np.float32)
    codes[:, :kept] = u[:, :kept] * np.sqrt(len(values))
    return codes, float(s[:kept].sum() / max(s.sum(), 1e-12))


def hair_styles(assets: HeadAssets) -> Sequence[str]:
    """Names of the styles that come with a texture."""
    return [name for name in assets.names("hair") if assets.proxy(name).texture_path is not None]


assert SKIN == 0
