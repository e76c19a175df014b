"""The photo's own detail, stored on the canonical surface so that it follows every edit and stays put in new views.

Each vertex knows where the photo shows it and how far that can be trusted; where it cannot, its mirror image lends
detail over low frequencies that are carried out from the trusted interior along the surface.
Source of the ideas: E3DGE section 3.2 (pixel-aligned features), GOAE section 3.4 (occlusion-aware fusion).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from inversion_core.camera import Camera
from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE, HeadTemplate, vertex_normals
from inversion_core.landmark_tables import CHIN, LEFT_EYE, RIGHT_EYE
from inversion_core.refine.along_surface import harmonic, smoothed
from inversion_core.refine.bust import STRIP, clothes_below, cut_at, going_on
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import HairLayer
from inversion_core.refine.hair_detail import hair_detail, typical_hair
from inversion_core.refine.layer import (
    CHANNELS,
    COLOUR,
    DEPTH_SIZE,
    GAIN,
    MIRROR_UV,
    MIRROR_WEIGHT,
    OPACITY,
    SEEN,
    SEEN_STRAIGHT,
    UV,
    WEIGHT,
    Layer,
    sampled,
    seen_by,
)
from inversion_core.refine.outline import Shell

FACING_NONE, FACING_FULL = 0.10, 0.42
"""Cosines between normal and line of sight at which trust begins and is complete."""
DEFAULT_COLOURS = {EYES: (0.70, 0.67, 0.65), TEETH: (0.74, 0.70, 0.62), TONGUE: (0.55, 0.28, 0.27)}
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""MediaPipe's ring round the mouth's opening."""
GUM_COLOUR = (0.60, 0.33, 0.32)
INTERIOR_COLOUR = (0.20, 0.075, 0.065)
BESIDE = 0.25
"""Share of the mouth's width from its opening within which teeth look as there."""
HAIR_SHADOW = 0.45
"""Share of light that hair takes from unseen skin right under it."""
SHADOW_ROUNDS = 60
"""Rounds of averaging between neighbours that spread it beyond the hair's edge."""


@dataclass(frozen=True)
class PhotoDetail:
    """What one photo contributes to its head.

    Attributes:
        photo: (512, 512, 3) float32 in [0, 1], background removed from edges; masks: (512, 512, 2) person and hair.
        camera: the photo's camera.
        corrective: (C, 3) float32 coarse offsets beyond the codes; lying: (V, 3) float32 fine offsets (hidden ears).
        head, hair, shell: the layers; hair and shell also have anchors (N, 4) and weights (N, 4) on the head's
            vertices; shell may have no vertices.
        hair_texture: (624, 1160, 3) float32, rows and columns of the hair's grid, for hair that the photo does not show.
        hair_colour: (3,) typical hair; skin_colour: (3,) typical skin; both sRGB.
        light: (9,) spherical harmonics of the light on the face, relative to its mean.
        atlas: (S, S, 3) float32 colours of the skin in the template's own atlas where more than this photo is known
            of them (the head's mirrored places then refer to it), or None.
        mixed: share of another person's looks, in [0, 1]: as far the photo's own view is like any other.
    """

    photo: NDArray[np.float32]
    masks: NDArray[np.float32]
    camera: Camera
    corrective: NDArray[np.float32]
    lying: NDArray[np.float32]
    head: Layer
    hair: Layer
    hair_texture: NDArray[np.float32]
    hair_anchors: NDArray[np.int32]
    hair_weights: NDArray[np.float32]
    shell: Layer
    shell_anchors: NDArray[np.int32]
    shell_weights: NDArray[np.float32]
    hair_colour: NDArray[np.float32]
    skin_colour: NDArray[np.float32]
    light: NDArray[np.float32]
    atlas: NDArray[np.float32] | None = None
    mixed: float = 0.0

    @property
    def other(self) -> NDArray[np.float32]:
        """(H, W, 3) the picture that the head's mirrored places refer to."""
        return self.photo if self.atlas is None else self.atlas


