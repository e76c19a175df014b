"""Strokes on the view that the head is made to obey: a place of its surface dragged elsewhere.

Source of the idea: Zhu et al. 2016 (iGAN), section 4, editing constraints; here the least squares have a closed form,
since the template is linear in its codes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.generators.head import Head
from inversion_core.generators.template import SKIN, HeadTemplate
from inversion_core.latent import Latent
from inversion_core.rasterise import rasterise

if TYPE_CHECKING:
    from inversion_core.bundled import BundledModel

PICTURE = 512
"""Side in pixels of the picture in which the surface under a place is looked up."""
EXACT = 4e-4
"""Standard deviation in world units with which the surface follows the hand."""
STILL = 8e-3
"""Standard deviation in world units of what lies beyond the grip's reach: so far codes may move it."""
WEIGHED = 20.0
"""As how many places everything beyond the reach counts together."""
SWELL = 0.012
"""Standard deviation in world units of the part of a pull that no code can follow."""
FURTHEST = 0.15
"""World units that one pull moves the surface at most."""


@dataclass(frozen=True)
class Grip:
    """A place of the surface that a hand holds, with all that a pull needs: made once, pulled often.

    Attributes:
        inversion: as it was before the pull; camera: through which the hand sees.
        point: (P, 3) world positions of the place, and of its mirror image if that is to follow.
        response: (U, P, 3) how each unknown moves these points; inverse: (U, U) of the least squares.
        identity: (K, C, 3), swell: (P, C): what the unknowns stand for.
    """

    inversion: Inversion
    camera: Camera
    point: NDArray[np.float64]
    response: NDArray[np.float64]
    inverse: NDArray[np.float64]
    swell: NDArray[np.float32]


def gripped(
    model: BundledModel,
    head: Head,
    camera: Camera,
    at: tuple[float, float],
    reach: float = 0.12,
    symmetric: bool = False,
) -> Grip:
    """The grip of a place of the head as it is seen.

    Args:
        head: of the bundled model, whose inversion is to change.
        at: in widths of the camera's square picture.
        reach: world units along the surface over which a pull fades out; the head is about 0.9 high.
        symmetric: whether the other side follows like a mirror image.

    Raises:
        BadInput: there is no skin at that place.
    """
    template = model.template
    weights = [_vertex_weights(template, head, camera, at)]
    if symmetric:
        other = np.bincount(template.mirror, weights[0], len(template.mirror))
        if other @ weights[0] < 0.2:
            weights.append(other)
    vertices = head.head.vertices.astype(np.float64)
    points = np.stack([w @ vertices for w in weights])
    # Along the surface: pulling one lip leaves the other where it is.
    edges = template.adjacency.tocoo()
    length = np.linalg.norm(vertices[edges.row] - vertices[edges.col], axis=1)
    graph = template.adjacency.copy().tocoo()
    graph.data = np.maximum(length, 1e-9)
    graph = graph.tocsr()
    skin = template.part == SKIN
    swells = []
    for w in weights:
        away = dijkstra(graph, indices=int(np.argmax(w)), limit=reach)
        fade = np.where(np.isfinite(away), (1 - np.minimum(away / reach, 1) ** 2) ** 2, 0) * skin
        swells.append(fade)
    share = np.asarray(template.subdivision.sum(0)).ravel()
    swell = np.stack([(template.subdivision.T @ fade) / np.maximum(share, 1e-9) for fade in swells])
    still = 1 - np.clip(np.max(swell, 0) * 2, 0, 1)
    # Neck and shoulders are no part of the face, and count as little as the fit knows of them.
    coarse_still = still * (1 - _low(template))
    held = np.stack([template.subdivision.T @ w for w in weights])
    modes = template.identity.astype(np.float64)
    response = np.concatenate(
        [
            np.einsum("pc,kcj->kpj", held, modes, optimize=True),
            np.einsum("pq,ij->qipj", held @ swell.T, np.eye(3)).reshape(-1, len(points), 3),
        ]
    )
    root = np.sqrt(coarse_still * WEIGHED / max(float(coarse_still.sum()), 1.0))
    flat = (modes * root[None, :, None]).reshape(len(modes), -1)
    matrix = np.zeros((len(response),) * 2)
    matrix[: len(modes), : len(modes)] = flat @ flat.T / STILL**2 + np.eye(len(modes))
    swelling = np.arange(len(modes), len(response))
    matrix[swelling, swelling] += 1 / SWELL**2
    # Across the picture the surface follows the hand; how deep it moves is up to the codes.
    axes = camera.cam2world[:3, :3].astype(np.float64)
    for column, deviation in ((0, EXACT), (1, EXACT), (2, 20 * EXACT)):
        along = response @ axes[:, column]
        matrix += along @ along.T / deviation**2
    return Grip(
        head.inversion,
        camera,
        points,
        response,
        np.linalg.inv(matrix),
        swell.astype(np.float32),
    )


