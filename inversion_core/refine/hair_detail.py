"""The photo's detail on the hair surface: what it shows, and strands like those where it shows nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core.generators.template import vertex_normals
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.hair import ROWS, WIDTH
from inversion_core.refine.layer import (
    CHANNELS,
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
    seen_by,
)

HAIR_TEXTURE = (4 * ROWS, 4 * WIDTH)


def hair_detail(hair, fine, template, camera, photo, masks, hair_colour) -> tuple[Layer, NDArray[np.float32]]:
    normals = vertex_normals(hair.vertices, hair.faces)
    head_faces = template.faces[template.skin_faces]
    uv, cosine, visible = seen_by(camera, hair.vertices, normals, hair.faces, [(fine, head_faces)])
    hairy = sampled(masks, uv)[:, 1]
    facing = smoothstep(cosine, 0.1, 0.4)
    # Past the outline the photo shows background: from there on the hair goes on as beside it.
    within = sampled(cv2.erode(masks[..., :1], np.ones((9, 9), np.uint8))[..., None], uv)[:, 0]
    trust = visible * facing * smoothstep(hairy, 0.4, 0.8) * smoothstep(within, 0.3, 0.9)
    grid = (ROWS, WIDTH)
    trust = np.minimum(trust, cv2.blur(trust.reshape(grid).astype(np.float32), (3, 3)).reshape(-1) * 1.2)
    texture = _hair_texture(uv.reshape(*grid, 2), trust.reshape(grid), photo, masks[..., 1], hair_colour)
    attributes = np.zeros((len(uv), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, WEIGHT] = uv, trust
    rows, columns = hair.grid.T
    attributes[:, MIRROR_UV] = np.stack([columns, rows], 1)
    attributes[:, MIRROR_WEIGHT] = 1
    attributes[:, GAIN] = 1
    attributes[:, COLOUR] = hair_colour
    attributes[:, SEEN] = visible * smoothstep(cosine, 0.15, 0.5) * smoothstep(within, 0.5, 0.95)
    attributes[:, SEEN_STRAIGHT] = visible * smoothstep(cosine, 0.0, 0.1) * smoothstep(hairy, 0.1, 0.4)
    continued = _continued(
        attributes[:, SEEN].reshape(grid) > 0.6, hairy.reshape(grid), hair.unseen.reshape(grid)
    )
    attributes[:, OPACITY] = continued.ravel() * (1 - hair.bare * (1 - smoothstep(hairy, 0.3, 0.6)))
    opaque = np.where(attributes[:, SEEN] > 0.5, hairy, attributes[:, OPACITY])
    kept = opaque[hair.faces].max(1) > 0.04
    return Layer(hair.vertices, np.ascontiguousarray(hair.faces[kept]), attributes), texture


def _continued(seen: NDArray[np.bool_], hairy: NDArray, unseen: NDArray) -> NDArray[np.float32]:
    """(ROWS, WIDTH) opacity where nothing is seen: next to seen cells it goes on as they are, farther off as hair grows."""
    result = unseen.astype(np.float32).copy()
    # Along its outline hair thins out to nothing; what goes on behind is the hair a few cells further in.
    hairy = cv2.dilate((hairy * seen).astype(np.float32), np.ones((1, 13), np.uint8))
    columns = np.arange(WIDTH)
    for row in np.flatnonzero(seen.any(1)):
        known = np.flatnonzero(seen[row])
        nearest = known[np.argmin(np.abs(known[None] - columns[:, None]), 1)]
        # Hair seen near by is followed far, bare skin only a little: the scalp begins behind the temple.
        reach = 8 + 14 * hairy[row, nearest]
        share = smoothstep(np.abs(nearest - columns) / reach, 0.25, 1.0)
        result[row] = (1 - share) * hairy[row, nearest] + share * unseen[row]
    return cv2.GaussianBlur(result, (0, 0), 1.0)


def _hair_texture(uv, trust, photo, hairy, hair_colour) -> NDArray[np.float32]:
    """(H, W, 3) hair all round the head: the photo's where it is seen, strands in its colours elsewhere."""
    shape = (HAIR_TEXTURE[1], HAIR_TEXTURE[0])
    dense = cv2.resize(uv.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR)
    colours = sampled(photo, dense.reshape(-1, 2)).reshape(*HAIR_TEXTURE, 3)
    share = sampled(hairy[..., None], dense.reshape(-1, 2)).reshape(HAIR_TEXTURE)
    sure = (cv2.resize(trust.astype(np.float32), shape) > 0.6) & (share > 0.8)
    sure = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if sure.sum() < 400:
        return np.broadcast_to(hair_colour.astype(np.float32), (*HAIR_TEXTURE, 3)).copy()
    known = sure.astype(np.float32)
    low = _spread(colours, known, hair_colour)
    detail = (colours / np.maximum(low, 0.02)).mean(-1)[sure]
    strength = float(np.clip(detail.std(), 0.04, 0.17))
    # Strands: noise drawn out along the fall of the hair, fine over coarse, as uneven as the hair that is seen.
    noise = np.random.default_rng(0).standard_normal(HAIR_TEXTURE).astype(np.float32)
    strands = sum(
        weight * layer / layer.std()
        for weight, layer in (
            (0.7, cv2.GaussianBlur(noise, (0, 0), sigmaX=0.7, sigmaY=16)),
            (0.6, cv2.GaussianBlur(noise[::-1], (0, 0), sigmaX=2.5, sigmaY=30)),
        )
    )
    # Towards the crown the grid's columns meet, and strands would fan out from a point.
    calm = smoothstep(np.arange(HAIR_TEXTURE[0], dtype=np.float32) / HAIR_TEXTURE[0], 0.03, 0.25)[:, None]
    drawn = low * (1 + strength * calm * strands)[..., None]
    soft = cv2.GaussianBlur(cv2.erode(known, np.ones((9, 9))), (0, 0), 4)[..., None]
    return np.clip(colours * soft + drawn * (1 - soft), 0, 1).astype(np.float32)


def _spread(colours: NDArray, known: NDArray, fallback: NDArray) -> NDArray[np.float32]:
    """(H, W, 3) low frequencies of the known colours, carried into the rest, near before far."""
    result, left = np.zeros_like(colours), np.ones(known.shape, np.float32)
    for size in (10.0, 20.0, 40.0, 80.0, 160.0):
        weight = cv2.GaussianBlur(known, (0, 0), size)
        colour = (
            cv2.GaussianBlur(colours * known[..., None], (0, 0), size) / np.maximum(weight, 1e-6)[..., None]
        )
        share = np.clip(weight / 0.15, 0, 1) * left
        result += colour * share[..., None]
        left = left - share
    return result + left[..., None] * np.asarray(fallback, np.float32)
