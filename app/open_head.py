"""The head that is open: what makes it anew, as jobs of the batch lane, and what becomes of their results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.activities import Activities, Activity
from app.engine_protocol import Picture
from app.workshop import Paint, Pull, Stroke, Workshop
from inversion_core.portrait import Marks
from inversion_core.restoration import Restoration

if TYPE_CHECKING:
    from app.controller import Controller

FUSED_ANEW = ("fit", "more", "restore", "refine")
"""Kinds of activity whose result knows nothing of the regions that are kept and the colours that were painted."""
REMADE = (*FUSED_ANEW, "align", "brush", "blend", "stroke")
"""Kinds of activity that were asked with the head that their result takes the place of."""


class OpenHead(QObject):
    """Fits, mixes, restores, refines, pulls and paints; the session's step is made when the job is done."""

    def __init__(self, controller: Controller, workshop: Workshop, activities: Activities) -> None:
        super().__init__(controller)
        self._controller, self._workshop, self._activities = controller, workshop, activities
        self._session = controller.session
        self._wished_blend: tuple[Any, tuple[float, float, float]] | None = None
        self._wished_preview: tuple[Any, Restoration] | None = None
        self._pull: tuple[Any, Pull] | None = None
        self._wished_pull: tuple[Any, ...] | None = None
        self._wished_paints: list[Paint] = []

    def realign(self, picture: Picture, marks: Marks) -> None:
        """Fit the head again to its photo, aligned by hand."""
        activity = Activity("align", self.tr("Fitting the head again"), self._session.inversion)
        self._activities.start(activity, lambda: self._workshop.realigned(picture, marks))

    def correct(self, landmarks: Any) -> None:
        """Fit the head again to landmarks that were moved by hand."""
        inversion = self._session.inversion
        activity = Activity("fit", self.tr("Fitting the head again"), inversion)
        self._activities.start(activity, lambda: self._workshop.correction(inversion, landmarks))

    def add_photos(self, paths: list[Path]) -> None:
        """Fit the head again to its photo and further ones of the same person."""
        inversion = self._session.inversion
        doing = self.tr("Adding %n photo(s)", "", len(paths))
        self._activities.start(
            Activity("more", doing, inversion), lambda: self._workshop.more_photos(inversion, paths)
        )

    def blend(self, other: Any, strengths: tuple[float, float, float]) -> None:
        """Mix the head with another person; while one mix is made, only the latest wish is kept."""
        if self._activities.has("blend"):
            self._wished_blend = (other, strengths)
            return
        self._wished_blend = None
        first = self._session.inversion
        activity = Activity("blend", self.tr("Mixing two people"), first)
        self._activities.start(activity, lambda: self._workshop.blend(first, other, strengths))

    @property
    def restores(self) -> bool:
        """Whether the head that is open can be restored and pulled: one person's, of the bundled model."""
        inversion = self._session.inversion
        if inversion is None or self._controller.model is None or inversion.blend is not None:
            return False
        return self._controller.model.card.kind == "heads"

    @property
    def descends(self) -> bool:
        """Whether strokes, and refining, are descents in the codes of a loaded generator."""
        return self._controller.model is not None and self._controller.model.card.kind in ("eg3d", "goae")

    @property
    def takes_strokes(self) -> bool:
        """Whether the head that is open can be pulled and painted."""
        return self.restores or (self._session.inversion is not None and self.descends)

    def restore(self, restoration: Restoration) -> None:
        """Make the head again from its photo, restored."""
        inversion = self._session.inversion
        activity = Activity("restore", self.tr("Restoring the photo"), inversion)
        self._activities.start(activity, lambda: self._workshop.restored(inversion, restoration))

    @property
    def refines(self) -> bool:
        """Whether the head that is open can be brought nearer to its photo by more steps."""
        return self.descends

    def refine(self) -> None:
        """Go on from the head's codes towards its photo; stopping keeps the best so far."""
        inversion = self._session.inversion
        activity = Activity("refine", self.tr("Refining the head"), inversion)
        self._activities.start(activity, lambda: self._workshop.refined(inversion))

    def preview_restoration(self, inversion: Any, restoration: Restoration) -> None:
        """Ask for the restored photo; while one is made, only the latest wish is kept."""
        if self._activities.has("preview"):
            self._wished_preview = (inversion, restoration)
            return
        self._wished_preview = None
        activity = Activity("preview", self.tr("Restoring the photo"), inversion)
        self._activities.start(activity, lambda: self._workshop.restoration_preview(inversion, restoration))

    def find_scratches(self, inversion: Any) -> None:
        activity = Activity("scratches", self.tr("Looking for scratches"), inversion)
        self._activities.start(activity, lambda: self._workshop.scratches(inversion))

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
            if not self.takes_strokes:
                return
            self._pull = (
                self._session.inversion,
                Pull(self._controller.camera(aspect=aspect), start, symmetric),
            )
        self._wished_pull = (*self._pull, end, gesture)
        if not self.descends and not self._activities.has("pull"):
            self._start_pull()

    def end_pull(self) -> None:
        """The hand lets go: where pulls are descents, that of the whole gesture begins."""
        if not self.descends or self._wished_pull is None:
            return
        inversion, pull, end, _ = self._wished_pull
        self._pull = self._wished_pull = None
        moves = dict(self._session.moves)
        activity = Activity("stroke", self.tr("Pull the shape"), inversion)
        self._activities.start(activity, lambda: self._workshop.led(inversion, moves, pull, end))

    def paint(
        self,
        places: tuple[tuple[float, float], ...],
        radius: float,
        colour: tuple[float, float, float],
        aspect: float,
    ) -> None:
        """Give what lies under a stroke its colour; strokes wait for each other."""
        if not self.takes_strokes:
            return
        paint = Paint(self._controller.camera(aspect=aspect), places, radius, colour)
        if self._activities.has("stroke"):
            self._wished_paints.append(paint)
        else:
            self._wished_paints = [paint]
            self._start_paint()

    def _start_paint(self) -> None:
        inversion, moves = self._session.inversion, dict(self._session.moves)
        paint = self._wished_paints.pop(0)
        activity = Activity("stroke", self.tr("Paint a colour"), inversion)
        self._activities.start(activity, lambda: self._workshop.painted(inversion, moves, paint))

    def _start_pull(self) -> None:
        inversion, pull, end, gesture = self._wished_pull
        self._wished_pull, moves = None, dict(self._session.moves)
        activity = Activity("pull", self.tr("Pull the shape"), (self._session.inversion, gesture))
        self._activities.start(activity, lambda: self._workshop.pulled(inversion, moves, pull, end))

    def brush(
        self, places: tuple[tuple[float, float], ...], radius: float, erase: bool, aspect: float
    ) -> None:
        """Paint where edits leave the photo as it is; ``places`` as the viewport shows the head now."""
        inversion, moves = self._session.inversion, dict(self._session.moves)
        if inversion is None or self._controller.model is None or self._controller.model.card.kind != "heads":
            return
        stroke = Stroke(self._controller.camera(aspect=aspect), places, radius, erase)
        doing = self.tr("Free a region") if erase else self.tr("Keep a region")
        activity = Activity("brush", doing, inversion)
        self._activities.start(activity, lambda: self._workshop.brushed(inversion, moves, stroke))

    def take(self, activity: Activity, result: Any) -> None:
        """Make the result of one of these jobs the session's head, where that is still the one it was made of."""
        if activity.kind == "preview" and self._wished_preview is not None:
            self.preview_restoration(*self._wished_preview)
        elif activity.kind == "pull" and self._session.inversion is activity.context[0]:
            self._take_pull(activity, result)
        elif activity.kind in REMADE and self._session.inversion is activity.context and result is not None:
            self._take_head(activity, result)
        if activity.kind == "stroke" and self._wished_paints and not self._activities.has("stroke"):
            self._start_paint()

    def _take_head(self, activity: Activity, result: Any) -> None:
        if activity.kind in FUSED_ANEW:
            result = replace(result, keep=activity.context.keep, colours=activity.context.colours)
        steps = {
            "fit": self.tr("Correct the fit"),
            "align": self.tr("Align by hand"),
            "restore": self.tr("Restore the photo"),
            "refine": self.tr("Refine"),
        }
        gesture = "blend" if activity.kind == "blend" else ""
        self._session.set_inversion(result, steps.get(activity.kind, activity.doing), gesture)
        if activity.kind == "blend" and self._wished_blend is not None:
            self.blend(*self._wished_blend)

    def _take_pull(self, activity: Activity, result: Any) -> None:
        if result is not None:
            self._session.set_inversion(result, activity.doing, activity.context[1])
        if self._wished_pull is not None:
            self._start_pull()
