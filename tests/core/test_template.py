"""The deformable template: linear in its codes, symmetric, oriented, and the same after a round trip to disk."""

import numpy as np
import pytest

from inversion_core.errors import MissingResource
from inversion_core.generators.template import (
    EYES,
    QUANTUM,
    SKIN,
    TEETH,
    TONGUE,
    load_template,
    save_template,
    vertex_normals,
)


@pytest.fixture(scope="module")
def template(model):
    return model.template


def _zeros(template):
    return tuple(np.zeros(len(x), np.float32) for x in (template.identity, template.units, template.shapes))


def test_zero_codes_are_the_mean_head(template):
    assert np.array_equal(template.coarse(*_zeros(template)), template.mean)


def test_the_head_is_linear_in_its_codes(template):
    identity, expression, shape = _zeros(template)
    identity[[0, 3]], expression[2], shape[1] = [1.5, -0.5], 0.7, -0.4
    expected = (
        template.mean
        + 1.5 * template.identity[0]
        - 0.5 * template.identity[3]
        + 0.7 * template.unit_offsets[2]
        + 0.4 * template.shape_negative[1]
    )
    assert np.allclose(template.coarse(identity, expression, shape), expected, atol=1e-6)


def test_subdivision_keeps_constants_and_landmarks_are_convex(template):
    ones = np.ones((len(template.mean), 3), np.float32)
    assert np.allclose(template.fine(ones), 1, atol=1e-5)
    assert np.allclose(template.landmark_weights.sum(1), 1, atol=1e-5)
    assert template.landmarks(template.mean).shape == (478, 3)
    assert template.landmarks(template.identity).shape == (len(template.identity), 478, 3)


def test_every_index_points_somewhere(template):
    count = len(template.part)
    assert template.faces.min() == 0 and template.faces.max() == count - 1
    assert template.faces_uv.max() < len(template.uv)
    assert template.uv.min() >= 0 and template.uv.max() <= 1
    assert set(np.unique(template.part)) == {SKIN, EYES, TEETH, TONGUE}
    assert template.landmark_vertices.max() < len(template.mean)
    for share in (template.scalp, template.mantle, template.ears, template.interior):
        assert share.shape == (count,) and share.min() >= 0 and share.max() <= 1


def test_mirror_is_an_involution_that_flips_x(template):
    fine = template.fine(template.mean)
    assert np.array_equal(template.mirror[template.mirror], np.arange(len(template.mirror)))
    assert np.abs(fine[template.mirror] * [-1, 1, 1] - fine).max() < 2e-3


def test_the_head_stands_upright_and_looks_along_z(template):
    points = template.landmarks(template.mean)
    assert points[10, 1] > points[1, 1] > points[152, 1]  # forehead, nose, chin
    assert points[1, 2] > points[[33, 263], 2].max() > points[[234, 454], 2].max()  # nose, eyes, ears
    assert points[263, 0] > 0 > points[33, 0]  # the head's own left eye lies at +x


def test_normals_point_out_of_the_face(template):
    fine = template.fine(template.mean)
    normals = vertex_normals(fine, template.faces)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    face = (template.part == SKIN) & (template.interior == 0) & (fine[:, 2] > 0.15)
    assert face.sum() > 500
    assert normals[face, 2].mean() > 0.5


def test_normals_of_a_square_are_its_axis():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    assert np.allclose(vertex_normals(square, faces), [[0, 0, 1]] * 4, atol=1e-6)


@pytest.mark.parametrize(
    ("unit", "upper", "lower"), [("eye-left-closure", 386, 374), ("eye-right-closure", 159, 145)]
)
def test_the_closure_unit_brings_the_lids_together(template, unit, upper, lower):
    identity, expression, shape = _zeros(template)
    points = template.landmarks(template.mean)
    open_gap = points[upper, 1] - points[lower, 1]
    expression[template.units.index(unit)] = 1
    points = template.landmarks(template.coarse(identity, expression, shape))
    assert points[upper, 1] - points[lower, 1] < 0.25 * open_gap


def test_teeth_and_mouth_lining_are_drawn_behind_lips(template):
    assert (template.behind[template.part == TEETH] > 0).all()
    assert (template.behind[(template.part == SKIN) & (template.interior < 0.5)] == 0).all()


def test_round_trip_through_a_file(template, tmp_path):
    save_template(template, tmp_path / "geometry.safetensors")
    again = load_template(tmp_path / "geometry.safetensors")
    assert again.units == template.units and again.shapes == template.shapes
    for name in (
        "mean",
        "faces",
        "uv",
        "faces_uv",
        "part",
        "mirror",
        "landmark_vertices",
        "landmark_weights",
    ):
        assert np.array_equal(getattr(again, name), getattr(template, name)), name
    for name in ("identity", "unit_offsets", "shape_positive", "shape_negative"):
        assert np.abs(getattr(again, name) - getattr(template, name)).max() <= QUANTUM, name
    assert abs(again.subdivision - template.subdivision).max() == 0


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(MissingResource, match="missing") as caught:
        load_template(tmp_path / "geometry.safetensors")
    assert caught.value.hint
