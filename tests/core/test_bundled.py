"""The bundled model on the sample portrait: it reproduces the photo, and every slider does what it is called."""

import cv2
import numpy as np
import pytest

from inversion_core import landmark_tables as table
from inversion_core.bundled import LIKE_THE_PHOTO
from inversion_core.camera import Camera
from inversion_core.generators.template import SKIN
from inversion_core.image import to_float
from inversion_core.metrics import face_mask, iou, psnr, ssim
from inversion_core.pipeline import edit, turntable_camera, view
from inversion_core.refine.ears import smoothstep
from inversion_core.refine.layer import SEEN_STRAIGHT, WEIGHT

EXPRESSIONS = ("smile", "mouth_open", "blink", "brow_raise", "frown", "pucker")
SHAPES = (
    *("face_width", "jaw_width", "chin_length", "cheek_fullness", "nose_width", "nose_length"),
    *("eye_size", "lip_fullness", "ear_size"),
)
CHARACTERS = ("age", "weight", "masculinity", "skin_tone", "hair_lightness")
CORNERS = (table.MOUTH_RIGHT, table.MOUTH_LEFT)
COLOURS = ("skin_tone", "hair_lightness")


@pytest.fixture(scope="module")
def untouched(inversion, model):
    return edit(inversion, {}, model)


@pytest.fixture(scope="module")
def points(inversion, model):
    """Landmarks in world units under given moves, (478, 3), and their unit, the distance between the irises."""

    def of(**moves):
        return model.template.landmarks(edit(inversion, moves, model).coarse)

    return of


@pytest.fixture(scope="module")
def between(points):
    places = points()
    return float(np.linalg.norm(places[table.LEFT_IRIS] - places[table.RIGHT_IRIS]))


def _apart(places, a, b, axis=slice(None)):
    return float(np.linalg.norm(np.atleast_1d(places[a, axis] - places[b, axis])))


# ---- the photo ----------------------------------------------------------------------------------------------


def test_without_moves_the_photo_comes_back(inversion, untouched):
    portrait = inversion.portrait
    front = view(untouched, portrait.camera, 256, 2)
    photo = cv2.resize(to_float(portrait.image), (256, 256), interpolation=cv2.INTER_AREA)
    person = cv2.resize(portrait.person, (256, 256), interpolation=cv2.INTER_AREA)
    mask = face_mask(portrait.landmarks, 256)
    assert psnr(front.over(), photo, mask) >= 30
    assert ssim(front.over(), photo, mask) >= 0.92
    assert iou(front.opacity, person) >= 0.92


def test_scores_are_those_of_the_front_view(inversion):
    assert set(inversion.scores) == {"psnr", "ssim", "iou", "fit"}
    assert inversion.scores["psnr"] >= 30
    assert 0 < inversion.scores["fit"] < 0.02
    assert inversion.seconds > 0


def test_landmarks_lie_where_the_photo_has_them(inversion, points):
    seen = inversion.portrait.camera.project(points())[:, :2]
    inner = np.setdiff1d(np.arange(468), table.OVAL)
    error = np.linalg.norm(seen - inversion.portrait.landmarks[:, :2], axis=1)[inner]
    distance = np.linalg.norm(
        inversion.portrait.landmarks[table.LEFT_IRIS, :2] - inversion.portrait.landmarks[table.RIGHT_IRIS, :2]
    )
    assert error.mean() / distance < 0.02


@pytest.mark.parametrize("yaw", [-45, -30, 30, 45])
def test_turned_views_are_heads_without_holes(inversion, untouched, yaw):
    picture = view(untouched, turntable_camera(inversion, np.radians(yaw), 0.0), 128)
    solid = (picture.opacity > 0.5).astype(np.uint8)
    assert 0.2 < solid.mean() < 0.9
    filled = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outside, labels = cv2.connectedComponents(1 - filled)
    borders = set(labels[0]) | set(labels[-1]) | set(labels[:, 0]) | set(labels[:, -1])
    holes = [n for n in range(1, outside) if n not in borders and (labels == n).sum() > 12]
    assert not holes


# ---- sliders ------------------------------------------------------------------------------------------------


