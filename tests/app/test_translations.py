"""The interface in another language."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QLocale

from app.actions import commands
from app.translations import install, main, write_template

GERMAN = {"&File": "&Datei", "&Export mesh …": "Netz &exportieren …", "Smile": "Lächeln", "Front": "Vorn"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("translations") / "facet.ts"
    assert write_template(path) > 350
    return path


def test_every_text_is_there_once(template):
    root = ElementTree.parse(template).getroot()
    texts = {}
    for context in root.findall("context"):
        sources = [message.findtext("source") for message in context.findall("message")]
        assert len(sources) == len(set(sources)), context.findtext("name")
        texts[context.findtext("name")] = set(sources)
    assert {command.text for _, command in commands()} <= texts["actions"]
    assert "Export mesh" in texts["ExportDialog"] and "Smile" in texts["sliders"]
    assert "finding the face" in texts["Status"]
    assert any("Something unexpected" in text for text in texts["messages"])
    # Contexts are those that are asked for when the program runs: classes and names of modules, no variables.
    assert not {"box", "parent", "window", "self"} & set(texts)


def test_a_compiled_translation_is_spoken(template, tmp_path, qtbot, qapp, engine, settings):
    from app.window import MainWindow

    tree = ElementTree.parse(template)
    for message in tree.getroot().findall("context/message"):
        if message.findtext("source") in GERMAN:
            translation = message.find("translation")
            translation.text = GERMAN[message.findtext("source")]
            translation.attrib.pop("type", None)
    tree.write(tmp_path / "facet_de.ts", "utf-8", xml_declaration=True)
    tool = Path(sysconfig.get_path("scripts")) / "pyside6-lrelease"
    words = [str(tool), str(tmp_path / "facet_de.ts"), "-qm", str(tmp_path / "facet_de.qm")]
    subprocess.run(words, check=True, capture_output=True)
    assert install(qapp, tmp_path, QLocale("fr_FR")) is None
    translator = install(qapp, tmp_path, QLocale("de_AT"))
    try:
        window = MainWindow(engine, settings)
        qtbot.waitUntil(lambda: bool(window.attributes.rows))
        assert window.menuBar().actions()[0].text() == "&Datei"
        assert window.actions_by_name["export"].text() == "Netz &exportieren …"
        assert window.attributes.rows["smile"].label.text() == "Lächeln"
        window.close()
    finally:
        qapp.removeTranslator(translator)


def test_the_command_wants_a_file(capsys):
    assert main([]) == 2
    assert "FILE.ts" in capsys.readouterr().err
