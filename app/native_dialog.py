"""Words for a person where Qt cannot show them: the terminal, or else a dialog of the system's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

TITLE = "Facet"


def tell(text: str) -> None:
    """Say it on the terminal; a built program without one shows a dialog as well, as far as the system has one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)
        if sys.stderr.isatty() or not getattr(sys, "frozen", False):
            return
    command = dialog_command(text)
    if command:
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    elif sys.platform == "win32" and sys.stderr is None:
        import ctypes

        warning = 0x30
        ctypes.windll.user32.MessageBoxW(None, text, TITLE, warning)


def dialog_command(text: str) -> list[str]:
    """The command that shows the text in a dialog; empty where there is no screen or no such program."""
    if sys.platform == "darwin":
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        script = f'display dialog "{escaped}" with title "{TITLE}" buttons {{"OK"}} with icon caution'
        return ["osascript", "-e", script]
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return []
    for program, words in (
        ("zenity", ["--error", "--no-markup", f"--title={TITLE}", f"--text={text}"]),
        ("kdialog", ["--title", TITLE, "--error", text]),
        ("xmessage", ["-center", "-title", TITLE, text]),
        ("notify-send", ["--urgency=critical", TITLE, text]),
    ):
        found = shutil.which(program)
        if found:
            return [found, *words]
    return []