def test_all_sliders_are_declared_with_range_default_group_and_tooltip(model):
    declared = {slider.name: slider for slider in model.card.sliders}
    for group, names, low in (
        ("expression", EXPRESSIONS, 0),
        ("shape", SHAPES, -1),
        ("character", CHARACTERS, -1),
    ):
        for name in names:
            slider = declared[name]
            assert (slider.group, slider.minimum, slider.maximum, slider.default) == (group, low, 1, 0)
            assert slider.label and slider.tooltip.endswith(".")
    assert len(declared) == len(EXPRESSIONS + SHAPES + CHARACTERS)


@pytest.mark.parametrize("name", [*EXPRESSIONS, *SHAPES, *CHARACTERS])
def test_every_slider_changes_the_picture_at_both_ends(inversion, model, untouched, name):
    camera = turntable_camera(inversion, 0.4, 0.0)
    before = view(untouched, camera, 96)
    slider = next(s for s in model.card.sliders if s.name == name)
    for value in {slider.minimum, slider.maximum} - {slider.default}:
        head = edit(inversion, {name: value}, model)
        assert np.abs(view(head, camera, 96).over() - before.over()).max() > 0.04, value
        moved = np.abs(head.head.vertices - untouched.head.vertices).max()
        assert moved == 0 if name in COLOURS else moved > 0.004
        assert np.isfinite(head.head.vertices).all()


def test_editing_leaves_the_inversion_alone(inversion, model, untouched):
    before = [
        a.copy()
        for a in (inversion.latent.ws, inversion.detail.head.attributes, inversion.detail.head.vertices)
    ]
    edit(inversion, {"blink": 1.0, "smile": 1.0, "age": 1.0, "hair_lightness": -1.0}, model)
    after = (inversion.latent.ws, inversion.detail.head.attributes, inversion.detail.head.vertices)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(edit(inversion, {}, model).head.vertices, untouched.head.vertices)


def test_smile_widens_and_lifts_the_mouth_and_leaves_the_brows(points, between):
    before, after = points(), points(smile=1.0)
    assert _apart(after, *CORNERS) > 1.05 * _apart(before, *CORNERS)
    rise = after[list(CORNERS), 1] - before[list(CORNERS), 1]
    assert (rise > 0.06 * between).all()
    assert np.abs(after[list(table.BROWS)] - before[list(table.BROWS)]).max() < 0.03 * between


@pytest.mark.parametrize(("upper", "lower"), [(386, 374), (159, 145)])
def test_blink_closes_the_lids_and_leaves_the_mouth(points, between, upper, lower):
    before, after = points(), points(blink=1.0)
    assert _apart(after, upper, lower, 1) < 0.25 * _apart(before, upper, lower, 1)
    assert np.abs(after[list(table.LIPS)] - before[list(table.LIPS)]).max() < 0.03 * between


def test_mouth_open_parts_the_lips(points, between):
    assert _apart(points(mouth_open=1.0), 13, 14) > _apart(points(), 13, 14) + 0.2 * between


def test_brows_rise_and_fall(points):
    middle = [105, 334]
    heights = [points(**moves)[middle, 1].mean() for moves in ({"frown": 1.0}, {}, {"brow_raise": 1.0})]
    assert heights[0] < heights[1] < heights[2]


def test_pucker_narrows_the_mouth(points):
    assert _apart(points(pucker=1.0), *CORNERS) < 0.9 * _apart(points(), *CORNERS)


