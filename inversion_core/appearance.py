"""Edits of colour: factors on the photo's own colours, so that pores, freckles and strands survive them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import SKIN, HeadTemplate, vertex_normals
from inversion_core.refine.bust import unlike_skin
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import COLOUR, SEEN_STRAIGHT, UV, WEIGHT, sampled
from inversion_core.shading import SPARED

DARKER_SKIN = np.array([0.64, 0.55, 0.50], np.float32)
LIGHTER_SKIN = np.array([1.13, 1.17, 1.20], np.float32)
"""Factors on sRGB skin at skin_tone +1 and -1."""
LIGHT_HAIR = np.array([0.86, 0.74, 0.55], np.float32)
DARK_HAIR = np.array([0.07, 0.055, 0.05], np.float32)
"""sRGB hair that hair_lightness +1 and -1 lead towards."""
BODY = (0.18, 0.22)
"""Canonical depths below the middle of the head, at the chin, between which there may be clothes."""
GREY_HAIR = np.array([0.74, 0.73, 0.71], np.float32)
LIPS_PALE = 0.4
"""How far lips take on the hue of the skin at age +1."""


def sh_basis(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 9) second-order spherical harmonics, unnormalised. Source: Ramamoorthi and Hanrahan 2001, section 3."""
    x, y, z = normals.T
    one = np.ones_like(x)
    rows = [one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    return np.stack(rows).astype(np.float32, copy=False).T


def estimate_light(template: HeadTemplate, detail: PhotoDetail) -> NDArray[np.float32]:
    """(9,) harmonics of the light on the photo's face, relative to its mean; the albedo is taken as even."""
    layer = detail.head
    normals = vertex_normals(layer.vertices, layer.faces)
    face = (template.part == SKIN) & (layer.attributes[:, WEIGHT] > 0.75) & (template.scalp < 0.1)
    if face.sum() < 200:
        return np.eye(1, 9, dtype=np.float32)[0]
    bright = layer.attributes[face][:, COLOUR].mean(1)
    basis = sh_basis(normals[face]).astype(np.float64)
    weight = np.ones(len(basis))
    ridge = np.diag([0, 1, 1, 1, 4, 4, 4, 4, 4]) * 2e-3 * len(basis)
    light = np.zeros(9)
    for _ in range(4):  # beards, lips and brows are outliers of an even albedo
        weighted = basis * weight[:, None]
        light = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ bright)
        error = np.abs(bright - basis @ light)
        weight = 1 / (1 + (error / (1.5 * np.median(error) + 1e-6)) ** 2)
    return (light / max(light[0], 1e-3)).astype(np.float32)


def relit(light: NDArray, before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V, 1) factor by which shading changes when normals turn from ``before`` to ``after``."""
    was, now = (sum(map(np.multiply, light, sh_basis(normals).T)) for normals in (before, after))
    return np.clip(np.maximum(now, 0.15) / np.maximum(was, 0.15), 0.72, 1.3)[:, None].astype(np.float32)


def load_ageing(path: Path, template: HeadTemplate) -> NDArray[np.float32]:
    """(V, 3) ratio of old to young skin at the template's vertices, from an atlas picture (128 means 1).

    Where the picture is not there, all ones: age then changes form alone.
    """
    ones = np.ones((len(template.part), 3), np.float32)
    if not path.is_file():
        return ones
    picture = cv2.imread(str(path))
    if picture is None:
        return ones
    ratio = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32) / 128
    height, width = ratio.shape[:2]
    uv = np.empty((len(template.part), 2), np.float32)
    uv[template.faces.ravel()] = template.uv[template.faces_uv.ravel()]
    x = np.clip(uv[:, 0] * width, 0, width - 1).astype(int)
    y = np.clip((1 - uv[:, 1]) * height, 0, height - 1).astype(int)
    return np.where((template.part == SKIN)[:, None], ratio[y, x], 1).astype(np.float32)


def clothes_share(template: HeadTemplate, detail: PhotoDetail) -> NDArray[np.float32]:
    """(V,) how much of a vertex's colour is that of clothes on neck and body."""
    unlike = unlike_skin(detail.head.attributes[:, COLOUR], detail.skin_colour)
    return unlike * smoothstep(-template.canonical[:, 1], *BODY) * (template.part == SKIN)


def shell_factors(detail: PhotoDetail, skin: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 3) factors on the shell's colours when bare skin, which may show between clothes, has (3,) ``skin``."""
    bare = 1 - unlike_skin(detail.shell.attributes[:, COLOUR], detail.skin_colour)[:, None]
    return (1 + bare * (skin - 1)).astype(np.float32)


