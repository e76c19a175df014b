"""Words for a person where Qt cannot show them: the terminal, or else a dialog of the system's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

TITLE = "Facet"


def tell(text: str) -> None:
    """Say it on the terminal; a built program without one shows a dialog as well, as far as the system has one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)
        if sys.stderr.isatty() or not getattr(sys, "frozen", False):
            return
    for command in dialog_commands(text):
        # 0 and 1 are answers; what misses a library itself ends otherwise, and the next one is tried.
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode in (0, 1):
            return
    if sys.platform == "win32" and sys.stderr is None:
        import ctypes

        warning = 0x30
        ctypes.windll.user32.MessageBoxW(None, text, TITLE, warning)


def dialog_commands(text: str) -> Iterator[list[str]]:
    """The commands that would show the text in a dialog, best first; none where there is no screen or no such program."""
    if sys.platform == "darwin":
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        script = f'display dialog "{escaped}" with title "{TITLE}" buttons {{"OK"}} with icon caution'
        yield ["osascript", "-e", script]
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    for program, words in (
        ("zenity", ["--error", "--no-markup", f"--title={TITLE}", f"--text={text}"]),
        ("kdialog", ["--title", TITLE, "--error", text]),
        ("xmessage", ["-center", "-title", TITLE, text]),
        ("notify-send", ["--urgency=critical", TITLE, text]),
    ):
        found = shutil.which(program)
        if found:
            yield [found, *words]
