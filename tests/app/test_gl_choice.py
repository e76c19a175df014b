"""What draws the viewport, where there is OpenGL and where there is none."""

import os

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter

pytest.importorskip("moderngl", reason="moderngl is not installed")

from app import gl_choice
from app.frames import Frame, Request, Studio
from app.gl_canvas import Pace
from app.pictures import Look
from app.view3d import Compare
from inversion_core.gl.context import GLInfo, NoOpenGL


def test_without_opengl_the_processor_draws_and_diagnostics_say_why(qtbot, opened, monkeypatch):
    def none():
        raise NoOpenGL("The system gives windows no OpenGL 3.3.", "Update.")

    monkeypatch.setattr(gl_choice, "probed", none)
    opened.settings.set_value("renderer", "cpu")
    opened.take_settings()
    assert opened.gl.described() == "processor (chosen in the settings)"
    opened.gl._info = None
    opened.settings.set_value("renderer", "opengl")
    opened.take_settings()
    assert opened.viewport.canvas is None and not opened.gl.draws(Look.PHOTO)
    assert "gives windows no OpenGL 3.3" in opened.gl.described()
    from app.dialog_help import diagnostics

    assert "gives windows no OpenGL" in diagnostics(opened.settings, "Balls", opened.gl.described())


@pytest.mark.parametrize(("ours", "theirs", "wanted"), [(0.02, 0.05, True), (0.05, 0.05, False)])
def test_a_software_rasteriser_is_measured_once(qtbot, opened, monkeypatch, ours, theirs, wanted):
    asked = []
    monkeypatch.setattr(gl_choice, "probed", lambda: GLInfo("llvmpipe", "Mesa", "4.5"))
    monkeypatch.setattr(gl_choice, "measured", lambda frame: asked.append(frame) or (ours, theirs))
    choice = opened.gl
    used = []
    monkeypatch.setattr(choice, "_use", lambda use, reason: used.append((use, reason)))
    choice._chosen, choice._info, choice._broken = "", None, ""
    choice.settle()
    assert used.pop()[0] is False
    frame = opened.viewport.frame
    for _ in range(2):
        choice.consider(frame)
    qtbot.waitUntil(lambda: bool(used), timeout=30000)
    assert len(asked) == 1 and used[0][0] is wanted and "llvmpipe" in used[0][1]


def test_a_head_that_the_viewport_has_is_not_posed_again(opened, engine, monkeypatch):
    monkeypatch.setattr(engine, "gl_draws", lambda head, volumes: True, raising=False)
    monkeypatch.setattr(engine, "gl_finishes", lambda head: True, raising=False)
    studio = Studio(engine)
    session, controller = opened.session, opened.controller
    request = Request(
        session.inversion, {"smile": 0.5}, controller.model, controller.camera(), 64, as_head=True
    )
    with pytest.raises(StopIteration) as stop:
        next(studio.frames(request))
    frame = stop.value.value
    assert isinstance(frame, Frame) and frame.drawn_by_viewport and frame.head is not None
    assert frame.answers(Request(**{**vars(request), "look": Look.CLAY, "size": 128}))
    assert not frame.answers(Request(**{**vars(request), "moves": {}}))
    assert not frame.answers(Request(**{**vars(request), "with_before": True}))
    assert not frame.answers(Request(**{**vars(request), "as_head": False}))


def test_a_marched_head_is_followed_by_its_full_picture(opened, engine, monkeypatch):
    monkeypatch.setattr(engine, "gl_draws", lambda head, volumes: volumes, raising=False)
    monkeypatch.setattr(engine, "gl_finishes", lambda head: False, raising=False)
    session, controller = opened.session, opened.controller
    request = Request(
        session.inversion, {}, controller.model, controller.camera(), 64, as_head=True, volumes=True
    )
    job = Studio(engine).frames(request)
    posed = next(job).preview
    assert posed.drawn_by_viewport and not posed.final
    with pytest.raises(StopIteration) as stop:
        while True:
            next(job)
    full = stop.value.value
    assert full.final and not full.drawn_by_viewport and full.image.width() == 64


def test_panes_follow_how_heads_are_compared(opened):
    view = opened.viewport
    assert [pane.before for pane in view.panes()] == [False]
    view.compare, view.divider = Compare.SPLIT, 0.25
    before, after = view.panes()
    assert before.before and before.clip.right() == after.clip.left() == round(0.25 * view.width())
    assert before.place == after.place
    view.compare = Compare.SIDE
    assert [pane.before for pane in view.panes()] == [True, False]
    view.peeking = True
    assert [pane.before for pane in view.panes()] == [True]


def test_pace_tells_what_is_always_there_from_what_pixels_cost():
    pace, rng = Pace(), np.random.default_rng(0)
    assert pace.pixels(0.02) == 1e6
    for pixels in (500_000, 500_000, 100_000, 400_000, 120_000) * 3:
        pace.note((0.01 + 1e-7 * pixels) * rng.uniform(0.97, 1.03), pixels)
    assert pace.pixels(0.04) == pytest.approx(300_000, rel=0.2)
    # Below the part that is always there, nothing is gained by drawing ever less.
    assert pace.pixels(0.001) == pytest.approx(50_000, rel=0.4)


@pytest.mark.skipif(
    os.environ.get("QT_QPA_PLATFORM") != "xcb",
    reason="windows get OpenGL only on a real or virtual screen: xvfb-run, QT_QPA_PLATFORM=xcb",
)
def test_a_window_shows_what_the_processor_draws(qtbot, inversion, model):
    from app.engine import InversionCore
    from app.gl_canvas import GLCanvas
    from app.pictures import drawn, pixels
    from app.theme import chosen_theme
    from app.view3d import View3D

    view = View3D(chosen_theme("dark"))
    qtbot.addWidget(view)
    view.resize(400, 320)
    canvas = GLCanvas(view)
    view.adopt(canvas)
    view.show()
    qtbot.waitExposed(view)
    camera = inversion.portrait.camera
    head = model.edit(inversion, {})
    request = Request(inversion, {}, model, camera, 400, as_head=True)
    with qtbot.waitSignal(canvas.painted, timeout=20000):
        view.show_frame(Frame(request, QImage(), None, 0, 0, True, head))
    shown = pixels(view.picture())[..., :3].astype(float)
    wanted = pixels(drawn(InversionCore(), head, inversion, camera, 400, 2, Look.PHOTO, (0, 0), 2.7))
    assert np.abs(shown - wanted[..., :3])[wanted[..., 3] == 255].mean() < 1.0
    screen = pixels(canvas.grabFramebuffer())[:, :, :3].astype(float)
    assert screen.shape[:2] == (320, 400)
    middle = wanted[40:360, :, 3] == 255
    assert np.abs(screen - wanted[40:360, :, :3])[middle].mean() < 6.0
    # Letters over the picture are as Qt draws them elsewhere.
    view.compare = Compare.SIDE
    plain = QImage(400, 320, QImage.Format.Format_RGB32)
    painter = QPainter(plain)
    view.paint_ground(painter)
    view.paint_over(painter)
    painter.end()
    label = np.s_[12:34, 75:125, :3]
    letters, expected = (pixels(image)[label].astype(float) for image in (canvas.grabFramebuffer(), plain))
    assert expected.std() > 20
    assert np.corrcoef(letters.ravel(), expected.ravel())[0, 1] > 0.6
