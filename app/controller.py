"""Between the session and the lanes: turns intent into jobs, and what they deliver into signals.

What makes the head that is open anew is :class:`OpenHead`'s, as ``controller.head``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.activities import Activities, Activity
from app.drawing import Drawing
from app.engine import InversionCore
from app.engine_protocol import Engine, Picture
from app.frames import Request
from app.open_head import OpenHead
from app.orbit import View, camera_of, view_of
from app.pictures import Look
from app.session import Session
from app.translations import spoken
from app.workshop import Opened, Shot, Workshop
from inversion_core.camera import Camera
from inversion_core.errors import NoFace
from inversion_core.geometry.mesh_options import MeshOptions
from inversion_core.portrait import Marks


class Controller(QObject):
    """Owns the two lanes and nothing else that lasts; see the session for the document."""

    model_ready = Signal(object)
    frame_ready = Signal(object)
    activity_changed = Signal(object)
    """The running :class:`Activity`, or None."""
    portrait_found = Signal(object)
    """The aligned :class:`Portrait` of a photo whose head is still being fitted."""
    sketched = Signal(object)
    """A picture (S, S, 3) of the head that is being refined, as far as it is."""
    done = Signal(object, object)
    """A finished :class:`Activity` and its result."""
    failed = Signal(str, object)
    """What was being done, and the exception."""
    face_missed = Signal(object, object)
    """The :class:`Activity` of a photo in which no face was found, and the error; it can be aligned by hand."""
    stopped = Signal(object)
    """An :class:`Activity` that was cancelled."""

    def __init__(self, session: Session, engine: Engine | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.engine: Engine = engine or InversionCore()
        self.model: Any = None
        self._workshop = Workshop(self.engine)
        self._activities = Activities(self)
        self._drawing = Drawing(self.engine, self)
        self.head = OpenHead(self, self._workshop, self._activities)
        self.batch, self.live = self._activities.lane, self._drawing.lane
        self._drawing.frame_ready.connect(self.frame_ready)
        self._drawing.failed.connect(self.failed)
        self._activities.changed.connect(self.activity_changed)
        self._activities.portrait_found.connect(self.portrait_found)
        self._activities.sketched.connect(self.sketched)
        self._activities.stopped.connect(self.stopped)
        self._activities.finished.connect(self._on_finished)
        self._activities.failed.connect(self._on_failed)

    def close(self) -> bool:
        """Whether both lanes have ended."""
        self.live.cancel()
        return all([self.batch.close(), self.live.close()])

    # ---- pictures ---------------------------------------------------------------------------------------------

    def camera(self, view: View | None = None, aspect: float = 1.0) -> Camera:
        """The session's camera, or that of another view."""
        inversion = self.session.inversion
        assert inversion is not None

        def turntable(yaw: float, pitch: float) -> Camera:
            return self.engine.turntable_camera(inversion, yaw, pitch)

        return camera_of(view or self.session.view, inversion.portrait.camera, turntable, aspect)

    def draw(
        self,
        size: int,
        aspect: float,
        look: Look,
        light: tuple[float, float],
        with_before: bool,
        smooth: int = 2,
        as_head: bool = False,
        volumes: bool = False,
    ) -> None:
        """Ask for the picture of the session as it is now; earlier wishes are forgotten.

        Args:
            as_head: whether the viewport draws heads itself; a head that it has already comes at once.
            volumes: whether it marches volumes, too.
        """
        if self.session.inversion is None or self.model is None:
            return
        request = Request(
            self.session.inversion,
            dict(self.session.moves),
            self.model,
            self.camera(aspect=aspect),
            size,
            look,
            light,
            with_before,
            smooth,
            before=dict(self.session.before),
            as_head=as_head,
            volumes=volumes,
        )
        self._drawing.ask(request)

    # ---- files ------------------------------------------------------------------------------------------------

    def warm_up(self, preferred: str = "") -> None:
        """Load the model before anything is asked of it: of the preferred folder, where that works."""
        self._workshop.preferred = Path(preferred) if preferred else None
        self._activities.start(Activity("model", self.tr("Loading the model")), self._workshop.model)

    def open_photo(self, source: Path | bytes | str, name: str = "", face: int | None = None) -> None:
        """Open a photo ("sample:NAME" for a bundled one); the document changes only when that worked."""
        shown = name or Path(str(source).rpartition(":")[2] if isinstance(source, str) else source).name
        activity = Activity("photo", self.tr("Opening {name}").format(name=shown), source)
        self._activities.start(activity, lambda: self._workshop.photo(source, name, face))

    def open_project(self, path: Path) -> None:
        activity = Activity("project", self.tr("Opening {name}").format(name=path.name), path)
        self._activities.start(activity, lambda: self._workshop.project(path))

    def look_at(self, source: Path | bytes, name: str = "") -> None:
        """Read a photo that is to be aligned by hand; the :class:`Picture` is the result."""
        shown = name or (source.name if isinstance(source, Path) else "")
        activity = Activity("picture", self.tr("Opening {name}").format(name=shown), source)
        self._activities.start(activity, lambda: self._workshop.picture(source, name))

    def open_marked(self, picture: Picture, marks: Marks, source: Any) -> None:
        """Open a photo that was aligned by hand; ``source`` is what it was asked for with."""
        activity = Activity("photo", self.tr("Opening {name}").format(name=picture.name), source)
        self._activities.start(activity, lambda: self._workshop.marked(picture, marks))

    def find_partner(self, path: Path) -> None:
        """Open another person to mix with; the inversion is the result."""
        doing = self.tr("Opening {name}").format(name=path.name)
        self._activities.start(
            Activity("partner", doing, self.session.inversion), lambda: self._workshop.partner(path)
        )

    def find_faces(self) -> None:
        portrait = self.session.inversion.portrait
        activity = Activity("faces", self.tr("Looking for faces"), portrait)
        self._activities.start(activity, lambda: self._workshop.faces(portrait.source, portrait.name))

    def save(self, path: Path, kind: str = "save") -> None:
        """Save the document as it is now; ``kind`` "autosave" keeps quiet about it."""
        inversion, moves, camera = self._document()
        snapshots = dict(self.session.snapshots)
        activity = Activity(kind, self.tr("Saving {name}").format(name=path.name), self.session.step)
        self._activities.start(
            activity, lambda: self._workshop.save(inversion, moves, camera, path, snapshots)
        )

    def export_mesh(self, path: Path, options: MeshOptions | None = None) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("mesh", self.tr("Exporting {name}").format(name=path.name), path)
        wanted = options or MeshOptions()
        self._activities.start(activity, lambda: self._workshop.mesh(inversion, moves, path, wanted))

    def export_sheet(self, path: Path) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("sheet", self.tr("Saving {name}").format(name=path.name), path)
        self._activities.start(activity, lambda: self._workshop.sheet(inversion, moves, path))

    def run_batch(self, folder: Path, out: Path, options: Any) -> None:
        """Turn a folder of photos into projects; ``options`` is a BatchOptions."""
        activity = Activity("batch", self.tr("Converting {name}").format(name=folder.name), folder)
        self._activities.start(activity, lambda: self._workshop.folder(folder, out, options))

    def identify(self, files: list[Path], known: Any = None) -> None:
        """Find out what official files are; the parts of a model are the result."""
        activity = Activity("parts", self.tr("Looking at {name}").format(name=files[0].name), files)
        self._activities.start(activity, lambda: self._workshop.identified(files, known))

    def install_parts(self, parts: Any, name: str) -> None:
        activity = Activity("install", self.tr("Adding the model {name}").format(name=name), name)
        self._activities.start(activity, lambda: self._workshop.installed(parts, name))

    def change_model(self, folder: Path | None, title: str) -> None:
        """Work with another model from now on; the photo that is open is fitted again."""
        inversion = self.session.inversion
        portrait = None if inversion is None else inversion.portrait
        activity = Activity("model", self.tr("Changing to {title}").format(title=title), folder)
        self._activities.start(activity, lambda: self._workshop.change_model(folder, portrait))

    def export_turntable(self, path: Path, seconds: float, fps: float) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("turntable", self.tr("Filming {name}").format(name=path.name), path)
        self._activities.start(
            activity, lambda: self._workshop.turntable(inversion, moves, path, seconds, fps)
        )

    def screenshot(self, path: Path, shot: Shot) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("screenshot", self.tr("Saving {name}").format(name=path.name), path)
        self._activities.start(activity, lambda: self._workshop.screenshot(inversion, moves, shot, path))

    def stop(self) -> None:
        """Cancel what the batch lane does and has yet to do; a descent keeps the best so far."""
        running = self._activities.running
        descends = running is not None and running.kind in ("refine", "stroke")
        if descends and not self._workshop.enough.is_set():
            self._workshop.enough.set()
            return
        self._activities.stop()

    def _document(self) -> tuple[Any, Mapping[str, float], Camera]:
        assert self.session.inversion is not None
        return self.session.inversion, dict(self.session.moves), self.camera()

    @Slot(object, object)
    def _on_finished(self, activity: Activity, result: Any) -> None:
        if isinstance(result, Opened):
            self._take(result, activity)
        elif activity.kind == "model":
            self._take_model(result)
        elif activity.kind == "save":
            self.session.mark_saved(result, activity.context)
        else:
            self.head.take(activity, result)
        self.done.emit(activity, result)

    def _take_model(self, model: Any) -> None:
        if model is not self.model:
            self.model = model
            self.session.sliders = spoken(model.card.sliders)
            self.model_ready.emit(model)

    def _take(self, opened: Opened, activity: Activity) -> None:
        self._take_model(opened.model)
        inversion = opened.inversion
        photo, view = inversion.portrait.camera, None
        # Projects that no window has saved have the photo's own camera, which cuts off hair above the crop.
        if opened.camera is not None and not np.allclose(opened.camera.label(), photo.label(), atol=1e-6):
            view = view_of(opened.camera, photo)
        self.session.open(
            inversion,
            opened.moves,
            view,
            opened.path,
            activity.doing,
            opened.path is not None,
            opened.snapshots,
        )

    @Slot(object, object)
    def _on_failed(self, activity: Activity, error: Exception) -> None:
        by_hand = activity.kind == "photo" and isinstance(error, NoFace) and self.model is not None
        if by_hand and self.engine.takes_by_hand(self.model):
            self.face_missed.emit(activity, error)
        else:
            self.failed.emit(activity.doing, error)
