"""The start scripts say what is wrong with a call before they install anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = (
    "run",
    "test",
    "check",
    ".ci/run",
    *(f"packaging/{name}" for name in ("environment.sh", "build", "smoke", "linux/appimage.sh")),
)
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@pytest.fixture
def copy(tmp_path):
    """The scripts in a folder with a space in its name, and no environment beside them."""
    folder = tmp_path / "a copy of facet"
    (folder / "packaging").mkdir(parents=True)
    for name in (
        "run",
        "test",
        "check",
        "pyproject.toml",
        "packaging/environment.sh",
        "packaging/constraints.txt",
        "packaging/build",
        "packaging/smoke",
    ):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _call(folder, *words, **options):
    return subprocess.run([str(folder / words[0]), *words[1:]], capture_output=True, text=True, **options)


@bash
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_sound_bash(name):
    done = subprocess.run(["bash", "-n", str(ROOT / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@bash
def test_help_and_wrong_calls(copy):
    done = _call(copy, "run", "--help")
    assert done.returncode == 0 and "--headless" in done.stdout
    done = _call(copy, "run", "--wings")
    assert done.returncode == 2 and "--wings" in done.stderr
    done = _call(copy, "run", "one.jpg", "two.jpg")
    assert done.returncode == 2 and "one photo at a time" in done.stderr
    done = _call(copy, "run", "--headless", "--out")
    assert done.returncode == 2 and "--out" in done.stderr
    assert not (copy / ".venv").exists()


@bash
@pytest.mark.parametrize("name", ["packaging/build", "packaging/smoke"])
def test_help_and_wrong_calls_of_packaging(copy, name):
    done = _call(copy, name, "--help")
    assert done.returncode == 0 and name in done.stdout
    done = _call(copy, name, "--wings")
    assert done.returncode == 2 and "--wings" in done.stderr
    assert not (copy / "packaging/.venv-build").exists() and not (copy / "dist").exists()


@bash
def test_without_a_fitting_python_the_install_line_is_given(copy, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "cat", "cksum", "tr", "env", "uname", "rm", "mkdir"):
        (tools / name).symlink_to(shutil.which(name))
    done = _call(copy, "test", env={"PATH": str(tools)})
    assert done.returncode == 4
    assert "sudo apt-get install python3" in done.stderr
    assert not (copy / ".venv").exists()


@bash
def test_an_up_to_date_environment_is_used_as_it_is(copy):
    python = copy / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "python: $*"\n')
    python.chmod(0o755)
    script = (
        f'set -e; here="{copy}"; . "$here/packaging/environment.sh"; make_environment app; "$python" hello'
    )
    first = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert first.returncode == 0 and "pip install" in first.stderr
    second = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (second.stdout, second.stderr) == ("python: hello\n", "")
