"""The rest of the photo's outline: where the person's mask reaches beyond head and hair (clothes, collars, hats),
the remaining region is inflated to a closed shell of a front and a back sheet."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from inversion_core.camera import Camera
from inversion_core.landmark_tables import OVAL
from inversion_core.rasterise import rasterise

LOWER_LIP, CHIN = 17, 152
"""MediaPipe's points under the mouth and at the chin."""
GRID = 128
"""Cells across of the shell's sheets."""
ROUNDNESS = 0.085
"""World units of distance from the outline at which the shell reaches its full half thickness."""
CLOTHING = 0.5
"""Share of a piece that looks like neither skin nor hair at least, and that hair is above at most, for it to stand
as a shell of its own: a neck that is wider than the model's, or the ends of hair, would be scraps in other views."""
LARGE = 0.015
"""Share of the picture from which on a piece stands whatever its colour: a hand, a bare shoulder, much hair."""
LIKE_SKIN, LIKE_HAIR = 0.06, 0.12
"""Distance in hue from typical skin, and in any channel from typical hair, up to which a colour counts as such."""


@dataclass(frozen=True)
class Shell:
    """A closed sheet round what the mask shows beyond the head.

    Attributes:
        vertices: (N, 3) world units in the photo's pose; faces: (M, 3) int32.
        anchors: (N, 4) int32 fine vertices and weights (N, 4) float32 that it follows under edits.
        front: (N,) bool, whether the vertex lies on the sheet that the photo saw.
        share: (N,) opacity, falling off where the sheet ends before the person does.
        uv: (N, 2) where the photo, in its widths, shows what the vertex is coloured with.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    anchors: NDArray[np.int32]
    weights: NDArray[np.float32]
    front: NDArray[np.bool_]
    share: NDArray[np.float32]
    uv: NDArray[np.float32]


def _filled(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of known cells, elsewhere those of the nearest known one, smoothed."""
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    result = values[tuple(nearest)].astype(np.float32)
    return np.where(known, values, cv2.GaussianBlur(result, (0, 0), 4))


def _behind(hairy: NDArray[np.bool_], top: int, middle: float) -> NDArray[np.bool_]:
    """(GRID, GRID) True where hair that hangs down from row ``top`` lies between a place and the middle, in photo
    widths: what shows there is the background between its ends."""
    hanging = np.zeros_like(hairy)
    hanging[top:] = np.minimum.accumulate(hairy[top:], 0)
    column = int(np.clip(middle * GRID, 1, GRID - 1))
    left = np.maximum.accumulate(hanging[:, :column][:, ::-1], 1)[:, ::-1]
    right = np.maximum.accumulate(hanging[:, column:], 1)
    return np.concatenate([left, right], 1)


