"""The script that makes the documentation's pictures."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app import screenshots
from app.screenshots import Photographer


def test_every_scene_is_a_picture_of_its_own(opened):
    photographer = Photographer(opened, QApplication.instance())
    sizes = {}
    for name, widget in photographer.scenes():
        image = widget.grab().toImage()
        sizes[name] = (image.width(), image.height())
        assert (
            len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)})
            > 3
        ), name
    assert {"welcome", "window", "split", "look-wire", "look-relit", "panel-attributes"} <= set(sizes)
    assert {"dialog-export", "dialog-batch", "dialog-model", "dialog-settings", "menu-model"} <= set(sizes)
    assert sizes["window"] == (opened.width(), opened.height())


def test_the_script_takes_both_themes_and_scales(tmp_path, monkeypatch, capsys):
    taken, called = [], []

    def take(folder, themes, only, ending):
        taken.append((folder, themes, only))
        return [folder / "window.png"]

    def call(words, env):
        called.append((words, env["QT_SCALE_FACTOR"]))
        return 0

    monkeypatch.setattr(screenshots, "take", take)
    monkeypatch.setattr(screenshots.subprocess, "call", call)
    assert screenshots.main([str(tmp_path), "--only", "window,split", "--twice"]) == 0
    assert taken == [(tmp_path, ("dark", "light"), ("window", "split"))]
    words, factor = called[0]
    assert factor == "2" and str(tmp_path / "2x") in words and "--twice" not in words
    assert "window.png" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        screenshots.main([])


def test_pictures_of_both_themes_are_written(window, engine, tmp_path, monkeypatch):
    monkeypatch.setattr("app.window.MainWindow", lambda settings: window)
    written = screenshots.take(tmp_path, ("dark", "light"), ("window",))
    assert [path.name for path in written] == ["window.png", "window-light.png"]
    dark, light = (QImage(str(path)) for path in written)
    assert light.pixelColor(5, 5).lightness() > dark.pixelColor(5, 5).lightness() + 80
