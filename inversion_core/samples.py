"""What a generator makes of random codes: pictures, orbits, shapes.

Source: EG3D, ``gen_samples.py``, ``gen_videos.py``, ``camera_utils.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor

from inversion_core.camera import Camera
from inversion_core.errors import UsageError
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.geometry.density_surface import BORDER, grid_points
from inversion_core.geometry.mrc import write_mrc
from inversion_core.image import from_signed, save_image, write_atomic
from inversion_core.mesh import Mesh
from inversion_core.task import Progress, Task
from inversion_core.video import write_video

SURFACE_DENSITY = 10.0
"""Raw density at which the official script puts the surface."""
BORDER_DENSITY = -1000.0
"""What the border of a density grid is set to, so that its surface is closed."""
STRIP_YAWS = (0.4, 0.0, -0.4)
STRIP_PITCH = -0.2
POINTS_AT_ONCE = 1 << 18
VIDEO_FPS = 60


@dataclass(frozen=True)
class SampleFiles:
    """What :func:`write_samples` wrote for one seed; None where it was not asked for."""

    seed: int
    picture: Path
    volume: Path | None
    mesh: Path | None
    video: Path | None


def focal_of(fov: float) -> float:
    """Normalised focal length of a field of view in radians, by the official values of pi and sqrt(2)."""
    return float(1 / (np.tan(np.degrees(fov) * 3.14159 / 360) * 1.414))


def official_camera(
    yaw: float,
    pitch: float,
    pivot: Sequence[float] = (0.0, 0.0, 0.2),
    radius: float = 2.7,
    fov: float = np.radians(18.837),
) -> Camera:
    """The camera of the official look-at sampler, on a sphere round the origin, looking at the pivot.

    Unlike :meth:`Camera.orbit`, a positive pitch moves it down, by other than the angle, and the pivot is
    only looked at.

    Args:
        yaw, pitch, fov: radians.
        pivot, radius: world units.
    """
    v = np.clip(np.pi / 2 + pitch, 1e-5, np.pi - 1e-5)
    phi = np.arccos(1 - 2 * v / np.pi)
    theta = np.pi / 2 - yaw
    offset = np.array([np.sin(phi) * np.cos(theta), np.cos(phi), np.sin(phi) * np.sin(theta)])
    return Camera.look_at(radius * offset, pivot, focal=focal_of(fov))


def label_of(camera: Camera, generator: TriPlaneGenerator) -> Tensor:
    """The camera as the (1, 25) tensor that the generator takes, on its device."""
    return torch.from_numpy(camera.label())[None].to(next(generator.parameters()).device)


@torch.no_grad()
def seeded_codes(
    generator: TriPlaneGenerator,
    seed: int,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Tensor:
    """ws (1, num_ws, w_dim) of the official seed, conditioned on the frontal camera."""
    settings = generator.settings
    noise = np.random.RandomState(seed).randn(1, settings.z_dim)
    z = torch.from_numpy(noise).float().to(next(generator.parameters()).device)
    front = official_camera(0, 0, settings.camera_pivot, settings.camera_radius)
    return generator.mapping(z, label_of(front, generator), truncation_psi, truncation_cutoff)


@torch.no_grad()
def picture(generator: TriPlaneGenerator, planes: Tensor, ws: Tensor, camera: Camera) -> NDArray[np.uint8]:
    """(H, H, 3) uint8 view of planes (1, 3, C, R, R); the backbone does not run."""
    resolution = generator.neural_rendering_resolution
    out = generator.render(planes, ws, label_of(camera, generator), neural_rendering_resolution=resolution)
    return from_signed(out["image"][0].cpu().numpy())


def picture_strip(generator: TriPlaneGenerator, planes: Tensor, ws: Tensor) -> NDArray[np.uint8]:
    """(H, 3H, 3) uint8: the official three views, side by side."""
    settings = generator.settings
    views = [
        official_camera(yaw, STRIP_PITCH, settings.camera_pivot, settings.camera_radius) for yaw in STRIP_YAWS
    ]
    return np.concatenate([picture(generator, planes, ws, view) for view in views], axis=1)


def orbit_cameras(count: int, pivot: Sequence[float] = (0.0, 0.0, 0.2), radius: float = 2.7) -> list[Camera]:
    """The official video's closed path round the face, ``count`` cameras long."""
    turns = 2 * 3.14 * np.arange(count) / count
    # The official script measures from 3.14/2 where its sampler expects pi/2.
    offset = (3.14 - np.pi) / 2
    return [
        official_camera(offset + 0.35 * np.sin(turn), offset - 0.05 + 0.25 * np.cos(turn), pivot, radius)
        for turn in turns
    ]


