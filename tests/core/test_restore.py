"""Grey photos get plausible colours, damage is completed, noise and blur are lessened; light and dark stay."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from skimage.color import deltaE_ciede2000, rgb2lab

from inversion_core import pipeline
from inversion_core.cli import facet
from inversion_core.errors import UsageError
from inversion_core.landmark_tables import OVAL
from inversion_core.project import Project, load_project, save_project
from inversion_core.restoration import Restoration, Tint
from inversion_core.restore.clarity import denoised, estimated_noise, sharpened
from inversion_core.restore.colour import is_monochrome
from inversion_core.restore.damage import blended, filled, scratches, wide
from inversion_core.restore.photo import crop_mask, original_crop, preview, restored
from inversion_core.task import finish


@pytest.fixture(scope="module")
def grey(inversion):
    """The sample head of a photo without colours."""
    image = cv2.cvtColor(cv2.cvtColor(inversion.portrait.image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return replace(inversion, portrait=replace(inversion.portrait, image=image))


def _oval(portrait):
    points = np.round(portrait.landmarks[list(OVAL), :2] * 512).astype(np.int32)
    return cv2.fillPoly(np.zeros((512, 512), np.uint8), [points], 1) > 0


def test_grey_and_sepia_are_told_from_colour(astronaut, grey):
    sepia = (grey.portrait.image * [1.0, 0.86, 0.68]).astype(np.uint8)
    assert is_monochrome(grey.portrait.image) and is_monochrome(sepia)
    assert not is_monochrome(astronaut.image)


def test_colours_come_near_the_truth_and_leave_the_light(model, astronaut, grey):
    picture = preview(model, grey, Restoration(Tint()))
    lightness, before = rgb2lab(picture)[..., 0], rgb2lab(grey.portrait.image)[..., 0]
    assert np.abs(lightness - before).mean() < 0.5
    face = _oval(astronaut)
    off = [
        deltaE_ciede2000(rgb2lab(image), rgb2lab(astronaut.image))[face].mean()
        for image in (picture, grey.portrait.image)
    ]
    assert off[0] < 0.5 * off[1]


def test_the_colours_can_be_chosen(model, grey):
    def hue(tint, where):
        return rgb2lab(preview(model, grey, Restoration(tint)))[where][:, 1:].mean(0)

    cheek, hair = np.zeros((512, 512), bool), grey.detail.masks[..., 1] > 0.95
    x, y = (grey.portrait.landmarks[50, :2] * 512).astype(int)
    cheek[y - 10 : y + 10, x - 10 : x + 10] = True
    assert hue(Tint(skin=1), cheek)[1] > hue(Tint(skin=-1), cheek)[1] + 4
    assert hue(Tint(hair=1), hair)[0] > hue(Tint(hair=-1), hair)[0] + 4
    assert np.abs(hue(Tint(strength=0), cheek)).max() < 0.5


def test_scratches_are_found_and_faces_are_none(astronaut):
    torn, truth = astronaut.image.copy(), np.zeros((512, 512), np.uint8)
    for ends in (((40, 60), (300, 400)), ((350, 500), (420, 240)), ((250, 20), (480, 60))):
        cv2.line(truth, *ends, 1, 2)
    torn[truth > 0] = 235
    hair = np.zeros((512, 512), np.float32)
    found = scratches(torn, astronaut.landmarks, hair)
    assert found[truth > 0].mean() > 0.7
    # The suit behind has lines of its own; the face has none.
    assert scratches(astronaut.image, astronaut.landmarks, hair)[_oval(astronaut)].mean() < 0.02


def test_a_hole_in_a_flat_wish_takes_the_rims_light():
    rows, columns = np.mgrid[:64, :64] / 64
    photo = np.stack([rows, columns, 0.5 + 0 * rows], -1).astype(np.float32)
    image = np.round(photo * 255).astype(np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 25:45] = True
    broken = image.copy()
    broken[hole] = 0
    # A wish that is right but for its light: the ramp is harmonic, so the membrane finds it exactly.
    wish = np.full_like(photo, 0.3)
    result = blended(filled(broken, hole), wish, hole, np.ones((64, 64), np.float32))
    assert np.abs(result.astype(int) - image)[hole].max() <= 2
    assert np.array_equal(result[:10], broken[:10])


def test_only_broad_holes_count_as_wide():
    hole = np.zeros((100, 100), bool)
    hole[:, 20:24] = True
    hole[30:60, 60:90] = True
    share = wide(hole)
    assert share[:, 15:30].max() < 0.05 and share[45, 75] > 0.95


def test_noise_is_measured_and_taken_off(astronaut):
    noise = np.random.default_rng(0).normal(0, 12, astronaut.image.shape)
    noisy = np.clip(astronaut.image + noise, 0, 255).astype(np.uint8)
    assert 6 < estimated_noise(noisy) < 16 and estimated_noise(astronaut.image) < 4
    off = [np.square(image.astype(float) - astronaut.image).mean() for image in (noisy, denoised(noisy, 12))]
    assert off[1] < 0.4 * off[0]


def test_blur_is_undone_as_far_as_it_goes(astronaut):
    soft = cv2.GaussianBlur(astronaut.image, (0, 0), 2)
    off = [np.square(image.astype(float) - astronaut.image).mean() for image in (soft, sharpened(soft, 2.0))]
    assert off[1] < 0.75 * off[0]


@pytest.mark.slow
def test_a_lost_eye_is_completed_from_the_other_one(model, astronaut, tmp_path):
    hole = np.zeros((512, 512), np.uint8)
    centre = tuple(int(x) for x in astronaut.landmarks[468, :2] * 512)
    cv2.ellipse(hole, centre, (42, 30), 0, 0, 360, 1, -1)
    torn = astronaut.image.copy()
    torn[hole > 0] = 255
    restoration = Restoration(damaged=hole > 0)
    found = finish(restored(model, replace(astronaut, image=torn), restoration))
    off = [
        np.square(image.astype(float) - astronaut.image)[hole > 0].mean()
        for image in (found.image, filled(torn, hole > 0))
    ]
    assert off[0] < 0.7 * off[1]
    assert np.array_equal(found.image[:100, :100], torn[:100, :100])
    head = finish(
        pipeline.invert(replace(found, restoration=replace(restoration, tint=Tint(hair=0.5))), model)
    )
    save_project(Project(head), tmp_path / "restored.facet", model)
    again = load_project(tmp_path / "restored.facet", model).inversion.portrait
    assert again.restoration.tint == Tint(hair=0.5)
    assert np.array_equal(again.restoration.damaged, hole > 0)
    assert again.source == astronaut.source and np.array_equal(original_crop(again), astronaut.image)


def test_masks_must_fit_and_something_must_be_asked(astronaut, tmp_path):
    with pytest.raises(UsageError):
        crop_mask(astronaut, np.zeros((5, 7), np.uint8))
    photo = tmp_path / "photo.png"
    photo.write_bytes(astronaut.source)
    result = CliRunner().invoke(facet, ["restore", str(photo), "-o", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    words = ["restore", str(photo), "-o", str(tmp_path), "--blur", "1", "--hair", "0.5"]
    refusal = CliRunner().invoke(facet, words).exception
    assert isinstance(refusal, UsageError) and "--hair" in refusal.what and "--grey" in refusal.hint
