"""What belongs into the holes of a damaged portrait, as its own head shows it: mirrored detail and carried colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inversion_core.alignment import crop_landmarks
from inversion_core.appearance import sh_basis
from inversion_core.camera import Camera
from inversion_core.generators.template import EYES, SKIN, HeadTemplate, vertex_normals
from inversion_core.image import to_float
from inversion_core.landmark_tables import CHIN
from inversion_core.optimise.landmark_fit import HeadFit, fit_landmarks
from inversion_core.portrait import Portrait
from inversion_core.rasterise import interpolate, rasterise
from inversion_core.refine.canonical import PhotoDetail
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import (
    GAIN,
    MIRROR_UV,
    MIRROR_WEIGHT,
    SEEN_STRAIGHT,
    TOLERANCE,
    UV,
    WEIGHT,
    Layer,
    sampled,
)
from inversion_core.restore.damage import blended, filled, patched, wide
from inversion_core.task import Progress, Task

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel

SMALLEST_PATCH = 150
"""Pixels off the face below which pieces from elsewhere are not worth their time."""


def completed(model: BundledModel, portrait: Portrait, damaged: NDArray[np.bool_]) -> Task[NDArray[np.uint8]]:
    """(512, 512, 3) the portrait's picture with its holes filled: narrow ones from their rim, the face's from the head
    that is fitted to the rest, the others by pieces from around them.

    Args:
        portrait: with the damage filled somehow, so that a face can be found; of the filling nothing is kept.
        damaged: (512, 512), pixels that show no truth.
    """
    yield Progress(0, 8, "fitting the face")
    broad = wide(damaged)
    image = filled(portrait.image, damaged)
    if broad.max() < 0.5:
        return image
    portrait = replace(portrait, image=image)
    fit, corrective = fitted(model, portrait)
    # First the other half of the face as it is, so that an eye that is gone does not count as closed.
    fine = model.template.fine(fit.coarse + corrective)
    mirrored, shown = _mirrored(model.template, fine, fit.camera, image, damaged)
    image = blended(image, mirrored, damaged, shown * broad)
    landmarks = crop_landmarks(image, portrait.landmarks * len(image), np.eye(2, 3, dtype=np.float32))
    portrait = replace(portrait, image=image, landmarks=landmarks)
    fit, corrective = fitted(model, portrait)
    portrait = replace(portrait, camera=fit.camera)
    # Filled colours creep a little beyond the hole.
    unsure = cv2.dilate(damaged.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    valid = 1 - cv2.GaussianBlur(unsure, (0, 0), 1.0)
    task = model.fused(portrait, fit, corrective, valid)
    while True:
        try:
            step = next(task)
        except StopIteration as stop:
            detail = _unseen(model.template, stop.value, valid)
            break
        yield Progress(step.done + 1, 8, step.note)
    yield Progress(6, 8, "completing the face")
    inversion = model.inversion(portrait, fit, detail, "completion")
    picture = model.edit(inversion, {}).view(portrait.camera, len(damaged), 2)
    hair = detail.masks[..., 1]
    face, silent = _face(
        model.template, inversion.detail.head, portrait.camera, len(damaged), float(landmarks[CHIN, 1])
    )
    known = face * (1 - smoothstep(hair, 0.2, 0.7))
    rest = damaged & (broad * (1 - known) > 0.5)
    if rest.sum() > SMALLEST_PATCH:
        yield Progress(7, 8, "filling hair and background")
        image = np.where(rest[..., None], patched(image, damaged), image)
    wish = picture.over((0.5, 0.5, 0.5)).astype(np.float32)
    wish = wish * _shading(detail.light, picture.normals, silent)[..., None]
    return blended(image, wish.clip(0, 1), damaged, (known * broad).astype(np.float32))


def fitted(model: BundledModel, portrait: Portrait) -> tuple[HeadFit, NDArray[np.float32]]:
    """The head that is fitted to a portrait, and the offsets that bring it to the landmarks."""
    codes = model.encoder.encode(portrait.image, portrait.landmarks)
    fit = fit_landmarks(model.template, portrait.landmarks, portrait.camera, identity=codes.identity)
    return fit, model.corrected(fit, portrait.landmarks)


def _counterparts(template: HeadTemplate, vertices: NDArray[np.float32]) -> NDArray[np.int64]:
    """(V,) for each vertex the one on the other side that lends it its looks; eyes both look the same way, so theirs
    are moved over, not mirrored."""
    result = template.mirror.astype(np.int64)
    eyes = np.flatnonzero(template.part == EYES)
    left = eyes[vertices[eyes, 0] > np.median(vertices[eyes, 0])]
    right = np.setdiff1d(eyes, left)
    for own, other in ((left, right), (right, left)):
        moved = vertices[other] - vertices[other].mean(0) + vertices[own].mean(0)
        result[own] = other[cKDTree(moved).query(vertices[own])[1]]
    return result


def _mirrored(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    camera: Camera,
    image: NDArray[np.uint8],
    damaged: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W, 3) the photo with each place of the head coloured as its counterpart, and (H, W) where that is seen."""
    size = len(image)
    points = camera.project(fine)
    towards = camera.position - fine
    cosine = (vertex_normals(fine, template.faces) * towards).sum(1) / np.linalg.norm(towards, axis=1)
    fragments = rasterise(fine, template.faces, camera, size, template.behind)
    x, y = np.clip(points[:, :2] * size, 0, size - 1).astype(int).T
    seen = smoothstep(cosine, 0.1, 0.3) * (points[:, 2] < fragments.depth[y, x] + 2 * TOLERANCE)
    other = _counterparts(template, fine)
    carried = np.concatenate([points[other, :2], seen[other, None]], 1).astype(np.float32)
    drawn = interpolate(fragments, template.faces, carried)
    place = drawn[..., :2].reshape(-1, 2)
    photo = to_float(image)
    colours = sampled(photo, place).reshape(photo.shape)
    sound = sampled((1 - cv2.dilate(damaged.astype(np.uint8), np.ones((5, 5)))).astype(np.float32), place)
    known = fragments.hit * smoothstep(drawn[..., 2], 0.4, 0.9) * sound.reshape(size, size)
    return np.where(fragments.hit[..., None], colours, photo), known.astype(np.float32)


