"""The evaluation itself, on a stand-in engine whose answers are known: warps of the sample portrait."""

import io
import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from inversion_core import evaluate, landmark_tables, metrics, pipeline, quality
from inversion_core.alignment import open_portrait
from inversion_core.edit import Inversion, Slider
from inversion_core.errors import BadInput
from inversion_core.rendering import Rendering
from inversion_core.task import finish


@pytest.fixture(scope="module")
def portrait():
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "PNG")
    return open_portrait(buffer.getvalue(), "astronaut.png")


@dataclass(frozen=True)
class _Picture:
    """A "head" that is the portrait itself, its mouth's corners lifted by the smile."""

    portrait: object
    smile: float


def _model(*names):
    sliders = tuple(Slider(name, name, "expression", "", 0, 1) for name in names)
    return SimpleNamespace(card=SimpleNamespace(sliders=sliders))


def _lifted(image, landmarks, amount):
    """The picture with both corners of the mouth pulled up and apart by ``amount`` eye distances."""
    size = image.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    unit = metrics.eye_distance(landmarks) * size
    map_x, map_y = x.copy(), y.copy()
    for corner, side in ((landmark_tables.MOUTH_RIGHT, -1), (landmark_tables.MOUTH_LEFT, 1)):
        cx, cy = landmarks[corner, :2] * size
        near = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * (0.22 * unit) ** 2))
        map_x -= side * 0.6 * amount * unit * near
        map_y += amount * unit * near
    return cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture
def engine(monkeypatch):
    """The pipeline's functions as ``evaluate`` calls them, with pictures for heads."""

    def edit(inversion, moves, model):
        return _Picture(inversion.portrait, moves.get("smile", 0.0))

    def view(head, camera, size):
        if abs(camera.angles[0]) > 0.6:  # beyond 34 degrees this head has no face
            blank = np.full((size, size, 3), 0.5, np.float32)
            return Rendering(blank, blank[..., 0], blank[..., 0])
        image = _lifted(head.portrait.image, head.portrait.landmarks, 0.2 * head.smile)
        person = head.portrait.person
        return Rendering(image.astype(np.float32) / 255, (person > 0) * 1.0, np.ones_like(person))

    def turntable_camera(inversion, yaw, pitch):
        from inversion_core.camera import Camera

        return Camera.orbit(yaw, pitch)

    def invert(portrait, model):
        if False:
            yield
        return Inversion(portrait, None, None, {}, "none", 0.5)

    for function in (edit, view, turntable_camera, invert):
        monkeypatch.setattr(pipeline, function.__name__, function, raising=False)


def test_a_perfect_front_scores_perfectly_and_lost_faces_are_listed(engine, portrait):
    inversion = Inversion(portrait, None, None, {}, "none", 1.5)
    notes = []
    report = finish(evaluate.evaluate_photo(inversion, _model("smile")), notes.append)
    assert report.psnr > 60
    assert report.ssim > 0.999
    assert report.landmarks < 0.01
    assert report.seconds == 1.5
    assert report.yaws == (-30, -15, 0, 15, 30)
    assert report.lost == (-45, 45)
    # Opacity is one everywhere here, so the overlap is the person's share of the crop.
    assert report.iou == pytest.approx((portrait.person > 0.5).mean(), abs=1e-6)
    assert notes[-1].done < notes[-1].total
    assert len(notes) == 1 + 7 + 1 + 4


def test_a_photo_aligned_by_hand_is_measured_without_its_landmarks(engine, portrait, monkeypatch):
    monkeypatch.setattr(evaluate, "YAWS", (0,))
    by_hand = replace(portrait, landmarks=np.full_like(portrait.landmarks, np.nan))
    # The head is drawn as it was; only what the record says of it is unknown.
    monkeypatch.setattr(pipeline, "edit", lambda inversion, moves, model: _Picture(portrait, 0.0))
    report = finish(evaluate.evaluate_photo(Inversion(by_hand, None, None, {}, "none", 1.0), _model()))
    assert np.isnan(report.landmarks) and report.psnr > 60 and report.yaws == (0,)
    whole = evaluate.Report((report, evaluate.PhotoReport("b", landmarks=0.01)))
    json.dumps(whole.as_record(), allow_nan=False)
    rows = {row.figure: row for row in quality.targets(whole)}
    landmarks = rows["landmarks found again, front"]
    assert (landmarks.met, landmarks.count, landmarks.worst) == (1, 1, "1.00%")
    assert "| by hand |" in quality.markdown(whole)


