"""Where the faces are, and their 478 points: MediaPipe's detectors over tiles and turns, then its mesh."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inversion_core import landmark_tables as table
from inversion_core.quiet import native_stderr_silenced

DETECTION_SIDE = 512
"""Pictures and tiles are reduced to this before the detectors, which work at 128 and 192 pixels."""
MESH_SIDE = 384
"""Side of the upright crop on which the face mesh runs."""
MOST_FACES = 12
SOUND, DOUBT_LIMIT = 0.02, 0.07
"""How far, in sizes of the face, the mesh and that of the mirror image may lie apart: sure, and at most.

Measured: faces .004 to .011, a blurred profile .037, faces upside down .024 to .13, a cat .16.
"""


@dataclass(frozen=True)
class FaceBox:
    """One face of a photo.

    Attributes:
        box: x0, y0, x1, y1 round the landmarks, photo pixels.
        roll: radians by which the head is turned clockwise in the picture.
        landmarks: (478, 3) float32, x and y in photo pixels, z relative depth in photo pixels.
    """

    box: tuple[float, float, float, float]
    roll: float
    landmarks: NDArray[np.float32]

    @property
    def size(self) -> float:
        """Geometric mean of the box's sides in photo pixels."""
        x0, y0, x1, y1 = self.box
        return float(np.sqrt(max(x1 - x0, 0) * max(y1 - y0, 0)))


@dataclass(frozen=True)
class _Candidate:
    centre: tuple[float, float]
    side: float
    roll: float
    score: float


def find_faces(image: NDArray[np.uint8]) -> tuple[FaceBox, ...]:
    """The faces of an (H, W, 3) uint8 picture, largest first; empty when there are none.

    Looks at the whole picture and at tiles of a wide one or of a group; where that finds nothing, at a padded
    border (for faces that fill the frame), at turned pictures and at small tiles.
    """
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    whole = [(0.0, 0.0, float(max(width, height)))]
    first = whole + (
        _tiles(width, height, min(width, height)) if max(width, height) > 1.25 * min(width, height) else []
    )
    candidates = _detect(image, first)
    faces = _meshed(image, candidates)
    if faces and faces[0].size < 0.15 * min(width, height):
        # A group: those farther back are too small in the whole picture.
        faces = _meshed(image, candidates + _detect(image, _tiles(width, height, min(width, height) / 2)))
    if faces:
        return faces
    margin = 0.25 * max(width, height)
    padded = [(-margin, -margin, max(width, height) + 2 * margin)]
    for windows, rolls in (
        (padded, (0.0,)),
        (whole + padded, (np.pi / 2, -np.pi / 2, np.pi / 4, -np.pi / 4, np.pi)),
        (_tiles(width, height, min(width, height) / 2), (0.0,)),
        (_tiles(width, height, min(width, height) / 4), (0.0,)),
    ):
        faces = _meshed(image, [found for roll in rolls for found in _detect(image, windows, roll)])
        if faces:
            return faces
    return ()


def mesh_points(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """(478, 3) float32 points of the most prominent face, in pixels (z too); None without a face."""
    height, width = image.shape[:2]
    found = _face_mesh()(np.ascontiguousarray(image)).multi_face_landmarks
    if not found:
        return None
    points = np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32)
    return points * np.array([width, height, width], np.float32)


