"""Detail on the surface: sampling, trust, and colours that are carried where the photo sees nothing."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from inversion_core.generators.template import EYES, SKIN, TEETH
from inversion_core.pipeline import edit
from inversion_core.refine import canonical, layer
from inversion_core.refine.hair_strands import HAIR_TEXTURE
from inversion_core.refine.layer import sampled
from inversion_core.refine.mouth import openings


@pytest.fixture(scope="module")
def columns(inversion):
    attributes = inversion.detail.head.attributes
    names = ("UV", "WEIGHT", "MIRROR_UV", "MIRROR_WEIGHT", "GAIN", "COLOUR", "OPACITY", "SEEN_STRAIGHT")
    return {name: attributes[:, getattr(layer, name)] for name in names}


def test_sampling_is_bilinear_between_pixel_centres():
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[None, :, None], (8, 8, 1)).copy()
    uv = np.array([[2.5 / 8, 0.5], [3.0 / 8, 0.5], [0.0, 0.5], [1.0, 0.5]], np.float32)
    assert np.allclose(sampled(ramp, uv)[:, 0], [2.0, 2.5, 0.0, 7.0], atol=0.02)


def test_sampling_takes_any_number_of_positions():
    image = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    uv = np.random.default_rng(1).random((40_000, 2)).astype(np.float32)
    many = sampled(image, uv)
    assert many.shape == (40_000, 3)
    assert np.array_equal(many[:5], sampled(image, uv[:5]))


def test_openings_hold_the_eyes_and_not_the_brows(astronaut):
    masks = openings(astronaut.landmarks)
    assert masks.shape == (512, 512, 2) and masks.min() >= 0 and masks.max() <= 1
    for point, channel, inside in (
        (468, 0, True),
        (473, 0, True),
        (105, 0, False),
        (1, 0, False),
        (1, 1, False),
    ):
        x, y = (astronaut.landmarks[point, :2] * 512).astype(int)
        assert (masks[y, x, channel] > 0.5) == inside


def test_weights_are_shares_and_trust_is_never_more_than_sight(columns):
    for name in ("WEIGHT", "MIRROR_WEIGHT", "OPACITY", "SEEN_STRAIGHT"):
        assert columns[name].min() >= -1e-6 and columns[name].max() <= 1 + 1e-6
    assert (columns["SEEN_STRAIGHT"] >= columns["WEIGHT"] - 1e-6).all()
    assert columns["COLOUR"].min() >= 0 and columns["COLOUR"].max() <= 1


def test_the_front_of_the_face_is_trusted_and_the_back_of_the_head_is_not(columns, inversion, model):
    template, vertices = model.template, inversion.detail.head.vertices
    back = (template.part == SKIN) & (vertices[:, 2] < -0.1)
    assert (columns["WEIGHT"][back] > 0.1).mean() < 0.002 and columns["WEIGHT"][back].mean() < 0.001
    points = template.landmarks(edit(inversion, {}, model).coarse)[[50, 280, 4]]  # cheeks and nose
    nearest = np.linalg.norm(vertices[:, None] - points[None], axis=-1).argmin(0)
    assert (columns["WEIGHT"][nearest] > 0.8).all()


def test_positions_are_the_photo_s_projections(columns, inversion):
    seen = inversion.detail.camera.project(inversion.detail.head.vertices)[:, :2]
    assert np.allclose(columns["UV"], seen, atol=1e-4)


def test_mirrors_look_where_the_other_side_is_seen(columns, model):
    mirror = model.template.mirror
    assert np.array_equal(columns["MIRROR_UV"], columns["UV"][mirror])
    borrowing = columns["MIRROR_WEIGHT"] > 0.5
    assert columns["WEIGHT"][mirror][borrowing].mean() > columns["WEIGHT"][borrowing].mean()


def test_eyes_and_teeth_take_the_photo_only_through_their_openings(columns, inversion, model, astronaut):
    eyes, mouth = sampled(openings(astronaut.landmarks), columns["UV"]).T
    template = model.template
    assert columns["WEIGHT"][(template.part == EYES) & (eyes < 0.2)].max() < 0.02
    assert columns["WEIGHT"][(template.part == TEETH) & (mouth < 0.2)].max() < 0.02
    iris = (template.part == EYES) & (columns["WEIGHT"] > 0.5)
    assert iris.sum() > 20


def test_cheeks_that_are_not_seen_have_skin_s_hue(columns, inversion, model):
    template, vertices = model.template, inversion.detail.head.vertices
    chin = template.landmarks(edit(inversion, {}, model).coarse)[152]
    side = (template.part == SKIN) & (columns["WEIGHT"] < 0.05) & (template.scalp + template.mantle < 0.05)
    side &= (template.interior < 0.25) & (vertices[:, 1] > chin[1]) & (vertices[:, 2] > 0)
    assert side.sum() > 50
    colour = np.median(columns["COLOUR"][side], 0)
    skin, hair = inversion.detail.skin_colour, inversion.detail.hair_colour
    # Hair may shade them, but must not stain them.
    colour, skin, hair = (rgb / rgb.sum() for rgb in (colour, skin, hair))
    assert 2 * np.linalg.norm(colour - skin) < np.linalg.norm(colour - hair)


def test_no_background_bleeds_into_the_kept_photo(inversion, astronaut):
    far = cv2.erode((astronaut.person < 0.02).astype(np.uint8), np.ones((9, 9))) > 0
    photo = astronaut.image.astype(np.float32) / 255
    near = cv2.dilate((astronaut.person > 0.5).astype(np.uint8), np.ones((25, 25))) > 0
    ring = far & near
    assert ring.sum() > 200
    # Round the head stands what the head's edge carried out, no longer the flag and the shuttle.
    assert np.abs(inversion.detail.photo - photo)[ring].mean() > 0.05


def test_hair_that_is_not_seen_has_hair_s_colours(inversion):
    texture, colour = inversion.detail.hair_texture, inversion.detail.hair_colour
    assert texture.shape == (*HAIR_TEXTURE, 3)
    back = np.median(texture[120:240, :80].reshape(-1, 3), 0)
    assert np.abs(back - colour).max() < 0.2


def test_skin_lies_in_the_shadow_of_hair_only_where_the_photo_is_silent(inversion, model):
    template, head = model.template, inversion.detail.head
    attributes = head.attributes.copy()
    attributes[:, layer.COLOUR] = 0.5
    grown, anchors = inversion.detail.hair, inversion.detail.hair_anchors
    hair = SimpleNamespace(anchors=anchors)
    shaded = canonical.in_hair_s_shadow(template, replace(head, attributes=attributes), hair, grown)
    left = shaded.attributes[:, layer.COLOUR].mean(1) / 0.5
    weight = attributes[:, layer.WEIGHT]
    assert np.allclose(left[weight > 0.999], 1, atol=1e-3)
    roots = np.zeros(len(left), bool)
    roots[anchors[grown.attributes[:, layer.OPACITY] > 0.95, 0]] = True
    crown = (template.part == SKIN) & roots & (weight < 0.01) & (template.scalp > 0.9)
    assert crown.sum() > 100 and np.median(left[crown]) < 0.8
    bare = replace(grown, attributes=np.zeros_like(grown.attributes))
    unshaded = canonical.in_hair_s_shadow(template, replace(head, attributes=attributes), hair, bare)
    assert np.allclose(unshaded.attributes, attributes)
