"""What an edited head's closing lids and parting lips change beyond the codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inversion_core.edit import Inversion
from inversion_core.generators.template import TEETH, TONGUE, HeadTemplate
from inversion_core.lid_skin import LASHES, LidSkin
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import COLOUR, MIRROR_WEIGHT, SEEN_STRAIGHT, UV, WEIGHT, sampled
from inversion_core.refine.mouth import lip_gap, mouth_light

CLOSING = {"eye-left-closure": "eye-left-opened-up", "eye-right-closure": "eye-right-opened-up"}
"""Units that work against each other: a closing lid gives up being wide open."""
LID_PAIRS = (((386, 385, 387), (374, 380, 373)), ((159, 158, 160), (145, 153, 144)))
"""MediaPipe's points on upper and lower lid, for the units in the order of CLOSING."""


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
    """The head's attributes with skin in place of the photo's open eyes on closing lids, (V, 3) dark lashes, and (V,)
    how far a vertex now is lid."""
    attributes = inversion.detail.head.attributes
    modes = len(template.identity)
    shade = np.ones((len(template.part), 3), np.float32)
    share = np.zeros(len(template.part), np.float32)
    for unit, lid in zip(CLOSING, lid_skin, strict=True):
        index = template.units.index(unit)
        closed = float(
            smoothstep(np.float32(expression[index] - inversion.latent.ws[modes + index]), 0.15, 0.8)
        )
        if closed > 0:
            if attributes is inversion.detail.head.attributes:
                attributes = attributes.copy()
            skin, own = lid.colours(attributes), attributes[lid.zone, COLOUR]
            here = (
                closed * lid.hidden(skin, sampled(inversion.detail.photo, attributes[lid.zone, UV]))[:, None]
            )
            attributes[lid.zone, COLOUR] = own + here * (skin - own)
            share[lid.zone] = here[:, 0]
            attributes[lid.zone[:, None], [WEIGHT, SEEN_STRAIGHT, MIRROR_WEIGHT]] *= 1 - here
            shade *= 1 - closed * lid.lashes[:, None] * LASHES
    return attributes, shade, share


def mouth_brightening(
    template: HeadTemplate, inversion: Inversion, coarse: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(V, 1) how much brighter the mouth's inside is than at rest: lips that part let light in."""
    modes = len(template.identity)
    codes = inversion.latent.ws
    at_rest = template.coarse(codes[:modes], codes[modes:], np.zeros(len(template.shapes)))
    at_rest = at_rest + inversion.detail.corrective
    gaps = [lip_gap(template.landmarks(mesh)[:, :2]) for mesh in (coarse, at_rest)]
    rest = lip_gap(inversion.portrait.landmarks[:, :2])
    factor = np.float32(mouth_light(rest + gaps[0] - gaps[1]) / mouth_light(rest))
    inside = (template.interior > 0.75) | (template.part == TEETH) | (template.part == TONGUE)
    return np.where(inside, factor, np.float32(1))[:, None]