def mirrored_mesh_points(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Like :func:`mesh_points`, found on the mirror image and carried back."""
    points = mesh_points(image[:, ::-1])
    if points is None:
        return None
    return (points * np.float32([-1, 1, 1]) + np.float32([image.shape[1], 0, 0]))[table.mirror_index()]


def averaged_mesh_points(image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Like :func:`mesh_points` for a square picture: mean of two framings and their mirror images."""
    size = image.shape[0]
    found = []
    for side in (1.0, 1.06):
        matrix = crop_matrix((size / 2, size / 2), side * size, 0.0, size)
        view = image if side == 1 else sample_crop(image, matrix, size)
        found += [
            to_photo(p, matrix) for p in (mesh_points(view), mirrored_mesh_points(view)) if p is not None
        ]
    return np.mean(found, axis=0).astype(np.float32) if found else None


def crop_matrix(centre: tuple[float, float], side: float, roll: float, size: int) -> NDArray[np.float64]:
    """2x3, pixels of a ``size``² crop -> photo pixels; the crop is ``side`` wide and turned by ``roll``.

    Pixels are areas here: the first one spans 0 to 1.
    """
    scale = side / size
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.c_[turn, np.asarray(centre, np.float64) - turn @ [size / 2, size / 2]]


def sample_crop(image: NDArray[np.uint8], crop_to_photo: NDArray, size: int) -> NDArray[np.uint8]:
    """(size, size, C) uint8 crop; by area when shrinking, Lanczos otherwise; edge pixels go on outside."""
    matrix = np.asarray(crop_to_photo, np.float64)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ matrix[:, :2].T + matrix[:, 2]
    height, width = image.shape[:2]
    reach = 8 * max(scale, 1)
    x0, y0 = np.clip(np.floor(corners.min(0) - reach), 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(0) + reach), [x0 + 1, y0 + 1], [width, height]).astype(int)
    part = np.ascontiguousarray(image[y0:y1, x0:x1])
    matrix = np.c_[matrix[:, :2], matrix[:, 2] - [x0, y0]]
    if scale > 1:
        # Lanczos at reduced scale would alias: bring the part to the crop's resolution by area first.
        small = (max(round(part.shape[1] / scale), 1), max(round(part.shape[0] / scale), 1))
        ratio = np.array([small[0] / part.shape[1], small[1] / part.shape[0]])
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        matrix = matrix * ratio[:, None]
    # OpenCV puts pixel centres on integers.
    shift = matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2] - 0.5
    return cv2.warpAffine(
        part,
        np.c_[matrix[:, :2], shift],
        (size, size),
        flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def face_roll(points: NDArray) -> float:
    """Radians by which the head is turned clockwise in the picture, from (478, 2+) points with y down."""
    right, left, _, mouth_right, mouth_left = five_points_2d(points)
    return _roll(right, left, (mouth_right + mouth_left) / 2)


def five_points_2d(points: NDArray) -> NDArray[np.float64]:
    """(5, 2) eyes, nose tip and mouth corners of (478, 2+) points."""
    return table.five_points(np.asarray(points)[:, :2])


def _roll(right_eye, left_eye, mouth) -> float:
    up = (right_eye + left_eye) / 2 - mouth
    across = left_eye - right_eye
    # In a profile the eyes coincide and only the line down to the mouth is left; the sum weighs both.
    up = up + np.array([across[1], -across[0]])
    return float(np.arctan2(up[0], -up[1]))


def _tiles(width: int, height: int, side: float) -> list[tuple[float, float, float]]:
    def starts(length: float) -> Iterable[float]:
        count = max(int(np.ceil((length - side) / (side / 2))), 0) + 1
        return np.linspace(0, max(length - side, 0), count)

    return [(float(x), float(y), float(side)) for y in starts(height) for x in starts(width)]


def _detect(
    image: NDArray[np.uint8], windows: list[tuple[float, float, float]], roll: float = 0.0
) -> list[_Candidate]:
    found = []
    for x, y, side in windows:
        size = int(min(DETECTION_SIDE, max(side, 128)))
        matrix = crop_matrix((x + side / 2, y + side / 2), side, roll, size)
        crop = sample_crop(image, matrix, size)
        for detector in _detectors():
            for detection in detector(crop).detections or ():
                place = detection.location_data
                box = place.relative_bounding_box
                keys = np.array([(p.x, p.y) for p in place.relative_keypoints]) * size
                centre = np.array([box.xmin + box.width / 2, box.ymin + box.height / 2]) * size
                found.append(
                    _Candidate(
                        tuple(matrix[:, :2] @ centre + matrix[:, 2]),
                        float(np.sqrt(max(box.width * box.height, 0))) * side,
                        roll + _roll(keys[0], keys[1], keys[3]),
                        float(detection.score[0]),
                    )
                )
    return found


def _meshed(image: NDArray[np.uint8], candidates: list[_Candidate]) -> tuple[FaceBox, ...]:
    """Faces of those candidates on which the mesh settles, duplicates dropped, largest first."""
    kept: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda c: -c.score):
        if all(
            np.hypot(*np.subtract(candidate.centre, k.centre)) > 0.5 * max(candidate.side, k.side)
            for k in kept
        ):
            kept.append(candidate)
    faces = [
        face
        for candidate in sorted(kept, key=lambda c: -c.side)[:MOST_FACES]
        if (face := _mesh_near(image, candidate)) is not None
    ]
    faces.sort(key=lambda face: -face.size)
    distinct: list[FaceBox] = []
    for face in faces:
        if all(_overlap(face.box, other.box) < 0.4 for other in distinct):
            distinct.append(face)
    return tuple(distinct)


