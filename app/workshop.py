"""What the batch lane does: opening, fitting, saving and exporting, as jobs that can be watched and stopped."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QColor, QImage, QPainter

from app.engine_protocol import SAMPLES, Engine, Picture
from app.pictures import Look, drawn
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import FacetError
from inversion_core.geometry.mesh_options import MeshOptions
from inversion_core.image import write_atomic
from inversion_core.portrait import Marks, Portrait
from inversion_core.restoration import Restoration
from inversion_core.task import Progress

if TYPE_CHECKING:
    from inversion_core.batch import BatchOptions

Steps = Generator[Progress, None, Any]


@dataclass(frozen=True)
class Opened:
    """What opening gives.

    Attributes:
        moves, camera, path: of the project; empty, None and None for a photo.
        grey: whether the photo has no colours and could be given some.
    """

    inversion: Inversion
    model: Any
    moves: Mapping[str, float]
    camera: Camera | None
    path: Path | None
    snapshots: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    grey: bool = False


@dataclass(frozen=True)
class Shot:
    """How a screenshot is made.

    Attributes:
        size: side in pixels; background: a colour, or None for transparency.
    """

    camera: Camera
    size: int
    look: Look
    light: tuple[float, float]
    background: QColor | None


@dataclass(frozen=True)
class Stroke:
    """A stroke over the viewport: (x, y) places and the brush's radius in widths of the camera's square picture."""

    camera: Camera
    places: tuple[tuple[float, float], ...]
    radius: float
    erase: bool


@dataclass(frozen=True)
class Pull:
    """Where the head is taken hold of, in widths of the camera's square picture."""

    camera: Camera
    start: tuple[float, float]
    symmetric: bool


@dataclass(frozen=True)
class Paint:
    """A stroke of colour: (x, y) places and radius in widths of the camera's square picture, sRGB in [0, 1]."""

    camera: Camera
    places: tuple[tuple[float, float], ...]
    radius: float
    colour: tuple[float, float, float]


