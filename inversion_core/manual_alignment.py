"""Portraits of faces that no detector knows (cats, drawings): aligned by hand or by five given points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inversion_core import image as pixels
from inversion_core import landmark_tables as table
from inversion_core.alignment import CROP_ORIGIN, CROP_SCALE, continued_outside
from inversion_core.camera import RADIUS, Camera, default_intrinsics
from inversion_core.errors import BadInput
from inversion_core.faces import crop_matrix, sample_crop
from inversion_core.portrait import CROP_SIZE, Portrait


def portrait_from_crop(
    source: Path | bytes,
    centre: tuple[float, float],
    side: float,
    roll: float = 0.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    name: str = "",
) -> Portrait:
    """The portrait of a square that somebody chose, seen from angles that somebody estimated.

    Its landmarks are not a number and its person mask is full: only models that need neither can take it.

    Args:
        centre, side: of the square, photo pixels after EXIF orientation.
        roll: radians by which the square is turned, clockwise.
        yaw, pitch: radians of the camera, in the sense of :meth:`Camera.orbit`.

    Raises:
        ImageUnreadable: see :func:`inversion_core.image.decode`.
        BadInput: the square is no square, or lies outside the photo.
    """
    photo, content, name = _opened(source, name)
    numbers = np.array([*centre, side, roll, yaw, pitch], np.float64)
    inside = 0 <= centre[0] <= photo.shape[1] and 0 <= centre[1] <= photo.shape[0]
    if not np.isfinite(numbers).all() or side < 1 or not inside:
        raise BadInput(f"The crop of {name} is impossible.", "Choose a square whose middle is in the photo.")
    matrix = crop_matrix((float(centre[0]), float(centre[1])), float(side), roll, CROP_SIZE)
    rotation = Camera.orbit(yaw, pitch).cam2world[:3, :3].T
    return _portrait(photo, matrix, _turned(rotation), content, name)


def portrait_from_points(source: Path | bytes, points: NDArray, name: str = "") -> Portrait:
    """The portrait by five points in EG3D's convention: crop and camera follow from them in weak perspective.

    Its landmarks are not a number and its person mask is full: only models that need neither can take it.

    Args:
        points: (5, 2) photo pixels: right eye, left eye, nose tip, right and left mouth corner, as the face itself
            would call them.

    Raises:
        ImageUnreadable: see :func:`inversion_core.image.decode`.
        BadInput: the points are no face.

    Source: Deep3DFaceRecon, ``util/preprocess.py`` (POS); EG3D, ``crop_images_in_the_wild.py``.
    """
    photo, content, name = _opened(source, name)
    points = np.asarray(points, np.float64)
    model = table.five_points(table.mean_points())
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise BadInput(f"The points of {name} are not five pairs of numbers.", "Give x and y of five points.")
    affine = np.linalg.lstsq(np.c_[model - CROP_ORIGIN, np.ones(5)], points, rcond=None)[0]
    rows, middle = affine[:3], affine[3]
    scale = float(np.linalg.norm(rows, axis=0).mean())
    if scale < 1e-3 or np.linalg.matrix_rank(rows, tol=0.2 * scale) < 2:
        raise BadInput(
            f"The points of {name} lie on a line.", "Mark both eyes, the nose and both mouth corners."
        )
    matrix = crop_matrix((float(middle[0]), float(middle[1])), scale / CROP_SCALE, 0.0, CROP_SIZE)
    left, _, right = np.linalg.svd(np.c_[rows, np.cross(rows[:, 0], rows[:, 1]) / scale].T)
    # Rows: the camera's right, down and forward in the world.
    rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return _portrait(photo, matrix, _turned(rotation), content, name)


def _turned(rotation: NDArray) -> Camera:
    """The camera with rows right, down and forward, on EG3D's sphere, that has a crop's middle straight ahead."""
    origin, forward = np.asarray(CROP_ORIGIN), np.asarray(rotation[2], np.float64)
    along = origin @ forward
    distance = along + np.sqrt(along**2 - origin @ origin + RADIUS**2)
    cam2world = np.eye(4, dtype=np.float32)
    cam2world[:3, :3] = rotation.T
    cam2world[:3, 3] = origin - distance * forward
    return Camera(cam2world, default_intrinsics())


def _opened(source: Path | bytes, name: str) -> tuple[NDArray[np.uint8], bytes, str]:
    if isinstance(source, bytes):
        content, name = source, name or "photo"
    else:
        content, name = pixels.read_bytes(Path(source)), name or Path(source).name
    return pixels.decode(content, name), content, name


def _portrait(photo: NDArray, matrix: NDArray, camera: Camera, content: bytes, name: str) -> Portrait:
    crop = continued_outside(sample_crop(photo, matrix, CROP_SIZE), matrix, photo.shape[:2])
    return Portrait(
        image=crop,
        camera=camera,
        landmarks=np.full((table.COUNT, 3), np.nan, np.float32),
        person=np.ones((CROP_SIZE, CROP_SIZE), np.float32),
        source=content,
        name=name,
        face=0,
        crop_to_photo=matrix.astype(np.float32),
    )
