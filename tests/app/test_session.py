"""The document and its history."""

from __future__ import annotations

import numpy as np
import pytest

from app.orbit import View
from app.session import Session
from inversion_core.camera import Camera
from inversion_core.edit import Inversion, Slider
from inversion_core.latent import Latent
from inversion_core.portrait import Portrait


def inversion() -> Inversion:
    grey = np.zeros((512, 512, 3), np.uint8)
    points = np.zeros((478, 3), np.float32)
    crop = np.eye(2, 3, dtype=np.float32)
    portrait = Portrait(grey, Camera.orbit(0, 0), points, points, b"", "someone.jpg", 0, crop)
    return Inversion(portrait, Latent(points, "blocks", "test"), None, {}, "test", 0.0)


@pytest.fixture
def session(qapp):
    session = Session()
    session.sliders = (
        Slider("smile", "Smile", "expression", "", 0, 1),
        Slider("age", "Age", "character", "", -1, 1),
    )
    session.open(inversion())
    return session


def test_one_drag_is_one_step_named_from_start_to_end(session):
    for value in (0.1, 0.3, 0.6):
        session.set_move("smile", value, "smile:1")
    assert [step.text for step in session.steps][1:] == ["Smile  0.00 → 0.60"]
    session.undo()
    assert dict(session.moves) == {}
    session.redo()
    assert dict(session.moves) == {"smile": 0.6}


def test_two_drags_are_two_steps(session):
    session.set_move("smile", 0.3, "smile:1")
    session.set_move("smile", 0.5, "smile:2")
    assert len(session.steps) == 3
    session.undo()
    assert dict(session.moves) == {"smile": 0.3}


def test_a_new_edit_forgets_what_was_undone(session):
    session.set_move("smile", 0.3)
    session.undo()
    session.set_move("age", 0.5)
    assert not session.can_redo
    assert dict(session.moves) == {"age": 0.5}


def test_defaults_are_left_out_and_nothing_makes_no_step(session):
    session.set_move("smile", 0.0)
    assert len(session.steps) == 1
    session.set_move("smile", 0.4)
    session.set_move("smile", 0.0)
    assert dict(session.moves) == {} and len(session.steps) == 3


def test_dirty_follows_the_saved_step(session, tmp_path):
    assert not session.dirty
    session.set_move("smile", 0.4)
    assert session.dirty
    session.mark_saved(tmp_path / "a.facet", session.step)
    assert not session.dirty and session.title == "a"
    session.undo()
    assert session.dirty
    session.redo()
    assert not session.dirty


def test_saving_in_the_middle_of_a_drag_keeps_the_saved_step(session, tmp_path):
    session.set_move("smile", 0.4, "smile:1")
    session.mark_saved(tmp_path / "a.facet", session.step)
    session.set_move("smile", 0.5, "smile:1")
    assert session.dirty
    session.undo()
    assert not session.dirty and dict(session.moves) == {"smile": 0.4}


def test_another_fit_is_a_step_too(session, qtbot):
    first, second = session.inversion, inversion()
    with qtbot.waitSignal(session.document_changed):
        session.set_inversion(second, "Correct the fit")
    assert session.inversion is second
    session.undo()
    assert session.inversion is first


def test_the_view_is_clamped_and_no_step(session):
    session.set_view(View(yaw=9))
    assert session.view.yaw == pytest.approx(1.309, abs=1e-3)
    assert len(session.steps) == 1
