"""Parts of the bundle's build that can be judged without building it."""

import importlib.util
import os
import plistlib
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

PACKAGING = Path(__file__).resolve().parent.parent / "packaging"


def _module(name):
    spec = importlib.util.spec_from_file_location(f"packaging_{name}", PACKAGING / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trim():
    return _module("trim")


@pytest.mark.parametrize(
    "place",
    [
        "torch/lib/libtorch_cpu.so",
        "torch/bin/torch_shm_manager",
        "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "PySide6/plugins/platforms/qwindows.dll",
        "PySide6/Qt/lib/libQt6OpenGLWidgets.so.6",
        "skimage/data/astronaut.png",
        "resources/models/facet-head/card.json",
        "torch-2.13.0.dist-info/METADATA",
        "libxcb-cursor.so.0",
    ],
)
def test_what_facet_runs_on_stays_in_the_bundle(trim, place):
    assert trim.wanted(place) and trim.wanted(place.replace("/", "\\"))


@pytest.mark.parametrize(
    "place",
    [
        "torch/include/ATen/ATen.h",
        "torch/lib/libjitbackend_test.so",
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "PySide6/Qt/lib/libQt6Quick.so.6",
        "PySide6/translations/qtbase_de.qm",
        "cv2/data/haarcascade_eye.xml",
        "skimage/data/cell.png",
        "scipy/optimize/tests/test_zeros.py",
        "libGL.so.1",
    ],
)
def test_what_facet_never_opens_is_left_out(trim, place):
    assert not trim.wanted(place)


def test_a_library_goes_with_the_last_file_that_needs_it(trim):
    entries = [
        ("torch/lib/libtorch_cpu.so", "/t", "BINARY"),
        ("PySide6/Qt/plugins/platformthemes/libqgtk3.so", "/theme", "BINARY"),
        ("libgtk-3.so.0", "/gtk", "BINARY"),
        ("libgomp.so.1", "/gomp", "BINARY"),
        ("libz.so.1", "/z", "BINARY"),
        ("libQt6Quick.so.6", "PySide6/Qt/lib/libQt6Quick.so.6", "SYMLINK"),
    ]
    needs = {
        "/t": {"libgomp.so.1"},
        "/theme": {"libgtk-3.so.0"},
        "/gomp": {"libz.so.1"},
        "/gtk": set(),
        "/z": set(),
    }
    kept = {place for place, _, _ in trim.kept(entries, needs.__getitem__)}
    assert kept == {"torch/lib/libtorch_cpu.so", "libgomp.so.1", "libz.so.1"}


def test_the_notice_names_what_is_inside_with_its_terms():
    licences = _module("licences")
    assert {"numpy", "pillow"} <= {name.lower() for name in licences.distributions_of(["numpy", "PIL", "os"])}
    text = licences.notice("1.2", ["numpy", "click"], [])
    assert "Facet 1.2" in text and "numpy " in text and "PYTHON SOFTWARE FOUNDATION LICENSE" in text
    assert "Redistribution and use in source and binary forms" in text


def test_modules_that_facet_starts_run_inside_the_built_program(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PACKAGING / "facet_entry.py"), "-m", "inversion_core.system_check"],
        env={**os.environ, "PYTHONPATH": str(PACKAGING.parent), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 4) and "Usage" not in done.stdout
    assert ("apt-get install" in done.stderr) == (done.returncode == 4)


def test_kernels_get_a_folder_even_where_the_home_is_read_only(tmp_path, monkeypatch):
    entry = _module("facet_entry")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    entry.keep_kernels()
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    assert place.is_dir() and tmp_path in place.parents
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "file" / name)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    kept = []
    monkeypatch.setattr(entry.atexit, "register", lambda *words, **_: kept.append(words[1]))
    entry.keep_kernels()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir() and kept == [Path(os.environ["NUMBA_CACHE_DIR"])]
    kept[0].rmdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR")


def test_children_do_not_see_the_bundle_s_libraries(monkeypatch):
    entry = _module("facet_entry")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/bundle")
    entry.free_children()
    assert "LD_LIBRARY_PATH" not in os.environ
    monkeypatch.setenv("LD_LIBRARY_PATH", "/bundle:/mine")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/mine")
    entry.free_children()
    assert os.environ["LD_LIBRARY_PATH"] == "/mine" and "LD_LIBRARY_PATH_ORIG" not in os.environ


def test_icons_hold_every_size(tmp_path):
    _module("icons").write_icons(tmp_path)
    with Image.open(tmp_path / "facet.ico") as ico:
        assert {(16, 16), (32, 32), (48, 48), (256, 256)} <= ico.info["sizes"]
    assert (tmp_path / "facet.icns").read_bytes()[:4] == b"icns"
    with Image.open(tmp_path / "icons" / "facet-16.png") as small:
        assert small.size == (16, 16) and small.mode == "RGBA"


def test_sizes_count_every_file_once(tmp_path, capsys, monkeypatch):
    for place, size in {
        "facet": 7,
        "_internal/torch/lib/a.so": 2_000_000,
        "_internal/libz.so.1": 1_000_000,
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    (tmp_path / "Facet").symlink_to("facet")
    monkeypatch.setattr(sys, "argv", ["sizes", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(PACKAGING / "sizes"), run_name="__main__")
    lines = dict(re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines())
    assert stop.value.code == 0
    assert lines["torch"] == "2.0 MB" and lines["libraries of the building machine"] == "1.0 MB"
    assert lines["all"] == "3.0 MB"


def test_every_system_opens_facet_projects_with_facet():
    plist = plistlib.loads((PACKAGING / "macos/Info.plist").read_bytes())
    assert plist["UTExportedTypeDeclarations"][0]["UTTypeTagSpecification"]["public.filename-extension"] == [
        "facet"
    ]
    kind = ElementTree.parse(PACKAGING / "linux/facet-mime.xml").getroot()[0]
    assert [child.get("pattern") for child in kind if child.tag.endswith("glob")] == ["*.facet"]
    desktop = (PACKAGING / "linux/facet.desktop").read_text()
    assert kind.get("type") in desktop
    assert 'Subkey: "Software\\Classes\\.facet' in (PACKAGING / "windows/facet.iss").read_text()


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_linux_installer_puts_in_and_takes_out(tmp_path):
    bundle, home = tmp_path / "my $5 tools & 100%", tmp_path / "home"
    (bundle / "share").mkdir(parents=True)
    home.mkdir()
    (bundle / "share/facet.png").write_bytes(b"")
    for name in ("facet.desktop", "facet-mime.xml"):
        (bundle / "share" / name).write_bytes((PACKAGING / "linux" / name).read_bytes())
    for name in ("facet", "Facet"):
        (bundle / name).write_text("")
    script = bundle / "install.sh"
    script.write_bytes((PACKAGING / "linux/install.sh").read_bytes())
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    subprocess.run(["sh", str(script)], env=environment, check=True, capture_output=True)
    entry = (home / ".local/share/applications/facet.desktop").read_text()
    escaped = str(bundle / "Facet").replace("$", "\\\\$").replace("%", "%%")
    assert f'\nExec="{escaped}" %f\n' in entry and "TryExec" not in entry
    assert (home / ".local/bin/facet").resolve() == (bundle / "facet").resolve()
    subprocess.run(["sh", str(script), "--remove"], env=environment, check=True, capture_output=True)
    left = [path for path in home.rglob("*") if "facet" in path.name.lower()]
    assert left == []
