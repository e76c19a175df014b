"""The hair layer: where it stands, what covers ears, and its sparse solver."""

import numpy as np
import pytest
from scipy import sparse

from inversion_core.camera import Camera
from inversion_core.refine.ears import flat_ears, hidden_ears, solved
from inversion_core.refine.hair import COLUMNS, DOME_ROWS, ROWS, STANDOFF, STEEPEST, WIDTH, build_hair
from inversion_core.refine.hair_detail import continued


@pytest.fixture(scope="module")
def head(model):
    """The mean head: fine vertices, landmarks and a camera in front."""
    template = model.template
    return template.fine(template.mean), template.landmarks(template.mean), Camera.orbit(0, 0)


def _silhouette(camera, centre, radius, size=512):
    """A disc round a world point, as wide as a ball of that radius."""
    seen = camera.project(np.array([centre], np.float32))[0]
    y, x = np.mgrid[:size, :size] + 0.5
    reach = radius * camera.intrinsics[0, 0] / seen[2] * size
    return (np.hypot(x - seen[0] * size, y - seen[1] * size) < reach).astype(np.float32)


def _hair(model, head, person, hair):
    return build_hair(model.template, head[0], head[1], head[2], person, hair, np.ones(2, np.float32))


def test_solver_solves():
    matrix = sparse.csr_matrix(np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 5]]))
    x = np.array([[1.0, 2], [3, 4], [5, 6]])
    assert np.allclose(solved(matrix, matrix @ x), x)


def test_the_layer_is_a_grid_outside_the_skin(model, head):
    ball = _silhouette(head[2], (0, 0.1, 0), 0.34)
    hair = _hair(model, head, ball, ball)
    assert hair.vertices.shape == (ROWS * WIDTH, 3)
    assert hair.faces.shape == (2 * (ROWS - 1) * (WIDTH - 1), 3)
    assert np.isfinite(hair.vertices).all()
    grid = hair.vertices.reshape(ROWS, WIDTH, 3)
    assert np.allclose(grid[:, 0], grid[:, -1], atol=1e-5)  # the last column meets the first
    assert np.ptp(grid[0], axis=0).max() < 1e-5  # all columns meet on the crown
    assert np.allclose(hair.weights.sum(1), 1, atol=1e-5)
    assert (model.template.part[hair.anchors] == 0).all()
    for share in (hair.unseen, hair.bare, hair.grid):
        assert share.min() >= -1e-6 and share.max() <= 1 + 1e-6


def test_bigger_hair_stands_off_further(model, head):
    crowns = []
    for radius in (0.30, 0.36, 0.42):
        ball = _silhouette(head[2], (0, 0.1, 0), radius)
        hair = _hair(model, head, ball, ball)
        crowns.append(hair.vertices[:, 1].max())
    assert crowns[0] < crowns[1] < crowns[2]
    # The outline grew by .06; smoothing keeps some of that back on the crown, and never adds to it.
    assert 0.03 < crowns[2] - crowns[1] < 0.065


def test_a_bald_head_s_layer_hugs_the_skin(model, head):
    ball = _silhouette(head[2], (0, 0.1, 0), 0.40)
    bald = _hair(model, head, ball, np.zeros_like(ball))
    full = _hair(model, head, ball, ball)
    skull = head[0][:, 1].max()
    assert bald.vertices[:, 1].max() < skull + 5 * STANDOFF
    assert full.vertices[:, 1].max() > skull + 0.05


def test_hair_beside_the_face_stands_off_up_to_its_hairline(model, head):
    _, landmarks, camera = head
    ball = _silhouette(camera, (0, 0.05, 0), 0.34)
    x, y, _ = camera.project(landmarks).T * 512
    rows, columns = np.mgrid[:512, :512] + 0.5
    face = np.hypot((columns - x.mean()) / np.ptp(x), (rows - y.mean()) / np.ptp(y)) < 0.5
    grid = _hair(model, head, ball, ball * ~face).vertices.reshape(ROWS, WIDTH, 3)
    out = np.abs(grid[DOME_ROWS - 2, :, 0])
    outline, beside = (out[round((0.5 + degrees / 360) * COLUMNS)] for degrees in (90, 80))
    assert outline > 1.3 * np.abs(landmarks[:, 0]).max()
    assert beside > 0.85 * outline


def test_short_hair_grows_down_before_the_ears_and_a_bald_head_s_does_not(model, head):
    person = _silhouette(head[2], (0, 0.1, 0), 0.34)
    short = person * (np.arange(512)[:, None] < 512 * head[2].project(head[1][[234]])[0, 1])
    before_ears = np.isin(np.arange(WIDTH), np.round((0.5 + np.array([-83, 83]) / 360) * COLUMNS))
    for hair, low, high in ((short, 0.7, 1.0), (np.zeros_like(person), 0.0, 0.4)):
        unseen = _hair(model, head, person, hair).unseen.reshape(ROWS, WIDTH)[:, before_ears]
        assert low <= unseen[DOME_ROWS + 1].min() and unseen[DOME_ROWS + 1].max() <= high
        assert unseen[DOME_ROWS + 8 :].max() < 0.1


