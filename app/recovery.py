"""Side files that outlive a crash: one project per window, and whose it is."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inversion_core.image import write_atomic


@dataclass(frozen=True)
class Leftover:
    """Work that a window left behind when it ended without closing.

    Attributes:
        project: the side file; title: of the document; path: where it had been saved, or None.
        modified: seconds since the epoch.
    """

    project: Path
    title: str
    path: Path | None
    modified: float


class Recovery:
    """This window's side file in a folder that all windows share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = uuid.uuid4().hex
        self.project = folder / f"{self._name}.facet"

    def prepare(self, title: str, path: Path | None) -> Path:
        """Where to write the project now; the note beside it says what it is.

        Raises:
            OutputUnwritable: the folder cannot be used.
        """
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        note = {"title": title, "path": None if path is None else str(path), "process": os.getpid()}
        write_atomic(self._note(self.project), json.dumps(note).encode())
        return self.project

    def discard(self) -> None:
        """Forget this window's side file; the work is safe elsewhere, or not wanted."""
        forget(self.project)

    def leftovers(self) -> list[Leftover]:
        """What windows that are gone left behind, newest first."""
        found = []
        for note in self.folder.glob("*.json"):
            project = note.with_suffix(".facet")
            try:
                content = json.loads(note.read_text())
                alive = _alive(int(content["process"]))
                if project == self.project or alive or not project.is_file():
                    continue
                path = None if content["path"] is None else Path(content["path"])
                found.append(Leftover(project, str(content["title"]), path, project.stat().st_mtime))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return sorted(found, key=lambda leftover: -leftover.modified)

    @staticmethod
    def _note(project: Path) -> Path:
        return project.with_suffix(".json")


def forget(project: Path) -> None:
    """Remove a side file and its note."""
    for path in (project.with_suffix(".json"), project):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        # Another window of this very process: it looks after its own file.
        return True
    if os.name == "nt":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
