"""What is remembered between sessions and belongs to no project."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from PySide6.QtCore import QByteArray, QSettings

RECENT_LIMIT = 12
DEFAULTS: dict[str, object] = {
    "theme": "dark",
    "scheme": "facet",
    "smooth": 2,
    "renderer": "automatic",
    "yaw_limit": 75.0,
    "pitch_limit": 40.0,
    "autosave_seconds": 60,
    "welcome": True,
    "export": "",
    "batch": "",
    "model": "",
}
"""Name -> value of what is chosen in dialogs; angles in degrees, "export" and "batch" as JSON, "model" a folder."""


class Settings:
    """Typed access to the platform's store, or to a file for tests."""

    def __init__(self, file: Path | None = None) -> None:
        self._store = (
            QSettings("Facet", "Facet") if file is None else QSettings(str(file), QSettings.Format.IniFormat)
        )
        state = platformdirs.user_state_path("facet") if file is None else file.parent
        self.recovery: Path = state / "recovery"
        self.thumbnails: Path = state / "thumbnails"
        self.presets: Path = state / "presets"
        self.log: Path = state / "facet.log"

    def value(self, name: str) -> object:
        """The setting, of the same type as its default; a stored value of another type is ignored."""
        default = DEFAULTS[name]
        stored = self._store.value(name, default)
        try:
            if isinstance(default, bool):
                return stored if isinstance(stored, bool) else str(stored).lower() == "true"
            return type(default)(stored)
        except (TypeError, ValueError):
            return default

    def text(self, name: str) -> str:
        return str(self.value(name))

    def number(self, name: str) -> float:
        value = self.value(name)
        return float(value) if isinstance(value, (int, float)) else 0.0

    def set_value(self, name: str, value: object) -> None:
        if name not in DEFAULTS:
            raise KeyError(name)
        self._store.setValue(name, value)

    def reset(self) -> None:
        """Forget all choices; recent files and the window's layout stay."""
        for name in DEFAULTS:
            self._store.remove(name)

    # ---- layout and recent files --------------------------------------------------------------------------------

    def layout(self) -> tuple[QByteArray, QByteArray] | None:
        """Geometry and dock state of the last window."""
        geometry, state = self._store.value("geometry"), self._store.value("state")
        if isinstance(geometry, QByteArray) and isinstance(state, QByteArray):
            return geometry, state
        return None

    def set_layout(self, geometry: QByteArray, state: QByteArray) -> None:
        self._store.setValue("geometry", geometry)
        self._store.setValue("state", state)

    def forget_layout(self) -> None:
        self._store.remove("geometry")
        self._store.remove("state")

    def recent(self) -> list[Path]:
        """Files opened lately that still exist, newest first."""
        stored = self._store.value("recent", [])
        names = [stored] if isinstance(stored, str) else list(stored or [])
        return [Path(name) for name in names if Path(name).is_file()]

    def add_recent(self, path: Path) -> None:
        path = path.absolute()
        known = [path] + [other for other in self.recent() if other != path]
        self._store.setValue("recent", [str(other) for other in known[:RECENT_LIMIT]])

    def clear_recent(self) -> None:
        self._store.remove("recent")
