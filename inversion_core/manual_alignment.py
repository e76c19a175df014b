"""Portraits of faces that no detector knows (cats, drawings): aligned by hand, by five points or by a known camera.

Such a portrait's landmarks are not a number and its person mask is full: only models that need neither can take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core import image as pixels
from inversion_core import landmark_tables as table
from inversion_core.alignment import CROP_ORIGIN, CROP_SCALE, continued_outside
from inversion_core.camera import RADIUS, Camera, default_intrinsics
from inversion_core.errors import BadInput
from inversion_core.faces import crop_matrix, sample_crop
from inversion_core.portrait import CROP_SIZE, CropLabel, FacePoints, Marks, Portrait, Square


def portrait_by_hand(source: Path | bytes, marks: Marks, name: str = "") -> Portrait:
    """The portrait that the marks say; it keeps them.

    Raises:
        ImageUnreadable: see :func:`inversion_core.image.decode`.
        BadInput: see :func:`placed`.
    """
    if isinstance(source, bytes):
        content, name = source, name or "photo"
    else:
        content, name = pixels.read_bytes(Path(source)), name or Path(source).name
    photo = pixels.decode(content, name)
    full = pixels.full_size(content)
    matrix, camera = placed(marks, full, name)
    # Marks are in pixels of the file; the largest photos are decoded with fewer.
    matrix = _reduced(matrix, photo.shape[:2], full)
    return Portrait(
        image=marked_crop(photo, matrix, CROP_SIZE),
        camera=camera,
        landmarks=np.full((table.COUNT, 3), np.nan, np.float32),
        person=np.ones((CROP_SIZE, CROP_SIZE), np.float32),
        source=content,
        name=name,
        face=0,
        crop_to_photo=matrix.astype(np.float32),
        marks=marks,
    )


def portrait_from_crop(
    source: Path | bytes,
    centre: tuple[float, float],
    side: float,
    roll: float = 0.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    name: str = "",
) -> Portrait:
    """The portrait of a :class:`Square`; see :func:`portrait_by_hand`."""
    return portrait_by_hand(source, Square(centre, side, roll, yaw, pitch), name)


def portrait_from_points(source: Path | bytes, points: NDArray, name: str = "") -> Portrait:
    """The portrait of (5, 2) :class:`FacePoints`; see :func:`portrait_by_hand`."""
    pairs = tuple(tuple(float(x) for x in np.ravel(pair)) for pair in np.asarray(points, np.float64))
    return portrait_by_hand(source, FacePoints(pairs), name)


def placed(
    marks: Marks, shape: tuple[int, int], name: str = "the photo"
) -> tuple[NDArray[np.float64], Camera]:
    """2x3, pixels of a 512² crop -> photo pixels, and the crop's camera.

    Args:
        shape: height and width of the photo, pixels.

    Raises:
        BadInput: a square that is none or lies outside the photo, points that are no face, a label that is no camera.
    """
    if isinstance(marks, Square):
        return _of_square(marks, shape, name)
    if isinstance(marks, FacePoints):
        return _of_points(marks, name)
    return _of_label(marks, shape, name)


def marked_crop(photo: NDArray[np.uint8], matrix: NDArray, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 crop by a matrix of :func:`placed`; what lies outside the photo is made up."""
    matrix = np.c_[np.asarray(matrix)[:, :2] * (CROP_SIZE / size), np.asarray(matrix)[:, 2]]
    return continued_outside(sample_crop(photo, matrix, size), matrix, photo.shape[:2])


@dataclass(frozen=True)
class HandPreview:
    """What marks come to.

    Attributes:
        crop: (size, size, 3) uint8; camera: its own; square: the same as a square and angles.
        points: where an average face has its five points there.
    """

    crop: NDArray[np.uint8]
    camera: Camera
    square: Square
    points: FacePoints


def hand_preview(
    photo: NDArray[np.uint8], full: tuple[int, int], marks: Marks, size: int, name: str = "the photo"
) -> HandPreview:
    """The preview of marks on a photo that may be reduced; some milliseconds.

    Args:
        photo: (h, w, 3) uint8; full: height and width in which the marks are.

    Raises:
        BadInput: see :func:`placed`.
    """
    matrix, camera = placed(marks, full, name)
    crop = marked_crop(photo, _reduced(matrix, photo.shape[:2], full), size)
    square = marks if isinstance(marks, Square) else _as_square(matrix, camera)
    return HandPreview(crop, camera, square, _as_points(expected_points(camera), matrix))


def expected_points(camera: Camera) -> NDArray[np.float32]:
    """(5, 2) in [0, 1]: where an average face's points of :class:`FacePoints` lie in the crop of this camera."""
    return camera.project(table.five_points(table.mean_points()))[:, :2]


def square_of(portrait: Portrait) -> Square:
    """The square and angles that a portrait has, however it was aligned; in pixels of the file."""
    if isinstance(portrait.marks, Square):
        return portrait.marks
    return _as_square(_matrix_of(portrait), portrait.camera)


def points_of(portrait: Portrait) -> FacePoints:
    """The five points of a portrait, in pixels of the file: marked or found, else where a face would have them."""
    if isinstance(portrait.marks, FacePoints):
        return portrait.marks
    found = table.five_points(portrait.landmarks[:, :2])
    inside = found if np.isfinite(found).all() else expected_points(portrait.camera)
    return _as_points(inside, _matrix_of(portrait))


