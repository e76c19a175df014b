"""What leaves the window: meshes, sheets, folders; the ways the head is shown; models that are added."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QDialog

from app.actions import commands
from app.dialog_batch import BatchDialog, BatchResultDialog
from app.dialog_export import ExportDialog
from app.engine import added_models
from app.pictures import Look, pixels
from inversion_core.errors import NoFace
from inversion_core.geometry.mesh_options import MeshOptions, check_options


def drop(window, *paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, left, none))


def test_the_export_dialog_offers_only_what_can_be_had(qtbot, settings, tmp_path):
    dialog = ExportDialog(tmp_path / "head.glb", None, settings)
    qtbot.addWidget(dialog)
    assert dialog.options == MeshOptions(texture_size=2048)
    assert not dialog.up.isEnabled() and not dialog.closed.isEnabled() and dialog.morphs.isEnabled()
    for kind in range(dialog.surface.count()):
        for ending in range(dialog.format.count()):
            for texture in range(dialog.texture.count()):
                dialog.surface.setCurrentIndex(kind)
                dialog.format.setCurrentIndex(ending)
                dialog.texture.setCurrentIndex(texture)
                for box in (dialog.reduce, dialog.normals, dialog.closed):
                    box.setChecked(True)
                dialog.up.setCurrentIndex(1)
                check_options(dialog.options, dialog.path)
                assert dialog.accept_button.isEnabled()
    dialog.place.setText(str(tmp_path / "head.fbx"))
    assert not dialog.accept_button.isEnabled() and "fbx" in dialog.note.text()


def test_the_export_dialog_remembers(qtbot, settings, tmp_path):
    first = ExportDialog(tmp_path / "head.glb", None, settings)
    qtbot.addWidget(first)
    first.format.setCurrentIndex(first.format.findData(".obj"))
    first.reduce.setChecked(True)
    first.faces.setValue(9000)
    first.normals.setChecked(True)
    first.up.setCurrentIndex(1)
    first.unit.setCurrentIndex(2)
    first.remember()
    second = ExportDialog(tmp_path / "other.glb", None, settings)
    qtbot.addWidget(second)
    assert second.options == first.options and second.path == tmp_path / "other.obj"
    settings.set_value("export", "{damaged")
    third = ExportDialog(tmp_path / "other.glb", None, settings)
    qtbot.addWidget(third)
    assert third.options == MeshOptions(texture_size=2048)


def test_choices_reach_the_engine_and_the_folder_opens(qtbot, opened, engine, tmp_path, monkeypatch):
    revealed = []
    monkeypatch.setattr("app.commands_file.QDesktopServices.openUrl", lambda url: revealed.append(url))

    def accept(dialog):
        dialog.place.setText(str(tmp_path / "print.ply"))
        dialog.surface.setCurrentIndex(1)
        dialog.closed.setChecked(True)
        dialog.unit.setCurrentIndex(2)
        dialog.reveal.setChecked(True)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr("app.commands_file.ExportDialog.exec", accept)
    opened.actions_by_name["export"].trigger()
    qtbot.waitUntil(lambda: bool(revealed))
    assert engine.mesh_options == [MeshOptions("surface", texture_size=0, watertight=True, unit="mm")]
    assert Path(revealed[0].toLocalFile()) == tmp_path


def test_from_the_start_to_a_mesh_in_three_clicks(qtbot, window, tmp_path, monkeypatch):
    monkeypatch.setattr("app.files.Path.home", lambda: tmp_path)
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(window.welcome.cards.itemAt(0).widget(), left)
    qtbot.waitUntil(lambda: window.session.inversion is not None)

    def confirm():
        dialog = next(
            d for d in QApplication.topLevelWidgets() if isinstance(d, ExportDialog) and d.isVisible()
        )
        qtbot.mouseClick(dialog.accept_button, left)

    QTimer.singleShot(200, confirm)
    qtbot.mouseClick(window.toolbar.widgetForAction(window.actions_by_name["export"]), left)
    qtbot.waitUntil((tmp_path / "astronaut.glb").is_file)


def test_a_contact_sheet_is_written(qtbot, opened, tmp_path, monkeypatch):
    path = tmp_path / "all.png"
    monkeypatch.setattr("app.commands_file.QFileDialog.getSaveFileName", lambda *a: (str(path), ""))
    opened.actions_by_name["contact_sheet"].trigger()
    qtbot.waitUntil(path.is_file)
    qtbot.waitUntil(lambda: str(path) in opened.status.currentMessage())


def test_a_folder_is_converted_and_told_about(qtbot, window, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()

    def accept(dialog):
        assert not dialog.accept_button.isEnabled()
        dialog.source.setText(str(tmp_path / "photos"))
        dialog.target.setText(str(tmp_path / "results"))
        dialog.mesh.setCurrentIndex(1)
        assert dialog.accept_button.isEnabled() and dialog.options.mesh == "glb"
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr("app.commands_file.BatchDialog.exec", accept)
    window.actions_by_name["batch"].trigger()
    qtbot.waitUntil(lambda: bool(window.dialogs))
    dialog = window.dialogs[-1]
    assert isinstance(dialog, BatchResultDialog)
    assert "1 done" in dialog.summary.text() and "No face was found." in dialog.list.item(0).text()
    opened = []
    monkeypatch.setattr("app.dialog_batch.QDesktopServices.openUrl", lambda url: opened.append(url))
    dialog.open_report()
    assert opened[0].toLocalFile().endswith("report.html")
    dialog.close()
    again = BatchDialog(window.settings, window)
    assert again.folder == tmp_path / "photos" and again.options.mesh == "glb"


def test_other_looks_and_the_focal_length(qtbot, opened):
    def middle(look):
        qtbot.waitUntil(
            lambda: opened.viewport.frame.final and opened.viewport.frame.request.look is look, timeout=10000
        )
        image = pixels(opened.viewport.frame.image)
        return int(image[image.shape[0] // 2, image.shape[1] // 2, 1])

    plain = middle(Look.PHOTO)
    opened.actions_by_name["look_relit"].trigger()
    assert middle(Look.RELIT) == pytest.approx(plain / 2, abs=2)
    assert opened.camera.lamp_yaw.isVisibleTo(opened.camera)
    opened.actions_by_name["look_wire"].trigger()
    assert middle(Look.WIRE) == 255
    assert not opened.camera.lamp_yaw.isVisibleTo(opened.camera)
    opened.camera.focal.setValue(50)
    assert opened.session.view.field == pytest.approx(2 * np.arctan(12 / 50), abs=2e-3)
    opened.camera.field.setValue(40)
    assert opened.camera.focal.value() == round(12 / np.tan(np.radians(20)))


@pytest.fixture
def official(engine, tmp_path):
    """Three files whose roles the engine knows."""
    engine.roles = {
        "runner.pt": "E3DGE runner",
        "generator.pt": "StyleSDF generator",
        "pose.pt": "StyleSDF volume renderer",
    }
    paths = [tmp_path / name for name in engine.roles]
    for path in paths:
        path.write_bytes(b"weights")
    return paths


def test_a_dropped_folder_is_offered_for_conversion(qtbot, window, tmp_path, monkeypatch):
    asked = []

    def decline(dialog):
        asked.append((dialog.folder, dialog.out))
        return 0

    monkeypatch.setattr("app.commands_file.BatchDialog.exec", decline)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drop(window, tmp_path / name)
        qtbot.waitUntil(lambda name=name: bool(asked) and asked[-1][0].name == name)
    assert asked == [(tmp_path / name, tmp_path / f"{name}-facet") for name in ("one", "two")]
    dialog = BatchDialog(window.settings, window)
    dialog.take(tmp_path / "one")
    dialog.take(tmp_path / "two")
    assert dialog.out == tmp_path / "two-facet"
    dialog.target.setText(str(tmp_path / "mine"))
    dialog.take(tmp_path / "one")
    assert dialog.out == tmp_path / "mine"


def test_dropped_official_files_become_a_model(qtbot, opened, engine, official, settings):
    moved = opened.session.inversion
    drop(opened, *official[:2])
    qtbot.waitUntil(lambda: opened.model_commands.dialog is not None, timeout=60_000)
    dialog = opened.model_commands.dialog
    assert not dialog.add_button.isEnabled() and dialog.parts.missing == ("StyleSDF volume renderer",)
    dialog.files_chosen.emit([official[2]])
    qtbot.waitUntil(dialog.add_button.isEnabled, timeout=20_000)
    dialog.name.setEditText("theirs")
    qtbot.mouseClick(dialog.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: opened.controller.model.card.name == "theirs", timeout=20_000)
    # The photo is fitted again, the panel shows the sliders of the new card, and the menu its name.
    qtbot.waitUntil(lambda: opened.session.inversion is not moved)
    assert set(opened.attributes.rows) == {"smile"}
    checked = [action.text() for action in opened.model_commands.group.actions() if action.isChecked()]
    assert checked == ["Theirs (theirs)"]
    assert settings.text("model") == "theirs"
    assert "Theirs" in opened.status.model.text()


def test_a_model_that_does_not_fit_the_photo_changes_nothing(qtbot, opened, engine):
    engine.known_models.append(("other", "Other", Path("other")))
    opened.model_commands.refresh()
    before, model = opened.session.inversion, opened.controller.model
    engine.refuse = NoFace("No face was found.", "Choose another.")
    opened.model_commands.group.actions()[1].trigger()
    qtbot.waitUntil(lambda: bool(opened.dialogs))
    opened.dialogs[-1].close()
    assert opened.session.inversion is before and opened.controller.model is model
    assert opened.model_commands.group.actions()[0].isChecked()


def test_a_model_that_is_gone_is_replaced_at_the_start(qtbot, engine, settings):
    from app.window import MainWindow

    settings.set_value("model", "gone")
    window = MainWindow(engine, settings)
    qtbot.waitUntil(lambda: window.controller.model is not None)
    assert window.controller.model.card.name == "balls" and not window.dialogs
    window.close()


def test_projects_bring_their_model(qtbot, opened, engine, tmp_path):
    path = tmp_path / "work.facet"
    opened.controller.save(path)
    qtbot.waitUntil(path.is_file)
    engine.known_models.append(("other", "Other", Path("other")))
    opened.controller.change_model(Path("other"), "Other")
    qtbot.waitUntil(lambda: opened.controller.model.card.name == "other")
    opened.files.open(str(path))
    qtbot.waitUntil(lambda: opened.controller.model.card.name == "balls")


def test_added_models_live_where_the_core_puts_them():
    from inversion_core.checkpoints.install import models_folder

    assert added_models() == models_folder()


def test_every_command_of_every_menu_works(qtbot, opened, engine, tmp_path, monkeypatch):
    """Trigger all of them, each on an open head, with every dialog answered; none may fail."""
    saved = iter(range(1000))

    def save_name(_parent, _title, _suggestion="", filters=""):
        ending = next(e for e in (".facet", ".png", ".mp4", ".glb") if e in filters)
        return str(tmp_path / f"out{next(saved)}{ending}"), ""

    engine.roles = {"runner.pt": "E3DGE runner"}
    (tmp_path / "runner.pt").write_bytes(b"a face")
    (tmp_path / "photos").mkdir()
    shown: list[str] = []

    def accepted(dialog):
        shown.append(type(dialog).__name__)
        if isinstance(dialog, BatchDialog):
            dialog.source.setText(str(tmp_path / "photos"))
            dialog.target.setText(str(tmp_path / "results"))
        elif hasattr(dialog, "place"):
            dialog.place.setText(str(tmp_path / (type(dialog).__name__ + Path(dialog.place.text()).suffix)))
        return QDialog.DialogCode.Accepted

    for name in ("getOpenFileName", "getOpenFileNames"):
        many = name.endswith("s")
        runner = str(tmp_path / "runner.pt")
        photo = str(tmp_path / "someone.jpg")
        answer = ([runner], "") if many else (photo, "")
        monkeypatch.setattr(f"PySide6.QtWidgets.QFileDialog.{name}", lambda *a, _answer=answer: _answer)
    monkeypatch.setattr("PySide6.QtWidgets.QFileDialog.getSaveFileName", save_name)
    monkeypatch.setattr("PySide6.QtWidgets.QDialog.exec", accepted)
    monkeypatch.setattr("PySide6.QtWidgets.QMessageBox.about", lambda *a: shown.append("About"))
    monkeypatch.setattr("app.window.ask_unsaved", lambda *a: "discard")
    answer_further_dialogs(monkeypatch)
    wrong: list[BaseException] = []
    opened.controller.failed.connect(lambda _doing, error: wrong.append(error))
    monkeypatch.setattr("sys.excepthook", lambda kind, error, trace: wrong.append(error))
    for title, command in commands():
        if command.name in ("quit", "refine"):  # the head of this model cannot be refined: test_mend
            continue
        if opened.session.inversion is None or opened.pages.currentWidget() is opened.welcome:
            opened.pages.setCurrentWidget(opened.viewport)
        opened.session.set_move("smile", 0.3 if opened.session.moves.get("smile") != 0.3 else 0.6)
        action = opened.actions_by_name[command.name]
        if command.name == "redo":
            opened.session.undo()
        assert action.isEnabled(), command.name
        action.trigger()
        qtbot.waitUntil(lambda: not opened.controller.batch.busy, timeout=60_000)
        qtbot.wait(5)
        assert not wrong, (title, command.name, wrong)
        dialog = opened.model_commands.dialog
        if command.name == "add_model":
            assert dialog is not None
            dialog.close()
        if action.isCheckable():
            action.setChecked(False)
    assert {"ExportDialog", "TurntableDialog", "BatchDialog", "SettingsDialog", "ShortcutsDialog"} <= set(
        shown
    )
    assert {"DiagnosticsDialog", "About"} <= set(shown)
    # What takes part in no command table: panels, recent files, models.
    for dock in opened.docks.values():
        for _ in range(2):
            dock.toggleViewAction().trigger()
    for place in (opened.model_commands.group, opened.recent_menu):
        for number in range(len(place.actions())):
            place.actions()[number].trigger()
            qtbot.waitUntil(lambda: not opened.controller.batch.busy, timeout=60_000)
    assert not wrong
    opened.actions_by_name["quit"].trigger()
    assert not opened.isVisible()


def answer_further_dialogs(monkeypatch) -> None:
    """Answers to questions that commands ask besides dialogs of their own."""
    for name, answer in (("getText", ("A name", True)), ("getItem", ("", False))):
        monkeypatch.setattr(f"PySide6.QtWidgets.QInputDialog.{name}", lambda *a, _answer=answer, **k: _answer)


def test_the_options_that_are_kept_are_plain_json(qtbot, settings, tmp_path):
    dialog = ExportDialog(tmp_path / "head.glb", None, settings)
    qtbot.addWidget(dialog)
    dialog.remember()
    assert json.loads(settings.text("export"))["ending"] == ".glb"