def hair_share(template: HeadTemplate, detail: PhotoDetail) -> NDArray[np.float32]:
    """(V,) how much of a vertex's colour is hair: by the photo's mask where it shows, by growth elsewhere."""
    uv = detail.head.attributes[:, UV]
    inside = ((uv > 0) & (uv < 1)).all(1)
    shown = sampled(np.ascontiguousarray(detail.masks[..., 1:]), uv)[:, 0]
    seen = detail.head.attributes[:, SEEN_STRAIGHT] * inside
    # Round the hairline the carried colours run from skin to hair: each counts for as much hair as it looks.
    apart = detail.hair_colour - detail.skin_colour
    looks = (detail.head.attributes[:, COLOUR] - detail.skin_colour) @ apart / max(float(apart @ apart), 1e-3)
    grown = smoothstep(template.scalp, 0.3, 0.8) * np.clip(looks, 0, 1) ** 2
    return (smoothstep(shown, 0.45, 0.95) * seen + grown * (1 - seen)).astype(np.float32)


def brightest(detail: PhotoDetail) -> NDArray[np.float32]:
    """(V,) in [0, 1], the strongest channel of the colour round each of the head's vertices, as the photo has it."""
    attributes = detail.head.attributes
    seen = attributes[:, SEEN_STRAIGHT]
    photo = sampled(cv2.blur(np.ascontiguousarray(detail.photo), (9, 9)), attributes[:, UV]).max(1)
    return (seen * photo + (1 - seen) * attributes[:, COLOUR].max(1)).clip(0, 1).astype(np.float32)


def colour_factors(
    template: HeadTemplate, detail: PhotoDetail, ageing: NDArray[np.float32], moves: Mapping[str, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(V, 3) factors on the head's colours, (3,) on the hair's and (3,) on bare skin, by the moves of colour."""
    tone, age, lightness = (float(moves.get(name, 0.0)) for name in ("skin_tone", "age", "hair_lightness"))
    if not (tone or age or lightness):
        return np.ones((len(template.part), 3), np.float32), np.ones(3, np.float32), np.ones(3, np.float32)
    skin = ((template.part == SKIN) & (template.interior < 0.75)).astype(np.float32)
    hairy = hair_share(template, detail)
    bare = (skin * (1 - hairy) * (1 - clothes_share(template, detail)))[:, None]
    head = np.ones((len(skin), 3), np.float32)
    target = DARKER_SKIN if tone > 0 else LIGHTER_SKIN
    # What is light already has less room: a full step would burn it out.
    room = 1.0 if tone > 0 else float(np.clip((0.97 - detail.skin_colour.mean()) / 0.25, 0.15, 1))
    skin_light = np.exp(abs(tone) * room * np.log(target))
    head *= np.exp(bare * np.log(skin_light))
    if age:
        strength = 0.9 * age if age > 0 else 0.5 * age
        aged = np.exp(bare * strength * np.log(np.clip(ageing, 0.3, 2.0)))
        # What the photo has burnt out or nearly so would only bleach: ridges keep their light, wrinkles their depth.
        head *= aged / (1 + brightest(detail)[:, None] * np.maximum(aged - 1, 0))
    hair = np.ones(3, np.float32)
    own = np.maximum(detail.hair_colour, 0.03)
    if lightness:
        goal = LIGHT_HAIR if lightness > 0 else DARK_HAIR
        hair *= np.clip(goal / own, 0.25, 5.0) ** (0.85 * abs(lightness))
    if age > 0:
        hair *= np.clip(GREY_HAIR / (own * hair), 0.5, 2.6) ** (0.5 * age)
        # Lips lose their red, but get no brighter.
        lips = np.maximum(np.median(detail.head.attributes[:, COLOUR][template.lips > 0.8], 0), 0.05)
        paler = np.clip(detail.skin_colour / detail.skin_colour.mean() / (lips / lips.mean()), 0.6, 1.7)
        head *= np.exp(template.lips[:, None] * LIPS_PALE * age * np.log(paler))
    low = detail.head.attributes[:, COLOUR]
    on_head = hair / (1 + SPARED * low * np.maximum(hair - 1, 0))
    head *= np.exp(hairy[:, None] * skin[:, None] * np.log(on_head))
    return head.astype(np.float32), hair.astype(np.float32), skin_light.astype(np.float32)