def pulled(model: BundledModel, grip: Grip, to: tuple[float, float]) -> Inversion:
    """The inversion whose surface, gripped, lies at another place of the same picture.

    Args:
        to: in widths of the camera's square picture.
    """
    template, axes = model.template, grip.camera.cam2world[:3, :3].astype(np.float64)
    start = grip.camera.project(grip.point[:1].astype(np.float32))[0]
    focal = np.array([grip.camera.intrinsics[0, 0], grip.camera.intrinsics[1, 1]], np.float64)
    across = (np.asarray(to, np.float64) - start[:2]) * float(start[2]) / focal
    size = float(np.linalg.norm(across))
    across *= min(1.0, FURTHEST / max(size, 1e-9))
    wish = axes[:, :2] @ across
    wishes = [wish] + [wish * [-1, 1, 1] for _ in grip.point[1:]]
    right = np.zeros(len(grip.inverse))
    for number, target in enumerate(wishes):
        for column, deviation in ((0, EXACT), (1, EXACT), (2, 20 * EXACT)):
            axis = axes[:, column]
            right += (grip.response[:, number] @ axis) * (target @ axis) / deviation**2
    found = grip.inverse @ right
    modes = len(template.identity)
    inversion = grip.inversion
    ws = inversion.latent.ws.copy()
    ws[:modes] += found[:modes].astype(np.float32)
    offsets = np.einsum("pc,pj->cj", grip.swell, found[modes:].reshape(-1, 3)).astype(np.float32)
    detail = replace(inversion.detail, corrective=inversion.detail.corrective + offsets)
    return replace(
        inversion, latent=Latent(ws, inversion.latent.space, inversion.latent.generator), detail=detail
    )


def _vertex_weights(
    template: HeadTemplate, head: Head, camera: Camera, at: tuple[float, float]
) -> NDArray[np.float64]:
    """(V,) weights of the three corners under a place."""
    layer = head.head
    fragments = rasterise(layer.vertices, layer.faces, camera, PICTURE, head.behind)
    column, row = (int(np.floor(x * PICTURE)) for x in at)
    inside = 0 <= row < PICTURE and 0 <= column < PICTURE
    face = int(fragments.face[row, column]) if inside else -1
    if face < 0 or template.part[layer.faces[face, 0]] != SKIN:
        raise BadInput(
            "There is no skin to pull at that place.", "Begin the stroke on the face, neck or ears."
        )
    second, third = fragments.weights[row, column]
    weights = np.zeros(len(template.part))
    np.add.at(weights, layer.faces[face], [1 - second - third, second, third])
    return weights


def _low(template: HeadTemplate) -> NDArray[np.float64]:
    """(C,) 1 on the shoulders, 0 on the head."""
    height = template.mean[:, 1].astype(np.float64)
    chin = float(template.landmarks(template.mean)[152, 1])
    return np.clip((chin - 0.08 - height) / 0.1, 0, 1)
