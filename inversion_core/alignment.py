"""From a photo to an aligned portrait: choose the face, crop it as EG3D does, find camera and person."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from inversion_core import image as pixels
from inversion_core import landmark_tables as table
from inversion_core.border import outside_photo
from inversion_core.camera import RADIUS, Camera, default_intrinsics
from inversion_core.errors import BadInput, NoFace
from inversion_core.faces import (
    FaceBox,
    averaged_mesh_points,
    crop_matrix,
    face_roll,
    find_faces,
    five_points_2d,
    sample_crop,
    to_photo,
)
from inversion_core.portrait import CROP_SIZE, Portrait
from inversion_core.segmentation import WIDER, person_mask

__all__ = ["FaceBox", "crop_landmarks", "estimate_camera", "find_faces", "open_portrait"]

CROP_SCALE = 1.666
"""Crop widths per world unit in the weak perspective of the five points; measured on EG3D-aligned crops."""
CROP_ORIGIN = (0.0, 0.0087, 0.1877)
"""World point that the crop is centred on in the same weak perspective; measured likewise."""
DEPTH_TILT = np.radians(-4.0)
"""MediaPipe's depths lean by this against EG3D's frontal pose; measured against EG3D's labels."""
DEPTH_TRUST = 0.6
"""Weight of a depth against a coordinate across the picture; 0.3 to 1.5 meet the labels equally well."""
UPRIGHT_ROLL = np.radians(20)
"""Heads that lean more are turned upright. EG3D's crops keep the roll, but few of them lean as far."""
SMALLEST_CROP = 57
"""Crops of fewer photo pixels a side hold no face that could be rebuilt (15 pixels between the eyes)."""


def open_portrait(source: Path | str | bytes, name: str = "", face: int | None = None) -> Portrait:
    """The aligned portrait of a photo.

    Args:
        source: the photo's path, or its bytes as they lie on disk.
        name: what to call it in titles and messages; the file's name when left out.
        face: which face, 0 the largest; None is the largest.

    Raises:
        ImageUnreadable: see :func:`inversion_core.image.decode`.
        NoFace: there is no face, or none with this number.
        BadInput: the face has too few pixels.
    """
    if isinstance(source, bytes):
        content, name = source, name or "photo"
    else:
        content, name = pixels.read_bytes(Path(source)), name or Path(source).name
    photo = pixels.decode(content, name)
    faces = find_faces(photo)
    chosen = _choose(faces, face, name)
    matrix = crop_to_photo(faces[chosen].landmarks, photo.shape[:2])
    side = float(np.hypot(*matrix[:, 0])) * CROP_SIZE
    if side < SMALLEST_CROP:
        raise BadInput(
            f"The face in {name} is too small: {side / 1.9:.0f} pixels across.",
            f"Use a photo in which it has at least {SMALLEST_CROP / 1.9:.0f}, better 250.",
        )
    crop = continued_outside(sample_crop(photo, matrix, CROP_SIZE), matrix, photo.shape[:2])
    landmarks = crop_landmarks(crop, faces[chosen].landmarks, matrix)
    camera = estimate_camera(landmarks)
    person = _person(photo, crop, matrix, landmarks)
    return Portrait(crop, camera, landmarks, person, content, name, chosen, matrix.astype(np.float32))


