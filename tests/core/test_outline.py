"""The shell: made of what the mask shows beyond the head, and only of that."""

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.rasterise import rasterise
from inversion_core.refine import outline
from inversion_core.refine.outline import CHIN, LOWER_LIP, inflate_shell

CAMERA = Camera.orbit(0, 0)
NO_HAIR = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


@pytest.fixture(scope="module")
def ball():
    """A ball of radius .2 in front of the camera: vertices and faces."""
    rows, columns = 24, 48
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    longitude = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    x = np.cos(latitude) * np.sin(longitude)
    z = np.cos(latitude) * np.cos(longitude)
    y = np.broadcast_to(np.sin(latitude), x.shape)
    vertices = (0.2 * np.stack([x, y, z], -1)).reshape(-1, 3).astype(np.float32)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1], np.roll(index, -1, 1)[:-1]
    c, d = np.roll(index, -1, 1)[1:], index[1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return vertices, faces.astype(np.int32)


@pytest.fixture(scope="module")
def silhouette(ball):
    return rasterise(*ball, CAMERA, 512).hit.astype(np.float32)


SKIN, BLUE = (0.7, 0.55, 0.48), (0.2, 0.25, 0.6)


def _shell(ball, person, hair=None, highest=0.0, clothes=BLUE):
    photo = np.where(rasterise(*ball, CAMERA, 512).hit[..., None], SKIN, clothes).astype(np.float32)
    photo[:, :4] = SKIN  # where the landmarks' face is
    hairy = np.zeros((512, 512), np.float32) if hair is None else hair
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[LOWER_LIP, 1], landmarks[CHIN, 1] = highest, highest + 0.1
    return inflate_shell(*ball, NO_HAIR, CAMERA, person, hairy, landmarks, photo)


def _with_bar(silhouette):
    person = silhouette.copy()
    person[380:, 100:412] = 1
    return person


def test_a_head_that_fills_its_mask_needs_no_shell(ball, silhouette):
    assert _shell(ball, silhouette) is None


def test_a_bar_below_the_head_becomes_a_closed_sheet_over_it(ball, silhouette):
    person = _with_bar(silhouette)
    shell = _shell(ball, person)
    covered = rasterise(shell.vertices, shell.faces, CAMERA, 512).hit
    beyond = (person > 0) & (silhouette == 0)
    assert covered[beyond].mean() > 0.9
    assert covered[(person == 0)].mean() < 0.05  # a margin of two cells at most
    assert len(shell.vertices) == 2 * shell.front.sum()


def test_a_neck_wider_than_the_model_s_is_no_clothes_and_a_hand_stands(ball, silhouette):
    neck = silhouette.copy()
    neck[400:470, 230:270] = 1
    assert _shell(ball, neck, clothes=BLUE) is not None
    assert _shell(ball, neck, clothes=SKIN) is None
    assert _shell(ball, _with_bar(silhouette), clothes=SKIN) is not None


def test_what_hangs_on_below_hair_is_no_clothes(ball, silhouette):
    person = silhouette.copy()
    columns = np.flatnonzero(silhouette.any(0))
    left = columns.min()
    person[250:330, left - 36 : left] = 1
    hair = np.zeros((512, 512), np.float32)
    assert _shell(ball, person, hair) is not None
    hair[250:290, left - 36 : left] = 1
    assert _shell(ball, person, hair) is None


def test_its_two_sheets_face_apart(ball, silhouette):
    shell = _shell(ball, _with_bar(silhouette))
    half = len(shell.vertices) // 2
    front, back = (CAMERA.project(shell.vertices[part])[:, 2] for part in (slice(0, half), slice(half, None)))
    assert (back >= front - 1e-5).all() and (back - front).max() > 0.05


def test_it_follows_the_skin(ball, silhouette):
    shell = _shell(ball, _with_bar(silhouette))
    assert shell.anchors.shape == shell.weights.shape == (len(shell.vertices), 4)
    assert np.allclose(shell.weights.sum(1), 1, atol=1e-5)
    assert shell.anchors.max() < len(ball[0])


def test_hair_gets_no_shell(ball, silhouette):
    assert _shell(ball, _with_bar(silhouette), hair=np.ones((512, 512), np.float32), highest=1.0) is None


def test_what_sticks_out_beside_the_head_gets_none(ball, silhouette):
    person = silhouette.copy()
    columns = np.flatnonzero(silhouette.any(0))
    right = columns.max()
    person[240:300, right - 8 : right + 24] = 1  # as an ear does
    assert _shell(ball, person) is not None
    assert _shell(ball, person, highest=0.9) is None


def test_its_edge_is_soft_where_it_ends_before_the_person_does(ball, silhouette):
    shell = _shell(ball, _with_bar(silhouette))
    assert shell.share.min() >= 0 and shell.share.max() > 0.99
    assert 0 < (shell.share < 0.9).mean() < 0.5


def test_under_the_head_it_is_coloured_as_beside_it(ball, silhouette):
    shell = _shell(ball, _with_bar(silhouette))
    seen = CAMERA.project(shell.vertices)[:, :2]
    x, y = np.clip(seen * 512, 0, 511).astype(int).T
    under = silhouette[y, x] > 0
    assert under.sum() > 50
    x, y = np.clip(shell.uv * 512, 0, 511).astype(int).T
    # Half a cell's rounding aside, nothing is taken from the head.
    assert silhouette[y, x][under].mean() < 0.1
    assert (np.abs(shell.uv - seen).max(1)[~under] < 1e-4).mean() > 0.95


def test_what_lies_beyond_hanging_hair_is_behind_it():
    hairy = np.zeros((outline.GRID, outline.GRID), bool)
    hairy[20:100, 30:40] = True
    behind = outline._behind(hairy, 20, 0.5)
    assert behind[20:100, :40].all() and not behind[20:100, 41:].any()
    assert not behind[:20].any() and not behind[100:].any()
    broken = hairy.copy()
    broken[50] = False
    assert not outline._behind(broken, 20, 0.5)[50:].any()
