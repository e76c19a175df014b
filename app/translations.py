"""The interface in other languages: ``python -m app.translations FILE.ts`` writes a template for translators.

A finished translation is ``resources/translations/facet_LANGUAGE.qm``, compiled from such a file with
``pyside6-lrelease``; it is taken when the system speaks that language.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from PySide6.QtCore import QCoreApplication, QLocale, QTranslator

from app.icons import RESOURCES
from inversion_core.edit import Slider

FOLDER = RESOURCES / "translations"
SLIDERS = "sliders"
"""Context of the texts that come from a model's card."""


def install(
    application: QCoreApplication, folder: Path = FOLDER, locale: QLocale | None = None
) -> QTranslator | None:
    """The translator for the system's language, in effect, where there is one; English stays otherwise."""
    translator = QTranslator(application)
    if translator.load(locale or QLocale(), "facet", "_", str(folder), ".qm"):
        application.installTranslator(translator)
        return translator
    return None


def spoken(sliders: Iterable[Slider]) -> tuple[Slider, ...]:
    """The sliders with label and tooltip in the interface's language."""
    say = QCoreApplication.translate
    return tuple(replace(s, label=say(SLIDERS, s.label), tooltip=say(SLIDERS, s.tooltip)) for s in sliders)


def write_template(path: Path) -> int:
    """How many texts were written to a .ts file: those in the code, in command tables, and of the bundled sliders.

    Raises:
        FileNotFoundError: PySide6's lupdate is not installed.
    """
    with tempfile.TemporaryDirectory() as place:
        found = Path(place) / "code.ts"
        sources = [str(file) for file in sorted(Path(__file__).parent.glob("*.py"))]
        subprocess.run([str(_tool()), *sources, "-ts", str(found)], check=True, capture_output=True)
        tree = ElementTree.parse(found)
    root = tree.getroot()
    contexts = {context.findtext("name"): context for context in root.findall("context")}
    for name, text in _further():
        context = contexts.get(name)
        if context is None:
            context = contexts[name] = ElementTree.SubElement(root, "context")
            ElementTree.SubElement(context, "name").text = name
        if not any(message.findtext("source") == text for message in context.findall("message")):
            message = ElementTree.SubElement(context, "message")
            ElementTree.SubElement(message, "source").text = text
            ElementTree.SubElement(message, "translation", {"type": "unfinished"})
    ElementTree.indent(tree)
    tree.write(path, "utf-8", xml_declaration=True)
    return len(root.findall("context/message"))


def _tool() -> Path:
    name = "pyside6-lupdate" + (".exe" if sys.platform == "win32" else "")
    return Path(sysconfig.get_path("scripts")) / name


def _further() -> Iterator[tuple[str, str]]:
    """(context, text) of what lupdate cannot see: tables, functions that translate, and what data hold."""
    from app.actions import MENUS, commands
    from inversion_core.model import BUNDLED, read_card

    for title, _ in MENUS:
        yield "actions", title
    for _, command in commands():
        yield "actions", command.text
        yield "actions", command.tip or command.text.replace("&", "")
    here = Path(__file__).parent
    for text in _arguments(here / "messages.py", "_tr", 0):
        yield "messages", text
    for file in (*here.glob("*.py"), *here.parent.glob("inversion_core/**/*.py")):
        for text in _arguments(file, "Progress", 2):
            yield "Status", text
    for slider in read_card(BUNDLED).sliders:
        yield SLIDERS, slider.label
        yield SLIDERS, slider.tooltip


def _arguments(file: Path, function: str, place: int) -> Iterator[str]:
    """Texts that a file hands to a function at a place."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            value = node.args[place] if len(node.args) > place else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                yield value.value


def main(arguments: list[str] | None = None) -> int:
    """Write the template; exit status 2 on a wrong call."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        print("usage: python -m app.translations FILE.ts", file=sys.stderr)
        return 2
    print(f"{write_template(Path(given[0]))} texts in {given[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
