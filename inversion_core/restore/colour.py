"""Colours for a grey portrait: hues from the model's own skins, irises and hair, light and dark from the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import landmark_tables as table
from inversion_core.appearance import DARK_HAIR, GREY_HAIR, LIGHT_HAIR
from inversion_core.camera import Camera
from inversion_core.generators.template import SKIN, TEETH, HeadTemplate
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.mouth import DEFAULT_COLOURS, INTERIOR_COLOUR, openings
from inversion_core.restoration import Tint

MONOCHROME = 1.0
"""Root mean square of Lab's a and b beside one curve over lightness, below which a photo has no colours of its own."""
VIVID = 0.98
"""How colourful photographed skin is beside the model's painted skins, which are albedo without shine."""
SHINE = 0.5
"""Share of its hue that a highlight far brighter than its surroundings loses."""
RED_HAIR = np.array([0.62, 0.30, 0.14], np.float32)
ROSY, GOLDEN = np.array([2.5, -4.0], np.float32), np.array([-0.5, 5.0], np.float32)
"""Lab a and b beside the skin's own at ``skin`` -1 and 1."""
REDDER_LIPS = np.array([16.0, 3.0], np.float32)
EYES_IN_COLOUR = {
    "brown": (0.33, 0.20, 0.12),
    "hazel": (0.42, 0.32, 0.19),
    "green": (0.38, 0.42, 0.28),
    "grey": (0.44, 0.47, 0.49),
    "blue": (0.36, 0.46, 0.56),
}
"""sRGB of irises, by the names in :data:`inversion_core.restoration.IRISES`."""
DARK_EYES, LIGHT_EYES = 0.55, 0.8
"""Brightness of irises beside the skin's below which they are taken for brown, and above which for blue."""
SCLERA = np.array([2.0, 3.0], np.float32)


def is_monochrome(image: NDArray[np.uint8]) -> bool:
    """Whether (H, W, 3) sRGB is grey or toned in one hue (sepia): its colours follow from its lightness."""
    small = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    lab = _lab(small)
    share = lab[..., 0].ravel() / 100
    basis = np.stack([share**power for power in range(5)], 1)
    hue = lab[..., 1:].reshape(-1, 2)
    # A tear or a stamp has a hue of its own: the fifth that fits worst does not count.
    kept = np.ones(len(hue), bool)
    for _ in range(4):
        rest = hue - basis @ np.linalg.lstsq(basis[kept], hue[kept], rcond=None)[0]
        off = (rest**2).sum(1)
        kept = off <= np.quantile(off, 0.8)
    return bool(np.sqrt(off[kept].mean()) < MONOCHROME)


@dataclass(frozen=True)
class Painting:
    """What colouring needs to know of a photo and its head; made once, used for every tint.

    Attributes:
        lightness: (H, W) Lab L; skin: (H, W, 2) Lab a and b of the model's skin where its surface lies, at a skin
            as light as the photo's.
        on_skin, on_hair, on_clothes, behind, eyes, iris, mouth, lips, brows: (H, W) shares in [0, 1].
        tone: Lab L of the photo's skin; hair_tone: of its hair; iris_tone: of its irises.
    """

    lightness: NDArray[np.float32]
    skin: NDArray[np.float32]
    on_skin: NDArray[np.float32]
    on_hair: NDArray[np.float32]
    on_clothes: NDArray[np.float32]
    behind: NDArray[np.float32]
    eyes: NDArray[np.float32]
    iris: NDArray[np.float32]
    mouth: NDArray[np.float32]
    lips: NDArray[np.float32]
    brows: NDArray[np.float32]
    tone: float
    hair_tone: float
    iris_tone: float


