"""The photo's own detail, stored on the canonical surface so that it follows every edit and stays put in new views.

Each vertex knows where the photo shows it and how far that can be trusted; where it cannot, its mirror image lends
detail over low frequencies that are carried out from the trusted interior along the surface.
Source of the ideas: E3DGE section 3.2 (pixel-aligned features), GOAE section 3.4 (occlusion-aware fusion).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.generators.template import EYES, SKIN, HeadTemplate, vertex_normals
from inversion_core.landmark_tables import CHIN
from inversion_core.refine.along_surface import harmonic, smoothed
from inversion_core.refine.bust import (
    IN_FRONT,
    PASSAGE,
    cut_at,
    dressed,
    ending,
    going_on,
    like_skin,
    parted,
    shown_above,
)
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
from inversion_core.refine.monochrome import in_the_photo_s_tones
from inversion_core.refine.mouth import (
    DEFAULT_COLOURS,
    inside_mouth,
    light_within,
    like_itself,
    lip_gap,
    openings,
    teeth_and_gums,
)
from inversion_core.refine.outline import Shell
from inversion_core.refine.reveal import hair_trim

FACING_NONE, FACING_FULL = 0.10, 0.42
"""Cosines between normal and line of sight at which trust begins and is complete."""
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
        corrective: (C, 3) float32 coarse offsets beyond the codes; lying: (V, 3) float32 fine ones (hidden ears, teeth).
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

    @cached_property
    def trims(self) -> NDArray[np.float32]:
        """(512, 512, 2) what trims shell and hair when they are drawn: the masks, hair's with its way out beyond them."""
        return np.stack([self.masks[..., 0], hair_trim(self.masks)], -1)


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
    points: NDArray[np.float32],
    corrective: NDArray[np.float32],
    lying: NDArray[np.float32],
    albedo: NDArray[np.float32],
    relief: NDArray[np.float32],
) -> PhotoDetail:
    """The photo's detail on a fitted head.

    Args:
        albedo: (V, 3) the canonical field's colours at the vertices: irises where the photo is silent; relief: see
            :func:`relief_of`.
        landmarks: (478, 3) of the photo: eyes and teeth are only seen through their openings; points: (478, 3) those
            of the head.
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
        points,
        albedo,
        relief,
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


def in_hair_s_shadow(template: HeadTemplate, head: Layer, hair: HairLayer, grown: Layer) -> Layer:
    """The head darker under and beside its hair, where its colours are not the photo's, which has its own shadows."""
    covered = np.zeros(len(head.vertices))
    np.maximum.at(covered, hair.anchors[:, 0], grown.attributes[:, OPACITY])
    shadow = smoothed(template.adjacency, covered, SHADOW_ROUNDS) * (template.part == SKIN)
    attributes = head.attributes.copy()
    silent = 1 - attributes[:, WEIGHT]
    attributes[:, COLOUR] *= (1 - HAIR_SHADOW * shadow * silent)[:, None]
    return replace(head, attributes=attributes)


def relief_of(template: HeadTemplate, albedo: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V, 3) folds of ears and shadows of nostrils: the field's colours over their own low frequencies."""
    return np.clip(albedo / np.maximum(smoothed(template.adjacency, albedo, 40), 0.05), 0.6, 1.25)


