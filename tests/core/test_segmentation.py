"""Person and hair masks on the sample portrait: where a viewer would say they are."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data
from PIL import Image

from inversion_core import landmark_tables as table
from inversion_core import segmentation
from inversion_core.alignment import open_portrait


@pytest.fixture(scope="module")
def portrait():
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "PNG")
    return open_portrait(buffer.getvalue(), "astronaut.png")


def test_person_covers_face_and_hair_and_leaves_the_background(portrait):
    person = portrait.person
    assert person.dtype == np.float32
    assert person.min() >= 0
    assert person.max() <= 1
    columns, rows = np.clip(portrait.landmarks[:468, :2] * 512, 0, 511).astype(int).T
    assert np.quantile(person[rows, columns], 0.02) > 0.9
    hair = portrait.image[60, 256], person[60, 256]
    assert hair[1] > 0.95
    assert person[300:360, :60].max() < 0.05  # the wall beside her neck
    assert person[:40, :20].max() < 0.05


def test_the_outline_is_crisp_but_soft(portrait):
    soft = (portrait.person > 0.02) & (portrait.person < 0.98)
    assert 0.002 < soft.mean() < 0.1


def test_islands_and_holes_are_cleared():
    matte = np.zeros((512, 512), np.float32)
    matte[100:500, 150:350] = 1
    matte[300:310, 240:250] = 0  # a hole
    matte[20:80, 420:480] = 1  # somebody else
    landmarks = np.full((478, 2), 0.5)
    cleaned = segmentation._one_piece(matte, landmarks)
    assert cleaned[305, 245] > 0.9
    assert cleaned[50, 450] < 0.01
    assert np.abs(cleaned[120:280, 160:340] - 1).max() < 1e-6


def test_hair_is_above_and_beside_the_face_and_not_on_it(portrait):
    hair = segmentation.hair_mask(portrait)
    assert hair.shape == (512, 512)
    assert hair.dtype == np.float32
    assert (hair <= portrait.person + 1e-6).all()
    points = portrait.landmarks[:, :2] * 512
    for group in (table.LEFT_EYE, table.RIGHT_EYE, table.LIPS, (1, 4, 50, 280, 152)):
        columns, rows = points[list(group)].astype(int).T
        assert hair[rows, columns].max() < 0.3
    top = points[10].astype(int)
    assert hair[top[1] - 50 : top[1] - 30, top[0] - 60 : top[0] + 60].mean() > 0.9
    assert 0.12 < hair.mean() < 0.35


def test_a_bald_head_has_hardly_any_hair(portrait):
    # Paint everything above and beside the face in the colour of the cheeks.
    bald = portrait.image.copy()
    hair = segmentation.hair_mask(portrait)
    cheek = portrait.landmarks[[50, 280], :2] * 512
    tone = np.mean([bald[int(y) - 6 : int(y) + 6, int(x) - 6 : int(x) + 6].mean((0, 1)) for x, y in cheek], 0)
    noise = np.random.default_rng(0).normal(0, 5, bald.shape)
    share = np.clip(2 * hair, 0, 1)[..., None]
    bald = np.clip(bald * (1 - share) + (tone + noise) * share, 0, 255).astype(np.uint8)
    found = segmentation.hair_mask(replace(portrait, image=bald))
    assert found.mean() < 0.45 * hair.mean()


def test_gloss_that_hair_closes_round_is_hair_and_a_face_is_not():
    likely = np.zeros((256, 256), np.float32)
    likely[20:200, 60:200] = 1
    likely[40:48, 100:112] = 0  # a highlight
    likely[90:180, 90:170] = 0  # a face
    whole = segmentation._with_gloss(likely)
    assert whole[42:46, 103:109].min() > 0.9
    assert whole[95:175, 95:165].max() == 0
    assert (whole >= likely).all()


def _place():
    rows, columns = np.mgrid[:256, :256]
    return SimpleNamespace(down=(rows - 100) / 80, aside=(columns - 128) / 80)


def test_below_an_ear_that_is_outermost_nothing_is_hair():
    person, hair = np.zeros((2, 256, 256), bool)
    person[20:200, 70:190] = True
    hair[20:80, 70:190] = True  # down to above the ears
    hair[150:200, 150:190] = True  # a dark collar
    short = segmentation._below_short_hair(hair, person, _place())
    assert short[155:200].min() == 1 and short[:140].max() == 0
    hair[80:150, 160:190] = True  # on this side it hangs down
    short = segmentation._below_short_hair(hair, person, _place())
    assert short[155:200, :128].min() == 1 and short[:, 130:].max() == 0


def test_hair_s_loose_ends_are_hair_beside_the_neck_only(portrait):
    hair = np.zeros((256, 256), bool)
    chin = (portrait.landmarks[table.CHIN, :2] * 256).astype(int)
    hair[:, chin[0] + 60 : chin[0] + 75] = True
    wisps = segmentation._wisps(hair, portrait.landmarks)
    assert wisps[chin[1] - 5, chin[0] + 80 :].min() > 0.5  # beyond it
    assert wisps[:, : chin[0] + 60].max() == 0  # on the face's side
    assert wisps[: chin[1] - 90].max() == 0  # above


def test_an_ear_between_hair_is_no_hair(portrait):
    points = portrait.landmarks[:, :2] * 512
    half = abs(points[table.CHEEK_RIGHT, 0] - points[table.CHEEK_LEFT, 0]) / 2
    nose = points[4]
    rows, columns = np.mgrid[:512, :512]
    away = (nose[0] - columns) / half  # a face, hair down to the picture's border, and one ear in it
    image = np.full((512, 512, 3), 40, np.uint8)
    image[(np.hypot(away / 1.02, (rows - nose[1]) / (1.5 * half)) < 1) & (rows > nose[1] - half)] = (
        210,
        160,
        140,
    )
    ear = np.hypot((np.abs(away) - 1.2) / 0.17, (rows - nose[1] + 0.25 * half) / (0.4 * half)) < 1
    image[ear & (away > 0)] = (190, 140, 120)
    whole = replace(portrait, image=image, person=np.ones((512, 512), np.float32))
    hair = segmentation.hair_mask(whole)
    assert hair[ear & (away > 0)].mean() < 0.35 and hair[ear & (away < 0)].mean() > 0.95


def test_hair_that_falls_over_one_eye_is_hair_and_a_dark_glass_is_not(portrait):
    points = portrait.landmarks[:, :2] * 512
    eye, cheek = points[list(table.LEFT_EYE)].mean(0), points[list(table.LIPS)].mean(0)
    side = np.sign(eye[0] - cheek[0])
    rows, columns = np.mgrid[:512, :512]
    beyond = (columns - 0.5 * (eye[0] + cheek[0])) * side > 0
    locks = portrait.image[60:120, 160:350].reshape(-1, 3)
    over = beyond & (rows > 120) & (rows < eye[1] + 45) & (np.abs(columns - eye[0]) < 60)
    painted = portrait.image.copy()
    painted[over] = locks[np.random.default_rng(0).integers(len(locks), size=over.sum())]
    x, y = eye.astype(int)
    glass = np.where((over & (rows > eye[1] - 25))[..., None], portrait.image // 4, portrait.image)
    for image, hairy in ((painted, True), (glass, False)):
        hair = segmentation.hair_mask(replace(portrait, image=image))
        assert (hair[y - 8 : y + 8, x - 10 : x + 10].mean() > 0.9) == hairy
        other = points[list(table.RIGHT_EYE)].mean(0).astype(int)
        assert hair[other[1] - 8 : other[1] + 8, other[0] - 10 : other[0] + 10].mean() < 0.1
