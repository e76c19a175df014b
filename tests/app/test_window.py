"""The real window with a fast engine: everything that a person does in it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QLocale, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QDialog

from app.actions import commands
from app.orbit import photo_view
from app.pictures import Look, pixels
from app.presets import Preset
from app.view3d import Compare, Scheme
from inversion_core.errors import BadInput


def final(window, moves):
    """Whether the full picture of these moves is on screen."""
    frame = window.viewport.frame
    return frame is not None and frame.final and dict(frame.request.moves) == moves


def said(window) -> str:
    """What the latest open notice says."""
    return window.dialogs[-1].text() if window.dialogs else ""


def middle_red(window) -> int:
    image = pixels(window.viewport.frame.image)
    return int(image[image.shape[0] // 2, image.shape[1] // 2, 0])


def drag(qtbot, widget, start, end, button=Qt.MouseButton.LeftButton, keys=Qt.KeyboardModifier.NoModifier):
    qtbot.mousePress(widget, button, keys, start)
    # QTest's mouseMove carries no buttons, which is all that the widgets need: they know what they hold.
    for share in (0.25, 0.5, 0.75, 1.0):
        qtbot.mouseMove(widget, start + (end - start) * share)
        QApplication.processEvents()
    qtbot.mouseRelease(widget, button, keys, end)


def test_opens_on_the_welcome_page_and_loads_the_model(qtbot, window):
    assert window.pages.currentWidget() is window.welcome
    qtbot.waitUntil(lambda: set(window.attributes.rows) == {"smile", "blink", "jaw_width", "age"})
    assert not window.actions_by_name["save"].isEnabled()
    assert not window.attributes.isEnabled()


def test_a_card_of_the_welcome_page_opens_the_sample(qtbot, window):
    card = window.welcome.cards.itemAt(0).widget()
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: final(window, {}))
    assert window.session.title == "astronaut"


def test_a_photo_becomes_a_head_on_screen(opened, engine):
    assert opened.pages.currentWidget() is opened.viewport
    assert opened.windowTitle().startswith("someone")
    image = pixels(opened.viewport.frame.image)
    side = image.shape[0]
    assert image[side // 2, side // 2, 3] == 255 and image[2, 2, 3] == 0
    assert engine.threads == {"facet-live", "facet-batch"}
    assert side >= max(opened.viewport.width(), opened.viewport.height())


def test_the_photo_is_shown_while_its_head_is_fitted(qtbot, window, engine, photo):
    engine.gate.clear()
    window.open(str(photo))
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.viewport)
    middle = window.viewport.rect().center()
    ground = window.viewport.grab().toImage().pixelColor(3, middle.y())
    assert window.viewport.grab().toImage().pixelColor(middle) != ground
    assert window.session.inversion is None
    engine.refuse = BadInput("It cannot be fitted.", "Try another photo.")
    engine.gate.set()
    qtbot.waitUntil(lambda: bool(window.dialogs))
    assert window.pages.currentWidget() is window.welcome
    window.dialogs[-1].close()


def test_dragging_a_slider_draws_the_latest_value_in_one_step(qtbot, opened):
    track = opened.attributes.rows["smile"].track
    left, width = track._span()
    at = QPoint(round(left), 12)
    drag(qtbot, track, at, QPoint(round(left + 0.8 * width), 12))
    value = opened.session.moves["smile"]
    assert value == pytest.approx(0.8, abs=0.03)
    qtbot.waitUntil(lambda: final(opened, {"smile": value}))
    assert middle_red(opened) == pytest.approx(255 * value, abs=2)
    assert len(opened.session.steps) == 2
    assert opened.attributes.rows["smile"].field.value() == pytest.approx(value, abs=0.006)


def test_double_click_and_backspace_reset_a_slider(qtbot, opened):
    row = opened.attributes.rows["age"]
    opened.session.set_move("age", 0.5)
    qtbot.mouseDClick(row.track, Qt.MouseButton.LeftButton)
    assert dict(opened.session.moves) == {}
    opened.session.set_move("age", 0.5)
    qtbot.keyClick(row.track, Qt.Key.Key_Backspace)
    assert dict(opened.session.moves) == {}


def test_a_number_can_be_typed_beyond_the_sliders_range(qtbot, opened):
    field = opened.attributes.rows["smile"].field
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "1.25")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert opened.session.moves["smile"] == 1.25
    assert opened.attributes.rows["smile"].track.value() == opened.attributes.rows["smile"].track.maximum()


def test_a_burst_of_a_hundred_edits_delivers_the_last(qtbot, opened, engine):
    engine.edit_seconds = 0.005
    engine.edits.clear()
    for i in range(100):
        opened.session.set_move("smile", (i + 1) / 100, "burst")
        opened.redraw.now()
    qtbot.waitUntil(lambda: final(opened, {"smile": 1.0}))
    assert middle_red(opened) == 255
    assert len(engine.edits) < 60


def test_undo_and_redo_change_the_picture(qtbot, opened):
    opened.session.set_move("smile", 1.0)
    qtbot.waitUntil(lambda: final(opened, {"smile": 1.0}))
    opened.actions_by_name["undo"].trigger()
    qtbot.waitUntil(lambda: final(opened, {}))
    assert middle_red(opened) == 0
    opened.actions_by_name["redo"].trigger()
    qtbot.waitUntil(lambda: final(opened, {"smile": 1.0}))
    assert opened.history.list.count() == 2
    opened.history.list.setCurrentRow(0)
    assert dict(opened.session.moves) == {}


def test_dragging_orbits_without_an_edit(qtbot, opened, engine):
    engine.edits.clear()
    before = opened.session.view
    drag(qtbot, opened.viewport, QPoint(200, 200), QPoint(260, 180))
    after = opened.session.view
    assert after.yaw < before.yaw and after.pitch < before.pitch
    qtbot.waitUntil(
        lambda: (
            opened.viewport.frame.final
            and engine.views[-1][0].angles[0] == pytest.approx(after.yaw, abs=1e-3)
        )
    )
    assert engine.edits == []
    qtbot.mouseDClick(opened.viewport, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert opened.session.view == photo_view(opened.session.inversion.portrait.camera)


def test_panning_zooming_and_keys(qtbot, opened):
    viewport, session = opened.viewport, opened.session
    drag(qtbot, viewport, QPoint(200, 200), QPoint(240, 200), Qt.MouseButton.RightButton)
    assert session.view.pan[0] > 0 and session.view.pan[1] == pytest.approx(0, abs=1e-6)
    drag(qtbot, viewport, QPoint(200, 200), QPoint(200, 240), keys=Qt.KeyboardModifier.ShiftModifier)
    assert session.view.pan[1] > 0
    zoom, at = session.view.zoom, QPointF(150, 150)
    none = Qt.KeyboardModifier.NoModifier
    wheel = QWheelEvent(
        at, viewport.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, none,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, wheel)
    assert session.view.zoom > zoom
    yaw = session.view.yaw
    qtbot.keyClick(viewport, Qt.Key.Key_Right)
    assert session.view.yaw == pytest.approx(yaw + np.radians(5))
    for _ in range(30):
        qtbot.keyClick(viewport, Qt.Key.Key_Right)
    assert np.degrees(session.view.yaw) == pytest.approx(75)


def test_blenders_middle_button_orbits(qtbot, opened):
    opened.viewport.scheme = Scheme.BLENDER
    pan, yaw = opened.session.view.pan, opened.session.view.yaw
    drag(qtbot, opened.viewport, QPoint(200, 200), QPoint(240, 200), Qt.MouseButton.MiddleButton)
    assert opened.session.view.yaw < yaw and opened.session.view.pan == pan


def test_numbers_and_buttons_of_the_camera_panel(qtbot, opened):
    opened.camera.yaw.setValue(30)
    assert np.degrees(opened.session.view.yaw) == pytest.approx(30)
    opened.camera.field.setValue(40)
    assert np.degrees(opened.session.view.field) == pytest.approx(40)
    opened.actions_by_name["profile"].trigger()
    assert opened.camera.yaw.value() == pytest.approx(75)


def test_before_and_after(qtbot, opened):
    opened.session.set_move("smile", 1.0)
    opened.actions_by_name["split"].setChecked(True)
    qtbot.waitUntil(lambda: final(opened, {"smile": 1.0}) and opened.viewport.frame.before is not None)
    side = opened.viewport.frame.before.width()
    assert pixels(opened.viewport.frame.before)[side // 2, side // 2, 0] == 0
    assert middle_red(opened) == 255
    width, height = opened.viewport.width(), opened.viewport.height()
    drag(qtbot, opened.viewport, QPoint(width // 2, height // 2), QPoint(width // 4, height // 2))
    assert opened.viewport.divider == pytest.approx(0.25, abs=0.01)
    opened.actions_by_name["side"].setChecked(True)
    assert opened.viewport.compare is Compare.SIDE
    assert not opened.actions_by_name["split"].isChecked()
    opened.viewport.grab()


@pytest.mark.parametrize("look", [Look.CLAY, Look.NORMALS, Look.DEPTH])
def test_other_looks_differ_from_the_photo(qtbot, opened, look):
    colours = pixels(opened.viewport.frame.image.scaled(64, 64)).astype(int)
    opened.actions_by_name[f"look_{look.value}"].trigger()
    qtbot.waitUntil(lambda: opened.viewport.frame.request.look is look and opened.viewport.frame.final)
    assert np.abs(pixels(opened.viewport.frame.image.scaled(64, 64)) - colours).max() > 30


def test_random_faces_and_resets_respect_locks(qtbot, opened):
    opened.session.set_move("age", 0.25)
    opened.attributes.rows["age"].lock.setChecked(True)
    for _ in range(5):
        opened.actions_by_name["randomise"].trigger()
        assert opened.session.moves["age"] == 0.25
    opened.actions_by_name["reset"].trigger()
    assert dict(opened.session.moves) == {"age": 0.25}
    assert not opened.attributes.rows["age"].track.isEnabled()


def test_search_shows_what_fits(qtbot, opened):
    opened.attributes.search.setText("jaw")
    shown = [name for name, row in opened.attributes.rows.items() if row.isVisibleTo(opened.attributes)]
    assert shown == ["jaw_width"]


def test_presets_are_applied_at_a_strength_and_shared(qtbot, opened, tmp_path):
    opened.session.set_move("age", 0.2)
    opened.presets.apply(Preset("Grin", {"smile": 1.0, "nobody_has_this": 1.0}))
    opened.presets.strength.setValue(50)
    assert dict(opened.session.moves) == {"age": 0.2, "smile": 0.5}
    opened.actions_by_name["undo"].trigger()
    assert dict(opened.session.moves) == {"age": 0.2}
    opened.presets.save_as("Mine")
    names = [opened.presets.list.item(i).text() for i in range(opened.presets.list.count())]
    assert "Mine" in names
    foreign = tmp_path / "foreign.facetpreset"
    foreign.write_text('{"facet_preset": 7, "name": "x", "moves": {}}')
    opened.presets.take_file(foreign)
    assert "newer version" in opened.dialogs[-1].message.what


def test_attributes_are_copied_from_one_head_to_another(qtbot, opened):
    opened.session.set_move("smile", 0.4)
    opened.actions_by_name["copy_moves"].trigger()
    opened.actions_by_name["reset"].trigger()
    opened.actions_by_name["paste_moves"].trigger()
    assert dict(opened.session.moves) == {"smile": 0.4}


def test_a_mesh_is_exported(qtbot, opened, tmp_path, monkeypatch):
    path = tmp_path / "head.glb"

    def accept(dialog):
        dialog.place.setText(str(path))
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr("app.commands_file.ExportDialog.exec", accept)
    opened.actions_by_name["export"].trigger()
    qtbot.waitUntil(path.is_file)
    assert path.read_text() == "3 vertices"
    qtbot.waitUntil(lambda: str(path) in opened.status.currentMessage())


def test_a_picture_and_a_film_are_written(qtbot, opened, tmp_path, monkeypatch):
    shot = tmp_path / "shot.png"
    monkeypatch.setattr("app.commands_file.QFileDialog.getSaveFileName", lambda *a: (str(shot), ""))
    opened.actions_by_name["screenshot"].trigger()
    qtbot.waitUntil(shot.is_file)
    from PySide6.QtGui import QImage

    image = QImage(str(shot))
    assert image.width() == 1024 and image.pixelColor(2, 2).alpha() == 0
    film = tmp_path / "film.mp4"
    opened.controller.export_turntable(film, 1.0, 10)
    qtbot.waitUntil(film.is_file)


def test_save_reopen_and_recent_files(qtbot, opened, tmp_path, monkeypatch):
    path = tmp_path / "work.facet"
    monkeypatch.setattr(
        "app.commands_file.QFileDialog.getSaveFileName", lambda *a: (str(path.with_suffix("")), "")
    )
    opened.session.set_move("smile", 0.5)
    opened.session.set_view(photo_view(opened.session.inversion.portrait.camera))
    assert opened.isWindowModified()
    opened.actions_by_name["save"].trigger()
    qtbot.waitUntil(lambda: not opened.session.dirty)
    assert not opened.isWindowModified() and opened.session.path == path
    assert path in opened.settings.recent()
    assert any(opened.settings.thumbnails.glob("*.png"))
    opened.session.open_nothing()
    opened.open(str(path))
    qtbot.waitUntil(lambda: opened.session.inversion is not None)
    assert dict(opened.session.moves) == {"smile": 0.5} and not opened.session.dirty


def test_errors_lose_nothing(qtbot, opened, tmp_path, engine):
    opened.session.set_move("smile", 0.5)
    before, steps = opened.session.inversion, opened.session.steps
    bad = tmp_path / "empty.jpg"
    bad.write_bytes(b"no face here")
    opened.files.open(str(bad))
    qtbot.waitUntil(lambda: bool(opened.dialogs))
    dialog = opened.dialogs[-1]
    assert dialog.text() == "No face was found." and "Choose a photo" in dialog.informativeText()
    dialog.copy_details()
    assert "NoFace" in QApplication.clipboard().text()
    dialog.close()
    damaged = tmp_path / "damaged.facet"
    damaged.write_bytes(b"{")
    opened.files.open(str(damaged))
    qtbot.waitUntil(lambda: "damaged" in said(opened))
    opened.dialogs[-1].close()
    opened.controller.save(tmp_path / "missing" / "folder" / "x.facet")
    qtbot.waitUntil(lambda: "folder" in said(opened))
    opened.dialogs[-1].close()
    assert not opened.dialogs
    assert opened.session.inversion is before and opened.session.steps == steps
    assert opened.session.dirty


def test_an_unexpected_error_is_told_in_words(qtbot, opened, engine, photo):
    engine.refuse = RuntimeError("kernel trouble")
    opened.files.open(str(photo))
    qtbot.waitUntil(lambda: bool(opened.dialogs))
    assert "kernel trouble" in opened.dialogs[-1].text()
    assert "Your work is untouched" in opened.dialogs[-1].informativeText()
    opened.dialogs[-1].close()


def test_opening_can_be_cancelled_and_the_window_stays_alive(qtbot, opened, engine, photo):
    before = opened.session.inversion
    engine.fit_steps = 100000
    opened.files.open(str(photo))
    qtbot.waitUntil(lambda: opened.status.stop.isVisible() and opened.status.bar.maximum() > 0)
    opened.session.set_move("smile", 1.0)
    qtbot.waitUntil(lambda: final(opened, {"smile": 1.0}))
    with qtbot.waitSignal(opened.controller.stopped, timeout=1000):
        qtbot.mouseClick(opened.status.stop, Qt.MouseButton.LeftButton)
    assert opened.session.inversion is before
    assert not opened.status.stop.isVisible()


def test_closing_with_a_running_job_is_quick(qtbot, opened, engine, photo, monkeypatch):
    engine.fit_steps = 100000
    opened.files.open(str(photo))
    qtbot.waitUntil(lambda: opened.status.stop.isVisible())
    monkeypatch.setattr("app.window.ask_unsaved", lambda *a: "discard")
    started = time.perf_counter()
    assert opened.close()
    assert time.perf_counter() - started < 2
    assert not opened.controller.live.busy and not opened.controller.batch.busy


def test_closing_asks_about_unsaved_work(qtbot, opened, monkeypatch):
    opened.session.set_move("smile", 0.5)
    monkeypatch.setattr("app.window.ask_unsaved", lambda *a: "cancel")
    assert not opened.close()
    assert opened.isVisible() and dict(opened.session.moves) == {"smile": 0.5}


def test_work_is_kept_and_recovered_after_a_crash(qtbot, opened, settings):
    from app.recovery import Recovery

    opened.session.set_move("smile", 0.75)
    opened.files.autosave()
    kept = opened.files.recovery.project
    qtbot.waitUntil(kept.is_file)
    note = kept.with_suffix(".json")
    qtbot.waitUntil(note.is_file)
    assert Recovery(settings.recovery).leftovers() == []
    content = json.loads(note.read_text())
    assert content["title"] == "someone"
    # A process number that cannot be alive stands for the crash.
    note.write_text(json.dumps(content | {"process": 2**22 + 1}))
    other = Recovery(settings.recovery)
    found = other.leftovers()
    assert [leftover.project for leftover in found] == [kept]
    opened.session.open_nothing()
    opened.files.recover(found[0])
    qtbot.waitUntil(lambda: opened.session.inversion is not None)
    assert dict(opened.session.moves) == {"smile": 0.75}
    assert opened.session.dirty and opened.session.path is None


def test_autosave_writes_only_what_is_new_and_goes_on_a_clean_close(qtbot, opened, monkeypatch):
    opened.session.set_move("smile", 0.75)
    opened.files.autosave()
    kept = opened.files.recovery.project
    qtbot.waitUntil(lambda: kept.is_file() and not opened.controller.batch.busy)
    stamp = kept.stat().st_mtime_ns
    opened.files.autosave()
    assert opened.controller.batch.drain(2) and kept.stat().st_mtime_ns == stamp
    monkeypatch.setattr("app.window.ask_unsaved", lambda *a: "discard")
    opened.close()
    assert not kept.exists() and not kept.with_suffix(".json").exists()


def test_landmarks_are_dragged_and_the_head_fitted_again(qtbot, opened):
    canvas, before = opened.photo.canvas, opened.session.inversion
    opened.photo.points.setChecked(True)
    at = canvas._point(1).toPoint()
    drag(qtbot, canvas, at, at + QPoint(10, 0))
    held = canvas.landmarks
    assert held[1, 0] > before.portrait.landmarks[1, 0] + 0.02
    assert opened.photo.fit.isVisible()
    qtbot.mouseClick(opened.photo.fit, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: opened.session.inversion is not before)
    np.testing.assert_array_equal(opened.session.inversion.portrait.landmarks, held)
    opened.session.undo()
    assert opened.session.inversion is before


def test_another_face_of_the_photo_is_opened(qtbot, opened):
    qtbot.mouseClick(opened.photo.other, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: opened.photo.faces.count() == 2)
    qtbot.mouseClick(opened.photo.faces.itemAt(1).widget(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: opened.session.inversion.portrait.face == 1)


def test_settings_take_effect_and_are_remembered(qtbot, opened, settings):
    from app.dialog_settings import SettingsDialog
    from app.settings import Settings

    dialog = SettingsDialog(settings, opened)
    dialog.changed.connect(opened.take_settings)
    dialog.theme.setCurrentIndex(dialog.theme.findData("light"))
    dialog.yaw.setValue(30)
    assert opened.theme.name == "light"
    opened.actions_by_name["profile"].trigger()
    assert np.degrees(opened.session.view.yaw) == pytest.approx(30)
    again = Settings(Path(settings._store.fileName()))
    assert again.text("theme") == "light" and again.number("yaw_limit") == 30


def test_every_command_has_an_action_and_no_shortcut_is_used_twice(window):
    names = [command.name for _, command in commands()]
    assert len(set(names)) == len(names)
    keys = [key for _, command in commands() for key in command.keys]
    assert len(set(keys)) == len(keys)
    for name in names:
        assert window.actions_by_name[name].text()


def test_diagnostics_name_versions_and_the_log(qtbot, opened, settings):
    from app.dialog_help import DiagnosticsDialog

    settings.log.parent.mkdir(parents=True, exist_ok=True)
    settings.log.write_text("something happened\n")
    dialog = DiagnosticsDialog(settings, "Balls", opened)
    dialog.copy()
    text = QApplication.clipboard().text()
    assert "torch" in text and "Balls" in text and "something happened" in text


def test_the_turntable_preview_turns_the_head(qtbot, opened):
    yaws = set()
    opened.session.view_changed.connect(lambda: yaws.add(opened.session.view.yaw))
    opened.actions_by_name["spin"].setChecked(True)
    qtbot.waitUntil(lambda: len(yaws) > 3)
    opened.actions_by_name["spin"].setChecked(False)
    assert opened.session.view == photo_view(opened.session.inversion.portrait.camera)


def test_refusals_of_the_command_line(capsys, tmp_path, monkeypatch):
    from app.__main__ import main
    from app.system_check import check_system
    from inversion_core.errors import MissingResource

    assert main(["one", "two"]) == 2
    assert main([str(tmp_path / "missing.jpg")]) == BadInput.exit_code
    assert "does not exist" in capsys.readouterr().err
    monkeypatch.setattr("app.system_check.missing_packages", lambda **_: ["libegl1"])
    with pytest.raises(MissingResource, match="apt-get install libegl1"):
        check_system()


def test_locks_searches_and_folds_outlive_another_theme(qtbot, opened):
    opened.attributes.rows["age"].lock.setChecked(True)
    opened.attributes.search.setText("smile")
    opened.attributes.groups["expression"].set_open(False)
    opened.do_light_theme()
    rows, groups = opened.attributes.rows, opened.attributes.groups
    assert rows["age"].lock.isChecked() and not rows["age"].track.isEnabled()
    assert not rows["blink"].isVisibleTo(groups["expression"].body) and groups["shape"].isHidden()
    assert not groups["expression"].heading.isChecked()
    opened.session.set_move("age", 0.5)
    rows["age"].reset()
    assert opened.session.moves["age"] == 0.5
    opened.attributes.search.setText("nothing like it")
    assert opened.attributes._none.isVisibleTo(opened.attributes)


def test_the_keyboard_goes_from_the_search_field_to_the_sliders(opened):
    order, part = [], opened.attributes.search
    for _ in range(8):
        part = part.nextInFocusChain()
        order.append(part)
    row = opened.attributes.rows["smile"]
    steps = [order.index(part) for part in (row.track, row.field, row.lock)]
    assert steps == sorted(steps)


@pytest.mark.parametrize("name", ["yaw", "look"])
def test_scrolling_a_panel_turns_no_field_under_the_mouse(qtbot, opened, name):
    def turned(widget):
        before = widget.value() if name == "yaw" else widget.currentIndex()
        at = QPointF(widget.rect().center())
        event = QWheelEvent(
            at,
            QPointF(widget.mapToGlobal(at.toPoint())),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(widget, event)
        return (widget.value() if name == "yaw" else widget.currentIndex()) != before

    widget = getattr(opened.camera, name)
    opened.viewport.setFocus()
    assert not turned(widget)
    opened.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)
    assert turned(widget)


@pytest.mark.parametrize(
    ("language", "typed"), [("en", "0.25"), ("en", "0,25"), ("de", "0.25"), ("de", "0,25")]
)
def test_numbers_may_be_typed_with_a_comma_or_a_point(qtbot, opened, language, typed):
    field = opened.attributes.rows["smile"].field
    field.setLocale(QLocale(language))
    field.selectAll()
    qtbot.keyClicks(field, typed)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert opened.session.moves["smile"] == 0.25


def test_projects_are_seen_as_they_were_left_and_those_of_the_command_line_whole(
    qtbot, opened, tmp_path, engine
):
    photo, paths = opened.session.inversion.portrait.camera, (tmp_path / "cli.facet", tmp_path / "left.facet")
    turned = replace(photo_view(photo), yaw=0.3, zoom=1.7)
    for path, camera in zip(paths, (photo, opened.controller.camera(turned)), strict=True):
        engine.save_project(opened.session.inversion, {}, camera, path, None, {})
    for path, view in zip(paths, (photo_view(photo), turned), strict=True):
        opened.files.open(str(path))
        qtbot.waitUntil(lambda path=path: opened.session.path == path)
        assert opened.session.view.zoom == pytest.approx(view.zoom, abs=1e-3)
        assert opened.session.view.yaw == pytest.approx(view.yaw, abs=1e-3)


def test_settings_that_mean_nothing_here_are_passed_over(qtbot, window, settings):
    for name in ("theme", "scheme", "renderer", "smooth", "yaw_limit", "export", "batch"):
        settings.set_value(name, "from another version")
    window.take_settings()
    assert window.viewport.scheme is Scheme.FACET and window.theme.name == "dark"
    assert window.session.limits[0] == pytest.approx(np.radians(75))