class Workshop:
    """The batch lane's own place: the engine and the model, loaded once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.preferred: Path | None = None
        self._model: Any = None
        self._held: tuple[Inversion, Pull, Any] | None = None
        self.enough = threading.Event()

    def model(self) -> Any:
        """The model, loaded on the first call; the bundled one where the preferred one is gone."""
        if self._model is None and self.preferred is not None:
            with suppress(FacetError):
                self._model = self.engine.load_model(self.preferred)
        if self._model is None:
            self._model = self.engine.load_model()
        return self._model

    def _model_of(self, path: Path) -> Any:
        """The model that a project was made with, if it is here; else the one in use."""
        model = self.model()
        name = self.engine.project_model(path)
        if name and name != model.card.name:
            folder = next((folder for known, _, folder in self.engine.models() if known == name), None)
            if folder is not None:
                return self.engine.load_model(folder)
        return model

    def photo(self, source: Path | bytes | str, name: str = "", face: int | None = None) -> Steps:
        """An :class:`Opened` photo; ``source`` may be "sample:astronaut"."""
        yield Progress(0, 10, "loading the model")
        model = self.model()
        # Before faces are looked for: where nothing can be made of them, that is what matters.
        self.engine.checked_encoder(model)
        yield Progress(1, 10, "finding the face")
        if isinstance(source, str) and source.startswith(SAMPLES):
            source, name = self.engine.sample(source.removeprefix(SAMPLES))
        portrait = self.engine.open_portrait(Path(source) if isinstance(source, str) else source, name, face)
        yield Progress(3, 10, "fitting the head", portrait)
        inversion = yield from _from_there(self.engine.invert(portrait, model), 3, 10)
        return Opened(inversion, model, {}, None, None, grey=self.engine.is_grey(portrait, model))

    def picture(self, source: Path | bytes, name: str) -> Steps:
        """The photo, to be looked at."""
        yield Progress(0, 0, "opening the photo")
        return self.engine.picture(source, name)

    def marked(self, picture: Picture, marks: Marks) -> Steps:
        """An :class:`Opened` photo that was aligned by hand."""
        yield Progress(0, 10, "loading the model")
        model = self.model()
        portrait = self.engine.portrait_by_hand(picture.content, marks, picture.name)
        yield Progress(2, 10, "fitting the head", portrait)
        inversion = yield from _from_there(self.engine.invert(portrait, model), 2, 10)
        return Opened(inversion, model, {}, None, None)

    def realigned(self, picture: Picture, marks: Marks) -> Steps:
        """The inversion of a photo that was aligned by hand."""
        return (yield from self.marked(picture, marks)).inversion

    def correction(self, inversion: Inversion, landmarks: Any) -> Steps:
        """The inversion of the same portrait with landmarks that were moved by hand."""
        yield Progress(0, 10, "placing the camera")
        portrait = self.engine.corrected(inversion.portrait, landmarks)
        task = self.engine.invert(portrait, self.model(), inversion.others)
        return (yield from _from_there(task, 1, 10))

    def more_photos(self, inversion: Inversion, paths: Sequence[Path]) -> Steps:
        """The inversion of the same portrait with more photos of the person."""
        others = list(inversion.others)
        for number, path in enumerate(paths):
            yield Progress(number, 3 * len(paths), "finding the face")
            others.append(self.engine.open_portrait(path))
        task = self.engine.invert(inversion.portrait, self.model(), others)
        return (yield from _from_there(task, 1, 3))

    def partner(self, path: Path) -> Steps:
        """The inversion of another person, from a project or a photo."""
        yield Progress(0, 10, "finding the face")
        model = self.model()
        if path.suffix.lower() == ".facet":
            return self.engine.load_project(path, model)[0]
        portrait = self.engine.open_portrait(path)
        return (yield from _from_there(self.engine.invert(portrait, model), 1, 10))

    def blend(self, first: Inversion, other: Inversion, strengths: tuple[float, float, float]) -> Steps:
        """The first mixed with the other."""
        yield Progress(0, 0, "mixing")
        return self.engine.blend(first, other, strengths, self.model())

    def restored(self, inversion: Inversion, restoration: Restoration) -> Steps:
        """The inversion of the same photo, restored first."""
        model = self.model()
        portrait = yield from _from_there(
            self.engine.restored(inversion.portrait, restoration, model), 0, 6, 10
        )
        task = self.engine.invert(portrait, model, inversion.others)
        return (yield from _from_there(task, 6, 10))

    def refined(self, inversion: Inversion) -> Steps:
        """The inversion nearer to its photo; ends early, with the best so far, once ``enough`` is set."""
        self.enough.clear()
        return (yield from self.engine.refined(inversion, self.model(), self.enough.is_set))

    def restoration_preview(self, inversion: Inversion, restoration: Restoration) -> Steps:
        """About what the restored photo will look like."""
        yield Progress(0, 0, "restoring")
        return self.engine.restoration_preview(inversion, restoration, self.model())

    def scratches(self, inversion: Inversion) -> Steps:
        """Which pixels of the crop are scratches."""
        yield Progress(0, 0, "looking for scratches")
        return self.engine.scratches(inversion)

    def pulled(
        self, inversion: Inversion, moves: Mapping[str, float], pull: Pull, end: tuple[float, float]
    ) -> Steps:
        """The inversion with a place of it pulled elsewhere, or None where there is nothing to take hold of."""
        yield Progress(0, 0, "pulling")
        held, model = self._held, self.model()
        if held is None or held[0] is not inversion or held[1] is not pull:
            self._held = held = (inversion, pull, self.engine.gripped(inversion, moves, pull, model))
        return None if held[2] is None else self.engine.pulled(held[2], end, model)

    def led(
        self, inversion: Inversion, moves: Mapping[str, float], pull: Pull, end: tuple[float, float]
    ) -> Steps:
        """The inversion with a place led elsewhere by a descent; ends early once ``enough`` is set."""
        self.enough.clear()
        return (yield from self.engine.led(inversion, moves, pull, end, self.model(), self.enough.is_set))

    def painted(self, inversion: Inversion, moves: Mapping[str, float], paint: Paint) -> Steps:
        """The inversion that takes a stroke's colour, or None where the stroke lies beside the head."""
        self.enough.clear()
        return (yield from self.engine.painted(inversion, moves, paint, self.model(), self.enough.is_set))

    def brushed(self, inversion: Inversion, moves: Mapping[str, float], stroke: Stroke) -> Steps:
        """The inversion with a stroke of the brush that keeps the photo."""
        yield Progress(0, 0, "painting")
        return self.engine.brushed(inversion, moves, stroke, self.model())

    def project(self, path: Path) -> Steps:
        """An :class:`Opened` project."""
        yield Progress(0, 3, "loading the model")
        model = self._model_of(path)
        yield Progress(1, 3, "reading the project")
        inversion, moves, camera, snapshots = self.engine.load_project(path, model)
        self._model = model
        return Opened(inversion, model, moves, camera, path, snapshots)

    def faces(self, source: bytes, name: str) -> Steps:
        """Boxes of the photo's faces."""
        yield Progress(0, 0, "looking for faces")
        return self.engine.faces(source, name)

    def save(
        self,
        inversion: Inversion,
        moves: Mapping[str, float],
        camera: Camera,
        path: Path,
        snapshots: Mapping[str, Mapping[str, float]],
    ) -> Steps:
        """The path, once the project is there."""
        yield Progress(0, 0, "saving")
        self.engine.save_project(inversion, moves, camera, path, self.model(), snapshots)
        return path

    def mesh(
        self, inversion: Inversion, moves: Mapping[str, float], path: Path, options: MeshOptions
    ) -> Steps:
        """The path, once the mesh is there."""
        yield Progress(0, 10, "posing the head")
        head = self.engine.edit(inversion, moves, self.model())
        yield from _from_there(self.engine.export_mesh(head, path, options), 1, 10)
        return path

    def sheet(self, inversion: Inversion, moves: Mapping[str, float], path: Path) -> Steps:
        """The path, once the contact sheet is there."""
        yield Progress(0, 10, "posing the head")
        head = self.engine.edit(inversion, moves, self.model())
        return (yield from _from_there(self.engine.save_sheet(head, inversion, path), 1, 10))

    def folder(self, folder: Path, out: Path, options: BatchOptions) -> Steps:
        """The report on a folder of photos."""
        yield Progress(0, 0, "loading the model")
        return (yield from self.engine.run_batch(folder, out, self.model(), options))

    def identified(self, files: Sequence[Path], known: Any) -> Steps:
        """What official files are."""
        yield Progress(0, 0, "reading the files")
        return self.engine.identified(files, known)

    def installed(self, parts: Any, name: str) -> Steps:
        """The folder of a model made from official files."""
        yield Progress(0, 0, "converting")
        return self.engine.install_parts(parts, name)

    def change_model(self, folder: Path | None, portrait: Portrait | None) -> Steps:
        """Another model, or an :class:`Opened` portrait with it; the old one stays in use if that fails."""
        yield Progress(0, 10, "loading the model")
        model = self.engine.load_model(folder)
        if portrait is None:
            self._model = model
            return model
        self.engine.checked_encoder(model)
        if portrait.marks is not None and not self.engine.takes_by_hand(model):
            yield Progress(1, 10, "finding the face")
            portrait = self.engine.open_portrait(portrait.source, portrait.name)
        yield Progress(2, 10, "fitting the head")
        inversion = yield from _from_there(self.engine.invert(portrait, model), 2, 10)
        self._model = model
        return Opened(inversion, model, {}, None, None)

    def turntable(
        self, inversion: Inversion, moves: Mapping[str, float], path: Path, seconds: float, fps: float
    ) -> Steps:
        """The path, once the film is there."""
        yield Progress(0, 0, "posing the head")
        head = self.engine.edit(inversion, moves, self.model())
        return (yield from self.engine.save_turntable(head, path, inversion, seconds, fps))

    def screenshot(self, inversion: Inversion, moves: Mapping[str, float], shot: Shot, path: Path) -> Steps:
        """The path, once the picture is there."""
        yield Progress(0, 2, "drawing")
        head = self.engine.edit(inversion, moves, self.model())
        distance = float((shot.camera.position**2).sum() ** 0.5)
        image = drawn(
            self.engine, head, inversion, shot.camera, shot.size, 2, shot.look, shot.light, distance
        )
        yield Progress(1, 2, "writing the file")
        if shot.background is not None:
            ground = QImage(image.size(), QImage.Format.Format_RGB32)
            ground.fill(shot.background)
            painter = QPainter(ground)
            painter.drawImage(0, 0, image)
            painter.end()
            image = ground
        write_atomic(path, encoded(image, "JPG" if path.suffix.lower() in (".jpg", ".jpeg") else "PNG"))
        return path


def encoded(image: QImage, kind: str = "PNG") -> bytes:
    """The picture as the bytes of a file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if kind == "JPG" and image.hasAlphaChannel():
        flat = QImage(image.size(), QImage.Format.Format_RGB32)
        flat.fill(Qt.GlobalColor.white)
        painter = QPainter(flat)
        painter.drawImage(0, 0, image)
        painter.end()
        image = flat
    image.save(buffer, kind, 94)
    return bytes(buffer.data())


def _from_there(task: Generator[Progress, None, Any], start: float, end: float, total: float = 0) -> Steps:
    """The task's result; its progress is told as the part from ``start`` to ``end``."""
    total = total or end
    try:
        while True:
            step = next(task)
            yield Progress(start + (end - start) * step.fraction, total, step.note, step.preview)
    except StopIteration as stop:
        return stop.value
    finally:
        task.close()
