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


@pytest.fixture(autouse=True)
def _packaging_on_the_path(monkeypatch):
    """Scripts of this folder import one another, as they do when they run."""
    monkeypatch.syspath_prepend(str(PACKAGING))


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


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """The bundle's folder of compiled loops, as a build with one loop inside."""
    # numba reads the variables below when it is imported, and would keep them for the tests that follow.
    pytest.importorskip("numba")
    inside = tmp_path / "bundle"
    (inside / "kernels/module").mkdir(parents=True)
    (inside / "kernels/module/loop.nbi").write_text("compiled")
    (inside / "build.txt").write_text("b1")
    module = _module("facet_kernels")
    monkeypatch.setattr(module.sys, "_MEIPASS", str(inside), raising=False)
    monkeypatch.setattr(module, "processor_flags", lambda: module._NEEDED)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    # Set and taken away again, so that what the module sets is undone after the test.
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_CACHE_LOCATOR_CLASSES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return module


def test_the_bundle_s_compiled_loops_are_used_and_those_of_older_builds_go(kernels, tmp_path):
    (tmp_path / "cache/b0").mkdir(parents=True)
    kernels.keep_kernels(tmp_path / "cache")
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    assert place == tmp_path / "cache/b1" and (place / "module/loop.nbi").read_text() == "compiled"
    assert os.environ["NUMBA_CPU_NAME"] == kernels.PORTABLE and "+avx2" in os.environ["NUMBA_CPU_FEATURES"]
    assert [path.name for path in place.parent.iterdir()] == ["b1"]


def test_other_processors_compile_for_themselves(kernels, tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "processor_flags", lambda: {"sse2"})
    kernels.keep_kernels(tmp_path / "cache")
    assert list(Path(os.environ["NUMBA_CACHE_DIR"]).iterdir()) == [] and "NUMBA_CPU_NAME" not in os.environ
    assert not kernels.portable(kernels._NEEDED, "aarch64")


def test_a_home_that_cannot_be_written_gets_loops_for_one_start(kernels, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    kept = []
    monkeypatch.setattr(kernels.atexit, "register", lambda *words, **_: kept.append(words[1]))
    kernels.keep_kernels(tmp_path / "file" / "cache")
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    assert (place / "module/loop.nbi").is_file() and kept == [place]
    kernels.shutil.rmtree(place)


def test_numba_finds_a_built_program_s_loops_wherever_it_is_started(kernels, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "facet_kernels", kernels)
    kernels.keep_kernels(tmp_path / "cache")
    locator = _module("facet_locator").BundleLocator
    monkeypatch.chdir(tmp_path)
    here = locator.from_function(test_other_processors_compile_for_themselves, "not/there.py")
    monkeypatch.chdir("/")
    there = locator.from_function(test_other_processors_compile_for_themselves, "not/there.py")
    assert here.get_cache_path() == there.get_cache_path() and Path(here.get_cache_path()).is_dir()
    assert here.get_source_stamp() == "b1" and here.get_disambiguator().isdigit()


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
