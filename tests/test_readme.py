"""What the README promises: its Python runs, its links lead somewhere, its tables are true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _snippet():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    return code


def test_the_snippet_has_five_lines():
    assert len(_snippet().strip().splitlines()) == 5


@pytest.mark.slow
def test_the_snippet_runs_from_photo_to_mesh(tmp_path):
    from PIL import Image
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg", quality=95)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _snippet()], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["head.glb", "photo.jpg"]
    mesh = trimesh.load(tmp_path / "head.glb", force="mesh")
    # A head with neck, upright and in metres.
    assert 0.2 < mesh.extents[1] < 0.6
    assert len(mesh.vertices) > 10_000


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


def test_the_slider_table_is_the_model_s(model):
    rows = re.findall(r"^\| (expression|shape|character) \| (.*?) \| (-?\d) … (\d) \|$", README, re.MULTILINE)
    told = {(g, n, float(a), float(b)) for g, names, a, b in rows for n in re.findall(r"`(\w+)`", names)}
    assert told == {(s.group, s.name, s.minimum, s.maximum) for s in model.card.sliders}


def test_every_command_is_in_the_reference():
    from inversion_core.cli import facet

    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in facet.commands:
        assert f"facet {name}" in reference or f"`{name}`" in reference, name


def test_exit_codes_are_told_as_they_are():
    from inversion_core import errors

    for code in sorted({2, 3, 4, 5}):
        assert f"**{code}** " in README
    told = {
        e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.FacetError)
    }
    assert told == {1, 2, 3, 4, 5}


def test_public_names_are_there():
    import inversion_core

    for name in inversion_core.__all__:
        assert getattr(inversion_core, name) is not None
    assert set(inversion_core.__all__) <= set(dir(inversion_core))
    with pytest.raises(AttributeError, match="nonsense"):
        inversion_core.nonsense  # noqa: B018