def test_a_smile_that_lifts_the_corners_is_seen(engine, portrait):
    report = finish(
        evaluate.evaluate_photo(Inversion(portrait, None, None, {}, "none", 1.0), _model("smile"))
    )
    lift = next(edit for edit in report.edits if edit.measure == "corner_lift")
    assert lift.reached
    assert lift.monotone
    assert 0.06 < lift.effect < 0.3
    assert lift.leakage < 2 * evaluate.STILL  # the warp reaches up to the nose
    assert [edit.slider for edit in report.edits] == ["smile", "smile"]


def test_a_slider_that_does_nothing_is_found_out(engine, portrait):
    report = finish(
        evaluate.evaluate_photo(Inversion(portrait, None, None, {}, "none", 1.0), _model("blink"))
    )
    (blink,) = report.edits
    assert blink.effect == pytest.approx(1, abs=0.01)
    assert not blink.reached


def _measures(**changed):
    values = dict.fromkeys(metrics.FaceMeasures.__dataclass_fields__, 0.5)
    return metrics.FaceMeasures(**{**values, **changed})


def test_response_counts_effect_steps_back_and_leakage():
    probe = evaluate.EditProbe("smile", (0.0, 0.5, 1.0), "mouth_width", 0.05, "ratio", ("jaw_width",))
    faces = {
        ("smile", 0.0): _measures(mouth_width=0.80, jaw_width=2.0),
        ("smile", 0.5): _measures(mouth_width=0.78, jaw_width=2.1),
        ("smile", 1.0): _measures(mouth_width=0.88, jaw_width=2.0),
    }
    response = evaluate.edit_response(probe, faces)
    assert response.effect == pytest.approx(0.1)
    assert response.reached
    assert not response.monotone
    assert response.leakage == pytest.approx(0.05)
    assert response.leaked == "jaw_width"


def test_response_of_a_closing_eye():
    probe = evaluate.EditProbe("blink", (0.0, 1.0), "eye_opening", 0.25, "remains", ("jaw_width",))
    faces = {("blink", 0.0): _measures(eye_opening=0.2), ("blink", 1.0): _measures(eye_opening=0.03)}
    response = evaluate.edit_response(probe, faces)
    assert response.effect == pytest.approx(0.15)
    assert response.reached
    assert response.monotone


def test_a_face_lost_at_full_strength_is_no_success():
    probe = evaluate.EditProbe("smile", (0.0, 1.0), "mouth_width", 0.05, "ratio", ("jaw_width",))
    response = evaluate.edit_response(probe, {("smile", 0.0): _measures()})
    assert np.isnan(response.effect)
    assert not response.reached
    assert not response.monotone


def test_a_folder_is_evaluated_and_bad_photos_are_reported(engine, portrait, tmp_path):
    (tmp_path / "deeper").mkdir()
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "deeper" / "astronaut.png")
    (tmp_path / "broken.jpg").write_text("no picture at all")
    (tmp_path / "notes.txt").write_text("not looked at")
    steps = []
    report = finish(evaluate.evaluate_folder(tmp_path, _model("smile")), steps.append)
    assert [photo.name for photo in report.photos] == ["broken.jpg", "deeper/astronaut.png"]
    assert "broken.jpg" in report.photos[0].failure
    assert len(report.inverted) == 1
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    json.dumps(report.as_record(), allow_nan=False)
    table = quality.markdown(report)
    assert "deeper/astronaut.png" in table
    assert "| photos inverted | all |  |  | 1 of 2 |" in table
    assert "lost at -45°, +45°" in table


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no photos"):
        finish(evaluate.evaluate_folder(tmp_path, _model()))


def test_targets_count_what_meets_them():
    good = evaluate.PhotoReport("a", 2.0, 0.01, 0.95, 33.0, 0.95, tuple(evaluate.YAWS), ())
    poor = evaluate.PhotoReport("b", 4.0, float("inf"), 0.90, 28.0, 0.90, (0.0,), (45.0,))
    rows = {row.figure: row for row in quality.targets(evaluate.Report((good, poor)))}
    assert rows["landmarks found again, front"].met == 1
    assert rows["landmarks found again, front"].worst == "not found"
    assert rows["silhouette IoU"].worst == "0.900"
    assert rows["inversion time"].worst == "4.00 s"
    assert rows["yaws at which the face is found"].worst == "50%"
