"""The camera and the axis convention, once.

World: EG3D units, +x to the head's own left (the picture's right from the front), +y up, +z out of the face.
Camera: OpenCV axes, x right, y down, z forward; intrinsics are normalised by the picture size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOCAL = 4.2647
"""Normalised focal length of FFHQ crops. Source: EG3D, dataset preprocessing."""
RADIUS = 2.7
"""Distance of FFHQ cameras from the world's origin. Source: EG3D, dataset preprocessing."""


def default_intrinsics(focal: float = FOCAL) -> NDArray[np.float32]:
    """3x3 normalised intrinsics with the centre in the middle of the picture."""
    return np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], np.float32)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        cam2world: 4x4 float32, rotation and position in world units.
        intrinsics: 3x3 float32, normalised: pixel = size * (intrinsics @ (x/z, y/z, 1)).
    """

    cam2world: NDArray[np.float32]
    intrinsics: NDArray[np.float32]

    @staticmethod
    def orbit(
        yaw: float,
        pitch: float,
        radius: float = RADIUS,
        pivot: tuple[float, float, float] = (0.0, 0.0, 0.0),
        focal: float = FOCAL,
    ) -> Camera:
        """Camera on a sphere round ``pivot``, looking at it, upright.

        Args:
            yaw: radians; positive moves the camera to +x and shows the head's own left side.
            pitch: radians; positive moves it up.
            radius: distance from the pivot in world units.
        """
        target = np.asarray(pivot, np.float64)
        offset = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        return Camera.look_at(target + radius * offset, target, focal=focal)

    @staticmethod
    def look_at(position, target, up=(0.0, 1.0, 0.0), focal: float = FOCAL) -> Camera:
        """Camera at ``position`` (3,) that looks at ``target`` (3,) with ``up`` pointing up in the picture."""
        position, target = np.asarray(position, np.float64), np.asarray(target, np.float64)
        forward = target - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, np.asarray(up, np.float64))
        right /= np.linalg.norm(right)
        cam2world = np.eye(4)
        cam2world[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
        cam2world[:3, 3] = position
        return Camera(cam2world.astype(np.float32), default_intrinsics(focal))

    @staticmethod
    def from_label(label) -> Camera:
        """Camera of EG3D's 25 numbers: row-major cam2world (16), then normalised intrinsics (9)."""
        label = np.asarray(label, np.float32).reshape(25)
        return Camera(label[:16].reshape(4, 4).copy(), label[16:].reshape(3, 3).copy())

    def label(self) -> NDArray[np.float32]:
        """EG3D's 25 numbers."""
        return np.concatenate([self.cam2world.ravel(), self.intrinsics.ravel()]).astype(np.float32)

    @property
    def position(self) -> NDArray[np.float32]:
        return self.cam2world[:3, 3]

    @property
    def world2cam(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Rotation (3, 3) and translation (3,) with ``camera = R @ world + t``."""
        rotation = self.cam2world[:3, :3].T
        return np.ascontiguousarray(rotation), (-rotation @ self.position).astype(np.float32)

    @property
    def angles(self) -> tuple[float, float]:
        """Yaw and pitch in radians of the viewing direction, in the sense of :meth:`orbit`."""
        back = -self.cam2world[:3, 2].astype(np.float64)
        return float(np.arctan2(back[0], back[2])), float(np.arcsin(np.clip(back[1], -1, 1)))

    def turned(self, yaw: float, pitch: float, pivot=(0.0, 0.0, 0.0)) -> Camera:
        """This camera carried round ``pivot``: by ``yaw`` about the world's y, by ``pitch`` about its own x axis."""
        cos_y, sin_y = np.cos(yaw), np.sin(yaw)
        about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
        axis = self.cam2world[:3, 0].astype(np.float64)
        skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        # Rodrigues' formula; a rising camera turns by -pitch about its own right axis.
        about_x = np.eye(3) + np.sin(-pitch) * skew + (1 - np.cos(pitch)) * (skew @ skew)
        turn = about_y @ about_x
        centre = np.asarray(pivot, np.float64)
        cam2world = np.eye(4)
        cam2world[:3, :3] = turn @ self.cam2world[:3, :3]
        cam2world[:3, 3] = centre + turn @ (self.position - centre)
        return Camera(cam2world.astype(np.float32), self.intrinsics)

    def project(self, points: NDArray) -> NDArray[np.float32]:
        """(N, 3) world points -> (N, 3): x and y in [0, 1] across the picture (y down), depth along the axis."""
        rotation, translation = self.world2cam
        local = np.asarray(points, np.float32) @ rotation.T + translation
        pixel = local @ self.intrinsics.T
        return np.concatenate([pixel[:, :2] / pixel[:, 2:], local[:, 2:]], 1).astype(np.float32)

    def rays(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Origins and unit directions, each (size*size, 3), through pixel centres, row by row.

        Source: EG3D, ``training/volumetric_rendering/ray_sampler.py``.
        """
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size
        v, u = np.meshgrid(axis, axis, indexing="ij")
        k = self.intrinsics
        y = (v - k[1, 2]) / k[1, 1]
        x = (u - k[0, 2] - k[0, 1] * y) / k[0, 0]
        local = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
        directions = local @ self.cam2world[:3, :3].T
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return np.broadcast_to(self.position, directions.shape).copy(), directions.astype(np.float32)
