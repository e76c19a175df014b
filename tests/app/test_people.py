"""Snapshots to compare with, and several photos of one person, in the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog

from app.view3d import Compare
from app.workshop import encoded


def _asked(window):
    """The picture that was asked for last, once it is there."""
    return window.viewport.frame.request


def _act(window, name):
    window.actions_by_name[name].trigger()


def _drawn(qtbot, window, check):
    qtbot.waitUntil(lambda: window.viewport.frame.final and check(_asked(window)), timeout=10000)


@pytest.fixture
def kept(opened):
    """A smile kept as A, a wide jaw kept as B."""
    session = opened.session
    session.set_move("smile", 0.8)
    _act(opened, "store_a")
    session.set_moves({"jaw_width": 0.5}, "jaw")
    _act(opened, "store_b")
    return opened


def test_snapshots_are_taken_in_turn(kept):
    session = kept.session
    assert {name: dict(moves) for name, moves in session.snapshots.items()} == {
        "A": {"smile": 0.8},
        "B": {"jaw_width": 0.5},
    }
    for expected in ({"smile": 0.8}, {"jaw_width": 0.5}, {"smile": 0.8}):
        _act(kept, "toggle_ab")
        assert dict(session.moves) == expected


def test_keeping_and_taking_can_be_undone(kept):
    session = kept.session
    session.undo()
    assert "B" not in session.snapshots and "A" in session.snapshots
    session.redo()
    assert "B" in session.snapshots
    _act(kept, "toggle_ab")
    session.undo()
    assert dict(session.moves) == {"jaw_width": 0.5}


def test_a_snapshot_is_before_in_the_split_view(qtbot, kept):
    _act(kept, "compare_a")
    assert kept.viewport.compare is Compare.SPLIT and kept.viewport.before_name == "A"
    _drawn(qtbot, kept, lambda request: dict(request.before) == {"smile": 0.8})
    image = kept.viewport.frame.before
    middle = image.pixelColor(image.width() // 2, image.height() // 2)
    edited = kept.viewport.frame.image.pixelColor(image.width() // 2, image.height() // 2)
    assert middle.red() > edited.red() + 100
    _act(kept, "compare_b")
    assert not kept.actions_by_name["compare_a"].isChecked()
    _act(kept, "compare_b")
    assert kept.session.compared == "" and kept.viewport.before_name == ""


def test_a_project_keeps_snapshots(qtbot, kept, tmp_path):
    kept.files.save(tmp_path / "kept.facet")
    qtbot.waitUntil(lambda: not kept.session.dirty, timeout=5000)
    kept.session.open_nothing()
    kept.open(str(tmp_path / "kept.facet"))
    qtbot.waitUntil(lambda: kept.session.inversion is not None, timeout=5000)
    assert {name: dict(moves) for name, moves in kept.session.snapshots.items()} == {
        "A": {"smile": 0.8},
        "B": {"jaw_width": 0.5},
    }


def test_photos_are_added_and_taken_back(qtbot, opened, photo, monkeypatch):
    session = opened.session
    session.set_move("smile", 0.8)
    chosen = [str(photo), str(photo)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a, **k: (chosen, ""))
    _act(opened, "add_photos")
    qtbot.waitUntil(lambda: len(session.inversion.others) == 2, timeout=5000)
    assert dict(session.moves) == {"smile": 0.8}
    assert [Path(other.name).name for other in session.inversion.others] == [photo.name] * 2
    # A correction by hand keeps them.
    opened.controller.head.correct(session.inversion.portrait.landmarks)
    qtbot.waitUntil(lambda: len(session.steps) == 4, timeout=5000)
    assert len(session.inversion.others) == 2
    session.undo()
    session.undo()
    assert session.inversion.others == ()


def test_another_person_is_mixed_in_and_taken_out(qtbot, opened, photo, monkeypatch):
    session = opened.session
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(photo), ""))
    _act(opened, "blend")
    qtbot.waitUntil(lambda: opened.file_commands.blend is not None, timeout=5000)
    dialog = opened.file_commands.blend
    for value in (10, 40, 80):
        dialog.sliders["appearance"].setValue(value)
    dialog.sliders["identity"].setValue(30)

    def mixed():
        blend = session.inversion.blend
        return blend is not None and (blend.identity, blend.appearance) == (0.3, 0.8)

    qtbot.waitUntil(mixed, timeout=5000)
    assert len(session.steps) == 2
    session.undo()
    assert session.inversion.blend is None and dialog.sliders["appearance"].value() == 0
    session.redo()
    assert dialog.sliders["appearance"].value() == 80
    dialog.close()


def test_a_face_of_the_group_is_clicked(qtbot, opened, photo):
    session, canvas = opened.session, opened.photo.canvas
    picture = QImage(300, 200, QImage.Format.Format_RGB32)
    picture.fill(0x336699)
    photo.write_bytes(encoded(picture))
    opened.open(str(photo))
    qtbot.waitUntil(lambda: session.inversion.portrait.source != b"a face", timeout=5000)
    opened.photo.other.click()
    # The engine finds one face on the left, from 0.1 to 0.5 of the picture, and one on the right, from 0.6 to 0.9.
    qtbot.waitUntil(lambda: opened.photo.faces.count() == 2, timeout=5000)
    width, height = canvas.width(), canvas.height()
    scale = min(width / 300, height / 200)
    left, top = (width - 300 * scale) / 2, (height - 200 * scale) / 2

    def at(x, y):
        return QPoint(round(left + x * 300 * scale), round(top + y * 200 * scale))

    assert canvas.face_at(QPointF(at(0.3, 0.3))) == 0
    assert canvas.face_at(QPointF(at(0.55, 0.3))) is None
    qtbot.mouseMove(canvas, at(0.75, 0.3))
    canvas.grab()
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at(0.75, 0.3))
    qtbot.waitUntil(lambda: session.inversion.portrait.face == 1, timeout=5000)
    # The crop is back: a click there chooses nobody.
    assert canvas.face_at(QPointF(at(0.3, 0.3))) is None


def test_a_stroke_keeps_a_region_and_is_undone(qtbot, opened, engine):
    session, viewport = opened.session, opened.viewport
    view = session.view
    _act(opened, "keep")
    middle = QPoint(viewport.width() // 2, viewport.height() // 2)
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(viewport, middle + QPoint(30, 0))
    viewport.grab()
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=middle + QPoint(30, 0))
    qtbot.waitUntil(lambda: session.inversion.keep is not None, timeout=5000)
    stroke = engine.strokes[-1]
    assert np.allclose(stroke.places[0], 0.5, atol=0.01) and not stroke.erase
    assert session.view == view, "the brush turns nothing"
    session.undo()
    assert session.inversion.keep is None
    _act(opened, "free")
    assert not opened.actions_by_name["keep"].isChecked()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.waitUntil(lambda: len(engine.strokes) == 2, timeout=5000)
    assert engine.strokes[-1].erase