def _head_layer(template, fine, camera, photo, masks, opening, chin, gap, points, albedo, relief) -> Layer:
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
    teeth = teeth_and_gums(photo, opening[..., 1], gap)
    trust *= like_itself(template, fine, uv, teeth, gap)
    # A rim of doubt: what a neighbour cannot see, a vertex near it hardly sees either.
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    around = (adjacency @ trust) / degree
    trust = np.where(
        skin & ~in_mouth, smoothed(adjacency, np.minimum(trust, smoothstep(around, 0.3, 0.9)), 2), trust
    )
    trust = np.minimum(trust, straight)
    below, last = smoothstep(uv[:, 1], chin, chin + 0.05) * skin, cut_at(masks[..., 0])
    if last is not None:
        trust = trust * shown_above(uv, below, last, PASSAGE)
        straight = straight * shown_above(uv, below, last, IN_FRONT)

    blurred = cv2.GaussianBlur(photo, (0, 0), 1.2)
    colours = sampled(blurred, uv)
    sure = (trust > 0.75).astype(np.float64)
    skin_pixels = sure.astype(bool) & skin & (template.scalp < 0.2) & (uv[:, 1] < chin)
    typical = np.median(colours[skin_pixels], 0) if skin_pixels.sum() > 50 else np.array([0.7, 0.55, 0.48])
    clothes = sure * skin * ((uv[:, 1] > chin) & ~like_skin(colours, typical))
    low = smoothed(adjacency, colours, 10, weight=sure + 1e-9)
    brightness = np.clip(typical.mean() / 0.55, 0.35, 1.25)
    default = np.repeat(typical[None], len(fine), 0)
    pull = np.full(len(fine), 1e-5)
    for part, colour in DEFAULT_COLOURS.items():
        default[template.part == part] = np.array(colour) * brightness
        pull[template.part == part] = 0.02 if part == EYES else 0.5
    eyes_only = template.part == EYES
    default[eyes_only] = albedo[eyes_only] * brightness
    inside, light = template.mouth_inside, light_within(template, fine, normals, points)
    within, pull[inside] = inside_mouth(template, fine, light, photo, teeth, brightness), 1.0
    default[inside] = within / np.maximum(light, 1e-3)
    default = in_the_photo_s_tones(default, photo, masks[..., 0])
    default[inside] = within = default[inside] * light
    # Colours, and beside them how far they are those of clothes.
    both = harmonic(
        template,
        np.column_stack([low, clothes]),
        sure,
        np.column_stack([default, np.zeros(len(fine))]),
        pull,
    )
    carried, clothed = both[:, :3], both[:, 3:]
    if clothes.any():
        bare = harmonic(template, low, sure - clothes, default, pull)
        carried = parted(bare, carried, clothed, template.canonical)
    carried = np.where(sure[:, None] > 0, low, carried)
    # A closing lid is skin: what surrounds an open eye is lashes and shadow.
    lid = 0.6 * template.lids[:, 0].max(0)[:, None]
    carried = carried * (1 - lid) + typical * 0.97 * lid
    base = smoothed(adjacency, carried, 2)
    base[inside] = within
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
    # The model's neck and shoulders are carved to the person's outline, which goes on past the frame as it ends there.
    body, taken_over = masks[..., 0], 0.0
    if last is not None:
        body, taken_over = going_on(body, uv, last)
        attributes[:, COLOUR] = dressed(base, uv, below, normals, photo, masks, typical, last)
    nearby = sampled(cv2.GaussianBlur(body, (0, 0), 8)[..., None], uv)[:, 0]
    carved = (1 - smoothstep(nearby, 0.15, 0.5)) * (1 - taken_over)
    attributes[:, OPACITY] = 1 - below * carved
    lowest = np.flatnonzero((body > 0.5).any(1)).max(initial=0) / DEPTH_SIZE
    if lowest < 0.98:
        attributes[:, OPACITY] *= 1 - below * (1 - smoothstep(lowest - uv[:, 1], 0.0, 0.03))
    ends = np.where(skin, ending(fine, template.canonical), 1)
    attributes[:, OPACITY] *= ends
    # An edge sharper than the mesh would show its triangles.
    soft = smoothed(adjacency, attributes[:, OPACITY], 6)
    attributes[:, OPACITY] += below * (soft - attributes[:, OPACITY])
    attributes[:, OPACITY] *= smoothstep(ends, 0.0, 0.4)
    # What the photo's own view shows of eyes and mouth is the photo, lids and lips before them included.
    attributes[:, SEEN_STRAIGHT] = np.where(inner, 1.0, np.maximum(straight, trust))
    return Layer(fine, template.faces, attributes)


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