def _clothes_alone(
    beyond: NDArray[np.bool_],
    hairy: NDArray[np.bool_],
    photo: NDArray[np.float32],
    landmarks: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """(GRID, GRID) the pieces that are clothes, or too large for a scrap."""
    small = cv2.resize(photo, (GRID, GRID), interpolation=cv2.INTER_AREA)
    face = np.zeros((GRID, GRID), np.uint8)
    cv2.fillPoly(face, [np.round(landmarks[list(OVAL), :2] * GRID).astype(np.int32)], 1)
    skin = np.median(small[face > 0], 0) if face.any() else np.array([0.7, 0.55, 0.48])
    total = np.maximum(small.sum(-1, keepdims=True), 0.03)
    hue = np.abs(small / total - skin / skin.sum()).max(-1)
    unlike = (hue > LIKE_SKIN) | (total[..., 0] < 0.3 * skin.sum()) | (total[..., 0] > 1.3 * skin.sum())
    if hairy.any():
        unlike &= np.abs(small - np.median(small[hairy], 0)).max(-1) > LIKE_HAIR
    count, pieces = cv2.connectedComponents(beyond.astype(np.uint8))
    kept = np.zeros_like(beyond)
    for number in range(1, count):
        piece = pieces == number
        above = np.zeros_like(piece)
        above[:-3] = piece[3:]
        above &= ~piece
        under_hair = above.any() and hairy[above].mean() > CLOTHING
        large = piece.mean() > LARGE
        if large or (unlike[piece].mean() > CLOTHING and not under_hair):
            kept |= piece
    return kept


def inflate_shell(
    fine: NDArray[np.float32],
    skin_faces: NDArray[np.int32],
    hair: tuple[NDArray[np.float32], NDArray[np.int32]],
    camera: Camera,
    person: NDArray[np.float32],
    hair_share: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    photo: NDArray[np.float32],
) -> Shell | None:
    """The shell for one photo, or None where head and hair fill the mask.

    Args:
        fine: (V, 3) the fitted head; skin_faces: (F, 3) its skin; hair: vertices and faces of the hair in the photo.
        person, hair_share: (512, 512) the soft masks.
        landmarks: (478, 3) of the photo. Above the lower lip there is no shell beside the head: what sticks out there
            is an ear or hair, and would tear off in other views.
        photo: (512, 512, 3) in [0, 1].
    """
    soft = cv2.resize(person, (GRID, GRID), interpolation=cv2.INTER_AREA)
    mask = soft > 0.35
    depth = rasterise(fine, skin_faces, camera, GRID).depth
    if len(hair[1]):
        depth = np.minimum(depth, rasterise(*hair, camera, GRID).depth)
    body = depth < 1e8
    # Slivers along the hair would stand out like combs in other views; the hair layer has its own soft edge.
    hairy = cv2.resize(hair_share, (GRID, GRID), interpolation=cv2.INTER_AREA) > 0.4
    low = np.arange(GRID)[:, None] >= landmarks[LOWER_LIP, 1] * GRID
    lip = int(np.clip(landmarks[LOWER_LIP, 1] * GRID, 0, GRID - 1))
    beyond = mask & ~body & ~(hairy & ~low) & ~(_behind(hairy, lip, landmarks[CHIN, 0]) & ~hairy)
    # Beside the face it begins at the lower lip, and the farther out the higher: the slope of a collar.
    away = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5)
    beyond &= np.arange(GRID)[:, None] >= landmarks[LOWER_LIP, 1] * GRID - np.maximum(away - 2, 0)
    beyond = cv2.morphologyEx(beyond.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    beyond = _clothes_alone(beyond, hairy, photo, landmarks)
    if beyond.sum() < 12:
        return None
    unit = 2.6 / (camera.intrinsics[0, 0] * GRID)
    # The sheet reaches a little under the head and a little past the mask, where the matte trims it.
    domain = cv2.dilate(beyond.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    domain &= cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    soft_edge = np.clip(1.5 * cv2.GaussianBlur(domain.astype(np.float32), (0, 0), 2.2) - 0.5, 0, 1)
    rim = body & ~(cv2.erode(body.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    # A collar stands where neck and shoulders are, not where the jaw is that it passes.
    lower = rim & (np.arange(GRID)[:, None] > landmarks[CHIN, 1] * GRID)
    rim = lower if lower.sum() > 12 else rim
    middle = _filled(depth, rim)
    middle = np.where(body, middle, cv2.GaussianBlur(middle, (0, 0), 3))
    inside = np.pad(mask | body, 24, mode="edge")
    depth_in = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)[24:-24, 24:-24] * unit
    x = np.clip(depth_in / ROUNDNESS, 0, 1)
    half = ROUNDNESS * 0.8 * np.sqrt(np.clip(x * (2 - x), 0, 1))
    away = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5) * unit
    grown = np.clip(away / 0.05, 0, 1)
    half = cv2.GaussianBlur((half * (0.35 + 0.65 * grown)).astype(np.float32), (0, 0), 1.5)
    behind = np.where(body, 0.012 + 0.5 * half, 0).astype(np.float32)
    behind = np.minimum(behind, cv2.GaussianBlur(behind, (0, 0), 1.2))
    front = middle - half + behind
    back = middle + half + behind
    index = np.full((GRID, GRID), -1, np.int64)
    rows, columns = np.nonzero(domain)
    index[rows, columns] = np.arange(len(rows))
    # Under the head the sheet goes on as it is beside it: the photo shows skin there.
    nearest = distance_transform_edt(~beyond, return_distances=False, return_indices=True)
    shown = np.where(body, nearest, np.indices(body.shape))[::-1, rows, columns].T
    uv = (shown + 0.5) / GRID
    ray = (
        np.stack([(columns + 0.5) / GRID, (rows + 0.5) / GRID, np.ones(len(rows))], 1)
        @ np.linalg.inv(camera.intrinsics.astype(np.float64)).T
    )
    sheets = []
    for sheet in (front, back):
        local = ray * sheet[rows, columns][:, None]
        sheets.append(local @ camera.cam2world[:3, :3].T + camera.position)
    vertices = np.concatenate(sheets).astype(np.float32)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    whole = (a >= 0) & (b >= 0) & (c >= 0) & (d >= 0)
    a, b, c, d = a[whole], b[whole], c[whole], d[whole]
    face = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    faces = np.concatenate([face, face[:, ::-1] + len(rows)]).astype(np.int32)
    skin_vertices = np.unique(skin_faces)
    near, nearest = cKDTree(fine[skin_vertices]).query(vertices, k=4)
    weights = 1 / (near + 1e-3)
    return Shell(
        vertices,
        faces,
        skin_vertices[nearest].astype(np.int32),
        (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        np.arange(len(vertices)) < len(rows),
        np.tile(soft_edge[rows, columns], 2).astype(np.float32),
        np.tile(uv, (2, 1)).astype(np.float32),
    )
