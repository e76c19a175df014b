"""Aligning by hand in the window: the marks under the mouse and the keys, and the way from a photo to a head."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from app.dialog_align import AlignDialog, first_square
from app.engine import InversionCore
from app.theme import DARK
from inversion_core.camera import Camera
from inversion_core.errors import NoFace
from inversion_core.portrait import FacePoints, Square

LEFT = Qt.MouseButton.LeftButton
START = Square((400, 300), 200)
POINTS = FacePoints(((350, 280), (450, 280), (400, 330), (370, 370), (430, 370)))


@pytest.fixture
def dialog(qtbot, engine):
    made = AlignDialog(engine, engine.picture(b"x", "cat.png"), DARK, (START, POINTS))
    qtbot.addWidget(made)
    made.show()
    made.canvas.setFocus()
    return made


def drag(widget, start, end, modifier=Qt.KeyboardModifier.NoModifier):
    begin, stop = start.toPoint(), end.toPoint()
    QTest.mouseMove(widget, begin)
    QTest.mousePress(widget, LEFT, modifier, begin)
    for share in (0.5, 1.0):
        QTest.mouseMove(widget, begin + (stop - begin) * share)
    QTest.mouseRelease(widget, LEFT, modifier, stop)


def settled(qtbot, dialog):
    qtbot.waitUntil(lambda: not dialog._refreshing.isActive())


def test_the_square_is_carried_resized_and_turned(qtbot, dialog):
    canvas = dialog.canvas
    middle = canvas.to_widget(400, 300)
    drag(canvas, middle, canvas.to_widget(340, 320))
    assert canvas.square.centre == pytest.approx((340, 320), abs=3) and canvas.square.side == 200
    corners = canvas.corners(canvas.square)
    drag(canvas, corners[2], canvas.to_widget(490, 470))
    # The opposite corner stays where it was.
    assert canvas.square.side == pytest.approx(250, abs=4)
    assert canvas.corners(canvas.square)[0].x() == pytest.approx(corners[0].x(), abs=2)
    centre = canvas.square.centre
    drag(canvas, canvas.handle(), canvas.to_widget(centre[0] + 200, centre[1] - 200))
    assert math.degrees(canvas.square.roll) == pytest.approx(45, abs=2)
    assert canvas.square.centre == centre
    settled(qtbot, dialog)
    assert dialog.roll.value() == pytest.approx(math.degrees(canvas.square.roll), abs=0.06)
    assert dialog.marks == canvas.square


def test_keys_do_all_of_it(qtbot, dialog):
    canvas = dialog.canvas
    qtbot.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(canvas, Qt.Key.Key_Up)
    assert canvas.square.centre == pytest.approx((400 + 10 / canvas.scale, 300 - 1 / canvas.scale))
    qtbot.keyClicks(canvas, "+")
    qtbot.keyClicks(canvas, "..,")
    assert canvas.square.side == pytest.approx(204) and math.degrees(canvas.square.roll) == pytest.approx(1)
    dialog.modes.button(1).click()
    qtbot.keyClicks(canvas, "3")
    assert canvas.chosen == 2 and dialog.point.currentIndex() == 2
    x, y = canvas.points.points[2]
    qtbot.keyClick(canvas, Qt.Key.Key_Down)
    assert canvas.points.points[2] == pytest.approx((x, y + 1 / canvas.scale))
    assert dialog.marks == canvas.points
    with qtbot.waitSignal(dialog.accepted):
        qtbot.keyClick(dialog, Qt.Key.Key_Return)


def test_points_follow_the_pointer_and_show_their_square(qtbot, dialog):
    dialog.modes.button(1).click()
    canvas = dialog.canvas
    before = canvas.shadow
    drag(canvas, canvas.to_widget(450, 280), canvas.to_widget(500, 270))
    assert canvas.points.points[1] == pytest.approx((500, 270), abs=3)
    settled(qtbot, dialog)
    assert canvas.shadow.side > before.side and "turned" in dialog.angles.text()
    dialog.modes.button(0).click()
    # The square goes on from where the points had brought it.
    assert canvas.square.side == pytest.approx(canvas.shadow.side)
    assert canvas.square.yaw == pytest.approx(canvas.shadow.yaw)


def test_points_that_nobody_placed_follow_the_square(qtbot, engine):
    dialog = AlignDialog(engine, engine.picture(b"x", "cat.png"), DARK)
    qtbot.addWidget(dialog)
    assert dialog.marks == first_square((600, 800))
    dialog.x.setValue(200)
    dialog.side.setValue(300)
    dialog.modes.button(1).click()
    xs = [x for x, _ in dialog.canvas.points.points]
    assert 60 < min(xs) < max(xs) < 340


def test_what_is_no_face_cannot_be_accepted(qtbot, dialog):
    dialog.modes.button(1).click()
    for index in range(5):
        dialog.canvas.move_point(index, 100 + 50 * index, 200)
    settled(qtbot, dialog)
    assert not dialog.ok.isEnabled() and "lie on a line" in dialog.trouble.text()
    dialog.canvas.move_point(2, 200, 300)
    dialog.canvas.move_point(3, 120, 330)
    settled(qtbot, dialog)
    assert dialog.ok.isEnabled() and not dialog.trouble.isVisible()


def test_the_wheel_zooms_where_the_pointer_is(dialog):
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QWheelEvent

    canvas = dialog.canvas
    place = canvas.to_widget(200, 150)
    words = (QPoint(), QPoint(0, 600), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier)
    event = QWheelEvent(place, canvas.mapToGlobal(place), *words, Qt.ScrollPhase.NoScrollPhase, False)
    before = canvas.scale
    canvas.wheelEvent(event)
    assert canvas.scale > 2 * before
    assert (canvas.to_photo(place) - QPointF(200, 150)).manhattanLength() < 1
    drag(canvas, canvas.to_widget(200, 150), canvas.to_widget(240, 150))
    assert (canvas.to_photo(place) - QPointF(160, 150)).manhattanLength() < 2


def _dialog(qtbot, window):
    qtbot.waitUntil(lambda: window.align_commands.dialog is not None, timeout=60000)
    return window.align_commands.dialog


def test_a_photo_without_a_face_is_marked_and_opened(qtbot, window, engine, tmp_path, settings):
    engine.by_hand = True
    cat = tmp_path / "cat.jpg"
    cat.write_bytes(b"no face")
    qtbot.waitUntil(lambda: window.controller.model is not None)
    window.open(str(cat))
    dialog = _dialog(qtbot, window)
    assert "No face was found." in dialog.reason.text() and not window.dialogs
    dialog.side.setValue(123)
    dialog.accept()
    qtbot.waitUntil(lambda: window.session.inversion is not None, timeout=10000)
    portrait = window.session.inversion.portrait
    assert portrait.marks.side == 123 and portrait.name == "cat.jpg" and portrait.source == b"no face"
    assert settings.recent() == [cat] and window.align_commands.dialog is None
    # Nothing of the panel stumbles over landmarks that are not there.
    assert not window.photo.points.isEnabled() and window.photo.canvas.landmarks is None
    window.photo.canvas.repaint()
    assert "aligned by hand" in window.photo.scores.text()


def test_models_that_need_a_face_say_so(qtbot, window, photo):
    photo.write_bytes(b"no face")
    qtbot.waitUntil(lambda: window.controller.model is not None)
    window.open(str(photo))
    qtbot.waitUntil(lambda: bool(window.dialogs), timeout=10000)
    assert "No face" in window.dialogs[-1].message.what and window.align_commands.dialog is None
    window.actions_by_name["align"].trigger()
    assert "needs a face" in window.dialogs[-1].message.what
    assert not window.photo.align.isVisibleTo(window.photo)


def test_a_generator_alone_says_what_is_missing(qtbot, window, engine, photo):
    engine.card.kind = "eg3d"
    photo.write_bytes(b"no face")
    qtbot.waitUntil(lambda: window.controller.model is not None)
    window.open(str(photo))
    qtbot.waitUntil(lambda: bool(window.dialogs), timeout=10000)
    assert "no encoder" in window.dialogs[-1].message.what and window.align_commands.dialog is None


def test_angles_have_no_negative_zero(opened):
    inversion = opened.session.inversion
    portrait = replace(inversion.portrait, camera=Camera.orbit(-0.005, -0.004))
    opened.session.set_inversion(replace(inversion, portrait=portrait), "Mend")
    assert "turned +0°, +0°" in opened.photo.scores.text()


def test_an_open_photo_is_aligned_again_as_a_step(qtbot, opened, engine):
    engine.by_hand = True
    opened.controller.model_ready.emit(opened.controller.model)
    before = opened.session.inversion
    opened.session.set_move("smile", 0.5)
    qtbot.mouseClick(opened.photo.align, LEFT)
    dialog = _dialog(qtbot, opened)
    assert dialog.marks == Square((400, 300), 200) and not dialog.reason.isVisible()
    dialog.modes.button(1).click()
    dialog.canvas.move_point(0, 345, 285)
    marks = dialog.marks
    dialog.accept()
    qtbot.waitUntil(lambda: opened.session.inversion is not before, timeout=10000)
    assert opened.session.inversion.portrait.marks == marks
    assert dict(opened.session.moves) == {"smile": 0.5} and opened.session.step.text == "Align by hand"
    opened.actions_by_name["align"].trigger()
    again = _dialog(qtbot, opened)
    # It goes on with the points that were marked.
    assert again.canvas.with_points and again.marks == marks
    again.reject()
    opened.session.undo()
    assert opened.session.inversion is before


def test_changing_to_a_model_that_needs_a_face_looks_for_one(qtbot, window, engine, tmp_path):
    engine.by_hand = True
    cat = tmp_path / "cat.jpg"
    cat.write_bytes(b"no face")
    qtbot.waitUntil(lambda: window.controller.model is not None)
    window.open(str(cat))
    _dialog(qtbot, window).accept()
    qtbot.waitUntil(lambda: window.session.inversion is not None, timeout=10000)
    kept = window.session.inversion
    engine.by_hand = False
    window.controller.change_model(tmp_path / "other", "Other")
    qtbot.waitUntil(lambda: bool(window.dialogs), timeout=10000)
    assert "No face" in window.dialogs[-1].message.what
    assert window.session.inversion is kept and window.controller.model.card.name == "balls"


@pytest.mark.slow
def test_a_real_model_from_marks_to_a_project_that_is_recovered(qtbot, settings, tmp_path):
    from tiny_goae import tiny_goae_folder

    from app.window import MainWindow
    from inversion_core.image import save_image

    folder = tiny_goae_folder(tmp_path / "cats", "cats")
    rows, columns = np.mgrid[:120, :160]
    cat = tmp_path / "cat.png"
    save_image(cat, np.stack([columns, rows, 0 * rows], 2).astype(np.uint8))
    settings.set_value("model", str(folder))
    engine = InversionCore()
    engine.models = lambda: [("cats", "Cats", folder)]

    def faceless(source, name="", face=None):
        raise NoFace("No face was found.", "Choose another photo.")

    engine.open_portrait = faceless
    window = MainWindow(engine, settings)
    try:
        window.show()
        window.open(str(cat))
        dialog = _dialog(qtbot, window)
        dialog.side.setValue(90)
        dialog.yaw.setValue(12)
        dialog.accept()
        qtbot.waitUntil(lambda: window.session.inversion is not None or bool(window.dialogs), timeout=60000)
        assert not window.dialogs
        found = window.session.inversion
        assert found.portrait.marks == Square((80.0, 60.0), 90.0, 0.0, math.radians(12), 0.0)
        assert math.degrees(found.portrait.camera.angles[0]) == pytest.approx(12, abs=0.01)
        window.files.autosave()
        qtbot.waitUntil(lambda: not window.controller.batch.busy, timeout=60000)
        side_file = window.files.recovery.project
        assert side_file.is_file()
        window.session.open_nothing()
        window.controller.open_project(side_file)
        qtbot.waitUntil(lambda: window.session.inversion is not None or bool(window.dialogs), timeout=60000)
        again = window.session.inversion
        assert again.portrait.marks == found.portrait.marks
        np.testing.assert_array_equal(again.portrait.image, found.portrait.image)
        np.testing.assert_array_equal(again.latent.ws, found.latent.ws)
        qtbot.waitUntil(lambda: window.viewport.frame is not None, timeout=60000)
    finally:
        window.session.open_nothing()
        window.close()


def test_a_large_photo_is_shown_reduced(tmp_path):
    from inversion_core.image import encode

    picture = InversionCore().picture(encode(np.zeros((10, 6000, 3), np.uint8)), "wide.png")
    assert picture.photo.shape == (4, 2400, 3) and picture.full == (10, 6000)
    preview = InversionCore().hand_preview(picture, replace(START, centre=(5000, 5), side=200), 64)
    assert preview.crop.shape == (64, 64, 3)
