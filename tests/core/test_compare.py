"""The comparison: likeness of faces, what descents see of a portrait, and one small run from photo to table."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from inversion_core import pipeline
from inversion_core.compare import (
    FACET,
    Comparison,
    MethodFigures,
    compare_photos,
    portrait_target,
)
from inversion_core.compare_report import (
    _ticks,
    comparison_plot,
    comparison_sheet,
    comparison_table,
    median_figures,
    target_sentence,
)
from inversion_core.errors import BadInput, UsageError
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.likeness import face_texture_likeness
from inversion_core.optimise.generator import CodedGenerator
from inversion_core.sample import NAME, sample_portrait
from inversion_core.task import finish
from tests.tiny_eg3d import TINY_EG3D


@pytest.fixture(scope="module")
def portrait():
    return pipeline.open_portrait(sample_portrait(), NAME)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(3)
    return CodedGenerator(TriPlaneGenerator(TINY_EG3D), samples=6)


def test_a_face_is_like_itself_and_unlike_another(portrait):
    image, points = portrait.image, portrait.landmarks
    assert face_texture_likeness(image, points, image, points) == pytest.approx(1.0, abs=1e-4)
    # Brighter and shifted by pixels that its landmarks follow: the same face.
    moved = np.roll(np.clip(image * 0.8 + 20, 0, 255).astype(np.uint8), (9, -6), (0, 1))
    followed = points.copy()
    followed[:, :2] += np.array([-6, 9]) / 512
    assert face_texture_likeness(moved, followed, image, points) > 0.95
    # Landmarks in the wrong place, or noise, are another face.
    assert face_texture_likeness(moved, points, image, points) < 0.85
    noise = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    assert abs(face_texture_likeness(noise, points, image, points)) < 0.4


def test_what_lies_beside_a_face_does_not_count(portrait):
    """A white wall in the photo and a grey ground in a drawing must not make two faces of one."""
    image, points = portrait.image, portrait.landmarks
    hull = cv2.convexHull((points[:468, :2] * len(image)).astype(np.int32))
    outside = cv2.fillConvexPoly(np.ones(image.shape[:2], np.uint8), hull, 0) > 0
    walled = image.copy()
    walled[outside] = 255
    assert face_texture_likeness(walled, points, image, points) > 0.99


def test_descents_see_the_face_and_no_clothes(portrait, generator):
    target = portrait_target(portrait, generator)
    assert target.picture.shape == (1, 3, 128, 128) and target.weight.shape == (1, 1, 128, 128)
    x, y = (int(128 * v) for v in portrait.landmarks[1, :2])
    assert target.weight[0, 0, y, x] == pytest.approx(1.0, abs=0.02)
    chest = target.weight[0, 0, 124, 64]
    assert portrait.person[496, 256] > 0.9 and chest < 0.05
    background = np.unravel_index(np.argmin(portrait.person), portrait.person.shape)
    assert target.picture[0, :, background[0] // 4, background[1] // 4].min() > 0.9
    np.testing.assert_allclose(target.label[0].numpy(), portrait.camera.label())


def test_methods_are_checked_before_work_starts(portrait, generator):
    with pytest.raises(BadInput, match="psp"):
        finish(compare_photos([portrait], ("psp",), generator, {}, None))
    with pytest.raises(UsageError):
        finish(compare_photos([portrait], ("guesswork",), generator, {}, None))


def test_a_small_comparison(portrait, generator):
    from inversion_core.model import load_model

    def truth(index, inversion, model):
        return 20.0 + index, 0.01, 0.8

    names = (FACET, "camera_latent")
    task = compare_photos([portrait], names, generator, {}, load_model(), 60.0, truth, round_trip=True)
    result = finish(task)
    assert [row.method for row in result.figures] == list(names)
    facet, w = result.figures
    # A generator at random knows no face; the bundled path does.
    assert facet.psnr > w.psnr + 5 and facet.ssim > w.ssim and facet.landmarks < 0.05
    assert facet.novel > 0.3 > abs(w.novel)
    assert facet.turned_psnr == 20.0 and facet.depth == 0.01 and facet.turned_novel == 0.8
    assert w.round_trip > 0 and np.isnan(facet.round_trip)
    assert np.isfinite(w.distance) and -1 <= w.edit <= 1 and np.isnan(facet.edit)
    assert w.seconds > 0 and facet.seconds > 0 and w.processor > 0
    assert comparison_sheet(result).shape[0] > 0
    assert comparison_plot(result).shape == (620, 960, 3)
    record = result.as_record()
    assert record["figures"][0]["edit"] is None and record["figures"][1]["method"] == "camera_latent"


def _row(method, photo, **values):
    zero = dict.fromkeys(
        ("psnr", "ssim", "landmarks", "novel", "distance", "edit", "seconds", "megabytes"), 1.0
    )
    return MethodFigures(method, photo, **{**zero, **values})


def test_the_table_has_medians_and_the_target_is_stated():
    rows = [
        _row(FACET, "a", psnr=30.0, novel=0.9, seconds=1.0, edit=float("nan")),
        _row(FACET, "b", psnr=32.0, novel=0.9, seconds=1.0, edit=float("nan")),
        _row("pti", "a", psnr=31.5, novel=0.4, seconds=50.0),
        _row("pti", "b", psnr=31.5, novel=0.4, seconds=70.0, landmarks=float("inf")),
    ]
    result = Comparison(tuple(rows))
    assert median_figures(result)[FACET]["psnr"] == 31.0
    table = comparison_table(result)
    assert "| `facet` | 31.0 |" in table and "truth" not in table and "–" in table
    sentence = target_sentence(result)
    assert "front PSNR 31.0 dB against 31.5 dB − 1: met" in sentence
    assert "60 times less time, of 100: not met" in sentence
    assert target_sentence(Comparison(tuple(rows[:2]))) == ""
    worse = dataclasses.replace(rows[0], psnr=10.0)
    assert "not met" in target_sentence(Comparison((worse, rows[2]))).split(";")[0]


def test_the_axes_have_round_numbers_that_enclose_the_values():
    assert _ticks(13.5, 35.5) == [10, 15, 20, 25, 30, 35, 40]
    assert _ticks(0.55, 0.69) == [0.55, 0.6, 0.65, 0.7]
    assert _ticks(2.0, 2.0)[0] <= 2.0 < _ticks(2.0, 2.0)[-1]


def test_the_command_writes_table_sheet_and_plot(generator, tmp_path):
    import json

    from click.testing import CliRunner

    from inversion_core.checkpoints.load import save_generator
    from inversion_core.cli_compare import compare

    with pytest.raises(UsageError):
        CliRunner().invoke(
            compare, ["--generator", str(tmp_path), "-o", str(tmp_path)], catch_exceptions=False
        )
    save_generator(generator.network, tmp_path / "model", "tiny")
    photo = tmp_path / "photo.png"
    photo.write_bytes(sample_portrait())
    words = [str(photo), "--generator", str(tmp_path / "model"), "--methods", "w", "--speed", "60", "--json"]
    result = CliRunner().invoke(compare, [*words, "-o", str(tmp_path / "out")], catch_exceptions=False)
    record = json.loads(result.stdout)
    assert record["figures"][0]["photo"] == "photo.png" or record["figures"][0]["photo"] == "photo"
    assert record["target"] == ""
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["comparison.md", "plot.png", "sheet.png"]
    assert "`w`" in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
