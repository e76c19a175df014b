"""Words where Qt cannot show them: the dialog programs of each system, and the terminal."""

from types import SimpleNamespace

import pytest

from app import native_dialog
from app.native_dialog import dialog_commands, tell


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
    first, second = dialog_commands("Two <words>")
    assert first[0] == "/usr/bin/zenity" and "--text=Two <words>" in first and "--no-markup" in first
    assert second == ["/usr/bin/xmessage", "-center", "-title", "Facet", "Two <words>"]
    linux()
    assert list(dialog_commands("words")) == []


def test_without_a_display_there_is_no_dialog(linux, monkeypatch):
    linux("zenity")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert list(dialog_commands("words")) == []


def test_quotes_do_not_end_the_text_on_macos(monkeypatch):
    monkeypatch.setattr(native_dialog.sys, "platform", "darwin")
    assert r"say \"a\\b\"" in next(dialog_commands('say "a\\b"'))[2]


def test_a_built_program_that_no_terminal_shows_tells_in_a_dialog_too(linux, monkeypatch, capsys):
    linux("zenity", "xmessage", "notify-send")
    shown = []

    def run(command, **_):
        shown.append(command[0].rpartition("/")[2])
        return SimpleNamespace(returncode=127 if "zenity" in command[0] else 0)

    monkeypatch.setattr(native_dialog.subprocess, "run", run)
    tell("From a working copy.")
    assert shown == [] and capsys.readouterr().err == "From a working copy.\n"
    monkeypatch.setattr(native_dialog.sys, "frozen", True, raising=False)
    tell("The window needs libEGL.")
    assert capsys.readouterr().err == "The window needs libEGL.\n"
    # A zenity that lacks the same library is passed over.
    assert shown == ["zenity", "xmessage"]
    monkeypatch.setattr(native_dialog.sys.stderr, "isatty", lambda: True, raising=False)
    tell("Once more.")
    assert len(shown) == 2
