"""Between the session and the lanes: turns intent into jobs, and what they deliver into signals."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.engine import Engine, InversionCore, Picture
from app.frames import Frame, Request, Studio
from app.jobs import Lane, Work
from app.orbit import View, camera_of, view_of
from app.pictures import Look
from app.session import Session
from app.translations import spoken
from app.workshop import Opened, Pull, Shot, Stroke, Workshop
from inversion_core.camera import Camera
from inversion_core.errors import NoFace
from inversion_core.geometry.mesh_options import MeshOptions
from inversion_core.portrait import Marks, Portrait
from inversion_core.restoration import Restoration
from inversion_core.task import Progress


@dataclass(frozen=True)
class Activity:
    """A job of the batch lane.

    Attributes:
        kind: "photo", "project", "fit", "more", "partner", "blend", "brush", "restore", "preview",
            "scratches", "pull", "refine", "save", "autosave", "mesh",
            "turntable", "screenshot", "sheet", "faces", "picture", "align", "model", "batch", "parts", "install".
        doing: for people, "Opening photo.jpg"; context: what the job was asked with.
        note: the present step; fraction: in [0, 1]; started: monotonic seconds.
    """

    kind: str
    doing: str
    context: Any = None
    note: str = ""
    fraction: float = 0.0
    started: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """A guess from the pace so far; None while it would be worthless."""
        spent = time.monotonic() - self.started
        if self.fraction < 0.05 or spent < 1.0:
            return None
        return spent * (1 - self.fraction) / self.fraction


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
        self._studio = Studio(self.engine)
        self._workshop = Workshop(self.engine)
        self._wished_blend: tuple[Any, tuple[float, float, float]] | None = None
        self._wished_preview: tuple[Any, Restoration] | None = None
        self._pull: tuple[Any, Pull] | None = None
        self._wished_pull: tuple[Any, ...] | None = None
        self._activities: dict[int, Activity] = {}
        self._frame_job = 0
        self._posed: Frame | None = None
        self.live = Lane("facet-live", self)
        self.batch = Lane("facet-batch", self)
        self.live.progressed.connect(self._on_preview)
        self.live.finished.connect(self._on_frame)
        self.live.failed.connect(self._on_frame_failed)
        self.batch.progressed.connect(self._on_progress)
        self.batch.finished.connect(self._on_done)
        self.batch.failed.connect(self._on_failed)
        self.batch.cancelled.connect(self._on_stopped)

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
        if self._posed is not None and self._posed.answers(request):
            self.live.cancel()
            self._frame_job = 0
            self.frame_ready.emit(replace(self._posed, request=request, edit_milliseconds=0.0))
        else:
            self._frame_job = self.live.submit(_Frames(self._studio, request))

    @Slot(int, object)
    def _on_preview(self, number: int, step: Progress) -> None:
        if number == self._frame_job and isinstance(step.preview, Frame):
            self.frame_ready.emit(step.preview)

    @Slot(int, object)
    def _on_frame(self, number: int, frame: Frame) -> None:
        if number == self._frame_job:
            self._posed = frame if frame.drawn_by_viewport else None
            self.frame_ready.emit(frame)

    @Slot(int, object)
    def _on_frame_failed(self, number: int, error: Exception) -> None:
        if number == self._frame_job:
            self.failed.emit(self.tr("Drawing the head"), error)

    # ---- files ------------------------------------------------------------------------------------------------

    def warm_up(self, preferred: str = "") -> None:
        """Load the model before anything is asked of it: of the preferred folder, where that works."""
        self._workshop.preferred = Path(preferred) if preferred else None
        self._start(Activity("model", self.tr("Loading the model")), self._workshop.model)

    def open_photo(self, source: Path | bytes | str, name: str = "", face: int | None = None) -> None:
        """Open a photo ("sample:NAME" for a bundled one); the document changes only when that worked."""
        shown = name or Path(str(source).rpartition(":")[2] if isinstance(source, str) else source).name
        activity = Activity("photo", self.tr("Opening {name}").format(name=shown), source)
        self._start(activity, lambda: self._workshop.photo(source, name, face))

    def open_project(self, path: Path) -> None:
        activity = Activity("project", self.tr("Opening {name}").format(name=path.name), path)
        self._start(activity, lambda: self._workshop.project(path))

    def look_at(self, source: Path | bytes, name: str = "") -> None:
        """Read a photo that is to be aligned by hand; the :class:`Picture` is the result."""
        shown = name or (source.name if isinstance(source, Path) else "")
        activity = Activity("picture", self.tr("Opening {name}").format(name=shown), source)
        self._start(activity, lambda: self._workshop.picture(source, name))

    def open_marked(self, picture: Picture, marks: Marks, source: Any) -> None:
        """Open a photo that was aligned by hand; ``source`` is what it was asked for with."""
        activity = Activity("photo", self.tr("Opening {name}").format(name=picture.name), source)
        self._start(activity, lambda: self._workshop.marked(picture, marks))

    def realign(self, picture: Picture, marks: Marks) -> None:
        """Fit the head again to its photo, aligned by hand."""
        activity = Activity("align", self.tr("Fitting the head again"), self.session.inversion)
        self._start(activity, lambda: self._workshop.realigned(picture, marks))

    def correct(self, landmarks: Any) -> None:
        """Fit the head again to landmarks that were moved by hand."""
        inversion = self.session.inversion
        activity = Activity("fit", self.tr("Fitting the head again"), inversion)
        self._start(activity, lambda: self._workshop.correction(inversion, landmarks))

    def add_photos(self, paths: list[Path]) -> None:
        """Fit the head again to its photo and further ones of the same person."""
        inversion = self.session.inversion
        doing = self.tr("Adding %n photo(s)", "", len(paths))
        self._start(Activity("more", doing, inversion), lambda: self._workshop.more_photos(inversion, paths))

    def find_partner(self, path: Path) -> None:
        """Open another person to mix with; the inversion is the result."""
        doing = self.tr("Opening {name}").format(name=path.name)
        self._start(Activity("partner", doing, self.session.inversion), lambda: self._workshop.partner(path))

    def blend(self, other: Any, strengths: tuple[float, float, float]) -> None:
        """Mix the head with another person; while one mix is made, only the latest wish is kept."""
        if any(activity.kind == "blend" for activity in self._activities.values()):
            self._wished_blend = (other, strengths)
            return
        self._wished_blend = None
        first = self.session.inversion
        activity = Activity("blend", self.tr("Mixing two people"), first)
        self._start(activity, lambda: self._workshop.blend(first, other, strengths))

    @property
    def restores(self) -> bool:
        """Whether the head that is open can be restored and pulled: one person's, of the bundled model."""
        inversion = self.session.inversion
        if inversion is None or self.model is None or inversion.blend is not None:
            return False
        return self.model.card.kind == "heads"

    def restore(self, restoration: Restoration) -> None:
        """Make the head again from its photo, restored."""
        inversion = self.session.inversion
        activity = Activity("restore", self.tr("Restoring the photo"), inversion)
        self._start(activity, lambda: self._workshop.restored(inversion, restoration))

    @property
    def refines(self) -> bool:
        """Whether the head that is open can be brought nearer to its photo by more steps."""
        return self.model is not None and self.model.card.kind in ("eg3d", "goae")

    def refine(self) -> None:
        """Go on from the head's codes towards its photo; stopping keeps the best so far."""
        inversion = self.session.inversion
        activity = Activity("refine", self.tr("Refining the head"), inversion)
        self._start(activity, lambda: self._workshop.refined(inversion))

    def preview_restoration(self, inversion: Any, restoration: Restoration) -> None:
        """Ask for the restored photo; while one is made, only the latest wish is kept."""
        if any(activity.kind == "preview" for activity in self._activities.values()):
            self._wished_preview = (inversion, restoration)
            return
        self._wished_preview = None
        activity = Activity("preview", self.tr("Restoring the photo"), inversion)
        self._start(activity, lambda: self._workshop.restoration_preview(inversion, restoration))

    def find_scratches(self, inversion: Any) -> None:
        activity = Activity("scratches", self.tr("Looking for scratches"), inversion)
        self._start(activity, lambda: self._workshop.scratches(inversion))

    def begin_pull(self) -> None:
        """The next pull takes hold anew."""
        self._pull = self._wished_pull = None

    def pull(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        symmetric: bool,
        aspect: float,
        gesture: str,
    ) -> None:
        """Pull a place of the head to another, both as the viewport shows it; pulls of one gesture are one step."""
        if self._pull is None:
            if not self.restores:
                return
            self._pull = (self.session.inversion, Pull(self.camera(aspect=aspect), start, symmetric))
        self._wished_pull = (*self._pull, end, gesture)
        if not any(activity.kind == "pull" for activity in self._activities.values()):
            self._start_pull()

    def _start_pull(self) -> None:
        inversion, pull, end, gesture = self._wished_pull
        self._wished_pull, moves = None, dict(self.session.moves)
        activity = Activity("pull", self.tr("Pull the shape"), (self.session.inversion, gesture))
        self._start(activity, lambda: self._workshop.pulled(inversion, moves, pull, end))

    def brush(
        self, places: tuple[tuple[float, float], ...], radius: float, erase: bool, aspect: float
    ) -> None:
        """Paint where edits leave the photo as it is; ``places`` as the viewport shows the head now."""
        inversion, moves = self.session.inversion, dict(self.session.moves)
        if inversion is None or self.model is None or self.model.card.kind != "heads":
            return
        stroke = Stroke(self.camera(aspect=aspect), places, radius, erase)
        doing = self.tr("Free a region") if erase else self.tr("Keep a region")
        activity = Activity("brush", doing, inversion)
        self._start(activity, lambda: self._workshop.brushed(inversion, moves, stroke))

    def find_faces(self) -> None:
        portrait = self.session.inversion.portrait
        activity = Activity("faces", self.tr("Looking for faces"), portrait)
        self._start(activity, lambda: self._workshop.faces(portrait.source, portrait.name))

    def save(self, path: Path, kind: str = "save") -> None:
        """Save the document as it is now; ``kind`` "autosave" keeps quiet about it."""
        inversion, moves, camera = self._document()
        snapshots = dict(self.session.snapshots)
        activity = Activity(kind, self.tr("Saving {name}").format(name=path.name), self.session.step)
        self._start(activity, lambda: self._workshop.save(inversion, moves, camera, path, snapshots))

    def export_mesh(self, path: Path, options: MeshOptions | None = None) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("mesh", self.tr("Exporting {name}").format(name=path.name), path)
        wanted = options or MeshOptions()
        self._start(activity, lambda: self._workshop.mesh(inversion, moves, path, wanted))

    def export_sheet(self, path: Path) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("sheet", self.tr("Saving {name}").format(name=path.name), path)
        self._start(activity, lambda: self._workshop.sheet(inversion, moves, path))

    def run_batch(self, folder: Path, out: Path, options: Any) -> None:
        """Turn a folder of photos into projects; ``options`` is a BatchOptions."""
        activity = Activity("batch", self.tr("Converting {name}").format(name=folder.name), folder)
        self._start(activity, lambda: self._workshop.folder(folder, out, options))

    def identify(self, files: list[Path], known: Any = None) -> None:
        """Find out what official files are; the parts of a model are the result."""
        activity = Activity("parts", self.tr("Looking at {name}").format(name=files[0].name), files)
        self._start(activity, lambda: self._workshop.identified(files, known))

    def install_parts(self, parts: Any, name: str) -> None:
        activity = Activity("install", self.tr("Adding the model {name}").format(name=name), name)
        self._start(activity, lambda: self._workshop.installed(parts, name))

    def change_model(self, folder: Path | None, title: str) -> None:
        """Work with another model from now on; the photo that is open is fitted again."""
        inversion = self.session.inversion
        portrait = None if inversion is None else inversion.portrait
        activity = Activity("model", self.tr("Changing to {title}").format(title=title), folder)
        self._start(activity, lambda: self._workshop.change_model(folder, portrait))

    def export_turntable(self, path: Path, seconds: float, fps: float) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("turntable", self.tr("Filming {name}").format(name=path.name), path)
        self._start(activity, lambda: self._workshop.turntable(inversion, moves, path, seconds, fps))

    def screenshot(self, path: Path, shot: Shot) -> None:
        inversion, moves, _ = self._document()
        activity = Activity("screenshot", self.tr("Saving {name}").format(name=path.name), path)
        self._start(activity, lambda: self._workshop.screenshot(inversion, moves, shot, path))

    def stop(self) -> None:
        """Cancel what the batch lane does and has yet to do; a head that is being refined keeps the best so far."""
        running = self._activities.get(min(self._activities, default=0))
        if running is not None and running.kind == "refine" and not self._workshop.enough.is_set():
            self._workshop.enough.set()
            return
        waiting = [n for n in self._activities if n != min(self._activities)]
        for number in waiting:
            self.stopped.emit(self._activities.pop(number))
        self.batch.cancel()

    def _document(self) -> tuple[Any, Mapping[str, float], Camera]:
        assert self.session.inversion is not None
        return self.session.inversion, dict(self.session.moves), self.camera()

    def _start(self, activity: Activity, work: Work) -> None:
        number = self.batch.enqueue(work)
        self._activities[number] = replace(activity, started=time.monotonic())
        self._tell()

    def _tell(self) -> None:
        running = min(self._activities, default=0)
        self.activity_changed.emit(self._activities.get(running))

    @Slot(int, object)
    def _on_progress(self, number: int, step: Progress) -> None:
        if number in self._activities:
            known = self._activities[number]
            self._activities[number] = replace(known, note=step.note, fraction=step.fraction)
            if isinstance(step.preview, Portrait):
                self.portrait_found.emit(step.preview)
            elif isinstance(step.preview, np.ndarray):
                self.sketched.emit(step.preview)
            self._tell()

    @Slot(int, object)
    def _on_done(self, number: int, result: Any) -> None:
        activity = self._activities.pop(number, None)
        self._tell()
        if activity is None:
            return
        if isinstance(result, Opened):
            self._take(result, activity)
        elif activity.kind == "model":
            self._take_model(result)
        elif activity.kind == "fit" and self.session.inversion is activity.context:
            kept = replace(result, keep=activity.context.keep)
            self.session.set_inversion(kept, self.tr("Correct the fit"))
        elif activity.kind == "align" and self.session.inversion is activity.context:
            self.session.set_inversion(result, self.tr("Align by hand"))
        elif activity.kind == "more" and self.session.inversion is activity.context:
            self.session.set_inversion(replace(result, keep=activity.context.keep), activity.doing)
        elif activity.kind == "restore" and self.session.inversion is activity.context:
            kept = replace(result, keep=activity.context.keep)
            self.session.set_inversion(kept, self.tr("Restore the photo"))
        elif activity.kind == "refine" and self.session.inversion is activity.context:
            self.session.set_inversion(replace(result, keep=activity.context.keep), self.tr("Refine"))
        elif activity.kind == "pull" and self.session.inversion is activity.context[0]:
            if result is not None:
                self.session.set_inversion(result, activity.doing, activity.context[1])
            if self._wished_pull is not None:
                self._start_pull()
        elif activity.kind == "preview" and self._wished_preview is not None:
            self.preview_restoration(*self._wished_preview)
        elif activity.kind == "brush" and self.session.inversion is activity.context:
            self.session.set_inversion(result, activity.doing)
        elif activity.kind == "blend" and self.session.inversion is activity.context:
            self.session.set_inversion(result, activity.doing, "blend")
            if self._wished_blend is not None:
                self.blend(*self._wished_blend)
        elif activity.kind == "save":
            self.session.mark_saved(result, activity.context)
        self.done.emit(activity, result)

    def _take_model(self, model: Any) -> None:
        if model is not self.model:
            self.model = model
            self.session.sliders = spoken(model.card.sliders)
            self.model_ready.emit(model)

    def _take(self, opened: Opened, activity: Activity) -> None:
        self._take_model(opened.model)
        inversion = opened.inversion
        view = None if opened.camera is None else view_of(opened.camera, inversion.portrait.camera)
        self.session.open(
            inversion,
            opened.moves,
            view,
            opened.path,
            activity.doing,
            opened.path is not None,
            opened.snapshots,
        )

    @Slot(int, object)
    def _on_failed(self, number: int, error: Exception) -> None:
        activity = self._activities.pop(number, None)
        self._tell()
        if activity is None:
            return
        by_hand = activity.kind == "photo" and isinstance(error, NoFace) and self.model is not None
        if by_hand and self.engine.takes_by_hand(self.model):
            self.face_missed.emit(activity, error)
        else:
            self.failed.emit(activity.doing, error)

    @Slot(int)
    def _on_stopped(self, number: int) -> None:
        activity = self._activities.pop(number, None)
        self._tell()
        if activity is not None:
            self.stopped.emit(activity)


@dataclass(frozen=True)
class _Frames:
    """The work of one picture, holding its own request."""

    studio: Studio
    request: Request

    def __call__(self) -> Any:
        return self.studio.frames(self.request)