def _mesh_near(image: NDArray[np.uint8], candidate: _Candidate) -> FaceBox | None:
    """The mesh round the candidate, tried turned where the upright fit is in doubt; None when none holds."""
    best, doubt = None, DOUBT_LIMIT
    for turn in (0.0, np.pi, np.pi / 2, -np.pi / 2):
        face, uncertain = _fit_mesh(image, replace(candidate, roll=candidate.roll + turn))
        if face is not None and uncertain < doubt:
            best, doubt = face, uncertain
        if doubt < SOUND:
            break
    return best


def _fit_mesh(image: NDArray[np.uint8], candidate: _Candidate) -> tuple[FaceBox | None, float]:
    """The mesh on an upright crop, and how far (box sizes) it is from that of the mirrored crop."""
    for widen in (2.0, 1.5, 2.8):
        centre, side, roll = candidate.centre, candidate.side * widen, candidate.roll
        for _ in range(2):  # the first run centres and turns the second
            matrix = crop_matrix(centre, side, roll, MESH_SIDE)
            crop = sample_crop(image, matrix, MESH_SIDE)
            points = mesh_points(crop)
            if points is None:
                break
            landmarks = to_photo(points, matrix)
            low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
            centre, side = tuple((low + high) / 2), 1.9 * float(max(high - low))
            roll = face_roll(landmarks)
        if points is None:
            continue
        extent = float(np.sqrt(np.prod(high - low)))
        apart = np.hypot(*((low + high) / 2 - candidate.centre))
        mirrored = mirrored_mesh_points(crop)
        if mirrored is None or not 0.4 < extent / candidate.side < 2.5 or apart > candidate.side:
            continue
        spread = np.linalg.norm((points - mirrored)[:, :2], axis=1).mean()
        doubt = float(spread / np.sqrt(np.prod(np.ptp(points[:, :2], axis=0))))
        return FaceBox((*map(float, low), *map(float, high)), roll, landmarks), doubt
    return None, np.inf


def to_photo(points: NDArray, crop_to_photo: NDArray) -> NDArray[np.float32]:
    """(N, 3) crop pixels -> photo pixels; depths are scaled along."""
    matrix = np.asarray(crop_to_photo, np.float64)
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.c_[points[:, :2] @ matrix[:, :2].T + matrix[:, 2], points[:, 2] * scale].astype(np.float32)


def _overlap(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def _face_mesh() -> Callable:
    return _solutions(threading.get_ident())[0]


def _detectors() -> tuple[Callable, Callable]:
    return _solutions(threading.get_ident())[1:]


@lru_cache(maxsize=4)
def _solutions(thread: int) -> tuple[Callable, Callable, Callable]:
    """MediaPipe's graphs: costly to start and bound to one thread, so each thread keeps its own."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    from mediapipe.python.solutions.face_detection import FaceDetection
    from mediapipe.python.solutions.face_mesh import FaceMesh

    with native_stderr_silenced():
        mesh = FaceMesh(
            static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
        )
        near = FaceDetection(model_selection=0, min_detection_confidence=0.4)
        far = FaceDetection(model_selection=1, min_detection_confidence=0.4)
    return mesh.process, near.process, far.process