@pytest.mark.parametrize(
    ("name", "a", "b", "change"),
    [("jaw_width", 172, 397, 0.08), ("nose_width", 129, 358, 0.08), ("face_width", 234, 454, 0.04)],
)
def test_widths_grow_with_their_sliders(points, name, a, b, change):
    widths = [_apart(points(**{name: value}), a, b) for value in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert (np.diff(widths) > 0).all()
    assert widths[-1] / widths[0] - 1 >= change


@pytest.mark.parametrize(
    ("name", "a", "b"), [("chin_length", 17, 152), ("nose_length", 168, 1), ("lip_fullness", 0, 17)]
)
def test_heights_grow_with_their_sliders(points, name, a, b):
    heights = [_apart(points(**{name: value}), a, b) for value in (-1.0, 0.0, 1.0)]
    assert heights[0] < heights[1] < heights[2]


def test_moves_add_up(inversion, model, untouched):
    base = untouched.coarse

    def moved(**moves):
        return edit(inversion, moves, model).coarse - base

    both = moved(jaw_width=0.5, nose_width=-0.5)
    assert np.allclose(both, moved(jaw_width=0.5) + moved(nose_width=-0.5), atol=1e-5)


def test_colours_change_where_their_names_say(inversion, model, untouched):
    scalp, skin = model.template.scalp > 0.9, model.template.scalp < 0.1
    darker = edit(inversion, {"skin_tone": 1.0}, model)
    lighter = edit(inversion, {"skin_tone": -1.0}, model)
    cheek = model.template.landmark_vertices[205, 0]
    vertex = int(np.argmin(np.linalg.norm(untouched.head.vertices - untouched.coarse[cheek], axis=1)))
    assert (darker.light[vertex] < 0.8).all() and (lighter.light[vertex] > 1).all()
    assert np.abs(darker.hair_light - 1).max() < 1e-6
    blond = edit(inversion, {"hair_lightness": 1.0}, model)
    black = edit(inversion, {"hair_lightness": -1.0}, model)
    assert (blond.hair_light > 1).all() and (black.hair_light < 1).all()
    assert np.allclose(black.light[vertex], 1, atol=1e-3)
    assert black.light[scalp].mean() < black.light[skin].mean()


def test_age_reaches_the_skin_as_well_as_the_form(inversion, model, untouched):
    old = edit(inversion, {"age": 1.0}, model)
    assert old.light.std() > 0.01
    assert np.abs(old.coarse - untouched.coarse).max() > 0.005


def test_hair_follows_the_head(inversion, model, untouched):
    wide = edit(inversion, {"face_width": 1.0}, model)
    moved = wide.hair.vertices - untouched.hair.vertices
    assert moved.shape == untouched.hair.vertices.shape
    assert 0.005 < np.abs(moved).max() <= np.abs(wide.head.vertices - untouched.head.vertices).max() + 1e-6


def test_only_what_moves_stops_looking_as_in_the_photo_s_own_view(inversion, model):
    own = inversion.detail.head.attributes[:, SEEN_STRAIGHT]
    head = edit(inversion, {"chin_length": 1.0}, model)
    moved = np.abs(head.head.vertices - inversion.detail.head.vertices).max(1)
    outer = (model.template.part == SKIN) & (model.template.interior < 0.25)
    still, far = outer & (moved < LIKE_THE_PHOTO[0]), outer & (moved > LIKE_THE_PHOTO[1])
    assert still.sum() > 1000 and far.sum() > 100
    seen = head.head.attributes[:, SEEN_STRAIGHT]
    assert np.array_equal(seen[still], own[still])
    assert np.allclose(seen[far], inversion.detail.head.attributes[far, WEIGHT], atol=1e-5)
    assert np.array_equal(edit(inversion, {}, model).head.attributes[:, SEEN_STRAIGHT], own)


def test_views_from_behind_are_hair(inversion, untouched):
    back = view(untouched, turntable_camera(inversion, np.pi, 0.0), 96)
    solid = back.opacity > 0.9
    upper = solid & (np.arange(96)[:, None] < 45)
    assert upper.sum() > 300
    colour = np.median(back.rgb[upper], 0)
    hair, skin = inversion.detail.hair_colour, inversion.detail.skin_colour
    assert np.linalg.norm(colour - hair) < np.linalg.norm(colour - skin)


# ---- arrays -------------------------------------------------------------------------------------------------


def test_unpacked_arrays_draw_the_same_head(inversion, model, untouched):
    again = model.unpack(inversion.portrait, model.pack(inversion))
    camera = Camera.orbit(0.3, 0.0)
    one = view(untouched, camera, 96)
    two = view(edit(again, {}, model), camera, 96)
    assert np.abs(one.over() - two.over()).max() < 0.02
    assert again.scores.keys() == inversion.scores.keys()


def test_smaller_hair_textures_of_earlier_versions_are_enlarged(inversion, model, untouched):
    arrays = model.pack(inversion)
    rows, columns = arrays["hair_texture"].shape[:2]
    small = cv2.resize(arrays["hair_texture"], (columns // 2, rows // 2)) / np.float32(255)
    again = model.unpack(inversion.portrait, {**arrays, "hair_texture": small.astype(np.float16)})
    camera = Camera.orbit(1.2, 0.0)
    difference = view(edit(again, {}, model), camera, 96).over() - view(untouched, camera, 96).over()
    assert np.abs(difference).mean() < 0.02


def test_smoothstep_is_a_step_that_is_smooth():
    x = np.array([-1.0, 0.2, 0.5, 0.8, 2.0])
    assert np.allclose(smoothstep(x, 0.2, 0.8), [0, 0, 0.5, 1, 1])
