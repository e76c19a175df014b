"""Figures against cases where the answer is known."""

import cv2
import numpy as np
import pytest
import skimage.data

from inversion_core import landmark_tables as table
from inversion_core import metrics
from inversion_core.camera import Camera
from inversion_core.rendering import Rendering


def test_psnr_of_a_constant_error():
    truth = np.full((8, 8, 3), 0.5, np.float32)
    assert metrics.psnr(truth + 0.1, truth) == pytest.approx(20, abs=1e-4)
    assert metrics.psnr(truth, truth) == np.inf
    assert metrics.psnr(np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)) == pytest.approx(0)


def test_psnr_looks_only_at_the_mask():
    truth = np.zeros((8, 8, 3), np.float32)
    picture = truth.copy()
    picture[:4] = 0.1
    picture[4:] = 0.9
    mask = np.zeros((8, 8))
    mask[:4] = 1
    assert metrics.psnr(picture, truth, mask) == pytest.approx(20, abs=1e-4)


def test_ssim_is_one_for_equal_and_falls_with_blur_and_the_mask_chooses():
    picture = skimage.data.astronaut()[:128, 150:278]
    worse = picture.copy()
    worse[:, 64:] = np.random.default_rng(0).integers(0, 256, worse[:, 64:].shape)
    assert metrics.ssim(picture, picture) == pytest.approx(1)
    mask = np.zeros((128, 128))
    mask[:, :48] = 1
    assert metrics.ssim(worse, picture, mask) > 0.99
    assert metrics.ssim(worse, picture, 1 - mask) < 0.5


def test_ssim_of_constants_is_the_luminance_term():
    a, b = 0.4, 0.6
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    found = metrics.ssim(np.full((32, 32, 3), a, np.float32), np.full((32, 32, 3), b, np.float32))
    assert found == pytest.approx(expected, rel=1e-3)


def test_iou_of_known_squares():
    first, second = np.zeros((10, 10)), np.zeros((10, 10))
    first[:, :6] = 1
    second[:, 4:] = 1
    assert metrics.iou(first, second) == pytest.approx(20 / 100)
    assert metrics.iou(first, first) == 1
    assert metrics.iou(np.zeros((3, 3)), np.zeros((3, 3))) == 1
    assert metrics.iou(first, second, where=first > 0) == pytest.approx(20 / first.sum())


def test_face_mask_has_the_area_of_its_outline():
    ring = np.zeros((478, 2))
    angle = np.linspace(0, 2 * np.pi, len(table.OVAL), endpoint=False)
    ring[list(table.OVAL)] = 0.5 + 0.3 * np.stack([np.sin(angle), np.cos(angle)], 1)
    n = len(table.OVAL)
    area = 0.5 * n * 0.3**2 * np.sin(2 * np.pi / n)
    # Boundary pixels are drawn whole: half a pixel all round.
    assert metrics.face_mask(ring, 256).mean() == pytest.approx(area + 0.5 / 256 * 2 * np.pi * 0.3, rel=0.01)


def _average_face():
    return Camera.orbit(0, 0).project(table.mean_points())


def test_measures_do_not_depend_on_size_place_or_lean():
    points = _average_face()[:, :2]
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    before, after = metrics.measure_face(points), metrics.measure_face(0.3 * points @ turn.T + [0.2, 0.1])
    assert all(abs(change) < 1e-6 for change in after.changes(before).values())


@pytest.mark.parametrize(
    ("measure", "points", "shift", "expected"),
    [
        ("mouth_width", [61], (-0.1, 0), 0.1),
        ("corner_lift", [61, 291], (0, -0.08), 0.08),
        ("lip_opening", [14, 87, 317], (0, 0.2), 0.2),
        ("eye_opening", [145, 374, 153, 380], (0, 0.05), 0.05),
        ("brow_height", [105, 334, 52, 282], (0, -0.05), 0.05),
        ("nose_width", [64, 129], (-0.06, 0), 0.06),
        ("jaw_width", [172, 58], (-0.1, 0), 0.1),
        ("chin_length", [152], (0, 0.1), 0.1),
    ],
)
def test_measures_follow_what_they_name(measure, points, shift, expected):
    face = _average_face()[:, :2].astype(float)
    unit = metrics.eye_distance(face)
    moved = face.copy()
    moved[points] += np.multiply(shift, unit)
    before, after = metrics.measure_face(face), metrics.measure_face(moved)
    assert getattr(after, measure) - getattr(before, measure) == pytest.approx(expected, abs=0.02)
    others = {name: change for name, change in after.changes(before).items() if name != measure}
    # The chin and the lips share points with their neighbours; nothing else may follow.
    assert max(abs(change) for name, change in others.items() if name not in ("lip_height",)) < 0.02


def test_closed_lids_that_overlap_or_slide_past_each_other_open_nothing():
    face = _average_face()[:, :2].astype(float)
    unit = metrics.eye_distance(face)
    upper, lower = [159, 386, 158, 385], [145, 374, 153, 380]
    face[lower] = face[upper] + (0.03 * unit, -0.01 * unit)
    assert metrics.measure_face(face).eye_opening == 0


def test_a_common_unit_keeps_the_other_measures_when_the_eyes_move():
    face = _average_face()[:, :2].astype(float)
    unit = metrics.eye_distance(face)
    moved = face.copy()
    moved[[33, 133]] += (0.05 * unit, 0)
    before, after = metrics.measure_face(face, unit), metrics.measure_face(moved, unit)
    assert after.nose_width == pytest.approx(before.nose_width)
    assert after.jaw_width == pytest.approx(before.jaw_width)


def test_landmark_error_of_a_shift():
    face = _average_face()
    unit = metrics.eye_distance(face)
    assert metrics.landmark_error(face + np.array([0.05 * unit, 0, 0]), face) == pytest.approx(0.05, rel=1e-5)


def test_the_astronaut_is_found_again_on_a_rendering_and_nobody_on_nothing():
    picture = skimage.data.astronaut()[:256, 97:353].astype(np.float32) / 255
    depth = np.ones(picture.shape[:2], np.float32)
    found = metrics.redetected_landmarks(Rendering(picture, depth, np.ones_like(depth)))
    eyes = found[[table.RIGHT_IRIS, table.LEFT_IRIS], :2] * 256 + [97, 0]
    assert np.abs(eyes - [(203, 101), (246, 103)]).max() < 4
    assert metrics.redetected_landmarks(Rendering(picture, depth, np.zeros_like(depth))) is None


def test_ssim_is_skimages():
    from skimage.metrics import structural_similarity

    random = np.random.default_rng(3)
    one = cv2.GaussianBlur(random.random((48, 56, 3)), (0, 0), 2)
    other = np.clip(one + 0.05 * random.standard_normal(one.shape), 0, 1)
    mask = random.random((48, 56))
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, places = structural_similarity(one, other, channel_axis=2, data_range=1.0, full=True, **window)
    truth = np.average(places.mean(-1), weights=mask)
    assert metrics.ssim(one, other, mask) == pytest.approx(truth, abs=1e-6)
