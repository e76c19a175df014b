"""What an edited head's closing lids and parting lips change beyond the codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inversion_core.edit import Inversion
from inversion_core.generators.template import TEETH, HeadTemplate
from inversion_core.lid_skin import LASHES, LidSkin
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import (
    COLOUR,
    GAIN,
    MIRROR_UV,
    MIRROR_WEIGHT,
    SEEN_STRAIGHT,
    UV,
    WEIGHT,
    sampled,
)
from inversion_core.refine.mouth import INNER_LIPS, light_within, lip_gap

CLOSING = {"eye-left-closure": "eye-left-opened-up", "eye-right-closure": "eye-right-opened-up"}
"""Units that work against each other: a closing lid gives up being wide open."""
IRISES = (468, 473)
LID_PAIRS = (((386, 385, 387), (374, 380, 373)), ((159, 158, 160), (145, 153, 144)))
"""MediaPipe's points on upper and lower lid, for the units in the order of CLOSING."""

PARTING = (0.02, 0.12)
"""Distances between the eyes by which lips part more than in the photo while teeth take on their own length."""
STILL = 1e-4
"""World units by which lips must move for the light between them to change."""
PHOTO_LIT = (0.7, 1.25)
"""Least and most that what the photo shows between the lips darkens and brightens."""


def lids_meeting(
    template: HeadTemplate, inversion: Inversion, identity: NDArray, expression: NDArray, shape: NDArray
) -> NDArray[np.float32]:
    """The expression with closing lids stopped where they meet: narrow eyes need less than the whole unit."""
    open_eyes, result = inversion.latent.ws[len(template.identity) :], expression
    for unit, (upper, lower) in zip(CLOSING, LID_PAIRS, strict=True):
        index = template.units.index(unit)
        added = expression[index] - open_eyes[index]
        if added <= 0:
            continue
        result = result if result is not expression else expression.copy()
        result[index] = open_eyes[index]
        coarse = template.coarse(identity, result, shape) + inversion.detail.corrective
        lids = template.landmarks(coarse)[[*upper, *lower]].reshape(2, -1, 3)
        travel = template.landmarks(template.unit_offsets[index])[[*upper, *lower]].reshape(2, -1, 3)
        average = template.landmarks(template.mean)[[*upper, *lower]].reshape(2, -1, 3)
        gap, closing = (lids[0] - lids[1])[:, 1], (travel[1] - travel[0])[:, 1]
        # The points lie on lids, not on their rims: what is left between them where the average head's lids meet.
        left = (average[0] - average[1])[:, 1] - closing
        enough = float(np.median((gap - left) / np.maximum(closing, 1e-4)))
        result[index] = open_eyes[index] + added * np.clip(enough, 0.2, 1.5)
    return result


def closed_lids(
    template: HeadTemplate, lid_skin: Sequence[LidSkin], inversion: Inversion, expression: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The head's attributes with skin, pores and all, in place of the photo's open eyes on closing lids, (V, 3) dark
    lashes, and (V,) how far a vertex now is lid."""
    attributes = inversion.detail.head.attributes
    modes = len(template.identity)
    shade = np.ones((len(template.part), 3), np.float32)
    share = np.zeros(len(template.part), np.float32)
    for unit, lid in zip(CLOSING, lid_skin, strict=True):
        index = template.units.index(unit)
        closed = float(
            smoothstep(np.float32(expression[index] - inversion.latent.ws[modes + index]), 0.05, 0.45)
        )
        if closed > 0:
            if attributes is inversion.detail.head.attributes:
                attributes = attributes.copy()
            skin, own = lid.colours(attributes), attributes[lid.zone, COLOUR]
            seen = sampled(inversion.detail.photo, attributes[lid.zone, UV])
            here = closed * lid.hidden(skin, seen)[:, None]
            attributes[lid.zone, COLOUR] = own + here * (skin - own)
            share[lid.zone] = here[:, 0]
            attributes[lid.zone[:, None], [WEIGHT, SEEN_STRAIGHT, MIRROR_WEIGHT]] *= 1 - here
            grain = lid.grain(inversion.detail, skin) if inversion.detail.atlas is None else None
            if grain is not None:
                attributes[lid.zone, MIRROR_UV], attributes[lid.zone, GAIN] = grain
                attributes[lid.zone, MIRROR_WEIGHT] = here[:, 0]
            shade *= 1 - closed * lid.darkness(skin, seen) * lid.lashes[:, None] * LASHES
    return attributes, shade, share


def lying_teeth(
    template: HeadTemplate, inversion: Inversion, coarse: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(V, 3) offsets of the photo's detail, but teeth that were drawn out to fill an opening give that back as the lips
    part: then they are seen whole, and in a row."""
    lying, teeth = inversion.detail.lying, np.flatnonzero(template.part == TEETH)
    if not lying[teeth, 1].any():
        return lying
    gaps = [
        lip_gap(points[:, :2]) for points in (template.landmarks(coarse), _lips_at_rest(template, inversion))
    ]
    result = lying.copy()
    result[teeth, 1] *= 1 - smoothstep(np.float32(gaps[0] - gaps[1]), *PARTING)
    return result


def _lips_at_rest(template: HeadTemplate, inversion: Inversion) -> NDArray[np.float32]:
    """(478, 3) MediaPipe's points on the lips' rim and the irises of the head without moves; the others are 0."""
    wanted = [*INNER_LIPS, *IRISES]
    corners, weights = template.landmark_vertices[wanted], template.landmark_weights[wanted]
    codes, modes = inversion.latent.ws, len(template.identity)
    still = template.mean[corners] + inversion.detail.corrective[corners]
    still += np.tensordot(codes[:modes], template.identity[:, corners], 1)
    still += np.tensordot(codes[modes:], template.unit_offsets[:, corners], 1)
    result = np.zeros((len(template.landmark_vertices), 3), np.float32)
    result[wanted] = (still * weights[..., None]).sum(-2)
    return result


def mouth_lit(
    template: HeadTemplate,
    inversion: Inversion,
    attributes: NDArray[np.float32],
    coarse: NDArray[np.float32],
    vertices: NDArray[np.float32],
    normals: NDArray[np.float32],
    before: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The head's attributes with the mouth's inside lit as far as the lips now part, and (V, 1) factors on all else
    that the photo shows of it.

    Args:
        coarse, vertices, normals: of the edited head; before: (V, 3) normals at rest.
    """
    points, rest = template.landmarks(coarse), _lips_at_rest(template, inversion)
    factor = np.ones((len(vertices), 1), np.float32)
    if np.abs(points[list(INNER_LIPS)] - rest[list(INNER_LIPS)]).max() < STILL:
        return attributes, factor
    now = light_within(template, vertices, normals, points)
    share = now / light_within(template, inversion.detail.head.vertices, before, rest)
    inside = template.mouth_inside
    factor[inside] = np.clip(share.mean(1, keepdims=True), *PHOTO_LIT)
    attributes = attributes.copy()
    attributes[inside, COLOUR] *= share / factor[inside]
    return attributes, factor
