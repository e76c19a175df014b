"""The ``facet`` command: results, machine-readable output, and what bad input gets."""

import io
import json
import os
import shutil
import signal
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inversion_core import cli
from inversion_core.errors import UsageError
from inversion_core.image import encode, read_image
from inversion_core.model import BUNDLED
from inversion_core.sample import sample_portrait


@pytest.fixture
def facet(monkeypatch, capsys, model):
    """Runs the command line as the console script does: (exit code, standard output, standard error)."""
    from inversion_core import model as module

    original = module.load_model
    monkeypatch.setattr(module, "load_model", lambda path=None: model if path is None else original(path))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["facet", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("with space") / "Eileen C.png"
    path.write_bytes(sample_portrait())
    return path


def _files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ---- what it does -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_invert_edit_render_from_photo_to_picture(facet, photo, tmp_path):
    code, out, err = facet("invert", photo, "-o", tmp_path / "out", "--views", "--json")
    assert (code, err) == (0, "")
    (record,) = json.loads(out)["photos"]
    assert record["scores"]["psnr"] >= 30 and record["seconds"] > 0
    project = tmp_path / "out" / "Eileen C.facet"
    assert record["project"] == str(project) and zipfile.is_zipfile(project)
    assert "Eileen C/sheet.png" in _files(tmp_path / "out")

    edited = tmp_path / "edited.facet"
    code, out, _ = facet("edit", project, "--set", "smile=0.8", "--set", "age=-0.2", "-o", edited, "--json")
    assert code == 0 and json.loads(out)["moves"] == {"smile": 0.8, "age": -0.2}
    code, out, _ = facet("edit", edited, "--set", "smile=0", "-o", edited, "--json")
    assert code == 0 and json.loads(out)["moves"] == {"age": -0.2}
    code, out, _ = facet("edit", edited, "--reset", "--set", "blink=1", "-o", edited, "--json")
    assert code == 0 and json.loads(out)["moves"] == {"blink": 1.0}

    pictures = []
    for name, source, words in (
        ("front", project, ()),
        ("blink", edited, ()),
        ("set", project, ("--set", "blink=1")),
        ("turned", project, ("--yaw", "30", "--pitch", "10")),
    ):
        code, out, err = facet("render", source, *words, "--size", "96", "-o", tmp_path / f"{name}.png")
        assert (code, out.strip(), err) == (0, str(tmp_path / f"{name}.png"), "")
        pictures.append(read_image(tmp_path / f"{name}.png").astype(int))
    front, blink, given, turned = pictures
    assert front.shape == (96, 96, 3)
    assert np.abs(front - blink).max() > 20 and np.abs(blink - given).max() <= 2
    assert np.abs(front - turned).max() > 60


def test_render_without_background(facet, project_file, tmp_path):
    code, *_ = facet("render", project_file, "--transparent", "--size", "64", "-o", tmp_path / "a.png")
    alpha = np.asarray(Image.open(tmp_path / "a.png"))[..., 3]
    assert code == 0 and alpha.min() == 0 and alpha.max() == 255


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_render_a_turntable(facet, project_file, tmp_path, ending):
    path = tmp_path / f"turn.{ending}"
    code, out, err = facet(
        "render", project_file, "--turntable", "--seconds", "0.4", "--fps", "10", "--size", "64", "-o", path
    )
    assert (code, out.strip(), err) == (0, str(path), "")
    assert _files(tmp_path) == [path.name]


def test_several_photos_go_on_after_a_bad_one(facet, photo, tmp_path):
    text = tmp_path / "notes.jpg"
    text.write_text("Milk, bread, eggs.")
    code, out, err = facet("invert", text, photo, "-o", tmp_path / "out", "--json")
    assert code == 3
    bad, good = json.loads(out)["photos"]
    assert "notes.jpg" in bad["error"] and bad["hint"] and good["project"]
    assert "notes.jpg" in err
    assert _files(tmp_path / "out") == ["Eileen C.facet"]


def test_models_lists_the_bundled_one(facet):
    code, out, _ = facet("models", "--json")
    assert code == 0
    names = {m["name"]: m for m in json.loads(out)["models"]}
    assert names["facet-head"]["kind"] == "heads" and names["facet-head"]["licence"]


def test_doctor_says_what_is_there(facet):
    code, out, _ = facet("doctor", "--json")
    record = json.loads(out)
    assert code == (4 if record["problems"] else 0)
    assert record["facts"]["python"] == sys.version.split()[0]


def test_help_documents_the_exit_codes(facet):
    code, out, _ = facet("--help")
    assert code == 0
    for line in (
        "0  done",
        "2  the call is wrong",
        "3  bad input",
        "4  something is missing",
        "5  cancelled",
    ):
        assert line in out
    for command in ("invert", "edit", "render", "export", "evaluate", "bench", "train", "models", "doctor"):
        assert f"\n  {command} " in out
        assert facet(command, "--help")[0] == 0


def test_moves_of_words():
    assert cli.moves_of(("smile=0.5", " age = -1")) == {"smile": 0.5, "age": -1.0}
    for word in ("smile", "smile=", "smile=much", "=1x"):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            cli.moves_of((word,))


# ---- what bad input gets ------------------------------------------------------------------------------------


def _jpeg(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


def _noise():
    return np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)


def _tiny_face():
    picture = np.full((800, 800, 3), 90, np.uint8)
    small = Image.open(io.BytesIO(sample_portrait())).convert("RGB").crop((100, 0, 400, 300)).resize((24, 24))
    picture[380:404, 380:404] = np.asarray(small)
    return encode(picture)


def _giant():
    buffer = io.BytesIO()
    Image.new("1", (10100, 10000)).save(buffer, "PNG")
    return buffer.getvalue()


BAD_PHOTOS = {
    "no face": ("wall.png", lambda: encode(np.full((256, 256, 3), 128, np.uint8))),
    "noise": ("noise.png", lambda: encode(_noise())),
    "tiny face": ("far.png", _tiny_face),
    "corrupt": ("corrupt.png", lambda: sample_portrait()[:2000] + bytes(5000) + sample_portrait()[9000:]),
    "truncated png": ("torn.png", lambda: sample_portrait()[:200_000]),
    "truncated jpeg": ("torn.jpg", lambda: _jpeg(_noise())[:4000]),
    "giant": ("giant.png", _giant),
    "text": ("text.jpg", lambda: b"This is a shopping list, not a photo.\n" * 20),
    "empty": ("empty.jpg", lambda: b""),
    "heif": ("phone.heic", lambda: b"\0\0\0\x18ftypheic" + bytes(64)),
    "executable": ("run.png", lambda: b"\x7fELF" + bytes(512)),
}


def _is_one_sentence_and_a_next_step(err, *names):
    assert "Traceback" not in err
    what, *rest = err.strip().split("\n")
    assert what.startswith("facet: ") and what.endswith(".")
    assert len(rest) == 1 and rest[0].startswith("       ") and rest[0].strip()
    for name in names:
        assert name in what


@pytest.mark.parametrize("case", BAD_PHOTOS)
def test_bad_photos(facet, tmp_path, case):
    name, make = BAD_PHOTOS[case]
    (tmp_path / name).write_bytes(make())
    code, out, err = facet("invert", tmp_path / name, "-o", tmp_path / "out", "--views")
    assert (code, out) == (3, "")
    _is_one_sentence_and_a_next_step(err)
    assert _files(tmp_path) == [name]


def test_the_sentences_name_the_case(facet, tmp_path):
    said = {}
    for case in ("no face", "giant", "text", "heif", "truncated png"):
        name, make = BAD_PHOTOS[case]
        (tmp_path / name).write_bytes(make())
        said[case] = facet("invert", tmp_path / name, "-o", tmp_path / "out")[2]
    assert "face" in said["no face"]
    assert "101 megapixels" in said["giant"]
    assert "text" in said["text"]
    assert "HEI" in said["heif"]
    assert len(set(said.values())) == len(said)


def test_a_photo_that_is_not_there(facet, tmp_path):
    code, _, err = facet("invert", tmp_path / "none.jpg", "-o", tmp_path / "out")
    assert code == 3
    _is_one_sentence_and_a_next_step(err, "none.jpg")


def test_a_folder_in_place_of_a_photo(facet, tmp_path):
    code, _, err = facet("invert", tmp_path, "-o", tmp_path / "out")
    assert code == 3
    _is_one_sentence_and_a_next_step(err)


def test_a_face_that_does_not_exist(facet, photo, tmp_path):
    code, _, err = facet("invert", photo, "--face", "7", "-o", tmp_path / "out")
    assert code == 3
    _is_one_sentence_and_a_next_step(err)
    assert not _files(tmp_path)


def test_an_output_folder_that_cannot_be_made(facet, photo, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = facet("invert", photo, "-o", tmp_path / "file" / "out")
    assert code == 3
    _is_one_sentence_and_a_next_step(err, "file")
    assert _files(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "words",
    [
        ("render", "-o", "no/a.png"),
        ("edit", "-o", "no/a.facet"),
        ("render", "--turntable", "--seconds", "0.2", "-o", "no/a.mp4"),
    ],
)
def test_an_output_folder_that_is_not_there(facet, project_file, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    command, *rest = words
    small = ["--size", "32"] if command == "render" else []
    code, _, err = facet(command, project_file, *rest, *small)
    assert code == 3
    _is_one_sentence_and_a_next_step(err)
    assert not _files(tmp_path)


def test_an_unknown_picture_format(facet, project_file, tmp_path):
    code, _, err = facet("render", project_file, "--size", "32", "-o", tmp_path / "a.xyz")
    assert code == 3
    _is_one_sentence_and_a_next_step(err)
    code, _, err = facet("render", project_file, "--turntable", "--seconds", "0.2", "-o", tmp_path / "a.avi")
    assert code == 3
    _is_one_sentence_and_a_next_step(err, "a.avi")
    assert not _files(tmp_path)


def test_missing_weights(facet, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = facet("invert", photo, "--model", tmp_path / "empty", "-o", tmp_path / "out")
    assert code == 4
    _is_one_sentence_and_a_next_step(err)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(BUNDLED / "card.json", bare)
    code, _, err = facet("invert", photo, "--model", bare, "-o", tmp_path / "out")
    assert code == 4
    _is_one_sentence_and_a_next_step(err, "geometry.safetensors")
    assert _files(tmp_path) == ["bare/card.json"]


def test_a_damaged_model_card(facet, photo, tmp_path):
    (tmp_path / "card.json").write_text("{")
    code, _, err = facet("invert", photo, "--model", tmp_path, "-o", tmp_path / "out")
    assert code == 3
    _is_one_sentence_and_a_next_step(err, "card.json")


@pytest.mark.parametrize("command", ["edit", "render", "export"])
def test_projects_that_cannot_be_opened(facet, project_file, tmp_path, command):
    newer, torn = tmp_path / "newer.facet", tmp_path / "torn.facet"
    with zipfile.ZipFile(project_file) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "project.json":
                content = json.dumps({**json.loads(content), "version": 99})
            new.writestr(name, content)
    torn.write_bytes(project_file.read_bytes()[:5000])
    for path in (newer, torn, tmp_path / "none.facet"):
        code, _, err = facet(command, path, "-o", tmp_path / "out.glb")
        assert code == 3
        _is_one_sentence_and_a_next_step(err, path.name)
    assert _files(tmp_path) == ["newer.facet", "torn.facet"]


@pytest.mark.parametrize(
    "words", [("--set", "wings=1"), ("--set", "smile"), ("--set", "smile=nan"), ("--set", "smile=inf")]
)
def test_moves_that_are_wrong(facet, project_file, tmp_path, words):
    code, _, err = facet("edit", project_file, *words, "-o", tmp_path / "a.facet")
    assert code == 2
    _is_one_sentence_and_a_next_step(err)
    assert not _files(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("invert",),
        ("invert", "a.jpg"),
        ("invert", "a.jpg", "-o", "out", "--wings"),
        ("render", "a.facet", "-o", "a.png", "--size", "3"),
        ("render", "a.facet", "-o", "a.png", "--yaw", "left"),
        ("export", "a.facet", "-o", "a.glb", "--resolution", "2"),
        ("evaluate",),
        ("train", "dragons"),
    ],
)
def test_wrong_calls_exit_with_2_and_say_why(facet, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = facet(*words)
    assert code == 2
    assert "Error: " in err and "Traceback" not in err
    assert not _files(tmp_path)


def test_stopping_leaves_nothing_and_exits_with_5(facet, photo, tmp_path, monkeypatch):
    from inversion_core import pipeline

    def stopped(portrait, model, others=()):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "invert", stopped)
    code, out, err = facet("invert", photo, "-o", tmp_path / "out")
    assert (code, out, err.strip()) == (5, "", "facet: Cancelled.")
    assert not _files(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGTERM there")
def test_being_asked_to_end_is_stopping(facet, photo, tmp_path, monkeypatch):
    from inversion_core import pipeline

    def asked(portrait, model, others=()):
        yield from ()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(pipeline, "invert", asked)
    before = signal.getsignal(signal.SIGTERM)
    code, out, err = facet("invert", photo, "-o", tmp_path / "out")
    assert (code, out, err.strip()) == (5, "", "facet: Cancelled.")
    assert not _files(tmp_path) and signal.getsignal(signal.SIGTERM) == before


def test_a_full_disk_is_a_sentence_and_leaves_nothing(facet, project_file, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    monkeypatch.setattr(Path, "replace", full)
    code, _, err = facet("render", project_file, "--size", "32", "-o", tmp_path / "a.png")
    assert code == 3
    _is_one_sentence_and_a_next_step(err)
    assert not _files(tmp_path)


def test_an_empty_folder_cannot_be_evaluated(facet, tmp_path):
    code, _, err = facet("evaluate", tmp_path)
    assert code == 3
    assert "Traceback" not in err


def test_debug_shows_where_it_came_from(facet, tmp_path):
    code, _, err = facet("--debug", "invert", tmp_path / "none.jpg", "-o", tmp_path / "out")
    assert code == 3 and "Traceback" in err
