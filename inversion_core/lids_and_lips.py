"""What an edited head's closing lids and parting lips change beyond the codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inversion_core.edit import Inversion
from inversion_core.generators.template import TEETH, TONGUE, HeadTemplate
from inversion_core.refine.canonical import lip_gap, mouth_light
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import MIRROR_WEIGHT, SEEN_STRAIGHT, WEIGHT

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
        gap, closing = (lids[0] - lids[1])[:, 1], (travel[1] - travel[0])[:, 1]
        enough = float(np.median(gap / np.maximum(closing, 1e-4)))
        result[index] = open_eyes[index] + added * np.clip(1.2 * enough, 0.2, 1.5)
    return result


def closed_lids(
    template: HeadTemplate, inversion: Inversion, expression: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The head's attributes with the photo's open eyes taken off closing lids, and (V, 1) dark lashes."""
    attributes = inversion.detail.head.attributes
    modes = len(template.identity)
    shade = np.ones((len(template.part), 1), np.float32)
    for unit, (lid, margin) in zip(CLOSING, template.lids, strict=True):
        index = template.units.index(unit)
        closed = float(
            smoothstep(np.float32(expression[index] - inversion.latent.ws[modes + index]), 0.15, 0.8)
        )
        if closed > 0:
            if attributes is inversion.detail.head.attributes:
                attributes = attributes.copy()
            attributes[:, [WEIGHT, SEEN_STRAIGHT, MIRROR_WEIGHT]] *= (1 - closed * lid)[:, None]
            shade *= (1 - 0.92 * closed * margin)[:, None]
    return attributes, shade


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