def orbit_frames(
    generator: TriPlaneGenerator, planes: Tensor, ws: Tensor, count: int = 240
) -> Iterator[NDArray[np.uint8]]:
    """(H, H, 3) uint8 pictures along :func:`orbit_cameras`; the backbone does not run."""
    settings = generator.settings
    for camera in orbit_cameras(count, settings.camera_pivot, settings.camera_radius):
        yield picture(generator, planes, ws, camera)


def density_grid(
    generator: TriPlaneGenerator, planes: Tensor, resolution: int = 512
) -> Task[NDArray[np.float32]]:
    """(N, N, N) float32 raw densities over x, y and z of the generator's box.

    The points are the official script's, see :func:`inversion_core.geometry.density_surface.grid_points`.
    """
    box = generator.settings.volume.box_warp
    total = resolution**3
    grid = np.empty(total, np.float32)
    for start in range(0, total, POINTS_AT_ONCE):
        yield Progress(start, total, "Sampling the volume")
        index = torch.arange(start, min(start + POINTS_AT_ONCE, total))
        points = grid_points(index, resolution, box)[None].to(planes.device)
        grid[start : start + len(index)] = generator.density(planes, points)[0, :, 0].cpu().numpy()
    return grid.reshape(resolution, resolution, resolution)


def official_volume(grid: NDArray[np.float32], border: float = BORDER_DENSITY) -> NDArray[np.float32]:
    """The density grid as the official ``.mrc`` has it: x mirrored, a border of 30/256 replaced."""
    volume = grid[::-1].copy()
    pad = int(BORDER * grid.shape[0])
    if pad:
        for axis in range(3):
            sides = np.moveaxis(volume, axis, 0)
            sides[:pad] = border
            sides[-pad:] = border
    return volume


def surface_mesh(
    generator: TriPlaneGenerator,
    planes: Tensor,
    grid: NDArray[np.float32],
    level: float = SURFACE_DENSITY,
) -> Mesh:
    """The surface of the official volume, in world units, with the field's own colours.

    Raises:
        UsageError: nothing in the volume is as dense as the level.
    """
    volume = official_volume(grid)[::-1]
    if not volume.min() < level < volume.max():
        raise UsageError(
            f"Nothing in this volume has density {level:g} (its largest is {volume.max():.3g}).",
            "Choose another level or another seed.",
        )
    box = generator.settings.volume.box_warp
    spacing = box / (grid.shape[0] - 1)
    vertices, faces, normals, _ = marching_cubes(volume, level, gradient_direction="ascent")
    vertices = (vertices * spacing - box / 2).astype(np.float32)
    points = torch.from_numpy(vertices)[None].to(planes.device)
    with torch.no_grad():
        rgb = generator.query(planes, points)["rgb"][0, :, :3].clamp(0, 1)
    colours = (rgb.cpu().numpy() * 255 + 0.5).astype(np.uint8)
    return Mesh(vertices, faces.astype(np.int32), normals=normals.astype(np.float32), vertex_colours=colours)


def write_samples(
    generator: TriPlaneGenerator,
    folder: Path,
    seeds: Sequence[int],
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    shapes: bool = False,
    shape_resolution: int = 512,
    video_frames: int = 0,
) -> Task[list[SampleFiles]]:
    """The files of each seed in the folder: ``seed0000.png`` and, if asked for, ``.mrc``, ``.ply``, ``.mp4``.

    Args:
        shapes: also write the density volume and its surface.
        video_frames: length of the orbit; 0 for no video.

    Raises:
        OutputUnwritable: the folder is missing or cannot be written.
    """
    written = []
    for number, seed in enumerate(seeds):
        yield Progress(number, len(seeds), f"Seed {seed}")
        stem = folder / f"seed{seed:04d}"
        ws = seeded_codes(generator, seed, truncation_psi, truncation_cutoff)
        with torch.no_grad():
            planes = generator.backbone_planes(ws)
        save_image(stem.with_suffix(".png"), picture_strip(generator, planes, ws))
        volume = mesh = video = None
        if shapes:
            grid = yield from density_grid(generator, planes, shape_resolution)
            volume, mesh = stem.with_suffix(".mrc"), stem.with_suffix(".ply")
            write_mrc(volume, official_volume(grid))
            write_atomic(mesh, _ply(surface_mesh(generator, planes, grid)))
        if video_frames:
            video = stem.with_suffix(".mp4")
            write_video(video, orbit_frames(generator, planes, ws, video_frames), VIDEO_FPS)
        written.append(SampleFiles(seed, stem.with_suffix(".png"), volume, mesh, video))
    return written


def _ply(mesh: Mesh) -> bytes:
    body = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.normals,
        vertex_colors=mesh.vertex_colours,
        process=False,
    )
    return body.export(file_type="ply")
