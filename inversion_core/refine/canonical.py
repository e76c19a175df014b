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
from scipy import sparse

from inversion_core.camera import Camera
from inversion_core.generators.template import EYES, SKIN, TEETH, TONGUE, HeadTemplate, vertex_normals
from inversion_core.rasterise import rasterise
from inversion_core.refine.hair import COLUMNS, ROWS, HairLayer, solved
from inversion_core.refine.outline import Shell

# Columns of a layer's attributes.
UV, WEIGHT, MIRROR_UV, MIRROR_WEIGHT, GAIN, COLOUR = slice(0, 2), 2, slice(3, 5), 5, slice(6, 9), slice(9, 12)
OPACITY, SEEN, SEEN_STRAIGHT = 12, 13, 14
CHANNELS = 15

DEPTH_SIZE = 512
TOLERANCE = 0.007
"""World units that a vertex may lie behind the depth buffer and still count as seen."""
FACING_NONE, FACING_FULL = 0.10, 0.42
"""Cosines between normal and line of sight at which trust begins and is complete."""
DEFAULT_COLOURS = {EYES: (0.70, 0.67, 0.65), TEETH: (0.74, 0.70, 0.62), TONGUE: (0.55, 0.28, 0.27)}
INTERIOR_COLOUR = (0.20, 0.075, 0.065)


