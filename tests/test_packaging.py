"""Parts of the bundle's build that can be judged without building it."""

import importlib.util
import os
import platform
import plistlib
import re
import runpy
import shutil
import struct
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
    """Where a built program without loops of its own keeps those that numba compiles."""
    # numba reads the variables below when it is imported, and would keep them for the tests that follow.
    pytest.importorskip("numba")
    inside = tmp_path / "bundle"
    inside.mkdir()
    (inside / "build.txt").write_text("b1")
    module = _module("facet_kernels")
    monkeypatch.setattr(module.sys, "_MEIPASS", str(inside), raising=False)
    # Set and taken away again, so that what the module sets is undone after the test.
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return module


def test_compiled_loops_are_kept_and_those_of_older_builds_go(kernels, tmp_path):
    (tmp_path / "cache/b0").mkdir(parents=True)
    kernels.keep_kernels(tmp_path / "cache")
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    assert place == tmp_path / "cache/b1"
    (place / "loop.nbi").write_text("compiled")
    del os.environ["NUMBA_CACHE_DIR"]
    kernels.keep_kernels(tmp_path / "cache")
    assert (place / "loop.nbi").is_file() and [path.name for path in place.parent.iterdir()] == ["b1"]


def test_a_home_that_cannot_be_written_gets_loops_for_one_start(kernels, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    kept = []
    monkeypatch.setattr(kernels.atexit, "register", lambda *words, **_: kept.append(words[1]))
    kernels.keep_kernels(tmp_path / "file" / "cache")
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    assert place.is_dir() and kept == [place]
    kernels.shutil.rmtree(place)


def test_numba_finds_a_built_program_s_loops_wherever_it_is_started(kernels, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "facet_kernels", kernels)
    kernels.keep_kernels(tmp_path / "cache")
    locator = _module("facet_locator").BundleLocator
    monkeypatch.chdir(tmp_path)
    here = locator.from_function(test_icons_hold_every_size, "not/there.py")
    monkeypatch.chdir("/")
    there = locator.from_function(test_icons_hold_every_size, "not/there.py")
    assert here.get_cache_path() == there.get_cache_path() and Path(here.get_cache_path()).is_dir()
    assert here.get_source_stamp() == "b1" and here.get_disambiguator().isdigit()


LOOPS = """
import numba as nb
import numpy as np

@nb.njit(cache=True, parallel=True, fastmath=True, nogil=True)
def added(values, factor, out):
    for n in nb.prange(len(values)):
        row = np.empty(3)
        for k in range(3):
            row[k] = values[n, k] * factor
        out[n] = row.sum() + np.exp(row[0])

@nb.njit(cache=True)
def largest(values):
    if len(values) == 0:
        raise ValueError("nothing there")
    return values.max()
"""
WRITE = """
import json, sys
import numpy as np
import compile_loops, loops_here
values, out = np.random.default_rng(0).random((50, 3)), np.empty(50)
loops_here.added(values, 0.3, out)
largest = loops_here.largest(out)
folder = compile_loops.Path(sys.argv[1], "loops", "x86-64")
folder.mkdir(parents=True)
entries = [
    compile_loops._written(folder, f"loops_here:{name}", 0, loop, loop.signatures[0])
    for name, loop in (("added", loops_here.added), ("largest", loops_here.largest))
]
(folder / compile_loops.INDEX).write_text(json.dumps(entries))
np.savez(sys.argv[1] + "/expected.npz", values=values, out=out, largest=largest)
compile_loops.Path(sys.argv[1], "numba").symlink_to(compile_loops.Path(sys.modules["numba"].__file__).parent)
"""
READ = """
import sys
from pathlib import Path
import numpy as np
import facet_loops
facet_loops.processor_flags = set
facet_loops.stand_in(Path(sys.argv[1]))
import loops_here
with np.load(sys.argv[1] + "/expected.npz") as kept:
    values, expected, largest = kept["values"], kept["out"], kept["largest"]
out = np.empty(50)
loops_here.added(values, 0.3, out)
assert np.array_equal(out, expected) and loops_here.largest(out) == largest
# Arrays that lie otherwise in memory, and numbers of another kind.
wide = np.zeros(100)
loops_here.added(np.asfortranarray(values), np.float32(0.3), wide[::2])
assert np.allclose(wide[::2], expected) and not wide[1::2].any()
# What was not foreseen runs as it stands.
assert loops_here.largest(np.array([[1, 5], [2, 3]])) == 5
try:
    loops_here.largest(np.empty(0))
except ValueError as error:
    assert "nothing there" in str(error)
else:
    raise AssertionError("no error")
assert not any(name.startswith("llvmlite") for name in sys.modules)
"""


def test_the_core_asks_no_more_of_numba_than_stands_in_for_it(tmp_path, monkeypatch):
    loops = _module("facet_loops")
    (tmp_path / "loops" / "x86-64").mkdir(parents=True)
    (tmp_path / "loops" / "x86-64" / loops.INDEX).write_text("[]")
    monkeypatch.setattr(loops, "processor_flags", set)
    changed = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "numba"}
    for name in changed:
        monkeypatch.delitem(sys.modules, name)
    loops.stand_in(tmp_path)
    numba = sys.modules["numba"]
    for name in [name for name in sys.modules if name.split(".")[0] == "numba"]:
        del sys.modules[name]
    asked = {
        name
        for path in (PACKAGING.parent / "inversion_core").rglob("*.py")
        for name in re.findall(r"\b(?:nb|numba)\.(\w+)", path.read_text(encoding="utf-8"))
        if re.search(r"^ *import numba", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {name for name in asked if not hasattr(numba, name)} <= {"np"}, asked
    doubled = numba.njit(parallel=True)(lambda value: 2 * value)
    assert doubled(4) == 8


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="for Linux on x86-64")
def test_loops_run_without_their_compiler_as_with_it(tmp_path):
    (tmp_path / "loops_here.py").write_text(LOOPS)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{PACKAGING}{os.pathsep}{tmp_path}",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "+sse2",
    }
    for program in (WRITE, READ):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="compiles libraries"
)
def test_a_library_that_nobody_calls_is_replaced_and_a_copy_leads_to_the_other(tmp_path):
    slim = _module("slim_linux")
    inside = tmp_path / "_internal"
    sources = {
        "scipy.libs/libscipy_openblas-1.so": "int scipy_solve(int x) { return x + 1; }",
        "opencv.libs/libopenblas-1.so": "int solve(int x) { return -x; } int unused(void) { return 0; }",
        "opencv.libs/libavcodec-1.so": "int decode(void) { return 7; } int table[9];",
        "cv2/cv2.so": "int solve(int); int decode(void); extern int table[9];"
        "int solved(int x) { return solve(x) + table[8]; } int decoded(void) { return decode(); }",
    }
    for place, source in sources.items():
        path = inside / place
        path.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source.c").write_text(source)
        needed = [str(inside / "opencv.libs" / f"lib{name}-1.so") for name in ("openblas", "avcodec")]
        subprocess.run(
            [
                "gcc",
                "-shared",
                "-fPIC",
                "-o",
                str(path),
                str(tmp_path / "source.c"),
                f"-Wl,-soname,{path.name}",
            ]
            + (["-Wl,-rpath,$ORIGIN/../opencv.libs", *needed] if path.name == "cv2.so" else []),
            check=True,
        )
    (inside / "opencv.libs/libidle-1.so").write_bytes((inside / "opencv.libs/libavcodec-1.so").read_bytes())
    slim.slim(tmp_path)
    finish = _module("finish_linux")
    whole = (inside / "cv2/cv2.so").read_bytes()
    assert finish.loadable(whole)
    moved = bytearray(whole)
    second = struct.unpack_from("<Q", moved, 32)[0] + 56
    assert struct.unpack_from("<I", moved, second)[0] == 1
    struct.pack_into("<Q", moved, second + 8, struct.unpack_from("<Q", moved, second + 8)[0] + 16)
    assert not finish.loadable(bytes(moved))
    assert not (inside / "opencv.libs/libidle-1.so").exists()
    assert {symbol.name for symbol in slim.symbols(inside / "opencv.libs/libopenblas-1.so", True)} == {
        "solve"
    }
    call = "import ctypes, sys; print(getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])(4))"

    def called(name):
        words = [sys.executable, "-c", call, str(inside / "cv2/cv2.so"), name]
        return subprocess.run(words, capture_output=True, text=True)

    assert called("solved").stdout == "5\n"
    ended = called("decoded")
    assert ended.returncode != 0 and ended.stderr == "Facet was built without libavcodec.\n"


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