def _matrix_of(portrait: Portrait) -> NDArray[np.float64]:
    """2x3, crop pixels -> pixels of the file."""
    full = pixels.full_size(portrait.source)
    decoded = full
    if full[0] * full[1] > pixels.WORKING_MEGAPIXELS * 1e6:
        decoded = pixels.decode(portrait.source, portrait.name).shape[:2]
    return _reduced(portrait.crop_to_photo.astype(np.float64), full, decoded)


def _reduced(matrix: NDArray, shape: tuple[int, int], full: tuple[int, int]) -> NDArray[np.float64]:
    """The matrix to a photo of ``shape`` of one to a photo of ``full``; height and width."""
    return np.asarray(matrix, np.float64) * np.array([[shape[1] / full[1]], [shape[0] / full[0]]])


def _as_square(matrix: NDArray, camera: Camera) -> Square:
    x, y = matrix[:, :2] @ [CROP_SIZE / 2, CROP_SIZE / 2] + matrix[:, 2]
    side, roll = float(np.hypot(*matrix[:, 0])) * CROP_SIZE, float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return Square((float(x), float(y)), side, roll, *camera.angles)


def _as_points(inside: NDArray, matrix: NDArray) -> FacePoints:
    seen = (np.asarray(inside, np.float64) * CROP_SIZE) @ matrix[:, :2].T + matrix[:, 2]
    return FacePoints(tuple((float(x), float(y)) for x, y in seen))


def _of_square(marks: Square, shape: tuple[int, int], name: str) -> tuple[NDArray[np.float64], Camera]:
    (x, y), side = marks.centre, marks.side
    numbers = np.array([x, y, side, marks.roll, marks.yaw, marks.pitch], np.float64)
    inside = 0 <= x <= shape[1] and 0 <= y <= shape[0]
    if not np.isfinite(numbers).all() or side < 1 or side > 20 * max(shape) or not inside:
        raise BadInput(f"The crop of {name} is impossible.", "Choose a square whose middle is in the photo.")
    if abs(marks.yaw) > np.pi / 2 or abs(marks.pitch) >= np.pi / 2:
        raise BadInput(
            f"Nobody sees the face in {name} from behind.", "Estimate yaw and pitch within 90 degrees."
        )
    matrix = crop_matrix((float(x), float(y)), float(side), marks.roll, CROP_SIZE)
    return matrix, _turned(Camera.orbit(marks.yaw, marks.pitch).cam2world[:3, :3].T)


def _of_points(marks: FacePoints, name: str) -> tuple[NDArray[np.float64], Camera]:
    """Crop and camera of five points in EG3D's convention, in weak perspective.

    Source: Deep3DFaceRecon, ``util/preprocess.py`` (POS); EG3D, ``crop_images_in_the_wild.py``.
    """
    model = table.five_points(table.mean_points())
    try:
        points = np.asarray(marks.points, np.float64)
    except ValueError:
        points = np.empty(0)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise BadInput(f"The points of {name} are not five pairs of numbers.", "Give x and y of five points.")
    affine = np.linalg.lstsq(np.c_[model - CROP_ORIGIN, np.ones(5)], points, rcond=None)[0]
    rows, middle = affine[:3], affine[3]
    scale = float(np.linalg.norm(rows, axis=0).mean())
    if scale < 1e-3 or scale > 1e7 or np.linalg.matrix_rank(rows, tol=0.2 * scale) < 2:
        raise BadInput(
            f"The points of {name} lie on a line.", "Mark both eyes, the nose and both mouth corners."
        )
    matrix = crop_matrix((float(middle[0]), float(middle[1])), scale / CROP_SCALE, 0.0, CROP_SIZE)
    left, _, right = np.linalg.svd(np.c_[rows, np.cross(rows[:, 0], rows[:, 1]) / scale].T)
    # Rows: the camera's right, down and forward in the world.
    return matrix, _turned(left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right)


def _of_label(marks: CropLabel, shape: tuple[int, int], name: str) -> tuple[NDArray[np.float64], Camera]:
    label = np.asarray(marks.label, np.float64)
    pose = label[:16].reshape(4, 4) if label.shape == (25,) else np.zeros((4, 4))
    turn, distance = pose[:3, :3], float(np.linalg.norm(pose[:3, 3]))
    sound = np.isfinite(label).all() and np.abs(turn @ turn.T - np.eye(3)).max() < 1e-2
    if not sound or np.linalg.det(turn) < 0 or not 1e-3 < distance < 1e4 or min(label[16], label[20]) <= 0:
        raise BadInput(
            f"The label of {name} is no camera.", "EG3D's labels are 16 numbers of pose and 9 of the lens."
        )
    height, width = shape
    matrix = crop_matrix((width / 2, height / 2), float(min(shape)), 0.0, CROP_SIZE)
    return matrix, Camera.from_label(label)


def _turned(rotation: NDArray) -> Camera:
    """The camera with rows right, down and forward, on EG3D's sphere, that has a crop's middle straight ahead."""
    origin, forward = np.asarray(CROP_ORIGIN), np.asarray(rotation[2], np.float64)
    along = origin @ forward
    distance = along + np.sqrt(along**2 - origin @ origin + RADIUS**2)
    cam2world = np.eye(4, dtype=np.float32)
    cam2world[:3, :3] = rotation.T
    cam2world[:3, 3] = origin - distance * forward
    return Camera(cam2world, default_intrinsics())
