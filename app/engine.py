"""The engine as the window sees it, and the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import platformdirs
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.geometry.mesh_options import MeshOptions
from inversion_core.mesh import Mesh
from inversion_core.portrait import FacePoints, Marks, Portrait, Square
from inversion_core.rendering import Rendering
from inversion_core.restoration import Restoration
from inversion_core.task import Task

if TYPE_CHECKING:
    from inversion_core.batch import BatchOptions, BatchReport

Snapshots = Mapping[str, Mapping[str, float]]
SAMPLES = "sample:"
"""Prefix of the names of pictures that come with Facet's libraries."""


PICTURE_SIDE = 2400
"""Pixels a side at which a photo is shown to be marked."""


@dataclass(frozen=True)
class Picture:
    """A photo that is looked at.

    Attributes:
        content: its bytes; photo: (h, w, 3) uint8, reduced; full: its real height and width.
    """

    content: bytes
    name: str
    photo: NDArray[np.uint8]
    full: tuple[int, int]


def added_models() -> Path:
    """Where models that were added live; the same place as ``inversion_core.checkpoints.install`` names."""
    return platformdirs.user_data_path("facet") / "models"


class Engine(Protocol):
    """What the controller asks for; every call happens on a lane's thread except ``turntable_camera``,
    ``takes_by_hand``, ``marks_of`` and ``hand_preview``, which take milliseconds."""

    def load_model(self, path: Path | None = None) -> Any: ...
    def open_portrait(self, source: Path | bytes, name: str = "", face: int | None = None) -> Portrait: ...
    def faces(self, source: bytes, name: str = "") -> tuple[tuple[float, float, float, float], ...]: ...
    def picture(self, source: Path | bytes, name: str = "") -> Picture: ...
    def takes_by_hand(self, model: Any) -> bool: ...
    def checked_encoder(self, model: Any) -> None: ...
    def marks_of(self, portrait: Portrait) -> tuple[Square, FacePoints]: ...
    def hand_preview(self, picture: Picture, marks: Marks, size: int) -> Any: ...
    def portrait_by_hand(self, source: bytes, marks: Marks, name: str) -> Portrait: ...
    def corrected(self, portrait: Portrait, landmarks: Any) -> Portrait: ...
    def invert(self, portrait: Portrait, model: Any, others: Sequence[Portrait] = ()) -> Task[Inversion]: ...
    def edit(self, inversion: Inversion, moves: Mapping[str, float], model: Any) -> Any: ...
    def view(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering: ...
    def gl_draws(self, head: Any, volumes: bool) -> bool: ...
    def gl_finishes(self, head: Any) -> bool: ...
    def export_mesh(self, head: Any, path: Path, options: MeshOptions) -> Task[Mesh]: ...
    def relit(self, rendering: Rendering, inversion: Inversion, light: tuple[float, float]) -> Rendering: ...
    def wired(self, rendering: Rendering, head: Any, camera: Camera, size: int) -> Rendering: ...
    def save_sheet(self, head: Any, inversion: Inversion, path: Path) -> Task[Path]: ...
    def run_batch(self, folder: Path, out: Path, model: Any, options: BatchOptions) -> Task[BatchReport]: ...
    def blend(
        self, first: Inversion, other: Inversion, strengths: tuple[float, float, float], model: Any
    ) -> Inversion: ...
    def brushed(
        self, inversion: Inversion, moves: Mapping[str, float], stroke: Any, model: Any
    ) -> Inversion: ...
    def is_grey(self, portrait: Portrait, model: Any) -> bool: ...
    def restoration_preview(self, inversion: Inversion, restoration: Restoration, model: Any) -> Any: ...
    def scratches(self, inversion: Inversion) -> Any: ...
    def restored(self, portrait: Portrait, restoration: Restoration, model: Any) -> Task[Portrait]: ...
    def refined(self, inversion: Inversion, model: Any, enough: Callable[[], bool]) -> Task[Inversion]: ...
    def gripped(self, inversion: Inversion, moves: Mapping[str, float], pull: Any, model: Any) -> Any: ...
    def pulled(self, grip: Any, end: tuple[float, float], model: Any) -> Inversion: ...
    def led(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        pull: Any,
        end: tuple[float, float],
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion]: ...
    def painted(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        paint: Any,
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion | None]: ...
    def project_model(self, path: Path) -> str: ...
    def models(self) -> list[tuple[str, str, Path]]: ...
    def identified(self, files: Sequence[Path], known: Any) -> Any: ...
    def install_parts(self, parts: Any, name: str) -> Path: ...
    def turntable_camera(self, inversion: Inversion, yaw: float, pitch: float) -> Camera: ...
    def save_project(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        camera: Camera,
        path: Path,
        model: Any,
        snapshots: Snapshots,
    ) -> None: ...
    def load_project(
        self, path: Path, model: Any
    ) -> tuple[Inversion, Mapping[str, float], Camera, Snapshots]: ...
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

    def picture(self, source: Path | bytes, name: str = "") -> Picture:
        """The photo as its bytes and as a picture of at most :data:`PICTURE_SIDE` pixels a side."""
        from PIL import Image

        from inversion_core.image import decode, full_size, read_bytes

        content = source if isinstance(source, bytes) else read_bytes(source)
        name = name or (source.name if isinstance(source, Path) else "photo")
        photo = Image.fromarray(decode(content, name))
        photo.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        return Picture(content, name, np.array(photo), full_size(content))

    def takes_by_hand(self, model: Any) -> bool:
        from inversion_core.model import takes_by_hand

        return takes_by_hand(model)

    def checked_encoder(self, model: Any) -> None:
        """Nothing, where the model takes photos; see :func:`inversion_core.model.checked_encoder`."""
        from inversion_core.model import checked_encoder

        checked_encoder(model)

    def marks_of(self, portrait: Portrait) -> tuple[Square, FacePoints]:
        """The square and the five points that a portrait has."""
        from inversion_core.manual_alignment import points_of, square_of

        return square_of(portrait), points_of(portrait)

    def hand_preview(self, picture: Picture, marks: Marks, size: int) -> Any:
        """What the marks come to; see :class:`inversion_core.manual_alignment.HandPreview`."""
        from inversion_core.manual_alignment import hand_preview

        return hand_preview(picture.photo, picture.full, marks, size, picture.name)

    def portrait_by_hand(self, source: bytes, marks: Marks, name: str) -> Portrait:
        from inversion_core.manual_alignment import portrait_by_hand

        return portrait_by_hand(source, marks, name)

    def corrected(self, portrait: Portrait, landmarks: Any) -> Portrait:
        """The portrait with other landmarks, and the camera that follows from them."""
        from dataclasses import replace

        from inversion_core.alignment import estimate_camera

        return replace(portrait, landmarks=landmarks, camera=estimate_camera(landmarks))

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

    def brushed(self, inversion: Inversion, moves: Mapping[str, float], stroke: Any, model: Any) -> Inversion:
        """The inversion with a stroke of the brush that keeps the photo; ``stroke`` is a view3d.Stroke with a camera."""
        from dataclasses import replace

        from inversion_core.keep import brushed
        from inversion_core.pipeline import edit

        head = edit(inversion, moves, model)
        places, radius, erase = stroke.places, stroke.radius, stroke.erase
        return replace(inversion, keep=brushed(head, inversion.keep, stroke.camera, places, radius, erase))

    def is_grey(self, portrait: Portrait, model: Any) -> bool:
        """Whether the photo has no colours, was given none, and the model could give it some."""
        from inversion_core.restore.colour import is_monochrome

        if model.card.kind != "heads" or portrait.restoration is not None:
            return False
        return is_monochrome(portrait.image)

    def restoration_preview(self, inversion: Inversion, restoration: Restoration, model: Any) -> Any:
        from inversion_core.restore.photo import preview

        return preview(model, inversion, restoration)

    def scratches(self, inversion: Inversion) -> Any:
        """(512, 512) bool, fine lines on the photo's crop that no face has."""
        from inversion_core.restore.damage import scratches
        from inversion_core.restore.photo import original_crop

        portrait, hair = inversion.portrait, inversion.detail.masks[..., 1]
        return scratches(original_crop(portrait), portrait.landmarks, hair)

    def restored(self, portrait: Portrait, restoration: Restoration, model: Any) -> Task[Portrait]:
        from inversion_core.restore.photo import restored

        return (yield from restored(model, portrait, restoration))

    def gripped(self, inversion: Inversion, moves: Mapping[str, float], pull: Any, model: Any) -> Any:
        """The grip of a place of the head, or None where there is no skin; ``pull`` is a workshop.Pull."""
        from inversion_core.errors import BadInput
        from inversion_core.pipeline import edit
        from inversion_core.strokes import gripped

        head = edit(inversion, moves, model)
        with suppress(BadInput):
            return gripped(model, head, pull.camera, pull.start, symmetric=pull.symmetric)
        return None

    def refined(self, inversion: Inversion, model: Any, enough: Callable[[], bool]) -> Task[Inversion]:
        from inversion_core.restore.descent import refined

        return (yield from refined(model, inversion, enough=enough))

    def pulled(self, grip: Any, end: tuple[float, float], model: Any) -> Inversion:
        from inversion_core.strokes import pulled

        return pulled(model, grip, end)

    def led(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        pull: Any,
        end: tuple[float, float],
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion]:
        """A place led elsewhere, on a loaded generator; ``pull`` is a workshop.Pull."""
        from inversion_core.latent_strokes import ShapeStroke, obeying

        stroke = ShapeStroke(pull.start, end)
        return (yield from obeying(model, inversion, moves, pull.camera, stroke, enough=enough))

    def painted(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        paint: Any,
        model: Any,
        enough: Callable[[], bool],
    ) -> Task[Inversion | None]:
        """The colour of a stroke on what lies there, None beside the head; ``paint`` is a workshop.Paint."""
        from inversion_core.colour_strokes import ColourStroke, coloured
        from inversion_core.errors import BadInput
        from inversion_core.task import Progress

        stroke = ColourStroke(paint.places, paint.radius, paint.colour)
        if model.card.kind != "heads":
            from inversion_core.latent_strokes import obeying

            return (yield from obeying(model, inversion, moves, paint.camera, stroke, enough=enough))
        yield Progress(0, 0, "painting")
        with suppress(BadInput):
            return coloured(model, inversion, moves, paint.camera, stroke)[0]
        return None

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

    def sample(self, name: str) -> tuple[bytes, str]:
        """Bytes and file name of a picture of scikit-image, without asking the network."""
        import skimage

        path = Path(skimage.__file__).parent / "data" / f"{name}.png"
        return path.read_bytes(), f"{name}.png"
