"""Photos in which no face is found, from marks on the command line to a project that keeps them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_goae import tiny_goae_folder

from inversion_core import cli, project
from inversion_core.camera import Camera
from inversion_core.checkpoints.load import save_generator
from inversion_core.cli_by_hand import open_marked
from inversion_core.errors import BadInput, FacetError, NoFace, ProjectUnreadable, UsageError
from inversion_core.image import save_image
from inversion_core.manual_alignment import portrait_by_hand, square_of
from inversion_core.mark_files import read_marks
from inversion_core.model import load_model
from inversion_core.pipeline import invert
from inversion_core.portrait import CropLabel, FacePoints, Square
from inversion_core.project import load_project
from inversion_core.task import finish

POINTS = ((90.0, 80.0), (150.0, 80.0), (120.0, 110.0), (98.0, 140.0), (142.0, 140.0))
WORDS = [f"{x},{y}" for x, y in POINTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_goae_folder(tmp_path_factory.mktemp("models") / "cats", "cats")


@pytest.fixture
def photo(tmp_path):
    rows, columns = np.mgrid[:200, :240]
    save_image(tmp_path / "cat.png", np.stack([columns, rows, 0 * rows], 2).astype(np.uint8))
    return tmp_path / "cat.png"


def facet(*words):
    return CliRunner().invoke(cli.facet, [str(word) for word in words])


def test_a_square_on_the_command_line_stays_in_the_project(folder, photo, tmp_path):
    words = ["--crop", "120,100,150,10", "--yaw", "20", "--pitch", "-5", "--views", "--json"]
    result = facet("invert", photo, "-o", tmp_path / "out", "--model", folder, *words)
    (record,) = json.loads(result.output)["photos"]
    assert record["project"] == str(tmp_path / "out" / "cat.facet")
    assert (tmp_path / "out" / "cat" / "sheet.png").exists()
    model = load_model(folder, "cpu")
    kept = load_project(tmp_path / "out" / "cat.facet", model).inversion
    marks = kept.portrait.marks
    assert marks == Square((120, 100), 150, *np.radians([10.0, 20.0, -5.0]).tolist())
    again = portrait_by_hand(kept.portrait.source, marks, "cat.png")
    np.testing.assert_array_equal(again.image, kept.portrait.image)
    np.testing.assert_allclose(finish(invert(again, model)).latent.ws, kept.latent.ws, atol=1e-5)
    assert np.degrees(kept.portrait.camera.angles) == pytest.approx([20, -5], abs=1e-3)


@pytest.mark.parametrize("form", ["words", "text", "folder", "pairs", "labels"])
def test_points_come_from_words_and_files(folder, photo, tmp_path, form):
    text = "\n".join(f"{x}\t{y}" for x, y in POINTS)
    flat = [x for pair in POINTS for x in pair]
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / "cat.txt").write_text(text)
    (tmp_path / "pairs.json").write_text(json.dumps({"cat.jpg": POINTS, "dog.jpg": POINTS[::-1]}))
    (tmp_path / "labels.json").write_text(json.dumps({"labels": [["00000/cat.png", flat]]}))
    places = {"text": "marks/cat.txt", "folder": "marks", "pairs": "pairs.json", "labels": "labels.json"}
    words = ["--points", *WORDS] if form == "words" else ["--points-from", tmp_path / places[form]]
    result = facet("invert", photo, "-o", tmp_path / "out", "--model", folder, *words)
    assert result.exit_code == 0, result.output
    kept = load_project(tmp_path / "out" / "cat.facet", load_model(folder, "cpu"))
    assert kept.inversion.portrait.marks == FacePoints(POINTS)


def test_a_label_takes_the_whole_photo(photo, tmp_path):
    camera = Camera.orbit(0.3, -0.1)
    table = {"labels": [["img.png", [0.0] * 25], ["cat.jpg", [float(x) for x in camera.label()]]]}
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    marks = read_marks(tmp_path / "dataset.json")
    portrait = portrait_by_hand(photo, marks("cat.png"))
    assert isinstance(portrait.marks, CropLabel)
    np.testing.assert_allclose(portrait.camera.label(), camera.label(), atol=1e-6)
    square = square_of(portrait)
    assert square.centre == pytest.approx((120, 100)) and square.side == pytest.approx(200)
    assert (square.yaw, square.pitch) == pytest.approx((0.3, -0.1), abs=1e-5)
    with pytest.raises(BadInput, match="no camera"):
        portrait_by_hand(photo, marks("img.png"))
    with pytest.raises(BadInput, match="says nothing of dog"):
        marks("dog.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"1 2\n3 4"),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.txt", b"1 2 3 4 5 6 7 8 9 nan"),
        ("a.json", b"[1, 2"),
        ("a.json", b"[1, 2]"),
        ("a.json", b'{"labels": [1]}'),
        ("a.json", b'{"cat.png": [1, 2, 3]}'),
        ("a.json", b'{"cat.png": {"x": 1}}'),
        ("a.json", b"[" * 100_000),
        ("absent.json", None),
    ],
)
def test_files_that_hold_no_marks_are_said(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput):
        read_marks(tmp_path / name)("cat.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--crop", "1,2"], "is no square"),
        (["--crop", "1,2,x"], "is no square"),
        (["--crop", "1,2,nan"], "is no square"),
        (["--crop", "1,2,0"], "is no square"),
        (["--points", "1,2", "3", "4,5", "6,7", "8,9"], "not five points"),
        (["--yaw", "10"], "estimates for --crop"),
        (["--points", *WORDS, "--yaw", "3"], "follow from --points"),
        (["--crop", "1,2,30", "--points", *WORDS], "exclude each other"),
        (["--crop", "1,2,30", "--face", "1"], "no --face or --also"),
        (["--crop", "1,2,30", "second.png"], "is for one photo"),
    ],
)
def test_wrong_calls_are_said(folder, photo, tmp_path, words, message):
    result = facet("invert", photo, "-o", tmp_path / "out", "--model", folder, *words)
    assert isinstance(result.exception, UsageError) and message in result.exception.what
    assert not (tmp_path / "out").exists()


def test_the_bundled_model_needs_a_face_that_is_found(photo, tmp_path, model):
    result = facet("invert", photo, "-o", tmp_path / "out", "--crop", "120,100,150")
    assert isinstance(result.exception, UsageError) and "needs a face" in result.exception.what
    with pytest.raises(UsageError, match="aligned by hand"):
        finish(invert(portrait_by_hand(photo, Square((120, 100), 100)), model))


def test_where_no_face_is_found_the_hint_names_the_options(folder, photo, model):
    with pytest.raises(NoFace) as found:
        open_marked(photo, None, load_model(folder, "cpu"), None)
    assert "--crop" in found.value.hint and "--points" in found.value.hint
    with pytest.raises(NoFace) as found:
        open_marked(photo, None, model, None)
    assert "--crop" not in found.value.hint


def test_marks_that_do_not_fit_are_refused(folder, photo, tmp_path, monkeypatch):
    facet("invert", photo, "-o", tmp_path, "--model", folder, "--crop", "120,100,150")
    model = load_model(folder, "cpu")
    for kept in ({"square": [1.0]}, {"oval": [1.0]}):
        monkeypatch.setattr(project, "_as_numbers", lambda _marks, kept=kept: kept)
        project.save_project(load_project(tmp_path / "cat.facet", model), tmp_path / "odd.facet", model)
        with pytest.raises(ProjectUnreadable):
            load_project(tmp_path / "odd.facet", model)


def test_marks_far_from_reason_end_in_a_sentence(photo):
    for marks in (
        Square((120, 100), 1e9),
        Square((120, 100), 50, 0.0, 3.0),
        Square((120, 100), 50, float("inf")),
        FacePoints(((1e30, 0.0),) * 5),
        FacePoints(((1.0, 2.0), (3.0,))),
        CropLabel((1.0,) * 25),
        CropLabel((float("nan"),) * 25),
    ):
        with pytest.raises(FacetError):
            portrait_by_hand(photo, marks)


def test_a_generator_alone_says_so_before_faces_are_looked_for(folder, photo, tmp_path):
    save_generator(load_model(folder, "cpu").generator, tmp_path / "alone", "alone")
    for words in ((), ("--crop", "120,100,150")):
        result = facet("invert", photo, "-o", tmp_path / "out", "--model", tmp_path / "alone", *words)
        assert isinstance(result.exception, BadInput) and "no encoder" in result.exception.what
