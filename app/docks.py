"""The docks round the viewport, and where they belong."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QScrollArea, QTabWidget, QWidget

LEFT = ("photo", "camera", "history")
RIGHT = ("attributes", "presets")


def make_docks(window: QMainWindow, panels: dict[str, tuple[str, QWidget]]) -> dict[str, QDockWidget]:
    """Docks by the panels' names, in their default places; ``panels`` has (title, widget) for each of them."""
    options = QMainWindow.DockOption
    window.setDockOptions(options.AnimatedDocks | options.AllowTabbedDocks | options.AllowNestedDocks)
    window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
    docks = {}
    for name, (title, widget) in panels.items():
        dock = docks[name] = QDockWidget(title)
        dock.setObjectName(f"dock_{name}")
        dock.setWidget(_scrolled(widget) if name == "camera" else widget)
        features = QDockWidget.DockWidgetFeature
        dock.setFeatures(features.DockWidgetMovable | features.DockWidgetClosable)
        if name != "photo":
            # Its tab says the name already.
            dock.setTitleBarWidget(QWidget())
    arrange(window, docks)
    return docks


def arrange(window: QMainWindow, docks: dict[str, QDockWidget]) -> None:
    """Put every panel where it belongs."""
    left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
    for name in LEFT:
        window.addDockWidget(left, docks[name])
    for name in RIGHT:
        window.addDockWidget(right, docks[name])
    window.splitDockWidget(docks["photo"], docks["camera"], Qt.Orientation.Vertical)
    window.tabifyDockWidget(docks["camera"], docks["history"])
    window.tabifyDockWidget(docks["attributes"], docks["presets"])
    for dock in docks.values():
        dock.setVisible(True)
    for name in ("camera", "attributes"):
        docks[name].raise_()
    window.resizeDocks([docks["photo"], docks["attributes"]], [290, 350], Qt.Orientation.Horizontal)


def _scrolled(widget: QWidget) -> QScrollArea:
    """The widget in a frame that scrolls, so that what it shows more of never pushes the window's edges."""
    area = QScrollArea()
    area.setObjectName("panel")
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
