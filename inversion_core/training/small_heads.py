"""The heads that the small generator is distilled from: a smooth map from z to heads of the bundled model.

Every z gives one mesh with colours, so that its views agree by construction; neighbouring z give neighbouring
heads, because styles are mixed rather than chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr

from inversion_core.appearance import sh_basis
from inversion_core.camera import Camera
from inversion_core.generators.template import vertex_normals
from inversion_core.generators.vertex_bases import tame_hair
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.training.pairs import PairMaker

Z_DIM = 64
"""Numbers in a z; :data:`BLOCKS` says what they steer."""
BLOCKS = {"identity": 36, "expression": 4, "skin": 8, "iris": 1, "hair": 8, "colour": 3, "light": 4}
"""Name and length of the blocks of z, in order."""
EXPRESSIONS = (
    ("mouth-corner-puller", 0.35),
    ("mouth-open", 0.18),
    ("eye-left-closure eye-right-closure", 0.3),
    ("eyebrows-left-inner-up eyebrows-right-inner-up", 0.35),
)
"""Units that share one number of z (all that contain a word), and how far they go at one standard deviation."""
HAIR_COLOURS = np.array([[0.06, 0.05, 0.05], [0.25, 0.16, 0.1], [0.45, 0.28, 0.15], [0.7, 0.57, 0.38]])
"""From dark to light, sRGB."""
BACKGROUND = 1.0
"""White, as generators with ``white_back`` have it."""
YAW, PITCH = np.radians([55.0, 22.0])
"""Views are drawn up to these angles."""


@dataclass(frozen=True)
class SmallHead:
    """One head: vertices (V, 3) in world units, colours (V, 3) in [0, 1] with their light, landmarks (478, 3)."""

    vertices: NDArray[np.float32]
    colours: NDArray[np.float32]
    landmarks: NDArray[np.float32]


@dataclass(frozen=True)
class HeadView:
    """One picture of a head: rgb (S, S, 3) uint8 over white, opacity (S, S) uint8, depth (S, S) float16.

    Depth runs along the ray, as EG3D's does; 0 where nothing is.
    """

    rgb: NDArray[np.uint8]
    opacity: NDArray[np.uint8]
    depth: NDArray[np.float16]


@dataclass(frozen=True)
class HeadPoints:
    """Points of one head: places (M, 3) in world units, rgb (M, 3) of the nearest surface, distance (M,) to it.

    The distance is negative inside.
    """

    places: NDArray[np.float32]
    rgb: NDArray[np.float32]
    distance: NDArray[np.float32]


class SmallHeads:
    """Turns z into heads, with the bundled model's template and canonical field."""

    def __init__(self, maker: PairMaker) -> None:
        self.maker = maker
        rng = np.random.default_rng(7)
        self.skin_mixing = rng.normal(size=(BLOCKS["skin"], len(maker.field.skins)))
        self.hair_mixing = rng.normal(size=(BLOCKS["hair"], len(maker.field.styles)))
        template = maker.template
        self.thickness = tame_hair(template, maker.thickness)
        # Eyes, nose and mouth are what a face is known by: points are drawn round its landmarks.
        face = cKDTree(template.landmarks(template.mean)).query(template.fine(template.mean))[0]
        self.face = np.flatnonzero((face < 0.02) & (template.interior < 0.5))
        self.groups = [
            (_units_of(maker.template.units, words.split()), reach) for words, reach in EXPRESSIONS
        ]

    def head(self, z: NDArray) -> SmallHead:
        """The head of z (:data:`Z_DIM`,); only its direction counts, as for any StyleGAN."""
        maker, template, field = self.maker, self.maker.template, self.maker.field
        z = np.asarray(z, np.float64) / np.sqrt(np.mean(np.square(z)) + 1e-8)
        block = dict(zip(BLOCKS, np.split(z, np.cumsum(list(BLOCKS.values()))[:-1]), strict=True))
        identity = np.zeros(len(template.identity), np.float32)
        used = min(len(identity), BLOCKS["identity"])
        identity[:used] = block["identity"][:used]
        units = np.zeros(len(template.units), np.float32)
        for (members, reach), value in zip(self.groups, block["expression"], strict=True):
            units[members] = np.clip(value * reach, 0, 1)
        coarse = template.coarse(identity, units, np.zeros(len(template.shapes), np.float32))
        vertices = template.fine(coarse)
        mixture = _softmax(1.2 * block["skin"] @ self.skin_mixing)
        skin = mixture @ field.skin_codes.numpy()
        irises = field.iris_codes.numpy()
        iris = irises[int(ndtr(float(block["iris"][0])) * len(irises) * 0.999)]
        place = ndtr(float(block["colour"][0])) * (len(HAIR_COLOURS) - 1)
        hair_colour = np.stack([np.interp(place, range(len(HAIR_COLOURS)), c) for c in HAIR_COLOURS.T])
        hair_colour = np.clip(hair_colour + 0.03 * block["colour"][1] * np.array([1, -0.2, -0.6]), 0.02, 1)
        albedo = np.einsum("vkc,k->vc", maker.skin_basis, np.append(1, skin))
        albedo += np.einsum("vkc,k->vc", maker.loose_basis, np.append(1, iris))
        brow = maker.brows.mean(1) * np.clip(0.8 + 0.3 * block["colour"][2], 0.1, 1.2)
        albedo += (hair_colour * 0.8 - albedo) * np.clip(brow, 0, 1)[:, None]
        normals = vertex_normals(vertices, template.faces)
        style = _softmax(1.5 * block["hair"] @ self.hair_mixing)
        thick = self.thickness @ style
        cover = np.clip(thick / 0.008, 0, 1)[:, None]
        strand = np.clip(2 * (maker.luminance @ style), 0.5, 1.5)[:, None]
        albedo += (hair_colour * strand - albedo) * cover
        grown = (vertices + normals * thick[:, None]).astype(np.float32)
        light = np.zeros((9, 3))
        light[0] = 0.62 + 0.06 * block["light"][3]
        direction = np.array([0.5 * block["light"][0], 0.35 + 0.3 * block["light"][1], 1.0])
        lamp = sh_basis(direction[None] / np.linalg.norm(direction))[0]
        reach = 0.4 + 0.08 * block["light"][2]
        light += (reach * lamp * [0.25, 0.5, 0.5, 0.5, 0.47, 0.47, 0.078, 0.47, 0.117])[:, None]
        shade = np.maximum(sh_basis(vertex_normals(grown, template.faces)) @ light, 0.05)
        inside = np.where(template.interior > 0.5, 0.45, 1)[:, None]
        colours = np.clip(np.clip(albedo, 0, 1) * shade * inside, 0, 1).astype(np.float32)
        return SmallHead(grown, colours, template.landmarks(coarse))

    def points(self, head: SmallHead, count: int, box: float, rng: np.random.Generator) -> HeadPoints:
        """Random points near the head's surface, half of them on its face, and a quarter anywhere in the box."""
        normals = vertex_normals(head.vertices, self.maker.template.faces)
        near = 3 * count // 4
        chosen = np.concatenate(
            [rng.choice(self.face, near // 2), rng.integers(0, len(head.vertices), near - near // 2)]
        )
        off = (rng.normal(size=near) * rng.choice([0.006, 0.025], near)).astype(np.float32)
        places = head.vertices[chosen] + normals[chosen] * off[:, None]
        anywhere = ((rng.random((count - near, 3)) - 0.5) * box).astype(np.float32)
        far, index = cKDTree(head.vertices).query(anywhere)
        side = np.einsum("mk,mk->m", anywhere - head.vertices[index], normals[index])
        return HeadPoints(
            np.concatenate([places, anywhere]),
            head.colours[np.concatenate([chosen, index])],
            np.concatenate([off, np.where(side < 0, -far, far)]).astype(np.float32),
        )

    def view(self, head: SmallHead, camera: Camera, size: int) -> HeadView:
        """The head through a camera, four samples a pixel."""
        template = self.maker.template
        fragments = rasterise(head.vertices, template.faces, camera, 2 * size, template.behind)
        hit = fragments.hit.astype(np.float32)
        colour = interpolate(fragments, template.faces, head.colours)
        colour = np.where(fragments.hit[..., None], colour, BACKGROUND)
        cosine = (camera.rays(2 * size)[1] @ camera.cam2world[:3, 2]).reshape(2 * size, -1)
        far = np.where(fragments.hit, fragments.depth / cosine, 0).astype(np.float32)
        rgb, opacity, far = (
            cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in (colour, hit, far)
        )
        far = np.where(opacity > 0.99, far / np.maximum(opacity, 1e-3), 0)
        return HeadView(_bytes(rgb), _bytes(opacity), far.astype(np.float16))


def random_view(rng: np.random.Generator) -> Camera:
    """A camera on EG3D's sphere, mostly in front."""
    yaw = YAW * np.clip(rng.normal(0, 0.5), -1, 1)
    return Camera.orbit(float(yaw), float(PITCH * np.clip(rng.normal(0, 0.5), -1, 1)))


def _units_of(units: tuple[str, ...], words: list[str]) -> list[int]:
    return [i for i, name in enumerate(units) if any(word in name for word in words)]


def _softmax(x: NDArray) -> NDArray:
    e = np.exp(x - x.max())
    return e / e.sum()


def _bytes(x: NDArray) -> NDArray[np.uint8]:
    return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
