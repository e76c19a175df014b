"""Every command of the window: its words, its keys, and the menus it stands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True)
class Command:
    """One menu entry.

    Attributes:
        name: identifier; text: with its mnemonic; keys: shortcuts, the first is shown.
        tip: one sentence; needs_head: whether it is of use only with an open portrait; icon: of :mod:`app.icons`.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    tip: str = ""
    needs_head: bool = True
    checkable: bool = False
    icon: str = ""


C = Command
MENUS: tuple[tuple[str, tuple[Command | None, ...]], ...] = (
    (
        "&File",
        (
            C("open", "&Open …", ("Ctrl+O",), "Open a photo or a project", False, icon="open"),
            C("welcome", "&Welcome page", ("Ctrl+N",), "Samples and recent files", False),
            None,
            C("save", "&Save project", ("Ctrl+S",), "Save the project", icon="save"),
            C("save_as", "Save project &as …", ("Ctrl+Shift+S",), "Save the project under another name"),
            None,
            C("export", "&Export mesh …", ("Ctrl+E",), "Write the head as OBJ, PLY or GLB", icon="export"),
            C("screenshot", "Save &picture …", ("F12",), "Save what the viewport shows, with transparency"),
            C("copy_picture", "&Copy picture", ("Ctrl+Shift+C",), "Copy what the viewport shows"),
            C("turntable", "Save &turntable …", ("Ctrl+T",), "Film the head as it turns: MP4 or GIF"),
            C(
                "contact_sheet",
                "Save contact s&heet …",
                ("Ctrl+Shift+T",),
                "The head from all sides in one picture",
            ),
            None,
            C(
                "batch",
                "Convert a &folder …",
                ("Ctrl+Shift+O",),
                "Every photo of a folder to a project",
                False,
            ),
            None,
            C("quit", "&Quit", ("Ctrl+Q",), "", False),
        ),
    ),
    (
        "&Edit",
        (
            C("undo", "&Undo", ("Ctrl+Z",), "Take the last step back", icon="undo"),
            C("redo", "&Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "Take the step again", icon="redo"),
            None,
            C(
                "reset",
                "Reset &all attributes",
                ("Ctrl+R",),
                "All unlocked sliders to their defaults",
                icon="reset",
            ),
            C("randomise", "Ra&ndomise", ("Ctrl+D",), "Move unlocked sliders at random", icon="dice"),
            C("surprise", "&Surprise me", ("Ctrl+Shift+D",), "Move them further"),
            None,
            C("copy_moves", "&Copy attributes", ("Ctrl+Alt+C",), "Copy all slider values"),
            C("paste_moves", "&Paste attributes", ("Ctrl+Alt+V",), "Apply copied slider values"),
            None,
            C("store_a", "Keep as A", ("Ctrl+1",), "Put the sliders aside as A"),
            C("store_b", "Keep as B", ("Ctrl+2",), "Put the sliders aside as B"),
            C("toggle_ab", "S&witch between A and B", ("X",), "Take A, and B from there"),
            None,
            C("keep", "&Keep regions as in the photo", ("K",), "Paint what edits leave alone", True, True),
            C("free", "&Free kept regions", ("Shift+K",), "Paint it free again", True, True),
            C("pull", "Pull the &shape", ("G",), "Drag places of the head elsewhere", True, True),
            C(
                "pull_both",
                "Pull both si&des alike",
                ("Shift+G",),
                "The other side follows a pull",
                True,
                True,
            ),
            C(
                "paint",
                "Paint a &colour",
                ("C",),
                "Give lips, skin, hair … the colour of a stroke",
                True,
                True,
            ),
            C("restore", "Restore the p&hoto …", (), "Colour, mend and clean an old photo"),
            C("refine", "Refine the &fit", (), "Go on from the codes towards the photo"),
            C("blend", "&Blend with another person …", (), "Mix in a photo's or project's person"),
            C(
                "add_photos",
                "Add photos of this &person …",
                (),
                "Further photos for the sides that this one does not show",
            ),
            C("align", "Align by &hand …", (), "Put a square round the face, or mark five points", False),
            None,
            C("settings", "Se&ttings …", ("Ctrl+,",), "", False),
        ),
    ),
    (
        "&View",
        (
            C("front", "&Front", ("1",), "Look straight at the face"),
            C("three_quarter", "&Three-quarter", ("2",), "Look from 40° to the side"),
            C("profile", "&Profile", ("3",), "Look from the side"),
            C("other_side", "&Other side", ("4",), "Mirror the point of view"),
            C("reset_view", "As the p&hoto", ("F", "Home"), "The photo's own point of view"),
            None,
            C("split", "Before/after &split", ("B",), "Divide the view; drag the line", True, True, "split"),
            C("side", "Before/after side &by side", ("Shift+B",), "Both heads at once", True, True),
            C("compare_a", "Compare with A", ("Shift+1",), "What was kept as A is before", True, True),
            C("compare_b", "Compare with B", ("Shift+2",), "What was kept as B is before", True, True),
            None,
            C("look_photo", "Show &colours", ("5",), "The head in the photo's colours"),
            C("look_clay", "Show c&lay", ("6",), "The bare shape under a lamp"),
            C("look_normals", "Show &normals", ("7",), "Directions of the surface as colours"),
            C("look_depth", "Show &depth", ("8",), "Nearness as brightness"),
            C(
                "look_relit",
                "Show under another &lamp",
                ("9",),
                "The photo's colours under a lamp that you move",
            ),
            C("look_wire", "Show &wireframe", ("0",), "The model's edges over the head"),
            None,
            C("spin", "Turntable pre&view", ("T",), "Let the head turn by itself", True, True),
            C("light_theme", "Switch dark and li&ght", ("Ctrl+L",), "", False),
            C("default_layout", "Default la&yout", (), "All panels where they belong", False),
        ),
    ),
    (
        "&Model",
        (C("add_model", "&Add model …", (), "Add EG3D, GOAE, StyleSDF or E3DGE from official files", False),),
    ),
    (
        "&Help",
        (
            C("shortcuts", "&Shortcuts", ("F1", "?"), "", False),
            C("diagnostics", "&Diagnostics", (), "Versions, devices and the log, to copy", False),
            C("about", "&About Facet", (), "", False),
        ),
    ),
)


def build_menus(
    window: QMainWindow, handlers: Callable[[str], Callable]
) -> tuple[dict[str, QAction], dict[str, QMenu]]:
    """The actions by name and the menus by title; ``handlers`` gives the method of a command."""
    actions: dict[str, QAction] = {}
    menus: dict[str, QMenu] = {}
    for title, commands in MENUS:
        menu = menus[title.replace("&", "")] = window.menuBar().addMenu(tr(title))
        for command in commands:
            if command is None:
                menu.addSeparator()
                continue
            action = menu.addAction(tr(command.text))
            action.setObjectName(command.name)
            action.setShortcuts([QKeySequence(keys) for keys in command.keys])
            action.setCheckable(command.checkable)
            keys = f"  ({command.keys[0]})" if command.keys else ""
            action.setToolTip(tr(command.tip or command.text.replace("&", "")) + keys)
            action.setStatusTip(tr(command.tip))
            signal = action.toggled if command.checkable else action.triggered
            signal.connect(handlers(command.name))
            actions[command.name] = action
    return actions, menus


def commands() -> list[tuple[str, Command]]:
    """Every command with the title of its menu."""
    return [(title.replace("&", ""), c) for title, row in MENUS for c in row if c is not None]


def tr(text: str) -> str:
    """The text in the interface's language."""
    return QCoreApplication.translate("actions", text)
