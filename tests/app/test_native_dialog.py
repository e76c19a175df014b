"""Words where Qt cannot show them: the dialog programs of each system, and the terminal."""

import pytest

from app import native_dialog
from app.native_dialog import dialog_command, tell


@pytest.fixture
def linux(monkeypatch):
    """A Linux with a display and the given programs."""

    def pretend(*programs):
        monkeypatch.setattr(native_dialog.sys, "platform", "linux")
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(
            native_dialog.shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None
        )

    return pretend


def test_the_first_dialog_program_that_is_there_is_taken(linux):
    linux("xmessage", "zenity")
    command = dialog_command("Two <words>")
    assert command[0] == "/usr/bin/zenity" and "--text=Two <words>" in command and "--no-markup" in command
    linux("xmessage")
    assert dialog_command("words") == ["/usr/bin/xmessage", "-center", "-title", "Facet", "words"]
    linux()
    assert dialog_command("words") == []


def test_without_a_display_there_is_no_dialog(linux, monkeypatch):
    linux("zenity")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert dialog_command("words") == []


def test_quotes_do_not_end_the_text_on_macos(monkeypatch):
    monkeypatch.setattr(native_dialog.sys, "platform", "darwin")
    assert r"say \"a\\b\"" in dialog_command('say "a\\b"')[2]


def test_a_built_program_that_no_terminal_shows_tells_in_a_dialog_too(linux, monkeypatch, capsys):
    linux("zenity")
    shown = []
    monkeypatch.setattr(native_dialog.subprocess, "run", lambda command, **_: shown.append(command))
    tell("From a working copy.")
    assert shown == [] and capsys.readouterr().err == "From a working copy.\n"
    monkeypatch.setattr(native_dialog.sys, "frozen", True, raising=False)
    tell("The window needs libEGL.")
    assert capsys.readouterr().err == "The window needs libEGL.\n"
    assert len(shown) == 1
    monkeypatch.setattr(native_dialog.sys.stderr, "isatty", lambda: True, raising=False)
    tell("Once more.")
    assert len(shown) == 1
