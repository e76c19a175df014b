"""Two people mixed: form, looks and expression each at a strength of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.edit import Blend, Inversion
from inversion_core.errors import UsageError
from inversion_core.generators.template import SKIN
from inversion_core.latent import Latent
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.hair import ROWS, WIDTH
from inversion_core.refine.hair_strands import HAIR_TEXTURE
from inversion_core.refine.layer import (
    COLOUR,
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
)
from inversion_core.refine.several import grid_faces
from inversion_core.shading import shade

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel

HAIR = 1
"""Channel of the masks that says where hair is."""


def blend_inversions(
    model: BundledModel,
    first: Inversion,
    other: Inversion,
    identity: float = 0.5,
    appearance: float = 0.5,
    expression: float = 0.0,
) -> Inversion:
    """The first person with as much of the other as the strengths say, each in [0, 1].

    Args:
        identity: the shape of head and face; appearance: colours of the skin, and the hair with its form and colours;
            expression: that of the photos.

    Raises:
        UsageError: a strength is out of range, or the model or the heads are not of the bundled kind.
    """
    strengths = {"identity": identity, "appearance": appearance, "expression": expression}
    for name, value in strengths.items():
        if not 0 <= value <= 1:
            raise UsageError(f"The strength of {name} is {value}.", "Give a number from 0 to 1.")
    if model.card.kind != "heads":
        raise UsageError(
            f"{model.card.title or model.card.name} cannot mix two people.", "Use the bundled model."
        )
    before, keep = first.blend, first.keep
    first = before.first if before is not None else first
    mine, theirs = first.detail, other.detail
    modes = len(model.template.identity)
    codes = first.latent.ws + np.r_[
        np.full(modes, identity), np.full(len(first.latent.ws) - modes, expression)
    ] * (other.latent.ws - first.latent.ws)
    detail = replace(mine, corrective=mine.corrective + identity * (theirs.corrective - mine.corrective))
    pictures = before.pictures if before is not None and before.other is other else ()
    if appearance > 0:
        pictures = pictures or tuple(unwrapped(model, whose) for whose in (mine, theirs))
        detail = _looks(model, detail, theirs, pictures, appearance)
    latent = Latent(codes.astype(np.float32), first.latent.space, first.latent.generator)
    return replace(
        first,
        keep=keep,
        latent=latent,
        detail=detail,
        blend=Blend(first, other, identity, appearance, expression, pictures),
    )


def unwrapped(model: BundledModel, detail: PhotoDetail) -> NDArray[np.float32]:
    """(S, S, 3) colours of the whole skin in the template's atlas, as seen from no side in particular."""
    chart = model.chart
    plain = np.ones((len(detail.head.vertices), 3), np.float32)
    picture = shade(
        chart.fragments,
        chart.faces,
        detail.head.attributes,
        plain,
        detail.photo,
        detail.other,
        detail.masks,
        -1,
        0.0,
    )
    return chart.bordered(np.ascontiguousarray(picture[..., :3]))


def _looks(model: BundledModel, detail: PhotoDetail, theirs: PhotoDetail, pictures, t: float) -> PhotoDetail:
    template, chart = model.template, model.chart
    outer = (template.part == SKIN) & (template.interior < 0.25)
    attributes = detail.head.attributes.copy()
    attributes[:, [WEIGHT, SEEN_STRAIGHT]] *= 1 - t
    share = _share_below(attributes[:, WEIGHT, None], t)
    # Beside the charts, too: their borders are blended with what lies there.
    spread = np.where(chart.fragments.hit[..., None], chart.spread(share), t)
    atlas = pictures[0] + spread * (pictures[1] - pictures[0])
    attributes[:, MIRROR_UV] = np.where(outer[:, None], chart.uv, attributes[:, MIRROR_UV])
    attributes[:, MIRROR_WEIGHT], attributes[:, GAIN] = chart.clear, 1
    own, other = (_vertex_colours(d) for d in (detail, theirs))
    attributes[:, COLOUR] = np.where(outer[:, None], sampled(atlas, chart.uv), own + share * (other - own))
    attributes[:, OPACITY] += t * (theirs.head.attributes[:, OPACITY] - attributes[:, OPACITY])
    hair = _hair(detail, theirs, t)
    weight = hair.attributes[:, WEIGHT].reshape(ROWS, WIDTH)
    below = _share_below(cv2.resize(weight, (HAIR_TEXTURE[1], HAIR_TEXTURE[0]))[..., None], t)
    return replace(
        detail,
        head=replace(detail.head, attributes=attributes),
        mixed=t,
        atlas=np.ascontiguousarray(atlas, np.float32),
        hair=hair,
        hair_texture=detail.hair_texture + below * (theirs.hair_texture - detail.hair_texture),
        hair_colour=(1 - t) * detail.hair_colour + t * theirs.hair_colour,
        skin_colour=(1 - t) * detail.skin_colour + t * theirs.skin_colour,
    )


def _share_below(weight: NDArray, t: float) -> NDArray[np.float32]:
    """The other's share in what lies under the first photo, drawn over it by ``weight``, to be ``t`` in the whole."""
    return np.clip(t / np.maximum(1 - weight, max(t, 1e-6)), 0, 1).astype(np.float32)


def _vertex_colours(detail: PhotoDetail) -> NDArray[np.float32]:
    """(V, 3) of the photo where it is trusted, else those that were carried."""
    attributes = detail.head.attributes
    weight = attributes[:, WEIGHT, None]
    return weight * sampled(detail.photo, attributes[:, UV]) + (1 - weight) * attributes[:, COLOUR]


def _hair(mine: PhotoDetail, theirs: PhotoDetail, t: float) -> Layer:
    """The first one's hair with form and opacity going over into the other's; both are of one grid."""

    def standing(detail: PhotoDetail) -> NDArray[np.float32]:
        roots = (detail.head.vertices[detail.hair_anchors] * detail.hair_weights[..., None]).sum(1)
        return detail.hair.vertices - roots

    def opacity(detail: PhotoDetail) -> NDArray[np.float32]:
        attributes = detail.hair.attributes
        shown = sampled(np.ascontiguousarray(detail.masks[..., HAIR:]), attributes[:, UV])[:, 0]
        return attributes[:, OPACITY] + attributes[:, SEEN] * (shown - attributes[:, OPACITY])

    attributes = mine.hair.attributes.copy()
    attributes[:, OPACITY] = (1 - t) * opacity(mine) + t * opacity(theirs)
    attributes[:, [WEIGHT, SEEN, SEEN_STRAIGHT]] *= 1 - t
    faces = grid_faces()
    kept = np.maximum(attributes[:, OPACITY], (1 - t) * opacity(mine))[faces].max(1) > 0.04
    vertices = mine.hair.vertices + t * (standing(theirs) - standing(mine))
    return Layer(vertices.astype(np.float32), np.ascontiguousarray(faces[kept]), attributes)
