"""The engine as the window sees it, and the real one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.mesh import Mesh
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering
from inversion_core.task import Task

SAMPLES = "sample:"
"""Prefix of the names of pictures that come with Facet's libraries."""


class Engine(Protocol):
    """What the controller asks for; every call happens on a lane's thread except ``turntable_camera``."""

    def load_model(self, path: Path | None = None) -> Any: ...
    def open_portrait(self, source: Path | bytes, name: str = "", face: int | None = None) -> Portrait: ...
    def faces(self, source: bytes, name: str = "") -> tuple[tuple[float, float, float, float], ...]: ...
    def corrected(self, portrait: Portrait, landmarks: Any) -> Portrait: ...
    def invert(self, portrait: Portrait, model: Any) -> Task[Inversion]: ...
    def edit(self, inversion: Inversion, moves: Mapping[str, float], model: Any) -> Any: ...
    def view(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering: ...
    def sculpt(self, head: Any, resolution: int | None = None) -> Task[Mesh]: ...
    def turntable_camera(self, inversion: Inversion, yaw: float, pitch: float) -> Camera: ...
    def save_mesh(self, mesh: Mesh, path: Path) -> None: ...
    def save_project(
        self, inversion: Inversion, moves: Mapping[str, float], camera: Camera, path: Path, model: Any
    ) -> None: ...
    def load_project(self, path: Path, model: Any) -> tuple[Inversion, Mapping[str, float], Camera]: ...
    def save_turntable(
        self, head: Any, path: Path, inversion: Inversion, seconds: float, fps: float
    ) -> Task[Path]: ...
    def sample(self, name: str) -> tuple[bytes, str]: ...


class InversionCore:
    """The engine of this installation; the slow imports happen inside the calls."""

    def load_model(self, path: Path | None = None) -> Any:
        from inversion_core.model import load_model

        return load_model(path)

    def open_portrait(self, source: Path | bytes, name: str = "", face: int | None = None) -> Portrait:
        from inversion_core.pipeline import open_portrait

        return open_portrait(source, name, face)

    def faces(self, source: bytes, name: str = "") -> tuple[tuple[float, float, float, float], ...]:
        """Boxes x0, y0, x1, y1 in [0, 1] of the upright photo, largest face first."""
        from inversion_core.faces import find_faces
        from inversion_core.image import decode

        image = decode(source, name)
        height, width = image.shape[:2]
        scale = (width, height, width, height)
        return tuple(
            tuple(float(value / side) for value, side in zip(face.box, scale, strict=True))
            for face in find_faces(image)
        )

    def corrected(self, portrait: Portrait, landmarks: Any) -> Portrait:
        """The portrait with other landmarks, and the camera that follows from them."""
        from dataclasses import replace

        from inversion_core.alignment import estimate_camera

        return replace(portrait, landmarks=landmarks, camera=estimate_camera(landmarks))

    def invert(self, portrait: Portrait, model: Any) -> Task[Inversion]:
        from inversion_core.pipeline import invert

        return (yield from invert(portrait, model))

    def edit(self, inversion: Inversion, moves: Mapping[str, float], model: Any) -> Any:
        from inversion_core.pipeline import edit

        return edit(inversion, moves, model)

    def view(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering:
        from inversion_core.pipeline import view

        return view(head, camera, size, samples)

    def sculpt(self, head: Any, resolution: int | None = None) -> Task[Mesh]:
        from inversion_core.pipeline import sculpt

        return (yield from sculpt(head, resolution))

    def turntable_camera(self, inversion: Inversion, yaw: float, pitch: float) -> Camera:
        from inversion_core.pipeline import turntable_camera

        return turntable_camera(inversion, yaw, pitch)

    def save_mesh(self, mesh: Mesh, path: Path) -> None:
        from inversion_core.geometry.mesh_files import save_mesh

        save_mesh(mesh, path)

    def save_project(
        self, inversion: Inversion, moves: Mapping[str, float], camera: Camera, path: Path, model: Any
    ) -> None:
        from inversion_core.project import Project, save_project

        save_project(Project(inversion, dict(moves), camera), path, model)

    def load_project(self, path: Path, model: Any) -> tuple[Inversion, Mapping[str, float], Camera]:
        from inversion_core.project import load_project

        project = load_project(path, model)
        return project.inversion, project.moves, project.camera or project.inversion.portrait.camera

    def save_turntable(
        self, head: Any, path: Path, inversion: Inversion, seconds: float, fps: float
    ) -> Task[Path]:
        from inversion_core.turntable import save_turntable

        return (yield from save_turntable(head, path, inversion, seconds=seconds, fps=fps))

    def sample(self, name: str) -> tuple[bytes, str]:
        """Bytes and file name of a picture of scikit-image, without asking the network."""
        import skimage

        path = Path(skimage.__file__).parent / "data" / f"{name}.png"
        return path.read_bytes(), f"{name}.png"