@dataclass(frozen=True)
class Layer:
    """A mesh with everything that its shading needs.

    Attributes:
        vertices: (N, 3) float32 world units in the photo's pose; faces: (F, 3) int32.
        attributes: (N, CHANNELS) float32, in the columns named above; uv in photo widths.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    attributes: NDArray[np.float32]


@dataclass(frozen=True)
class PhotoDetail:
    """What one photo contributes to its head.

    Attributes:
        photo: (512, 512, 3) float32 in [0, 1], background removed from edges; masks: (512, 512, 2) person and hair.
        camera: the photo's camera.
        corrective: (C, 3) float32 coarse offsets beyond the codes; lying: (V, 3) float32 fine offsets (hidden ears).
        head, hair, shell: the layers; hair and shell also have anchors (N, 4) and weights (N, 4) on the head's
            vertices; shell may have no vertices.
        hair_colour: (3,) typical hair; skin_colour: (3,) typical skin; both sRGB.
    """

    photo: NDArray[np.float32]
    masks: NDArray[np.float32]
    camera: Camera
    corrective: NDArray[np.float32]
    lying: NDArray[np.float32]
    head: Layer
    hair: Layer
    hair_anchors: NDArray[np.int32]
    hair_weights: NDArray[np.float32]
    shell: Layer
    shell_anchors: NDArray[np.int32]
    shell_weights: NDArray[np.float32]
    hair_colour: NDArray[np.float32]
    skin_colour: NDArray[np.float32]


def smoothstep(x: NDArray, low: float, high: float) -> NDArray:
    """0 below ``low``, 1 above ``high``, cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def sampled(image: NDArray[np.float32], uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) bilinear samples of (H, W, C) at (N, 2) positions in picture widths, edges repeated."""
    size = image.shape[0]
    xy = (uv * size - 0.5).astype(np.float32)
    # cv2.remap takes at most 32767 columns.
    columns = 4096
    pad = (-len(xy)) % columns
    grid = np.pad(xy, ((0, pad), (0, 0))).reshape(-1, columns, 2)
    out = cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(-1, image.shape[2] if image.ndim == 3 else 1)[: len(uv)]


def _seen(camera: Camera, vertices, normals, faces, others) -> tuple[NDArray, NDArray, NDArray]:
    """uv (N, 2), facing cosine (N,) and visibility (N,) of a layer's vertices; ``others`` hide it as well."""
    points = camera.project(vertices)
    uv = points[:, :2]
    towards = camera.position - vertices
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = (normals * towards).sum(1)
    depth = rasterise(vertices, faces, camera, DEPTH_SIZE).depth
    for other_vertices, other_faces in others:
        if len(other_faces):
            depth = np.minimum(depth, rasterise(other_vertices, other_faces, camera, DEPTH_SIZE).depth)
    x, y = np.clip(uv * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(int).T
    near = depth[y, x]
    inside = ((uv > 0.004) & (uv < 0.996)).all(1)
    visible = smoothstep(near - points[:, 2], -2 * TOLERANCE, -TOLERANCE) * inside
    return uv, cosine, visible


def _smoothed(adjacency: sparse.csr_matrix, values: NDArray, rounds: int, weight: NDArray | None = None) -> NDArray:
    """Values averaged over neighbours; with ``weight`` only weighted ones are averaged."""
    if weight is None:
        degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
        degree = degree.reshape(-1, *([1] * (values.ndim - 1)))
        for _ in range(rounds):
            values = 0.5 * values + 0.5 * (adjacency @ values) / degree
        return values
    total, norm = values * weight[:, None], weight.copy()
    for _ in range(rounds):
        total, norm = total + adjacency @ total, norm + adjacency @ norm
        scale = norm.max() + 1e-12
        total, norm = total / scale, norm / scale
    return total / np.maximum(norm, 1e-12)[:, None]


def _carried(template: HeadTemplate, colours: NDArray, trust: NDArray, default: NDArray, pull: NDArray) -> NDArray:
    """(V, 3) colours: trusted ones kept, the rest harmonic along the surface, drawn to ``default`` by ``pull``."""
    adjacency = template.adjacency
    degree = np.asarray(adjacency.sum(1)).ravel()
    free = trust < 0.5
    index = np.flatnonzero(free)
    laplacian = (sparse.diags(degree + 1e-6) - adjacency).tocsr().astype(np.float64)
    matrix = laplacian[index][:, index] + sparse.diags(pull[index].astype(np.float64))
    right = adjacency[index][:, np.flatnonzero(~free)] @ colours[~free] + pull[index, None] * default[index]
    result = colours.astype(np.float64).copy()
    result[index] = solved(matrix, right)
    return np.clip(result, 0, 1).astype(np.float32)


def fuse(
    template: HeadTemplate,
    fine: NDArray[np.float32],
    hair: HairLayer,
    shell: Shell | None,
    camera: Camera,
    photo: NDArray[np.float32],
    masks: NDArray[np.float32],
    corrective: NDArray[np.float32],
    lying: NDArray[np.float32],
) -> PhotoDetail:
    """The photo's detail on a fitted head.

    Args:
        fine: (V, 3) the head in the photo's pose.
        photo: (512, 512, 3) float32 in [0, 1], decontaminated; masks: (512, 512, 2) person and hair.
    """
    hair_uv = camera.project(hair.vertices)[:, :2]
    hair_share = sampled(masks, hair_uv)[:, 1]
    covering = hair.faces[(hair_share[hair.faces] > 0.5).all(1)]
    no_shell = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    shell_mesh = (shell.vertices, shell.faces) if shell is not None else no_shell

    head = _head_layer(template, fine, camera, photo, masks, [(hair.vertices, covering)])
    skin = template.part == SKIN
    face = skin & (head.attributes[:, WEIGHT] > 0.8) & (template.scalp + template.mantle < 0.1)
    skin_colour = np.median(head.attributes[face][:, COLOUR], 0) if face.sum() > 50 else np.array([0.7, 0.55, 0.48])
    is_hair = masks[..., 1] > 0.7
    hair_colour = np.median(photo[is_hair], 0) if is_hair.sum() > 100 else 0.6 * skin_colour
    hair_layer = _hair_layer(hair, fine, template, camera, photo, masks, hair_colour)
    shell_layer = _shell_layer(shell, camera, photo)
    return PhotoDetail(
        photo=photo,
        masks=masks,
        camera=camera,
        corrective=corrective,
        lying=lying,
        head=head,
        hair=hair_layer,
        hair_anchors=hair.anchors,
        hair_weights=hair.weights,
        shell=shell_layer,
        shell_anchors=shell.anchors if shell is not None else np.zeros((0, 4), np.int32),
        shell_weights=shell.weights if shell is not None else np.zeros((0, 4), np.float32),
        hair_colour=hair_colour.astype(np.float32),
        skin_colour=skin_colour.astype(np.float32),
    )


def _head_layer(template, fine, camera, photo, masks, others) -> Layer:
    normals = vertex_normals(fine, template.faces)
    uv, cosine, visible = _seen(camera, fine, normals, template.faces, [])
    person, hairy = sampled(masks, uv).T
    adjacency = template.adjacency
    skin = template.part == SKIN
    # Hair painted on the scalp is right; hair that falls over forehead, cheek, ear or neck hides skin.
    covered = smoothstep(hairy, 0.15, 0.5) * (1 - smoothstep(template.scalp, 0.3, 0.8)) * skin
    straight = visible * smoothstep(cosine, 0.0, 0.12) * smoothstep(person, 0.3, 0.6) * (1 - covered)
    trust = visible * smoothstep(cosine, FACING_NONE, FACING_FULL) * smoothstep(person, 0.7, 0.95) * (1 - covered)
    trust *= 1 - template.interior
    # A rim of doubt: what a neighbour cannot see, a vertex near it hardly sees either.
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    around = (adjacency @ trust) / degree
    trust = np.where(skin, _smoothed(adjacency, np.minimum(trust, smoothstep(around, 0.3, 0.9)), 2), trust)
    trust = np.minimum(trust, straight)

    blurred = cv2.GaussianBlur(photo, (0, 0), 1.2)
    colours = sampled(blurred, uv)
    sure = (trust > 0.75).astype(np.float64)
    low = _smoothed(adjacency, colours, 10, weight=sure + 1e-9)
    skin_pixels = sure.astype(bool) & skin & (template.scalp < 0.2)
    typical = np.median(colours[skin_pixels], 0) if skin_pixels.sum() > 50 else np.array([0.7, 0.55, 0.48])
    brightness = np.clip(typical.mean() / 0.55, 0.35, 1.25)
    default = np.repeat(typical[None], len(fine), 0)
    pull = np.full(len(fine), 1e-5)
    for part, colour in DEFAULT_COLOURS.items():
        default[template.part == part] = np.array(colour) * brightness
        pull[template.part == part] = 0.02 if part == EYES else 0.05
    inside = template.interior > 0.5
    default[inside] = np.array(INTERIOR_COLOUR) * brightness
    pull[inside] = 1.0
    carried = _carried(template, low, sure, default, pull)
    carried = np.where(sure[:, None] > 0, low, carried)
    base = _smoothed(adjacency, carried, 2).astype(np.float32)

    mirror = template.mirror
    mirror_weight = np.where(skin, _smoothed(adjacency, trust[mirror] * (1 - trust), 2), 0)
    mirror_weight *= 1 - smoothstep(template.scalp, 0.2, 0.6)
    gain = np.clip(base / np.maximum(low[mirror], 0.02), 0.4, 2.0)
    attributes = np.zeros((len(fine), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, WEIGHT] = uv, trust
    attributes[:, MIRROR_UV], attributes[:, MIRROR_WEIGHT] = uv[mirror], mirror_weight
    attributes[:, GAIN], attributes[:, COLOUR] = gain, base
    attributes[:, OPACITY] = 1
    attributes[:, SEEN_STRAIGHT] = np.maximum(straight, trust)
    return Layer(fine, template.faces, attributes)


def _hair_layer(hair, fine, template, camera, photo, masks, hair_colour) -> Layer:
    normals = vertex_normals(hair.vertices, hair.faces)
    head_faces = template.faces[template.skin_faces]
    uv, cosine, visible = _seen(camera, hair.vertices, normals, hair.faces, [(fine, head_faces)])
    person, hairy = sampled(masks, uv).T
    facing = smoothstep(cosine, 0.05, 0.3)
    trust = visible * facing * smoothstep(hairy, 0.4, 0.8) * smoothstep(person, 0.6, 0.95)
    grid = (ROWS, COLUMNS)
    trust = np.minimum(trust, cv2.blur(trust.reshape(grid).astype(np.float32), (3, 3)).reshape(-1) * 1.2)
    source = _reflected(trust.reshape(grid) > 0.6)
    colours = sampled(cv2.GaussianBlur(photo, (0, 0), 5), uv[source])
    has_any = bool((trust > 0.6).any())
    base = colours if has_any else np.repeat(hair_colour[None], len(colours), 0)
    base = _grid_blur(base.reshape(*grid, 3), 2.0).reshape(-1, 3)
    attributes = np.zeros((len(uv), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, WEIGHT] = uv, trust
    attributes[:, MIRROR_UV], attributes[:, MIRROR_WEIGHT] = uv[source], 0.9 * (1 - trust) * has_any
    attributes[:, GAIN] = np.clip(base / np.maximum(colours, 0.02), 0.6, 1.5)
    attributes[:, COLOUR] = base
    attributes[:, OPACITY] = hair.unseen
    attributes[:, SEEN] = visible * smoothstep(cosine, 0.0, 0.15)
    attributes[:, SEEN_STRAIGHT] = visible * smoothstep(cosine, 0.0, 0.1) * smoothstep(hairy, 0.1, 0.4)
    opaque = np.where(attributes[:, SEEN] > 0.5, hairy, hair.unseen)
    kept = opaque[hair.faces].max(1) > 0.04
    return Layer(hair.vertices, np.ascontiguousarray(hair.faces[kept]), attributes)


def _grid_blur(values: NDArray, size: float) -> NDArray:
    """(ROWS, COLUMNS, C) blurred, wrapping round the head."""
    wide = np.concatenate([values, values, values], 1).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), size, borderType=cv2.BORDER_REPLICATE)[:, COLUMNS : 2 * COLUMNS]


def _reflected(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(ROWS * COLUMNS,) for every cell a seen one: itself, or one found by reflecting round the head.

    Reflection keeps strands continuous across the border between seen and unseen hair.
    """
    rows = np.flatnonzero(seen.any(1))
    result = np.arange(seen.size).reshape(seen.shape)
    if not rows.size:
        return result.ravel()
    columns = np.arange(COLUMNS)
    for row in range(ROWS):
        source_row = rows[np.argmin(np.abs(rows - row))]
        known = np.flatnonzero(seen[source_row])
        position = np.searchsorted(known, columns)
        left = known[np.clip(position - 1, 0, len(known) - 1)]
        right = known[np.clip(position, 0, len(known) - 1)]
        # Distances run round the back of the head.
        to_left, to_right = (columns - left) % COLUMNS, (right - columns) % COLUMNS
        nearest = np.where(to_left <= to_right, left, right)
        step = np.where(to_left <= to_right, to_left, -to_right)
        mirrored = nearest - step
        inside = (mirrored >= 0) & (mirrored < COLUMNS)
        ok = inside & seen[source_row][np.clip(mirrored, 0, COLUMNS - 1)]
        nearest_known = known[np.argmin(np.abs(known[None] - np.clip(mirrored, 0, COLUMNS - 1)[:, None]), 1)]
        picked = np.where(ok, mirrored, nearest_known)
        picked = np.where(seen[source_row], columns, picked)
        result[row] = source_row * COLUMNS + picked
    return result.ravel()


def _shell_layer(shell: Shell | None, camera: Camera, photo) -> Layer:
    if shell is None:
        return Layer(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, CHANNELS), np.float32))
    uv = camera.project(shell.vertices)[:, :2]
    attributes = np.zeros((len(uv), CHANNELS), np.float32)
    attributes[:, UV], attributes[:, MIRROR_UV] = uv, uv
    attributes[:, WEIGHT] = attributes[:, SEEN_STRAIGHT] = 1.0
    attributes[:, COLOUR] = sampled(cv2.GaussianBlur(photo, (0, 0), 4), uv)
    attributes[:, GAIN] = 1
    attributes[:, OPACITY], attributes[:, SEEN] = 1, 1
    return Layer(shell.vertices, shell.faces, attributes)


def with_vertices(layer: Layer, vertices: NDArray[np.float32]) -> Layer:
    """The layer in another pose."""
    return replace(layer, vertices=vertices)
