"""The shape of the code: who may import whom, and what may stand in only one place."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "inversion_core").rglob("*.py"))
APP = sorted((ROOT / "app").rglob("*.py"))
SKIPPED = {".git", ".venv", "__pycache__", ".ruff_cache", ".pytest_cache"}

# A module imports only modules of its own rank or below; a folder's rank holds for all that is in it.
RANKS = (
    ("errors", "task", "quiet", "image", "camera", "compiled", "restoration"),
    ("portrait", "latent", "mesh", "rendering", "landmark_tables"),
    ("edit", "model", "protocols"),
    (
        "alignment",
        "border",
        "faces",
        "metrics",
        "bare_skin",
        "person_region",
        "segmentation",
        "sample",
        "volume",
        "rasterise",
        "shading",
        "drawing",
        "video",
        "manual_alignment",
        "mark_files",
    ),
    (
        "generators",
        "encoders",
        "refine",
        "optimise",
        "losses",
        "appearance",
        "tints",
        "dyed",
        "render",
        "relight",
        "wireframe",
        "gl",
    ),
    (
        "geometry",
        "checkpoints",
        "directions",
        "samples",
        "blend",
        "bundled",
        "lids_and_lips",
        "lid_skin",
        "proportions",
        "packing",
        "keep",
        "restore",
        "strokes",
        "colour_strokes",
        "latent_strokes",
        "several",
        "eg3d_model",
        "stylesdf_model",
        "project",
    ),
    ("pipeline",),
    (
        "training",
        "evaluate",
        "quality",
        "turntable",
        "contact_sheet",
        "bench",
        "bench_eg3d",
        "bench_sdf",
        "bench_report",
        "reference",
        "batch",
        "compare",
        "likeness",
        "compare_report",
    ),
    ("system_check", "console", "doctor", "cli_options"),
    (
        "cli",
        "cli_by_hand",
        "cli_compare",
        "cli_edit",
        "cli_measure",
        "cli_official",
        "cli_restore",
        "cli_output",
        "cli_stylesdf",
        "cli_train",
        "headless",
    ),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}


def _own_part(path):
    parts = path.relative_to(ROOT / "inversion_core").with_suffix("").parts
    return parts[0]


def _imports(path, top_level_only):
    """Modules imported by a file; those inside functions are late on purpose and may point upwards."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _part(module):
    return module.split(".")[1] if module.startswith("inversion_core.") else ""


def _name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in CORE if _own_part(path) in RANK], ids=_name)
def test_core_modules_import_only_downwards(path):
    own = _own_part(path)
    for module in _imports(path, top_level_only=True):
        part = _part(module)
        if part in RANK and part != own:
            assert RANK[part] <= RANK[own], f"{own} (rank {RANK[own]}) imports {part} (rank {RANK[part]})"


def test_all_of_the_core_is_ranked():
    parts = {_own_part(path) for path in CORE} - {"__init__"}
    assert parts <= set(RANK), sorted(parts - set(RANK))


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_the_core_knows_no_window(path):
    for module in _imports(path, top_level_only=_own_part(path) == "cli"):
        assert module.split(".")[0] not in ("PySide6", "app", "superqt"), module


@pytest.mark.parametrize("path", APP, ids=_name)
def test_the_window_knows_no_torch(path):
    for module in _imports(path, top_level_only=False):
        assert module.split(".")[0] != "torch", module


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_only_the_checkpoint_reader_knows_pickles(path):
    if "checkpoints" not in path.parts:
        for module in _imports(path, top_level_only=False):
            assert module.split(".")[0] not in ("pickle", "cPickle", "dill", "joblib"), module


def test_the_spine_stays_short():
    assert len((ROOT / "inversion_core/pipeline.py").read_text().splitlines()) <= 100


def test_pixels_are_scaled_in_one_place():
    scaling = [_name(p) for p in (*CORE, *APP) if re.search(r"\b127\.5\b", p.read_text(encoding="utf-8"))]
    assert scaling == ["inversion_core/image.py"]


def test_no_module_is_a_drawer_for_everything():
    names = {p.stem for p in (*CORE, *APP)}
    assert not names & {"utils", "helpers", "common", "misc", "manager", "base", "handler"}


def _texts():
    """Text files of the project as git knows them, or as they lie there where git does not."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in ROOT.rglob("*") if not SKIPPED & set(p.relative_to(ROOT).parts)]
    for path in paths:
        if path.is_file() and path.stat().st_size < 2_000_000:
            content = path.read_bytes()
            if b"\0" not in content:
                yield path, content.decode("utf-8", "replace")


def test_nothing_names_one_machine_or_a_package_mirror():
    # Spelled in pieces, so that this file does not hold what it looks for.
    words = (
        "/wo" + "rk/",
        "/ro" + "ot/",
        "/home" + "/user",
        "/Us" + "ers/",
        "index" + "-url",
        "artifact" + "ory",
    )
    found = [f"{_name(path)}: {word}" for path, text in _texts() for word in words if word in text]
    assert not found