def test_hair_goes_on_behind_its_outline_but_not_before_its_hairline():
    seen, hairy = np.zeros((2, ROWS, WIDTH), np.float32)
    middle, unseen = WIDTH // 2, np.ones((ROWS, WIDTH), np.float32)
    seen[:, middle - 24 : middle + 25] = 1
    hairy[:, middle + 12 : middle + 23] = 1  # at one side, thinning out at the outline
    seen[:, middle + 8 : middle + 12] = 0  # a hairline that nobody sees
    opacity = continued(seen > 0.5, hairy, unseen)[: DOME_ROWS - 5]
    assert opacity[5:, middle + 9].max() < 0.5
    assert opacity[5:, middle + 24 : middle + 30].min() > 0.9


def test_long_hair_hangs_past_the_jaw_instead_of_drawing_in_to_the_neck(model, head):
    fine, landmarks, camera = head
    ball = _silhouette(camera, (0, 0.1, 0), 0.36)
    curtain = ball.copy()
    curtain[256:] = ball[256]  # straight down from its middle
    face = camera.project(landmarks)[:, :2] * 512
    hair = curtain.copy()
    hair[:, int(face[:, 0].min()) : int(face[:, 0].max())] = 0
    grid = _hair(model, head, curtain, hair).vertices.reshape(ROWS, WIDTH, 3)
    axis = grid[0, 0, [0, 2]]
    radius = np.linalg.norm(grid[..., [0, 2]] - axis, axis=-1)
    for degrees in (-80, 80):
        column = round((degrees / 360 + 0.5) * COLUMNS)
        below = radius[DOME_ROWS + 12 : DOME_ROWS + 30, column]
        assert np.diff(below).min() > -STEEPEST - 1e-4
        neck = model.template.mantle < 0.01
        low = neck & (np.abs(fine[:, 1] - grid[DOME_ROWS + 25, column, 1]) < 0.01)
        assert below.min() > 1.2 * np.abs(fine[low, 0]).max()


def test_ears_are_hidden_by_hair_over_them_side_by_side(model, head):
    fine, _, camera = head
    person, mask = np.ones((512, 512), np.float32), np.zeros((512, 512), np.float32)
    assert hidden_ears(model.template, fine, camera, person, mask)[0].tolist() == [0, 0]
    mask[:, 256:] = 1  # the picture's right is the head's own left, +x
    assert hidden_ears(model.template, fine, camera, person, mask)[0].tolist() == [1, 0]


def test_an_ear_before_hanging_hair_lies_close_and_the_hair_carries_it(model, head):
    fine, _, camera = head
    ears = camera.project(fine[model.template.ears > 0.5])
    lobe = ears[:, 1].max() * 512
    person, mask = np.ones((512, 512), np.float32), np.zeros((512, 512), np.float32)
    mask[int(lobe) - 20 :, 256:] = 1
    top = ears[:, 1].min() * 512
    mask[: int(top + 0.55 * (lobe - top)), 256:] = 1  # its middle is bare
    share, carried = hidden_ears(model.template, fine, camera, person, mask)
    assert share[0] > 0.9 and share[1] == 0
    assert (carried >= mask).all() and carried.sum() > mask.sum() + 50


def test_ears_that_the_outline_does_not_have_lie_close(model, head):
    fine, _, camera = head
    ears = camera.project(fine[model.template.ears > 0.5])[:, 0] * 512
    person = np.ones((512, 512), np.float32)
    person[:, int(ears[ears > 256].min()) :] = 0
    share, _ = hidden_ears(model.template, fine, camera, person, np.zeros_like(person))
    assert share[0] > 0.5 and share[1] == 0


def test_flattened_ears_come_nearer_to_the_head_and_nothing_else_moves(model, head):
    fine = head[0]
    offsets = flat_ears(model.template, fine, np.array([1.0, 0.0], np.float32))
    ears = model.template.ears > 0.02
    assert (offsets[~ears] == 0).all()
    assert np.abs(offsets[ears & (fine[:, 0] < -0.01)]).max() < 1e-6
    left = ears & (fine[:, 0] > 0)
    before, after = fine[left, 0].max(), (fine + offsets)[left, 0].max()
    assert after < before - 0.01
    assert (flat_ears(model.template, fine, np.zeros(2, np.float32)) == 0).all()
