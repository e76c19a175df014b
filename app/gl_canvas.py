"""The OpenGL side of the viewport: heads are drawn where they are shown, without a picture in between."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QOffscreenSurface, QOpenGLContext, QPainter, QSurfaceFormat
from PySide6.QtOpenGLWidgets import QOpenGLWidget

from app.frames import STILL_SECONDS, Frame
from app.pictures import DEPTH_FAR, DEPTH_NEAR, Look
from inversion_core.gl.context import LEAST_VERSION, GLInfo, NoOpenGL, described

if TYPE_CHECKING:
    from moderngl import Context

    from app.view3d import View3D

MOVING_SECONDS, RESTING_SECONDS = 0.02, 0.15
"""What a picture may take while the hand moves and once it rests: the window waits for it."""
SMALLEST = 0.25
"""Least share of the widget's pixels along a side, however slow the driver."""
GL_TEXTURE0, GL_TEXTURE_2D, GL_UNPACK_ALIGNMENT = 0x84C0, 0x0DE1, 0x0CF5
LOOKS = {Look.PHOTO: "PHOTO", Look.CLAY: "CLAY", Look.NORMALS: "NORMALS", Look.DEPTH: "DEPTH"}
"""The looks that shaders know."""


def surface_format() -> QSurfaceFormat:
    """Core profile 3.3, which every system that has OpenGL at all gives."""
    wanted = QSurfaceFormat()
    wanted.setVersion(LEAST_VERSION // 100, LEAST_VERSION % 100 // 10)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    return wanted


def probed() -> GLInfo:
    """The driver that the window would draw with.

    Raises:
        NoOpenGL: there is none; the sentence says what is missing.
    """
    context = QOpenGLContext()
    context.setFormat(surface_format())
    surface = QOffscreenSurface()
    surface.setFormat(context.format())
    surface.create()
    if not context.create() or not surface.isValid() or not context.makeCurrent(surface):
        raise NoOpenGL("The system gives windows no OpenGL 3.3.", "Install or update the graphics driver.")
    try:
        return described(current_context(context))
    finally:
        context.doneCurrent()


def current_context(context: QOpenGLContext | None) -> Context:
    """What moderngl draws with in a context of Qt's that is current.

    Raises:
        NoOpenGL: moderngl is missing, or the context is none that it can use.
    """
    if context is None or not context.isValid():
        raise NoOpenGL("The window got no OpenGL context.", "Install or update the graphics driver.")
    try:
        import moderngl
    except ImportError as error:
        raise NoOpenGL("The package moderngl is not installed.", "Run: pip install 'facet[app]'") from error
    try:
        return moderngl.create_context(require=LEAST_VERSION, context=_Loader(context))
    except Exception as error:
        # moderngl raises bare Exception and ValueError.
        raise NoOpenGL(f"OpenGL 3.3 is not complete ({error}).", "Update the graphics driver.") from error


class _Loader:
    """Finds OpenGL's functions through Qt, which knows how on every platform."""

    def __init__(self, context: QOpenGLContext) -> None:
        self._context = context

    def load_opengl_function(self, name: str) -> int:
        return self._context.getProcAddress(name.encode()) or 0

    load = load_opengl_function

    def __enter__(self) -> _Loader:
        return self

    def __exit__(self, *_unused) -> None:
        pass

    def release(self) -> None:
        pass


class Pace:
    """How long pictures take here: a part that is always there, vertices mostly, and a part for each pixel."""

    def __init__(self) -> None:
        self._fixed = 0.0
        self._times: dict[int, float] = {}
        self._latest = 0

    def note(self, seconds: float, pixels: int) -> None:
        """Learn from a picture; the first compiles and uploads, and tells nothing."""
        known = self._times.pop(pixels, seconds)
        if self._latest:
            self._times[pixels] = 0.5 * (known + seconds)
        self._times = dict(list(self._times.items())[-4:])
        self._latest = pixels
        least, most = min(self._times, default=0), max(self._times, default=0)
        if most > 1.5 * least:
            share = least / most
            shorter, longer = self._times[least], self._times[most]
            self._fixed = float(np.clip((shorter - longer * share) / (1 - share), 0, 0.9 * shorter))

    def pixels(self, seconds: float) -> float:
        """How many pixels can be drawn in that time; never so few that hardly anything is left to save."""
        if self._latest not in self._times:
            return 1e6
        rate = max(self._times[self._latest] - self._fixed, 1e-6) / self._latest
        return max(seconds - self._fixed, 0.5 * self._fixed) / rate


class GLCanvas(QOpenGLWidget):
    """Covers a viewport and paints it; gestures go through to the viewport."""

    failed = Signal(str)
    """Why OpenGL cannot be used after all; the canvas paints no heads any more."""
    painted = Signal(object)
    """A :class:`Frame` with the time that its drawing took."""

    def __init__(self, view: View3D) -> None:
        super().__init__(view)
        self.view = view
        self.smooth = 2
        self.info: GLInfo | None = None
        self.drawn_size = (0, 0)
        """Width and height in pixels, samples not counted, of the last picture."""
        self._context: Context | None = None
        self._renderers: dict[tuple[bool, type], Any] = {}
        self._stamp: Any = None
        self._pace = Pace()
        self._resting = False
        self._rest = QTimer(self, singleShot=True, interval=int(1000 * STILL_SECONDS))
        self._rest.timeout.connect(self._on_rest)
        self.setFormat(surface_format())
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def moved(self) -> None:
        """Paint soon, fast first and fully once nothing moves."""
        self._resting = False
        self._rest.start()
        self.update()

    def picture(self, frame: Frame) -> QImage:
        """The frame's head, square as the frame was asked for, multiplied by opacity."""
        side = frame.request.size
        image = QImage(side, side, QImage.Format.Format_RGBA8888_Premultiplied)
        image.fill(0)
        self.makeCurrent()
        try:
            if self._context is not None:
                renderer = self._renderer(False, frame.head)
                renderer.show(frame.head)
                colours = renderer.draw(frame.request.camera, (side, side), self.smooth, shown(frame)).colours
                # Rounding may leave a colour a step above its alpha, which premultiplied formats forbid.
                rgba = np.frombuffer(colours[0].read(), np.uint8).reshape(side, side, 4)[::-1].copy()
                np.minimum(rgba[..., :3], rgba[..., 3:], out=rgba[..., :3])
                image = QImage(rgba.data, side, side, 4 * side, image.format()).copy()
        finally:
            self.doneCurrent()
        return image

    def _on_rest(self) -> None:
        self._resting = True
        self.update()

    # ---- called by Qt with the context current -----------------------------------------------------------------

    def initializeGL(self) -> None:
        # Also called when the widget has moved to another window: what was on the card is gone then.
        self._renderers, self._stamp, self._context = {}, None, None
        try:
            from inversion_core.gl.picture import Stamp

            self._context = current_context(self.context())
            self.info = described(self._context)
            self._stamp = Stamp(self._context)
        except NoOpenGL as error:
            self._give_up(str(error))

    def paintGL(self) -> None:
        view, frame = self.view, self.view.frame
        drawn_here = self._context is not None and frame is not None and frame.drawn_by_viewport
        if drawn_here:
            try:
                self._draw(frame)
            except Exception as error:
                # Drivers fail in their own ways; the processor draws on.
                self._give_up(f"Drawing with OpenGL failed ({error}).")
            self._hand_back()
        # Qt's painter keeps its own record of OpenGL's state: all other drawing comes before it.
        painter = QPainter(self)
        if not drawn_here:
            view.paint_ground(painter)
            view.paint_pictures(painter)
        view.paint_over(painter)
        painter.end()

    def _draw(self, frame: Frame) -> None:
        onto = self._context.detect_framebuffer(self.defaultFramebufferObject())
        pictures = self._drawn(frame)
        theme = self.view.theme
        self._stamp.ground(onto, theme.ground_top.getRgbF()[:3], theme.ground_bottom.getRgbF()[:3])
        for pane in self.view.panes():
            picture = pictures[pane.before].colours[0]
            self._stamp.put(picture, onto, self._place(pane.place), self._place(pane.clip))

    def _drawn(self, frame: Frame) -> dict[bool, Any]:
        """Targets by whether they show the untouched head; empty where the frame's looks are not for shaders."""
        started = time.perf_counter()
        wanted = {False: frame.head}
        if any(pane.before for pane in self.view.panes()):
            wanted[True] = frame.before_head or frame.head
        pane = self._pane()
        size, samples = self._quality(pane, len(wanted))
        targets = {}
        for before, head in wanted.items():
            renderer = self._renderer(before, head)
            renderer.show(head)
            targets[before] = renderer.draw(frame.request.camera, size, samples, shown(frame))
        self._context.finish()
        spent = time.perf_counter() - started
        self._pace.note(spent / len(wanted), size[0] * size[1] * samples**2)
        self.drawn_size = size
        self.painted.emit(replace(frame, milliseconds=1000 * spent, final=self._resting))
        return targets

    def _renderer(self, before: bool, head: Any) -> Any:
        """The renderer of edited or untouched heads of this kind, each of which keeps its head's buffers."""
        from inversion_core.gl.kinds import renderer_of

        key = (before, type(head))
        if key not in self._renderers:
            self._renderers[key] = renderer_of(head, self._context)
        return self._renderers[key]

    def _hand_back(self) -> None:
        """Leave OpenGL as Qt's painter takes it for granted: texture unit 0 active and empty, rows in steps of 4 bytes."""
        functions = self.context().functions()
        # Without this the letters that it uploads are sheared.
        functions.glPixelStorei(GL_UNPACK_ALIGNMENT, 4)
        functions.glActiveTexture(GL_TEXTURE0)
        functions.glBindTexture(GL_TEXTURE_2D, 0)

    def _pane(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return max(round(self.view.division.pane_width * ratio), 1), max(round(self.height() * ratio), 1)

    def _quality(self, pane: tuple[int, int], heads: int) -> tuple[tuple[int, int], int]:
        """Size and samples that keep within the time that may be taken."""
        allowed = RESTING_SECONDS if self._resting else MOVING_SECONDS
        share = self._pace.pixels(allowed / heads) / (pane[0] * pane[1])
        samples = int(np.clip(np.sqrt(share), 1, self.smooth))
        scale = float(np.clip(np.sqrt(share), SMALLEST, 1))
        return (max(round(pane[0] * scale), 1), max(round(pane[1] * scale), 1)), samples

    def _place(self, part: QRectF) -> tuple[int, int, int, int]:
        ratio = self.devicePixelRatioF()
        left, right = round(part.left() * ratio), round(part.right() * ratio)
        bottom, top = (
            round((self.height() - part.bottom()) * ratio),
            round((self.height() - part.top()) * ratio),
        )
        return left, bottom, right - left, top - bottom

    def _give_up(self, reason: str) -> None:
        logging.getLogger("facet").warning("OpenGL is not used: %s", reason)
        self._renderers, self._stamp, self._context = {}, None, None
        # The receiver may delete this widget, which Qt is painting just now.
        QTimer.singleShot(0, self, lambda: self.failed.emit(reason))


def shown(frame: Frame) -> Any:
    """A frame's look in the shaders' terms."""
    from inversion_core.gl.looks import GLLook, Shown

    yaw, pitch = frame.request.light
    lamp = (np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch))
    distance = float(np.linalg.norm(frame.request.camera.position))
    depths = (distance - DEPTH_NEAR, distance + DEPTH_FAR)
    return Shown(GLLook[LOOKS[frame.request.look]], tuple(float(x) for x in lamp), depths)
