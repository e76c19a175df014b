"""Restoring the photo and pulling the shape, in the window."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor

from inversion_core.restoration import Restoration, Tint


def _act(window, name):
    window.actions_by_name[name].trigger()


def test_a_grey_photo_is_offered_colours_and_never_given_any_unasked(qtbot, opened, engine, tmp_path):
    commands = opened.mend_commands
    assert not commands.notice.isVisibleTo(opened)
    photo = tmp_path / "old.jpg"
    photo.write_bytes(b"grey")
    opened.open(str(photo))
    qtbot.waitUntil(lambda: opened.session.inversion.portrait.name == "old.jpg", timeout=5000)
    assert commands.notice.isVisibleTo(opened)
    assert opened.session.inversion.portrait.restoration is None and not engine.previews
    commands.notice.click()
    qtbot.waitUntil(lambda: bool(engine.previews), timeout=5000)
    assert engine.previews[-1].tint == Tint()
    commands.dialog._on_make()
    qtbot.waitUntil(lambda: opened.session.inversion.portrait.restoration is not None, timeout=5000)
    assert not commands.notice.isVisibleTo(opened) and not commands.dialog.isVisible()
    opened.session.undo()
    assert opened.session.inversion.portrait.restoration is None


def test_damage_is_painted_found_and_made_one_step(qtbot, opened, engine):
    before = opened.session.inversion
    _act(opened, "restore")
    dialog = opened.mend_commands.dialog
    assert not dialog.make.isEnabled()
    dialog.canvas.resize(512, 512)
    dialog.canvas.brush = 10
    dialog.canvas.stroke(QPointF(200, 200), QPointF(300, 200))
    dialog.canvas.painted.emit()
    share = dialog.restoration.damaged.sum()
    assert share > 600 and dialog.make.isEnabled()
    dialog.find.click()
    qtbot.waitUntil(lambda: dialog.restoration.damaged[101, 60], timeout=5000)
    dialog.noise.setValue(80)
    qtbot.waitUntil(lambda: bool(engine.previews) and engine.previews[-1].denoise == 8, timeout=5000)
    assert opened.session.inversion is before and not opened.session.can_undo
    dialog._on_make()
    qtbot.waitUntil(lambda: opened.session.inversion is not before, timeout=5000)
    made = opened.session.inversion.portrait.restoration
    assert made.damaged.sum() == share + 300 and made.denoise == 8 and opened.session.can_undo
    # Opened again, it shows what was done.
    _act(opened, "restore")
    assert np.array_equal(opened.mend_commands.dialog.restoration.damaged, made.damaged)
    opened.mend_commands.dialog.reject()


def test_a_stopped_restoration_loses_nothing(qtbot, opened, engine):
    before = opened.session.inversion
    _act(opened, "restore")
    dialog = opened.mend_commands.dialog
    dialog.colour.setChecked(True)
    dialog.hair.setValue(40)
    engine.gate.clear()
    dialog._on_make()
    opened.controller.stop()
    engine.gate.set()
    opened.controller.batch.drain(5)
    qtbot.wait(20)
    assert opened.session.inversion is before
    _act(opened, "restore")
    assert opened.mend_commands.dialog.restoration.tint.hair == 0.4
    opened.mend_commands.dialog.reject()


def test_a_pull_follows_the_hand_and_is_one_step(qtbot, opened, engine):
    session, view = opened.session, opened.viewport
    steps = len(session.steps)
    _act(opened, "pull")
    middle = QPoint(view.width() // 2, view.height() // 2)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    for shift in (5, 12, 30):
        qtbot.mouseMove(view, middle + QPoint(shift, 0))
    expected = 30 / view.longer
    qtbot.waitUntil(lambda: abs(session.inversion.scores.get("pulled", 0) - expected) < 1e-6, timeout=5000)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle)
    assert len(session.steps) == steps + 1 and len(engine.grips) == 1 and not engine.grips[0].symmetric
    _act(opened, "pull_both")
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(view, middle + QPoint(0, 9))
    qtbot.waitUntil(lambda: len(session.steps) == steps + 2, timeout=5000)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle)
    assert engine.grips[-1].symmetric
    session.undo()
    session.undo()
    assert "pulled" not in session.inversion.scores
    _act(opened, "pull")
    assert opened.viewport.painting == ""


def _stroke(qtbot, view, start, end):
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(view, end)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)


def test_strokes_of_colour_wait_for_each_other_and_are_a_step_each(qtbot, opened, engine):
    session, view, bar = opened.session, opened.viewport, opened.mend_commands.bar
    steps = len(session.steps)
    assert not bar.isVisibleTo(opened)
    _act(opened, "paint")
    assert bar.isVisibleTo(opened) and view.painting == "paint"
    bar.swatches[1].click()
    bar.size.setValue(50)
    engine.gate.clear()
    qtbot.wait(50)
    middle, radius = QPoint(view.width() // 2, view.height() // 2), 0.05 * view.shorter / view.longer
    _stroke(qtbot, view, middle, middle + QPoint(20, 0))
    bar.take(QColor("#ff0000"))
    _stroke(qtbot, view, middle, middle + QPoint(0, 20))
    engine.gate.set()
    qtbot.waitUntil(lambda: len(session.steps) == steps + 2, timeout=5000)
    first, second = engine.paints
    assert abs(first.radius - radius) < 1e-6
    assert first.colour[0] == QColor("#d9b26a").redF() and second.colour == (1, 0, 0)
    assert len(session.inversion.colours) == 2
    session.undo()
    assert len(session.inversion.colours) == 1
    _act(opened, "pull")
    assert not bar.isVisibleTo(opened) and not opened.actions_by_name["paint"].isChecked()
    _act(opened, "pull")


def test_a_fit_made_anew_keeps_the_colours(qtbot, opened, engine):
    opened.controller.head.paint(((0.5, 0.5),), 0.02, (0.5, 0, 0), 1.0)
    qtbot.waitUntil(lambda: opened.session.inversion.colours is not None, timeout=5000)
    before = opened.session.inversion
    opened.controller.head.correct(before.portrait.landmarks)
    qtbot.waitUntil(lambda: opened.session.inversion is not before, timeout=5000)
    assert opened.session.inversion.colours is before.colours
    # Beside the head nothing is painted.
    opened.controller.head.paint(((0.1, 0.5),), 0.02, (0.5, 0, 0), 1.0)
    qtbot.waitUntil(lambda: len(engine.paints) == 2, timeout=5000)
    opened.controller.batch.drain(5)
    qtbot.wait(20)
    assert opened.session.inversion.colours is before.colours


def test_on_a_loaded_generator_a_pull_is_a_descent_that_can_be_stopped(qtbot, opened, engine):
    engine.card.kind = "eg3d"
    opened.session.set_move("smile", 0.5)
    session, view = opened.session, opened.viewport
    steps = len(session.steps)
    _act(opened, "pull")
    middle = QPoint(view.width() // 2, view.height() // 2)
    _stroke(qtbot, view, middle, middle + QPoint(30, 0))
    qtbot.waitUntil(lambda: view.sketch is not None, timeout=5000)
    opened.status.stop.click()
    qtbot.waitUntil(lambda: "led" in session.inversion.scores, timeout=5000)
    assert abs(session.inversion.scores["led"] - 30 / view.longer) < 1e-6 and not engine.grips
    assert session.inversion.seconds < 399 and len(session.steps) == steps + 1
    _act(opened, "pull")


def test_beside_the_head_there_is_nothing_to_pull(qtbot, opened, engine):
    before = opened.session.inversion
    opened.controller.head.begin_pull()
    opened.controller.head.pull((0.1, 0.1), (0.3, 0.1), False, 1.0, "pull")
    qtbot.waitUntil(lambda: bool(engine.grips), timeout=5000)
    opened.controller.batch.drain(5)
    qtbot.wait(20)
    assert opened.session.inversion is before


def test_the_dialog_says_nothing_of_an_untouched_photo(qtbot, opened):
    _act(opened, "restore")
    assert opened.mend_commands.dialog.restoration == Restoration()
    opened.mend_commands.dialog.reject()


def test_refining_shows_how_far_it_is_and_keeps_the_best_when_stopped(qtbot, opened, engine):
    action = opened.actions_by_name["refine"]
    assert not action.isEnabled() and "converged" in action.toolTip()
    engine.card.kind = "eg3d"
    opened.session.set_move("smile", 0.5)
    assert action.isEnabled() and not opened.actions_by_name["pull_both"].isEnabled()
    _act(opened, "refine")
    qtbot.waitUntil(lambda: opened.viewport.sketch is not None, timeout=5000)
    opened.status.stop.click()
    qtbot.waitUntil(lambda: opened.session.inversion.method == "refine", timeout=5000)
    assert opened.session.inversion.seconds < 399
    qtbot.waitUntil(lambda: opened.viewport.sketch is None, timeout=5000)
    opened.session.undo()
    assert opened.session.inversion.method == "fake"
