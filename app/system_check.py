"""Whether a window can be opened here, found out before Qt is imported."""

from __future__ import annotations

import importlib.util
import os
import sys

from inversion_core.errors import MissingResource
from inversion_core.system_check import missing_packages


def qt_platform() -> str:
    """The platform plugin that Qt will choose: "offscreen", "wayland", "xcb" …, or "" where there is no display."""
    chosen = os.environ.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if chosen:
        return chosen
    if not sys.platform.startswith("linux"):
        return "native"
    if os.environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    return "xcb" if os.environ.get("DISPLAY") else ""


def check_system() -> None:
    """Nothing, when a window can be opened here.

    Raises:
        MissingResource: Qt, a display, or a system library is missing; the hint says what to install or do.
    """
    if importlib.util.find_spec("PySide6") is None:
        raise MissingResource(
            "The window needs PySide6, which is not installed.", "Run: pip install 'facet[app]'"
        )
    platform = qt_platform()
    if packages := missing_packages(window=True, screen=platform == "xcb"):
        raise MissingResource(
            "The window needs system libraries that are not installed.",
            f"On Debian or Ubuntu, run: sudo apt-get install {' '.join(packages)}",
        )
    if not platform:
        raise MissingResource(
            "There is no display to open a window on.",
            "Use the commands instead (facet --help), or set DISPLAY.",
        )