def crop_to_photo(landmarks: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """2x3, crop pixels -> photo pixels, of EG3D's crop for (478, 3) landmarks in photo pixels.

    Five points give scale and shift in weak perspective. A photo that is itself such a crop is taken whole.
    Source: Deep3DFaceRecon ``util/preprocess.py`` (POS, align_img); EG3D ``crop_images_in_the_wild.py``.
    """
    roll = face_roll(landmarks)
    if abs(roll) < UPRIGHT_ROLL:
        roll = 0.0
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    seen = five_points_2d(landmarks) @ turn.T
    model = np.c_[table.five_points(table.mean_points()) - CROP_ORIGIN, np.ones(5)]
    affine = np.linalg.lstsq(model, seen, rcond=None)[0]
    scale = (np.linalg.norm(affine[:3, 0]) + np.linalg.norm(affine[:3, 1])) / 2
    side, centre = scale / CROP_SCALE, turn.T @ affine[3]
    height, width = shape
    off = np.abs(centre - [width / 2, height / 2]).max()
    if height == width and roll == 0 and abs(side / width - 1) < 0.06 and off < 0.02 * width:
        return crop_matrix((width / 2, height / 2), width, 0.0, CROP_SIZE)
    return crop_matrix(tuple(centre), side, roll, CROP_SIZE)


def continued_outside(crop: NDArray[np.uint8], matrix: NDArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The crop with what lies outside the photo filled: mirrored, and ever more blurred farther out."""
    outside = outside_photo(matrix, shape, crop.shape[0])
    if not outside.any():
        return crop
    size = crop.shape[0]
    inside = (~outside).astype(np.uint8)
    distance, nearest = cv2.distanceTransformWithLabels(
        1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(inside)
    index = np.zeros((nearest.max() + 1, 2), np.int32)
    index[nearest[rows, columns]] = np.stack([rows, columns], 1)
    border = index[nearest]
    mirrored = np.clip(2 * border - np.indices((size, size)).transpose(1, 2, 0), 0, size - 1)
    mirror = crop[mirrored[..., 0], mirrored[..., 1]].astype(np.float32)
    # A reflection of what is itself outside is no reflection: take the border there.
    lost = outside[mirrored[..., 0], mirrored[..., 1]]
    mirror[lost] = crop[border[..., 0], border[..., 1]][lost]
    filled = np.where(outside[..., None], mirror, crop).astype(np.float32)
    for reach in (4, 10, 24):
        share = np.clip(distance / (1.5 * reach) - 0.5, 0, 1)[..., None]
        filled += share * (cv2.GaussianBlur(filled, (0, 0), reach / 2) - filled)
    return np.where(outside[..., None], np.clip(filled + 0.5, 0, 255), crop).astype(np.uint8)


def crop_landmarks(crop: NDArray[np.uint8], known: NDArray, matrix: NDArray) -> NDArray[np.float32]:
    """(478, 3) points in crop widths; averaged over views of the crop, which halves MediaPipe's jitter.

    Where the crop itself shows MediaPipe no face, ``known`` (photo pixels) is carried over.
    """
    points = averaged_mesh_points(crop)
    if points is None:
        inverse = np.linalg.inv(np.r_[matrix, [[0, 0, 1]]])[:2]
        points = to_photo(known, inverse)
    return (points / crop.shape[0]).astype(np.float32)


def estimate_camera(landmarks: NDArray) -> Camera:
    """The camera, at EG3D's focal length and radius, under which the average face best meets the landmarks.

    Reprojection gives most of it; MediaPipe's relative depths settle what a face's proportions would pass off
    as a nod or a turn. Points that expression and build move most (outline, lips, brows) count less.

    Args:
        landmarks: (478, 3) in crop widths, as in :class:`Portrait`.
    """
    seen = np.asarray(landmarks, np.float64)
    model = table.mean_points().astype(np.float64)
    share = _pose_weights()
    weights = np.sqrt(share)
    share = share / share.sum()
    focal = float(default_intrinsics()[0, 0])
    offset = seen - share @ seen
    depth = offset[:, 2] + np.tan(DEPTH_TILT) * offset[:, 1]

    def residual(parameters: NDArray) -> NDArray:
        local = (model - _position(parameters)) @ _rotation(parameters).T
        across = (local[:, :2] / local[:, 2:] * focal + 0.5 - seen[:, :2]) * weights[:, None]
        distance = share @ local[:, 2]
        along = ((local[:, 2] - distance) * focal / distance - depth) * weights * DEPTH_TRUST
        return np.concatenate([across.ravel(), along]) * CROP_SIZE

    fit = least_squares(residual, _first_guess(seen[:, :2]), loss="soft_l1", f_scale=3.0)
    cam2world = np.eye(4, dtype=np.float32)
    cam2world[:3, :3] = _rotation(fit.x).T
    cam2world[:3, 3] = _position(fit.x)
    return Camera(cam2world, default_intrinsics())


def _person(photo: NDArray, crop: NDArray, matrix: NDArray, landmarks: NDArray) -> NDArray[np.float32]:
    """The person mask, helped by more of the photo where there is more, rounded off above its border."""
    middle = matrix[:, :2] @ [CROP_SIZE / 2, CROP_SIZE / 2] + matrix[:, 2]
    roll = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    wide = crop_matrix(tuple(middle), float(np.hypot(*matrix[:, 0])) * CROP_SIZE * WIDER, roll, CROP_SIZE)
    unseen = outside_photo(wide, photo.shape[:2], CROP_SIZE).mean()
    # Nothing but border round the crop: the wider view would only show what was made up.
    wider = sample_crop(photo, wide, CROP_SIZE) if unseen < 0.35 else None
    person = person_mask(crop, landmarks, wider)
    outside = outside_photo(matrix, photo.shape[:2], CROP_SIZE)
    # What continues the photo past its border is made up: nobody stands there.
    beyond = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 5)
    within = np.clip(1 - beyond / 4, 0, 1)
    top = int(np.argmin(outside[:, CROP_SIZE // 2]))
    columns = np.nonzero(person[top] > 0.5)[0]
    if not 0 < top < CROP_SIZE // 2 or columns.size == 0:
        return (person * within).astype(np.float32)
    person[top:] *= within[top:]
    # The photo cuts the head; a flat top is as wrong as a straight column: close it as an ellipse.
    half = (columns[-1] - columns[0] + 1) / 2
    y, x = np.mgrid[:top, :CROP_SIZE]
    radius = np.hypot((x - columns.mean()) / half, (top - y) / (0.6 * half))
    person[:top] = np.minimum(person[top], np.clip((1 - radius) * 0.3 * half + 0.5, 0, 1))
    return person


def _choose(faces: tuple[FaceBox, ...], face: int | None, name: str) -> int:
    if not faces:
        raise NoFace(
            f"No face was found in {name}.",
            "Use a photo in which the face is larger, sharper and turned no further than a profile.",
        )
    if face is None:
        return 0
    if not 0 <= face < len(faces):
        count = "one face" if len(faces) == 1 else f"{len(faces)} faces"
        raise NoFace(
            f"{name} shows {count}; there is no face {face}.",
            f"Choose one from 0 (the largest) to {len(faces) - 1} with --face.",
        )
    return face


def _pose_weights() -> NDArray[np.float64]:
    weights = np.ones(table.COUNT)
    weights[list(table.OVAL)] = 0.3
    weights[list(table.LIPS)] = 0.4
    weights[list(table.BROWS)] = 0.5
    weights[468:] = 0.0
    return weights


_FRONT = np.diag([1.0, -1.0, -1.0])
"""World to camera axes for a camera that looks straight at the face."""


def _rotation(parameters: NDArray) -> NDArray[np.float64]:
    """World-to-camera rotation of a rotation vector (3) about the front view."""
    return _FRONT @ Rotation.from_rotvec(parameters[:3]).as_matrix()


def _position(parameters: NDArray) -> NDArray[np.float64]:
    """World position at EG3D's radius; free is only by how much (2) the camera looks past the origin."""
    aside = np.array([parameters[3], parameters[4], 0.0])
    distance = np.sqrt(max(RADIUS**2 - parameters[3] ** 2 - parameters[4] ** 2, 1e-6))
    return _rotation(parameters).T @ (aside - [0, 0, distance])


def _first_guess(seen: NDArray) -> NDArray[np.float64]:
    """Pose from the five points in weak perspective."""
    model = table.five_points(table.mean_points())
    affine = np.linalg.lstsq(np.c_[model, np.ones(5)], table.five_points(seen), rcond=None)[0][:3]
    left, _, right = np.linalg.svd(np.c_[affine, np.cross(affine[:, 0], affine[:, 1])].T)
    rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return np.r_[Rotation.from_matrix(_FRONT @ rotation).as_rotvec(), 0.0, 0.0]
