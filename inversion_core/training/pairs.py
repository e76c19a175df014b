"""Synthetic pairs for the encoder: random heads drawn from the bundled model, and the codes they were drawn from.

Source: E3DGE (Lan et al. 2023), section 3.2: an encoder learns from what the generator itself makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.appearance import sh_basis
from inversion_core.camera import RADIUS, Camera
from inversion_core.encoders.heads import INPUT_SIZE
from inversion_core.generators.heads_field import CanonicalField
from inversion_core.generators.template import HeadTemplate, vertex_normals
from inversion_core.generators.vertex_bases import vertex_bases
from inversion_core.rasterise import interpolate, rasterise

BALD = "bald"
YAW, PITCH, ROLL = np.radians([50.0, 20.0, 8.0])
"""Poses are drawn up to these angles."""


@dataclass(frozen=True)
class Truth:
    """What one pair was drawn from; names and shapes as in ``HeadCodes``, landmarks (478, 2) in [0, 1]."""

    identity: NDArray[np.float32]
    units: NDArray[np.float32]
    rotation: NDArray[np.float32]
    translation: NDArray[np.float32]
    skin: NDArray[np.float32]
    iris: NDArray[np.float32]
    style: int
    hair_colour: NDArray[np.float32]
    light: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class PairMaker:
    """Draws random heads: the field's colours on the template's vertices, hair as a shell, harmonics for light."""

    def __init__(self, template: HeadTemplate, field: CanonicalField) -> None:
        self.template, self.field = template, field
        self.styles = (BALD, *field.styles)
        bases = (template.mean[None], template.identity, template.unit_offsets)
        self.landmark_bases = [template.landmarks(basis).reshape(len(basis), -1) for basis in bases]
        bases = vertex_bases(template, field)
        self.skin_basis, self.loose_basis, self.brows = bases.skin, bases.loose, bases.brows
        self.thickness, self.luminance = bases.thickness, bases.luminance

    def random_codes(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A random identity (K,) and expression (E,); half the faces are calm, left and right mostly agree."""
        template = self.template
        identity = (rng.normal(size=len(template.identity)) * 0.9).astype(np.float32)
        units = np.zeros(len(template.units), np.float32)
        chosen = rng.choice(len(units), rng.integers(0, 6), replace=False)
        units[chosen] = rng.beta(1.2, 1.8, len(chosen)) * rng.choice([0.5, 1.0])
        if rng.random() < 0.8:
            for i, name in enumerate(template.units):
                if "-left-" in name:
                    other = name.replace("-left-", "-right-")
                    if other in template.units:
                        units[template.units.index(other)] = units[i]
        return identity, units

    def geometry(self, count: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        """Identity, units, rotation, translation and landmarks of ``count`` heads that nobody draws."""
        codes = [self.random_codes(rng) for _ in range(count)]
        cameras = [self.random_camera(rng) for _ in range(count)]
        identity, units = (np.stack(column) for column in zip(*codes, strict=True))
        rotation, translation = (np.stack(c) for c in zip(*(c.world2cam for c in cameras), strict=True))
        heads = self.landmark_bases[0] + identity @ self.landmark_bases[1] + units @ self.landmark_bases[2]
        local = heads.reshape(count, -1, 3) @ rotation.transpose(0, 2, 1) + translation[:, None]
        focal = cameras[0].intrinsics[0, 0]
        landmarks = (local[..., :2] / local[..., 2:] * focal + 0.5).astype(np.float32)
        named = {"identity": identity, "units": units, "rotation": rotation, "translation": translation}
        return {**named, "landmarks": landmarks}

    def random_camera(self, rng: np.random.Generator) -> Camera:
        """A camera of an aligned crop, off by as much as alignment is."""
        yaw, pitch = YAW * np.clip(rng.normal(0, 0.45), -1, 1), PITCH * np.clip(rng.normal(0, 0.5), -1, 1)
        pivot = tuple(rng.normal(0, 0.015, 3))
        camera = Camera.orbit(yaw, pitch, RADIUS * float(rng.normal(1, 0.02)), pivot)
        angle = ROLL * np.clip(rng.normal(0, 0.4), -1, 1)
        roll = np.eye(4, dtype=np.float32)
        roll[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return Camera((camera.cam2world @ roll).astype(np.float32), camera.intrinsics)

    def random_light(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(9, 3) harmonics: ambient light, one to three lamps, a tint."""
        light = np.zeros((9, 3), np.float32)
        light[0] = rng.uniform(0.35, 0.9)
        for _ in range(rng.integers(1, 4)):
            direction = rng.normal((0, 0.5, 0.9))
            direction /= np.linalg.norm(direction)
            # A clamped cosine's first harmonics: 1/4, 1/2 cos, 5/64 (3 cos² - 1) …
            lamp = sh_basis(direction[None])[0] * [0.25, 0.5, 0.5, 0.5, 0.47, 0.47, 0.078, 0.47, 0.117]
            tint = 1 + rng.normal(0, 0.08, 3)
            light += (rng.uniform(0.1, 0.8) * lamp[:, None] * tint).astype(np.float32)
        return light

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Truth]:
        """A picture (128, 128, 3) uint8 and its truth."""
        template, field = self.template, self.field
        identity, units = self.random_codes(rng)
        coarse = template.coarse(identity, units, np.zeros(len(template.shapes), np.float32))
        vertices = template.fine(coarse)
        camera = self.random_camera(rng)
        mixture = rng.dirichlet(np.full(len(field.skins), 0.25)).astype(np.float32)
        skin = mixture @ field.skin_codes.numpy()
        iris = field.iris_codes.numpy()[rng.integers(len(field.irises))]
        hair_colour = _random_hair_colour(rng)
        albedo = np.einsum("vkc,k->vc", self.skin_basis, np.append(1, skin))
        albedo += np.einsum("vkc,k->vc", self.loose_basis, np.append(1, iris))
        brow = self.brows[:, rng.integers(len(field.brows))] * rng.uniform(0.3, 1)
        albedo += (hair_colour * 0.8 - albedo) * brow[:, None]
        style = int(rng.integers(len(self.styles)))
        normals = vertex_normals(vertices, template.faces)
        if style:
            thick = self.thickness[:, style - 1] * rng.uniform(0.6, 1.3)
            cover = np.clip(thick / 0.006, 0, 1)[:, None]
            strand = np.clip(2 * self.luminance[:, style - 1 : style], 0.4, 1.6)
            albedo = albedo + (hair_colour * strand - albedo) * cover
            vertices = vertices + normals * thick[:, None]
        light = self.random_light(rng)
        colours = np.clip(albedo, 0, 1) * np.maximum(sh_basis(normals) @ light, 0.05)
        inside = np.where(template.interior > 0.5, rng.uniform(0.25, 0.6), 1)[:, None]
        fragments = rasterise(vertices, template.faces, camera, INPUT_SIZE)
        picture = interpolate(fragments, template.faces, (colours * inside).astype(np.float32))
        picture = np.where(fragments.hit[..., None], picture, _random_background(rng))
        _dress(picture, camera, fragments.hit, rng)
        rotation, translation = camera.world2cam
        truth = Truth(
            identity=identity,
            units=units,
            rotation=rotation,
            translation=translation,
            skin=skin,
            iris=iris,
            style=style,
            hair_colour=hair_colour,
            light=light,
            landmarks=camera.project(template.landmarks(coarse))[:, :2],
        )
        return disturbed(picture, rng), truth


def _random_hair_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """(3,) sRGB between black, brown, red, blond and grey."""
    anchors = [
        [0.06, 0.05, 0.05],
        [0.27, 0.18, 0.12],
        [0.45, 0.22, 0.1],
        [0.72, 0.58, 0.38],
        [0.65, 0.64, 0.63],
    ]
    share = rng.dirichlet([0.9, 0.8, 0.3, 0.4, 0.3])
    return (share @ np.array(anchors)).astype(np.float32)


def _random_background(rng: np.random.Generator) -> NDArray[np.float32]:
    """(128, 128, 3) coloured blur."""
    coarse = rng.uniform(0, 1, (int(rng.integers(1, 9)),) * 2 + (3,)).astype(np.float32)
    return cv2.resize(coarse, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _dress(picture, camera: Camera, hit, rng: np.random.Generator) -> None:
    """Clothes: one colour over the head's own pixels below a random line near the collar."""
    collar = camera.project(np.array([[0.0, -0.36, 0.0]]))[0, 1] * INPUT_SIZE + rng.normal(0, 4)
    rows = np.arange(INPUT_SIZE)[:, None] > collar
    picture[rows & hit] *= rng.uniform(0.1, 1.4, 3)


def disturbed(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 after what cameras and people do: occluders, gamma, casts, blur, noise, grey, JPEG."""
    size = picture.shape[0]
    picture = picture.copy()
    if rng.random() < 0.15:  # dark frames at the height of the eyes
        y = int(size * rng.uniform(0.38, 0.5))
        picture[y : y + int(rng.integers(1, 4)), int(0.25 * size) : int(0.75 * size)] *= rng.uniform(0, 0.5)
    if rng.random() < 0.15:  # a hand, a microphone, a scarf
        centre = tuple(int(v) for v in rng.uniform(0, size, 2))
        axes = tuple(int(v) for v in rng.uniform(0.05, 0.2, 2) * size)
        colour = tuple(float(v) for v in rng.uniform(0.05, 0.9, 3))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    picture = np.clip(picture * rng.uniform(0.75, 1.3) * (1 + rng.normal(0, 0.05, 3)), 0, 1) ** rng.uniform(
        0.75, 1.35
    )
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.5)))
    if rng.random() < 0.08:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    noisy = picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    image = np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image


def noisy_landmarks(points: NDArray[np.float32], oval: tuple[int, ...], rng: np.random.Generator):
    """(B, 478, 2) as a detector would find them: everything a little moved, points drifting, the outline most."""
    batch = len(points)
    moved = points + rng.normal(0, 0.002, (batch, 1, 2)) + rng.normal(0, 0.0012, points.shape)
    centre = moved.mean(1, keepdims=True)
    moved = centre + (moved - centre) * (1 + rng.normal(0, 0.008, (batch, 1, 2)))
    # Drift along the outline is shared by neighbours: a few harmonics round the ring.
    turn = np.linspace(0, 2 * np.pi, len(oval), endpoint=False)
    waves = np.stack([f(k * turn) for k in (1, 2, 3) for f in (np.sin, np.cos)])
    moved[:, list(oval)] += np.einsum("bwd,wo->bod", rng.normal(0, 0.003, (batch, 6, 2)), waves)
    return moved.astype(np.float32)