def openings(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(512, 512, 2) float32 in [0, 1]: within the lids (lashes included) and within the lips of (478, 3) landmarks."""
    size = DEPTH_SIZE
    points = landmarks[:, :2] * size
    between = float(np.linalg.norm(points[468] - points[473]))
    eyes, mouth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for ring in (LEFT_EYE, RIGHT_EYE):
        cv2.fillConvexPoly(eyes, cv2.convexHull(points[list(ring)].astype(np.int32)), 255)
    cv2.fillPoly(mouth, [points[list(INNER_LIPS)].astype(np.int32)], 255)
    lashes = 2 * int(0.02 * between) + 1
    eyes = cv2.dilate(eyes, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (lashes, lashes)))
    masks = np.stack([eyes, mouth], -1).astype(np.float32) / 255
    return cv2.GaussianBlur(masks, (0, 0), max(0.01 * between, 0.5))


def _like_skin(colours: NDArray, typical: NDArray) -> NDArray[np.bool_]:
    """(N,) whether colours have the skin's hue, in light or in shadow."""
    total = np.maximum(colours.sum(-1, keepdims=True), 0.03)
    hue = np.abs(colours / total - typical / typical.sum()).max(-1)
    return (hue < 0.07) & (total[:, 0] > 0.2 * typical.sum())


def fuse(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    hair: HairLayer,
    shell: Shell | None,
    camera: Camera,
    photo: NDArray[np.float32],
    masks: NDArray[np.float32],
    rim: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    corrective: NDArray[np.float32],
    lying: NDArray[np.float32],
    albedo: NDArray[np.float32],
) -> PhotoDetail:
    """The photo's detail on a fitted head.

    Args:
        albedo: (V, 3) the canonical field's colours at the vertices: relief and irises where the photo is silent.
        landmarks: (478, 3) of the photo: eyes and teeth are only seen through their openings.
        fine: (V, 3) the head in the photo's pose.
        photo: (512, 512, 3) float32 in [0, 1], decontaminated; masks: (512, 512, 2) person and hair.
        rim: (512, 512) share of skin that counts as hair in the photo's own view alone.
    """
    head = _head_layer(
        template,
        fine,
        camera,
        photo,
        masks,
        openings(landmarks),
        float(landmarks[CHIN, 1]),
        lip_gap(landmarks[:, :2]),
        albedo,
    )
    skin = template.part == SKIN
    face = skin & (head.attributes[:, WEIGHT] > 0.8) & (template.scalp + template.mantle < 0.1)
    skin_colour = (
        np.median(head.attributes[face][:, COLOUR], 0) if face.sum() > 50 else np.array([0.7, 0.55, 0.48])
    )
    hair_colour = typical_hair(photo, masks.min(-1) * (1 - rim), skin_colour)
    hair_layer, hair_texture = hair_detail(
        hair, fine, template, camera, photo, masks, rim, hair_colour, skin_colour
    )
    head = in_hair_s_shadow(template, head, hair, hair_layer)
    shell_layer = _shell_layer(shell, photo)
    return PhotoDetail(
        photo=photo,
        masks=masks,
        camera=camera,
        corrective=corrective,
        lying=lying,
        head=head,
        hair=hair_layer,
        hair_texture=hair_texture,
        hair_anchors=hair.anchors,
        hair_weights=hair.weights,
        shell=shell_layer,
        shell_anchors=shell.anchors if shell is not None else np.zeros((0, 4), np.int32),
        shell_weights=shell.weights if shell is not None else np.zeros((0, 4), np.float32),
        hair_colour=hair_colour.astype(np.float32),
        skin_colour=skin_colour.astype(np.float32),
        light=np.eye(1, 9, dtype=np.float32)[0],
    )


def _beside_the_opening(uv, photo, mouth, gap) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(V, 3) colours of the open mouth where it is nearest to each vertex's place, and (V, 1) how near that is: other
    views show more of the teeth, at the corners above all, and they go on as the photo has them."""
    opened = cv2.erode((mouth > 0.85).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    colours, close = np.zeros((len(uv), 3), np.float32), np.zeros((len(uv), 1), np.float32)
    if gap < 0.03 or opened.sum() < 30:
        return colours, close
    rows, columns = np.flatnonzero(opened.any(1)), np.flatnonzero(opened.any(0))
    reach = int(BESIDE * len(columns))
    top, left = max(rows[0] - reach, 0), max(columns[0] - reach, 0)
    window = (slice(top, rows[-1] + reach), slice(left, columns[-1] + reach))
    share = opened[window].astype(np.float32)
    soft = cv2.GaussianBlur(photo[window] * share[..., None], (0, 0), 2)
    soft /= np.maximum(cv2.GaussianBlur(share, (0, 0), 2), 1e-3)[..., None]
    away, nearest = distance_transform_edt(share < 0.5, return_indices=True)
    row, column = (uv[:, ::-1] * DEPTH_SIZE).astype(int).T - np.array([[top], [left]])
    near = (row >= 0) & (column >= 0) & (row < share.shape[0]) & (column < share.shape[1])
    row, column = row[near], column[near]
    colours[near] = soft[tuple(nearest[:, row, column])]
    close[near, 0] = 1 - smoothstep(away[row, column], 0.3 * reach, reach)
    return colours, close


def in_hair_s_shadow(template: HeadTemplate, head: Layer, hair: HairLayer, grown: Layer) -> Layer:
    """The head darker under and beside its hair, where its colours are not the photo's, which has its own shadows."""
    covered = np.zeros(len(head.vertices))
    np.maximum.at(covered, hair.anchors[:, 0], grown.attributes[:, OPACITY])
    shadow = smoothed(template.adjacency, covered, SHADOW_ROUNDS) * (template.part == SKIN)
    attributes = head.attributes.copy()
    silent = 1 - attributes[:, WEIGHT]
    attributes[:, COLOUR] *= (1 - HAIR_SHADOW * shadow * silent)[:, None]
    return replace(head, attributes=attributes)


def lip_gap(landmarks: NDArray[np.float32]) -> float:
    """Distance of the inner lips of (478, 2) landmarks, seen from the front, in distances between the eyes."""
    between = np.linalg.norm(landmarks[468] - landmarks[473])
    return float(np.linalg.norm(landmarks[13] - landmarks[14]) / max(between, 1e-6))


def mouth_light(gap: float) -> float:
    """Brightness of the mouth's inside between lips that are ``gap`` (see :func:`lip_gap`) apart."""
    return 0.25 + 0.75 * float(smoothstep(np.float32(gap), 0.02, 0.12))


def _head_layer(template, fine, camera, photo, masks, opening, chin, gap, albedo) -> Layer:
    normals = vertex_normals(fine, template.faces)
    uv, cosine, visible = seen_by(camera, fine, normals, template.faces, [], template.behind)
    person, hairy = sampled(masks, uv).T
    adjacency = template.adjacency
    skin = template.part == SKIN
    # Hair painted on the scalp is right; hair that falls over forehead, cheek, ear or neck hides skin.
    covered = smoothstep(hairy, 0.15, 0.5) * (1 - smoothstep(template.scalp, 0.3, 0.8)) * skin
    # In the photo's own view a thin strand that no layer carries may as well lie on the skin.
    straight = visible * smoothstep(cosine, 0.0, 0.12) * smoothstep(person, 0.3, 0.6)
    trust = (
        visible * smoothstep(cosine, FACING_NONE, FACING_FULL) * smoothstep(person, 0.7, 0.95) * (1 - covered)
    )
    in_mouth = template.interior > 0.75
    trust *= (template.interior < 0.25) | in_mouth
    # What the photo shows inside the lids is the eye, inside the lips the mouth: skin has no part in it, and
    # eyes and teeth have no part in anything else.
    eyes, mouth = sampled(opening, uv).T
    skin_only = (1 - smoothstep(eyes, 0.75, 1.0)) * (1 - smoothstep(mouth, 0.7, 1.0))
    through = np.where(template.part == EYES, eyes, mouth)
    inner = ~skin | in_mouth
    trust *= np.where(inner, smoothstep(through, 0.3, 0.8), skin_only)
    straight = np.where(inner, smoothstep(through, 0.05, 0.3), straight)
    # A rim of doubt: what a neighbour cannot see, a vertex near it hardly sees either.
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    around = (adjacency @ trust) / degree
    trust = np.where(
        skin & ~in_mouth, smoothed(adjacency, np.minimum(trust, smoothstep(around, 0.3, 0.9)), 2), trust
    )
    trust = np.minimum(trust, straight)

    blurred = cv2.GaussianBlur(photo, (0, 0), 1.2)
    colours = sampled(blurred, uv)
    sure = (trust > 0.75).astype(np.float64)
    skin_pixels = sure.astype(bool) & skin & (template.scalp < 0.2) & (uv[:, 1] < chin)
    typical = np.median(colours[skin_pixels], 0) if skin_pixels.sum() > 50 else np.array([0.7, 0.55, 0.48])
    clothes = sure * skin * ((uv[:, 1] > chin) & ~_like_skin(colours, typical))
    low = smoothed(adjacency, colours, 10, weight=sure + 1e-9)
    brightness = np.clip(typical.mean() / 0.55, 0.35, 1.25)
    default = np.repeat(typical[None], len(fine), 0)
    pull = np.full(len(fine), 1e-5)
    for part, colour in DEFAULT_COLOURS.items():
        default[template.part == part] = np.array(colour) * brightness
        pull[template.part == part] = 0.02 if part == EYES else 0.5
    eyes_only = template.part == EYES
    default[eyes_only] = albedo[eyes_only] * brightness
    default[in_mouth] = np.array(INTERIOR_COLOUR) * brightness
    pull[in_mouth] = 1.0
    teeth = np.flatnonzero(template.part == TEETH)
    lower = np.linalg.norm(template.unit_offsets[template.units.index("mouth-open")], axis=1) > 0.01
    lower = (template.subdivision @ lower.astype(np.float32))[teeth] > 0.5
    front = fine[teeth, 2] > fine[teeth, 2].max() - 0.03
    gums = np.zeros(len(teeth))
    for jaw, sign in ((~lower, 1), (lower, -1)):
        if (jaw & front).any():
            height = sign * fine[teeth[jaw], 1]
            height = height - (sign * fine[teeth[jaw & front], 1]).min()
            gums[jaw] = smoothstep(height, 0.018, 0.022)
            gum = gums[jaw, None]
            default[teeth[jaw]] = (1 - gum) * default[teeth[jaw]] + gum * np.array(GUM_COLOUR) * brightness
    # The farther back in the mouth, the nearer its corners and the closer the lips, the darker.
    for part in (TEETH, TONGUE):
        index = np.flatnonzero(template.part == part)
        back = (fine[index, 2].max() - fine[index, 2]) / 0.09
        aside = np.abs(fine[index, 0] - fine[index, 0].mean())
        shade = (1 - 0.75 * np.clip(back, 0, 1)) * (
            1 - 0.55 * smoothstep(aside / max(aside.max(initial=0), 1e-6), 0.4, 0.9)
        )
        default[index] *= shade[:, None] * mouth_light(gap)
    default[in_mouth] *= mouth_light(gap)
    beside, close = _beside_the_opening(uv, photo, opening[..., 1], gap)
    default[teeth] += close[teeth] * (1 - 0.5 * (gums * lower)[:, None]) * (beside[teeth] - default[teeth])
    # Colours, and beside them how far they are those of clothes.
    both = harmonic(
        template,
        np.column_stack([low, clothes]),
        sure,
        np.column_stack([default, np.zeros(len(fine))]),
        pull,
    )
    carried, dressed = both[:, :3], both[:, 3:]
    if clothes.any():
        # A collar goes on round neck and shoulders, but must not run up into skin that is not seen.
        bare = harmonic(template, low, sure - clothes, default, pull)
        carried = bare + (carried - bare) * smoothstep(dressed, 0.4, 0.9)
    carried = np.where(sure[:, None] > 0, low, carried)
    # A closing lid is skin: what surrounds an open eye is lashes and shadow.
    lid = 0.6 * template.lids[:, 0].max(0)[:, None]
    carried = carried * (1 - lid) + typical * 0.97 * lid
    base = smoothed(adjacency, carried, 2)
    # Folds of ears, shadows of nostrils: the field's detail over its own low frequencies.
    relief = np.clip(albedo / np.maximum(smoothed(adjacency, albedo, 40), 0.05), 0.6, 1.25)
    silent = ((1 - trust) * (skin & ~in_mouth))[:, None]
    base = np.clip(base * (1 + (relief - 1) * silent), 0, 1).astype(np.float32)

    mirror = template.mirror
    mirror_weight = np.where(skin, smoothed(adjacency, trust[mirror] * (1 - trust), 2), 0)
    mirror_weight *= 1 - smoothstep(template.scalp, 0.2, 0.6)
    gain = np.clip(base / np.maximum(low[mirror], 0.02), 0.4, 2.0)
    attributes = np.zeros((len(fine), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, WEIGHT] = uv, trust
    attributes[:, MIRROR_UV], attributes[:, MIRROR_WEIGHT] = uv[mirror], mirror_weight
    attributes[:, GAIN], attributes[:, COLOUR] = gain, base
    below = smoothstep(uv[:, 1], chin, chin + 0.05) * skin
    # The model's neck and shoulders are carved to the person's outline, which goes on past the frame as it ends there.
    body, last, taken_over = masks[..., 0], cut_at(masks[..., 0]), 0.0
    if last is not None:
        body, taken_over = going_on(body, uv, last)
        behind = smoothstep(-normals[:, 2], 0.0, 0.3)
        attributes[:, COLOUR] = _dressed(base, uv, below, behind, photo, masks, typical, last)
    nearby = sampled(cv2.GaussianBlur(body, (0, 0), 8)[..., None], uv)[:, 0]
    carved = (1 - smoothstep(nearby, 0.15, 0.5)) * (1 - taken_over)
    attributes[:, OPACITY] = 1 - below * carved
    lowest = np.flatnonzero((body > 0.5).any(1)).max(initial=0) / DEPTH_SIZE
    if lowest < 0.98:
        attributes[:, OPACITY] *= 1 - below * (1 - smoothstep(lowest - uv[:, 1], 0.0, 0.03))
    # An edge sharper than the mesh would show its triangles.
    soft = smoothed(adjacency, attributes[:, OPACITY], 6)
    attributes[:, OPACITY] += below * (soft - attributes[:, OPACITY])
    # What the photo's own view shows of eyes and mouth is the photo, lids and lips before them included.
    attributes[:, SEEN_STRAIGHT] = np.where(inner, 1.0, np.maximum(straight, trust))
    return Layer(fine, template.faces, attributes)


def _dressed(colours, uv, below, behind, photo, masks, typical, last) -> NDArray[np.float32]:
    """Colours with the clothes, or the bare skin, that the photo's lower border cuts going on over neck and shoulders."""
    # Shadows of hair on the neck are no clothes.
    near_hair = cv2.dilate(masks[..., 1], np.ones((15, 61), np.uint8))
    person = smoothstep(masks[..., 0], 0.7, 0.95) * (1 - smoothstep(near_hair, 0.05, 0.4))
    soft = cv2.GaussianBlur(photo, (0, 0), 2)
    bare = _like_skin(soft, typical)
    hairy = masks[max(last - DEPTH_SIZE // 4, 0) : last, :, 1] > 0.9
    if hairy.sum() > 200:
        # Where hair hangs so far down, its mask may end before it does.
        hair = np.median(photo[max(last - DEPTH_SIZE // 4, 0) : last][hairy], 0)
        person = person * (np.abs(soft - hair).max(-1) > 0.15)
    found = clothes_below(
        photo, (person * ~bare).astype(np.float32), (person * bare).astype(np.float32), last
    )
    row = uv[:, 1] * DEPTH_SIZE
    if found is None:
        strip = (bare & (person > 0.5))[max(last - STRIP, 0) : last]
        if strip.sum() < 200:
            return colours
        skin = np.median(photo[max(last - STRIP, 0) : last][strip], 0)
        return colours + (skin - colours) * (below * smoothstep(row - last, -10.0, 50.0))[:, None]
    column = np.clip(uv[:, 0] * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int)
    start = found[1][column] * (1 - behind) + last * behind
    share = below * smoothstep(row - start, -10.0, 24.0)
    return colours + (found[0][column] - colours) * share[:, None]


def _shell_layer(shell: Shell | None, photo) -> Layer:
    if shell is None:
        return Layer(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, CHANNELS), np.float32)
        )
    uv = shell.uv
    attributes = np.zeros((len(uv), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, MIRROR_UV] = uv, uv
    attributes[:, WEIGHT] = attributes[:, SEEN_STRAIGHT] = 1.0
    attributes[:, COLOUR] = sampled(cv2.GaussianBlur(photo, (0, 0), 4), uv)
    attributes[:, GAIN] = 1
    attributes[:, SEEN] = shell.share
    return Layer(shell.vertices, shell.faces, attributes)
