"""Missing system libraries are named by package, with the line that installs them."""

import sys

import pytest

from inversion_core import system_check


@pytest.fixture
def without(monkeypatch):
    """Pretend a Linux on which the given libraries are not there."""

    def pretend(*libraries):
        def load(name):
            if name in libraries:
                raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(system_check.sys, "platform", "linux")
        monkeypatch.setattr(system_check.ctypes, "CDLL", load)

    return pretend


def test_nothing_is_missing_where_all_is_there(without, monkeypatch, capsys):
    without()
    monkeypatch.setattr(sys, "argv", ["check", "--window", "--screen"])
    assert system_check.missing_packages(window=True, screen=True) == []
    assert system_check.main() == 0
    assert capsys.readouterr().err == ""


def test_what_is_missing_is_named_with_the_install_line(without, monkeypatch, capsys):
    without("libGL.so.1", "libdbus-1.so.3", "libxcb-cursor.so.0")
    monkeypatch.setattr(sys, "argv", ["check", "--window", "--screen"])
    assert system_check.main() == 4
    assert (
        capsys.readouterr().err.splitlines()[-1] == "  sudo apt-get install libgl1 libdbus-1-3 libxcb-cursor0"
    )


def test_only_windows_need_the_window_s_libraries(without):
    without("libdbus-1.so.3", "libxcb-cursor.so.0")
    assert system_check.missing_packages(window=False) == []
    assert system_check.missing_packages(window=True) == ["libdbus-1-3"]
    assert system_check.missing_packages(window=False, screen=True) == ["libxcb-cursor0"]


def test_other_systems_are_not_asked_for_debian_packages(without, monkeypatch):
    without(*system_check.NEEDED)
    monkeypatch.setattr(system_check.sys, "platform", "darwin")
    assert system_check.missing_packages(window=True, screen=True) == []


def test_the_check_needs_nothing_but_the_standard_library():
    import ast
    from pathlib import Path

    tree = ast.parse(Path(system_check.__file__).read_text())
    imported = {n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names) | {"__future__"}
