"""What the live lane does: intent in, pictures out, coarse first and sharp when the hand rests."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage, QPainter

from app.engine_protocol import Engine
from app.jobs import Rest
from app.orbit import tile
from app.pictures import OF_SURFACES, Look, drawn
from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.task import Progress

COARSEST, FINEST_PREVIEW = 128, 384
TARGET_SECONDS = 0.035
"""What a picture may take while the hand moves."""
MIDDLE_SECONDS = 0.15
"""What the first sharper picture may take once the hand rests."""
STILL_SECONDS = 0.1
"""How long the hand rests before the full picture is drawn."""
TILE = 448
"""Largest side in pixels of a part of the full picture, so that new moves need not wait for all of it."""


@dataclass(frozen=True)
class Request:
    """One picture that is wanted.

    Attributes:
        camera: of the square picture; size: its final side in pixels.
        look, light: how it is shown; see :func:`app.pictures.picture`.
        with_before: whether the untouched head is wanted beside it.
        before: the moves of the head to compare with; none are the untouched one's.
        smooth: samples across a pixel of the full picture.
        as_head: whether the viewport draws the head itself, where its kind can be drawn so; volumes: and whether
            that goes for heads that must be marched.
    """

    inversion: Inversion
    moves: Mapping[str, float]
    model: Any
    camera: Camera
    size: int
    look: Look = Look.PHOTO
    light: tuple[float, float] = (-0.6, 0.5)
    with_before: bool = False
    smooth: int = 2
    before: Mapping[str, float] = field(default_factory=dict)
    as_head: bool = False
    volumes: bool = False


@dataclass(frozen=True)
class Frame:
    """A delivered picture, or the head for a viewport that draws it itself.

    Attributes:
        image: the edited head's picture; before: the untouched one's, or None. No pixels where the viewport draws.
        milliseconds: what the drawing took; edit_milliseconds: what the edit took, 0 when none was needed.
        final: whether this is the full picture of its request.
        head, before_head: what is shown, for viewports that draw it; before_head is None where nothing was moved.
    """

    request: Request
    image: QImage
    before: QImage | None
    milliseconds: float
    edit_milliseconds: float
    final: bool
    head: Any = None
    before_head: Any = None

    @property
    def drawn_by_viewport(self) -> bool:
        """Whether the head is there but no picture of it."""
        return self.head is not None and self.image.isNull()

    def answers(self, request: Request) -> bool:
        """Whether the heads of this frame are those of another request, too."""
        own = self.request
        same = (
            own.inversion is request.inversion and own.model is request.model and own.moves == request.moves
        ) and dict(own.before) == dict(request.before)
        return self.drawn_by_viewport and request.as_head and same and own.with_before >= request.with_before


@dataclass
class Studio:
    """Draws requests; lives on the live lane and keeps the last heads, so that orbiting needs no edit."""

    engine: Engine
    preview_size: int = 192
    _heads: dict[tuple[int, tuple], tuple[Inversion, Any]] = field(default_factory=dict)

    def frames(self, request: Request) -> Generator[Progress | Rest, None, Frame]:
        """A job that yields the coarse picture as a preview and returns the full one."""
        started = time.perf_counter()
        head = self.head(request, request.moves)
        moved = dict(request.moves) != dict(request.before)
        before = self.head(request, request.before) if request.with_before and moved else None
        edited = (time.perf_counter() - started) * 1000
        # Asked of its kind: asking the head itself begins to fill the cache.
        if hasattr(type(head), "distances"):
            return (yield from self._traced(request, head, before, edited))
        if request.as_head and self.engine.gl_draws(head, request.volumes):
            full = self.engine.gl_finishes(head)
            posed = Frame(request, QImage(), None, 0.0, edited, full, head, before)
            if full:
                return posed
            yield Progress(1, 2, "", posed)
            yield Rest(STILL_SECONDS)
            return (yield from self._finished(request, head, before, edited))
        size = min(self.preview_size, request.size)
        started = time.perf_counter()
        image = self._drawn(head, request, size)
        untouched = self._untouched(before, image, request, size)
        spent = time.perf_counter() - started
        self._adapt(spent, size)
        yield Progress(1, 2, "", Frame(request, image, untouched, spent * 1000, edited, False))
        yield Rest(STILL_SECONDS)
        middle = int(np.clip(size * np.sqrt(MIDDLE_SECONDS / max(spent, 1e-3)), size, request.size))
        if middle > 1.25 * size:
            started = time.perf_counter()
            image = self._drawn(head, request, middle)
            untouched = self._untouched(before, image, request, middle)
            spent = time.perf_counter() - started
            yield Progress(1, 2, "", Frame(request, image, untouched, spent * 1000, edited, False))
        return (yield from self._finished(request, head, before, edited))

    def _traced(
        self, request: Request, head: Any, before: Any, edited: float
    ) -> Generator[Progress | Rest, None, Frame]:
        """As :meth:`frames` for heads whose network is slow: cached distances first, finer and finer, then its picture."""
        shown = head if before is None else before
        for one in (head, shown):
            while one.distances.volume is None and one.distances.step():
                yield Rest(0)
        in_viewport = request.as_head and self.engine.gl_draws(head, request.volumes)

        def preview(size: int) -> Frame:
            if in_viewport:
                return Frame(request, QImage(), None, 0.0, edited, False, head, before)
            started = time.perf_counter()
            image = self._drawn(head.distances.volume, request, size)
            untouched = None if before is None else before.distances.volume
            pair = self._untouched(untouched, image, request, size)
            return Frame(request, image, pair, 1000 * (time.perf_counter() - started), edited, False)

        size = min(self.preview_size, request.size)
        first = preview(size)
        if not in_viewport:
            self._adapt(first.milliseconds / 1000, size)
        yield Progress(1, 2, "", first)
        yield Rest(STILL_SECONDS)
        share = MIDDLE_SECONDS / max(first.milliseconds / 1000, 1e-3)
        middle = int(np.clip(size * np.sqrt(share), size, request.size))
        if not in_viewport and middle > 1.25 * size:
            yield Progress(1, 2, "", preview(middle))
        for one in (head, shown):
            known = one.distances.volume
            while one.distances.step():
                yield Rest(0)
                if one.distances.volume is not known:
                    known = one.distances.volume
                    yield Progress(1, 2, "", preview(middle))
        if request.look not in OF_SURFACES:
            for one in (head, shown):
                for _ in one.prepared(request.camera):
                    yield Rest(0)
        return (yield from self._finished(request, head, before, edited))

    def _finished(
        self, request: Request, head: Any, before: Any, edited: float
    ) -> Generator[Progress | Rest, None, Frame]:
        started = time.perf_counter()
        image = yield from self._full(head, request)
        untouched = None
        if request.with_before:
            untouched = image if before is None else (yield from self._full(before, request))
        spent = time.perf_counter() - started
        return Frame(request, image, untouched, spent * 1000, edited, True, head, before)

    def head(self, request: Request, moves: Mapping[str, float]) -> Any:
        """The head of the request's inversion with these moves, made only when it is not at hand."""
        key = (id(request.inversion), tuple(sorted(moves.items())))
        known = self._heads.get(key)
        if known is None or known[0] is not request.inversion:
            head = self.engine.edit(request.inversion, moves, request.model)
            kept = [(id(request.inversion), tuple(sorted(m.items()))) for m in ({}, request.before)]
            self._heads = {k: v for k, v in self._heads.items() if k in kept}
            self._heads[key] = known = (request.inversion, head)
        return known[1]

    def _drawn(self, head: Any, request: Request, size: int, camera: Camera | None = None, samples: int = 1):
        distance = float(np.linalg.norm(request.camera.position))
        place, look = camera or request.camera, (request.look, request.light, distance)
        return drawn(self.engine, head, request.inversion, place, size, samples, *look)

    def _untouched(self, before: Any, image: QImage, request: Request, size: int) -> QImage | None:
        if not request.with_before:
            return None
        return image if before is None else self._drawn(before, request, size)

    def _full(self, head: Any, request: Request) -> Generator[Progress | Rest, None, QImage]:
        if request.size <= TILE:
            return self._drawn(head, request, request.size, samples=request.smooth)
        across = int(np.ceil(request.size / TILE))
        side = int(np.ceil(request.size / across))
        whole = QImage(side * across, side * across, QImage.Format.Format_RGBA8888_Premultiplied)
        whole.fill(0)
        for row in range(across):
            for column in range(across):
                yield Rest(0)
                camera = tile(request.camera, column / across, row / across, 1 / across)
                part = self._drawn(head, request, side, camera, request.smooth)
                painter = QPainter(whole)
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
                painter.drawImage(QPoint(column * side, row * side), part)
                painter.end()
        return whole

    def _adapt(self, seconds: float, size: int) -> None:
        wanted = size * np.sqrt(TARGET_SECONDS / max(seconds, 1e-4))
        blended = 0.5 * self.preview_size + 0.5 * float(np.clip(wanted, 0.5 * size, 2 * size))
        self.preview_size = int(np.clip(round(blended / 16) * 16, COARSEST, FINEST_PREVIEW))
