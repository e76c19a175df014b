"""Random work in the window: nothing fails, and memory comes back."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from app import soak as module
from app.soak import Soak, memory, soak
from inversion_core.errors import NoFace


def test_every_kind_of_work_is_done_and_counted(window, tmp_path):
    report = Soak(window, tmp_path, seed=3).run(2.0, 1)
    assert not report.errors
    assert report.actions.total() > 10 and report.seconds >= 2
    assert 50 < report.start <= report.peak and report.end > 50
    assert (tmp_path / "head.glb").is_file() and (tmp_path / "work.facet").is_file()
    assert "exceptions: 0" in report.lines()


def test_failures_are_told(qtbot, window, engine, tmp_path):
    work = Soak(window, tmp_path)
    engine.refuse = NoFace("No face was found.", "Choose another.")
    work._do("photo", work.seldom["photo"])
    assert len(work.report.errors) == 1 and "No face" in work.report.errors[0]
    assert any("No face" in line for line in work.report.lines())


def test_memory_is_that_of_the_process():
    before = memory()
    kept = bytearray(200 * 2**20)
    kept[::4096] = b"x" * len(kept[::4096])
    assert 150 < memory() - before < 260


def test_the_command_says_whether_it_went_well(monkeypatch, capsys):
    grown = module.SoakReport(60, start=100, end=120)
    monkeypatch.setattr(module, "soak", lambda *a: grown)
    assert module.main(["--minutes", "1"]) == 1
    assert "100 MB -> 120 MB (+20.0%)" in capsys.readouterr().out
    grown.end = 105
    assert module.main([]) == 0
    grown.errors.append("something")
    assert module.main([]) == 1


@pytest.mark.slow
def test_the_real_window_works_for_a_while(qapp):
    report = soak(8, seed=1, rounds=0, size=(480, 400))
    assert not report.errors
    # Caches still fill in so short a time; the long run, by hand, holds to a tenth.
    assert report.actions.total() > 10 and report.growth < 0.6, report.lines()
    assert QApplication.instance() is qapp