def painting(
    image: NDArray[np.uint8],
    template: HeadTemplate,
    vertices: NDArray[np.float32],
    camera: Camera,
    landmarks: NDArray[np.float32],
    masks: NDArray[np.float32],
    albedo: NDArray[np.float32],
) -> Painting:
    """Which part of the photo is what.

    Args:
        image: (H, W, 3) uint8 crop; vertices: (V, 3) of the head that was fitted to it.
        masks: (H, W, 2) person and hair in [0, 1]; albedo: (V, 3) sRGB of the model's average skin.
    """
    size = image.shape[0]
    lightness = _lab(image)[..., 0]
    fragments = rasterise(vertices, template.faces, camera, size, template.behind)
    hue = _lab(albedo[None].astype(np.float32))[0]
    carried = np.concatenate([hue[:, 1:], template.ears[:, None]], 1)
    drawn = interpolate(fragments, template.faces, np.ascontiguousarray(carried, np.float32))
    hit = fragments.hit.astype(np.float32)
    part = np.where(fragments.hit, template.part[template.faces[np.maximum(fragments.face, 0), 0]], SKIN)
    surface = hit * (part == SKIN)
    skin_hue = _filled(drawn[..., :2], surface)
    opening = openings(landmarks)
    person, hairy = masks[..., 0], masks[..., 1]
    oval = _polygon(landmarks, table.OVAL, size)
    tone = float(np.median(lightness[(oval > 0.9) & (hairy < 0.2) & (opening.max(-1) < 0.1)]))
    is_hair = hairy > 0.7
    hair_tone = float(np.median(lightness[is_hair])) if is_hair.sum() > 200 else 0.5 * tone
    # Without colours the hair's mask takes in forehead and ears: beside the face, what is as light as skin is skin.
    beside = np.maximum(cv2.dilate(oval, np.ones((size // 14,) * 2)), drawn[..., 2] * surface)
    middle = 0.5 * (tone + hair_tone)
    light = smoothstep(cv2.GaussianBlur(lightness, (0, 0), size / 250), middle - 2, middle + 8)
    smooth = cv2.GaussianBlur(lightness, (0, 0), size / 200)
    strands = np.sqrt(np.maximum(cv2.GaussianBlur((lightness - smooth) ** 2, (0, 0), size / 80), 0))
    light = light * np.maximum(1 - smoothstep(strands, 1.5, 3.5), drawn[..., 2] * surface)
    if tone - hair_tone > 15:
        hairy = hairy * (1 - light * cv2.GaussianBlur(beside, (0, 0), size / 100))
    bare = _bare(lightness, landmarks, person, hairy, oval, hit, tone)
    eyes, mouth = opening[..., 0] * person, opening[..., 1] * person
    on_hair = hairy * (1 - eyes) * (1 - mouth)
    on_skin = person * (1 - on_hair) * bare
    on_clothes = person * (1 - on_hair) * (1 - bare)
    irises = _irises(landmarks, size) * eyes
    half = len(table.BROWS) // 2
    brows = np.maximum(_hull(landmarks, table.BROWS[:half], size), _hull(landmarks, table.BROWS[half:], size))
    darker = smoothstep(cv2.GaussianBlur(lightness, (0, 0), size / 40) - lightness, 2.0, 12.0)
    lips = _hull(landmarks, table.LIPS, size) * (1 - mouth)
    return Painting(
        lightness=lightness,
        skin=skin_hue,
        on_skin=on_skin,
        on_hair=on_hair,
        on_clothes=on_clothes,
        behind=1 - person,
        eyes=eyes,
        iris=irises,
        mouth=mouth,
        lips=cv2.GaussianBlur(lips, (0, 0), size / 250),
        brows=cv2.GaussianBlur(brows, (0, 0), size / 200) * darker,
        tone=tone,
        hair_tone=hair_tone,
        iris_tone=float(np.percentile(lightness[irises > 0.8], 60)) if (irises > 0.8).any() else 0.0,
    )


def coloured(known: Painting, tint: Tint) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB photo in colour, as light and dark in every place as it was."""
    lightness = known.lightness
    bright = known.iris_tone / max(known.tone, 1.0)
    likely = "brown" if bright < DARK_EYES else "hazel" if bright < LIGHT_EYES else "blue"
    iris = np.array(EYES_IN_COLOUR[tint.iris or likely], np.float32)
    # Shadows hold less colour and highlights are the lamp's: hue grows with light up to the skin's own, then falls.
    shade = ((lightness + 16) / (known.tone + 16)).clip(0.25, 1.0)
    shine = 1 - SHINE * smoothstep(lightness - known.tone, 6.0, 40.0)
    wish = -tint.skin * ROSY if tint.skin < 0 else tint.skin * GOLDEN
    depth = VIVID * float(np.clip(1.05 - 0.0045 * (known.tone - 55), 0.7, 1.15))
    skin = (known.skin * depth + wish) * (shade * shine)[..., None]
    skin = skin + known.lips[..., None] * tint.lips * REDDER_LIPS * shade[..., None]
    hair = _hue_at(_hair_colour(known.hair_tone, tint.hair), lightness, known.hair_tone)
    brow = _hue_at(_hair_colour(min(known.hair_tone, 30.0), tint.hair), lightness, 30.0)
    skin = skin + (brow - skin) * known.brows[..., None]
    whites = SCLERA * np.ones_like(skin)
    eyes = whites + (0.8 * _hue_at(iris, lightness, 30.0) - whites) * known.iris[..., None]
    teeth = _hue_at(np.array(DEFAULT_COLOURS[TEETH], np.float32), lightness, 70.0) * 0.6 + [2.0, 0.0]
    inside = _hue_at(np.array(INTERIOR_COLOUR, np.float32), lightness, 20.0)
    mouth = inside + (teeth - inside) * smoothstep(lightness, 0.45 * known.tone, 0.8 * known.tone)[..., None]
    layers = (
        (known.behind, _hue_at(np.array(tint.background, np.float32), lightness, 60.0)),
        (known.on_clothes, _hue_at(np.array(tint.clothes, np.float32), lightness, 50.0)),
        (known.on_skin, skin),
        (known.on_hair, hair),
    )
    hue = sum(share[..., None] * layer for share, layer in layers)
    hue = hue / np.maximum(sum(share for share, _ in layers), 1e-3)[..., None]
    hue = hue + (mouth - hue) * known.mouth[..., None]
    hue = hue + (eyes - hue) * known.eyes[..., None]
    # Colour runs up to the photo's own edges and no farther.
    guide = lightness / 100
    hue = np.stack(
        [
            cv2.ximgproc.guidedFilter(guide, np.ascontiguousarray(hue[..., i], np.float32), 3, 4e-4)
            for i in (0, 1)
        ],
        -1,
    )
    return _painted(lightness, hue * tint.strength)


def _painted(lightness: NDArray, hue: NDArray) -> NDArray[np.uint8]:
    """sRGB of Lab; hues beyond what a screen shows are drawn in rather than clipped, which would change the light."""
    lab = np.concatenate([lightness[..., None], hue], -1).astype(np.float32)
    for _ in range(4):
        rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        back = cv2.cvtColor(rgb.clip(0, 1), cv2.COLOR_RGB2LAB)
        off = np.abs(back[..., 0] - lightness) > 0.6
        if not off.any():
            break
        lab[off, 1:] *= 0.75
    return np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).astype(np.uint8)


def _hair_colour(tone: float, wish: float) -> NDArray[np.float32]:
    """(3,) sRGB of hair as light as Lab L ``tone``: on the way from the model's dark hair to its fair hair."""
    share = np.linspace(0, 1, 33, dtype=np.float32)[:, None]
    ladder = np.exp((1 - share) * np.log(DARK_HAIR) + share * np.log(LIGHT_HAIR))
    light = _lab(ladder[None])[0, :, 0]
    own = np.array([np.interp(tone, light, ladder[:, i]) for i in range(3)], np.float32)
    goal = RED_HAIR if wish > 0 else GREY_HAIR
    return own + (goal * own.mean() / goal.mean() - own) * min(abs(wish), 1.0)


def _hue_at(colour: NDArray[np.float32], lightness: NDArray, own: float) -> NDArray[np.float32]:
    """(H, W, 2) Lab a and b of a colour under more or less light; above ``own`` lightness it shines white."""
    lab = _lab(np.asarray(colour, np.float32)[None, None])[0, 0]
    gain = ((lightness + 16) / (lab[0] + 16)).clip(0, 1.25) * (1 - SHINE * smoothstep(lightness - own, 8, 50))
    return lab[1:] * gain[..., None]


def _bare(lightness, landmarks, person, hairy, oval, hit, tone) -> NDArray[np.float32]:
    """(H, W) share of bare skin against clothes: the face is bare, the neck as long as it looks like the face."""
    size = lightness.shape[0]
    points = landmarks[:, :2].astype(np.float64) * size
    eyes = (points[list(table.LEFT_EYE)].mean(0) + points[list(table.RIGHT_EYE)].mean(0)) / 2
    axis = points[table.CHIN] - eyes
    length = float(np.linalg.norm(axis))
    rows, columns = np.mgrid[:size, :size]
    offset = np.stack([columns, rows], -1) - eyes
    down = offset @ (axis / length) / length
    aside = np.abs(offset @ np.array([axis[1], -axis[0]]) / length) / length
    half = float(np.abs((points[table.CHEEK_LEFT] - points[table.CHEEK_RIGHT]) @ [axis[1], -axis[0]]))
    half = half / 2 / length**2
    # Below the chin: as light as skin in its shadow, without a pattern, and hanging together with the neck.
    smooth = cv2.GaussianBlur(lightness, (0, 0), size / 128)
    rough = np.sqrt(np.maximum(cv2.GaussianBlur((lightness - smooth) ** 2, (0, 0), size / 100), 0))
    centre = (down > 1.06) & (down < 1.2) & (aside < 0.22) & (person > 0.9) & (hairy < 0.2)
    shadow = float(np.median(smooth[centre])) if centre.sum() > 30 else 0.8 * tone
    # The throat lies in the chin's shadow, bare shoulders in the light.
    darkest = tone * (0.5 + 0.3 * np.clip((aside - half) / half, 0, 1))
    low, high = np.maximum(min(shadow, tone) - 12, darkest), tone + 7
    off = np.maximum(np.maximum(low - smooth, smooth - high), 0)
    logit = 2.2 - 2.0 * np.clip(down - 1.15, 0, 1.2) - 0.3 * off - 0.3 * np.clip(rough - 5, 0, 12)
    skin = (logit > 0) & (person > 0.5)
    # Only what hangs together with face or throat: a jaw's shadow may part the two.
    seeds = ((oval > 0.5) | centre | (skin & (aside < half) & (down < 1.25))).astype(np.uint8)
    seeds = cv2.morphologyEx(seeds, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, labels = cv2.connectedComponents(
        cv2.morphologyEx(np.maximum(skin, seeds).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    )
    joined = np.unique(labels[seeds > 0])
    neck = np.isin(labels, joined[joined > 0]) & (skin | (seeds > 0))
    # Ears and temples belong to the face; shoulders may rise beside the chin.
    above = (1 - smoothstep(down, 0.75, 0.95)) * (1 - smoothstep(aside, 1.25 * half, 1.4 * half))
    bare = np.maximum(cv2.GaussianBlur(neck.astype(np.float32), (0, 0), size / 150), np.maximum(oval, above))
    return cv2.ximgproc.guidedFilter(
        (lightness / 100).astype(np.float32), bare.astype(np.float32), 5, 1e-3
    ).clip(0, 1)


def _filled(values: NDArray, known: NDArray) -> NDArray[np.float32]:
    """(H, W, C) with what is unknown carried out from what is known."""
    result, weight = values * known[..., None], known.astype(np.float32)
    total, left = result.astype(np.float32), 1 - weight
    for size in (2.0, 6.0, 18.0, 54.0, 160.0):
        near = cv2.GaussianBlur(weight, (0, 0), size)
        colour = cv2.GaussianBlur(result, (0, 0), size) / np.maximum(near, 1e-6)[..., None]
        share = np.clip(near / 0.1, 0, 1) * left
        total, left = total + colour * share[..., None], left - share
    mean = result.sum((0, 1)) / max(float(weight.sum()), 1.0)
    return (total + left[..., None] * mean).astype(np.float32)


def _irises(landmarks: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    result = np.zeros((size, size), np.float32)
    for first in (468, 473):
        ring = landmarks[first : first + 5, :2] * size
        radius = float(np.linalg.norm(ring[1:] - ring[0], axis=1).mean())
        centre = tuple(round(16 * float(x)) for x in ring[0])
        cv2.circle(result, centre, int(16 * radius * 1.05), 1.0, -1, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(result, (0, 0), size / 400)


def _polygon(landmarks: NDArray, group: tuple[int, ...], size: int) -> NDArray[np.float32]:
    points = np.round(landmarks[list(group), :2] * size).astype(np.int32)
    return cv2.fillPoly(np.zeros((size, size), np.float32), [points], 1.0)


def _hull(landmarks: NDArray, group: tuple[int, ...], size: int) -> NDArray[np.float32]:
    points = cv2.convexHull(np.round(landmarks[list(group), :2] * size).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros((size, size), np.float32), points, 1.0)


def _lab(rgb: NDArray) -> NDArray[np.float32]:
    rgb = rgb.astype(np.float32) / np.float32(255) if rgb.dtype == np.uint8 else rgb
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32), cv2.COLOR_RGB2LAB)