def _unseen(template: HeadTemplate, detail: PhotoDetail, valid: NDArray[np.float32]) -> PhotoDetail:
    """The detail without what damaged pixels lent to hair, and with eyes that take after each other."""
    layers = {}
    for name in ("head", "hair"):
        layer = getattr(detail, name)
        attributes = layer.attributes.copy()
        shown = sampled(valid, attributes[:, UV])[:, 0]
        attributes[:, [WEIGHT, SEEN_STRAIGHT]] *= smoothstep(shown, 0.5, 0.95)[:, None]
        layers[name] = replace(layer, attributes=attributes)
    attributes = layers["head"].attributes
    eyes = np.flatnonzero(template.part == EYES)
    lender = _counterparts(template, layers["head"].vertices)[eyes]
    attributes[eyes, MIRROR_UV] = attributes[lender, UV]
    attributes[eyes, MIRROR_WEIGHT] = attributes[lender, SEEN_STRAIGHT] * (
        1 - attributes[eyes, SEEN_STRAIGHT]
    )
    attributes[eyes, GAIN] = 1
    return replace(detail, **layers)


def _face(
    template: HeadTemplate, layer: Layer, camera: Camera, size: int, chin: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(size, size) where the head itself is seen, down to the chin, and where nothing lends it any detail."""
    fragments = rasterise(layer.vertices, layer.faces, camera, size, template.behind)
    lent = np.maximum(
        layer.attributes[:, [WEIGHT, SEEN_STRAIGHT, MIRROR_WEIGHT]].max(1), template.part != SKIN
    )
    silent = 1 - interpolate(fragments, layer.faces, lent[:, None].astype(np.float32))[..., 0]
    rows = (np.arange(size, dtype=np.float32)[:, None] + 0.5) / size
    face = fragments.hit * (1 - smoothstep(rows, chin + 0.01, chin + 0.05))
    return face.astype(np.float32), silent * fragments.hit


def _shading(
    light: NDArray[np.float32], normals: NDArray[np.float32], silent: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, W) how the photo's light falls on the shape that colours carried along the surface know nothing of."""
    height, width = silent.shape
    there = (np.abs(normals).sum(-1) > 0.5).astype(np.float32)
    bright = (sh_basis(normals.reshape(-1, 3)) @ light).reshape(height, width).astype(np.float32)
    bright = np.maximum(bright, 0.2) * there
    broad = cv2.GaussianBlur(bright, (0, 0), 18) / np.maximum(cv2.GaussianBlur(there, (0, 0), 18), 1e-3)
    ratio = np.clip(bright / np.maximum(broad, 0.2), 0.7, 1.3)
    return np.where(there > 0, 1 + (ratio - 1) * silent, 1).astype(np.float32)
