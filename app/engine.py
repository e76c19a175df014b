"""The engine of this installation: the core, asked as :class:`app.engine_protocol.Engine` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from app.engine_photos import PhotoEngine
from app.engine_protocol import Snapshots
from app.engine_strokes import StrokeEngine
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.geometry.mesh_options import MeshOptions
from inversion_core.mesh import Mesh
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering
from inversion_core.task import Task

if TYPE_CHECKING:
    from inversion_core.batch import BatchOptions, BatchReport


def added_models() -> Path:
    """Where models that were added live; the same place as ``inversion_core.checkpoints.install`` names."""
    return platformdirs.user_data_path("facet") / "models"


class InversionCore(PhotoEngine, StrokeEngine):
    """The whole of it: models, heads and files besides photos and strokes; the slow imports happen inside the calls."""

    def load_model(self, path: Path | None = None) -> Any:
        from inversion_core.model import load_model

        return load_model(path)

    def invert(self, portrait: Portrait, model: Any, others: Sequence[Portrait] = ()) -> Task[Inversion]:
        from inversion_core.pipeline import invert

        return (yield from invert(portrait, model, others))

    def edit(self, inversion: Inversion, moves: Mapping[str, float], model: Any) -> Any:
        from inversion_core.pipeline import edit

        return edit(inversion, moves, model)

    def view(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering:
        from inversion_core.pipeline import view

        return view(head, camera, size, samples)

    def gl_draws(self, head: Any, volumes: bool) -> bool:
        """Whether the shaders draw this kind of head; volumes are only worth it on hardware."""
        from inversion_core.gl.kinds import is_surface, is_traced, is_volume

        return is_surface(head) or is_traced(head) or (volumes and is_volume(head))

    def gl_finishes(self, head: Any) -> bool:
        """Whether the shaders' picture is all that there is to this kind of head."""
        from inversion_core.gl.kinds import is_surface

        return is_surface(head)

    def export_mesh(self, head: Any, path: Path, options: MeshOptions) -> Task[Mesh]:
        from inversion_core.geometry.export import export_mesh

        return (yield from export_mesh(head, path, options))

    def relit(self, rendering: Rendering, inversion: Inversion, light: tuple[float, float]) -> Rendering:
        from inversion_core.relight import relit_rendering

        return relit_rendering(rendering, *light, getattr(inversion.detail, "light", None))

    def wired(self, rendering: Rendering, head: Any, camera: Camera, size: int) -> Rendering:
        """The rendering with the model's edges over it; as it is where the model has none."""
        from dataclasses import replace

        from inversion_core.wireframe import overlaid

        if not hasattr(head, "wireframe"):
            return rendering
        return replace(rendering, rgb=overlaid(rendering.rgb, head.wireframe(camera, size)))

    def save_sheet(self, head: Any, inversion: Inversion, path: Path) -> Task[Path]:
        from inversion_core.contact_sheet import save_sheet

        return (yield from save_sheet(head, inversion, path))

    def run_batch(self, folder: Path, out: Path, model: Any, options: BatchOptions) -> Task[BatchReport]:
        from inversion_core.batch import run_batch

        return (yield from run_batch(folder, out, model, options))

    def blend(
        self, first: Inversion, other: Inversion, strengths: tuple[float, float, float], model: Any
    ) -> Inversion:
        """The first mixed with the other: strengths of identity, appearance and expression."""
        from inversion_core.blend import blend_inversions

        return blend_inversions(model, first, other, *strengths)

    def project_model(self, path: Path) -> str:
        from inversion_core.project import project_model

        return project_model(path)

    def models(self) -> list[tuple[str, str, Path]]:
        """Name, title and folder of every model that is here; those whose card cannot be read are left out."""
        from inversion_core.errors import FacetError
        from inversion_core.model import MODELS, read_card

        folders = [path.parent for path in sorted(MODELS.glob("*/card.json"))]
        folders += [path.parent for path in sorted(added_models().glob("*/card.json"))]
        found = []
        for folder in folders:
            with suppress(FacetError):
                card = read_card(folder)
                found.append((card.name, card.title or card.name, folder))
        return found

    def identified(self, files: Sequence[Path], known: Any) -> Any:
        from inversion_core.checkpoints.companions import identified

        return identified(files, known)

    def install_parts(self, parts: Any, name: str) -> Path:
        from inversion_core.checkpoints.companions import install_parts

        return install_parts(parts, name)

    def turntable_camera(self, inversion: Inversion, yaw: float, pitch: float) -> Camera:
        from inversion_core.pipeline import turntable_camera

        return turntable_camera(inversion, yaw, pitch)

    def save_project(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        camera: Camera,
        path: Path,
        model: Any,
        snapshots: Snapshots,
    ) -> None:
        from inversion_core.project import Project, save_project

        save_project(Project(inversion, dict(moves), camera, snapshots), path, model)

    def load_project(
        self, path: Path, model: Any
    ) -> tuple[Inversion, Mapping[str, float], Camera, Snapshots]:
        from inversion_core.project import load_project

        project = load_project(path, model)
        camera = project.camera or project.inversion.portrait.camera
        return project.inversion, project.moves, camera, project.snapshots

    def save_turntable(
        self, head: Any, path: Path, inversion: Inversion, seconds: float, fps: float
    ) -> Task[Path]:
        from inversion_core.turntable import save_turntable

        return (yield from save_turntable(head, path, inversion, seconds=seconds, fps=fps))
