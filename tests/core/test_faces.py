"""Finding faces: everywhere, at every angle, and not where there are none."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from inversion_core import faces
from inversion_core import landmark_tables as table


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


def _reduced(picture, size):
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))


def _eyes(face):
    points = face.landmarks[:, :2]
    return points[list(table.RIGHT_EYE)].mean(0), points[list(table.LEFT_EYE)].mean(0)


def test_the_astronaut_has_one_face_with_its_eyes_in_place(astronaut):
    (face,) = faces.find_faces(astronaut)
    right, left = _eyes(face)
    # Read off the picture by hand.
    assert np.linalg.norm(right - (204, 102)) < 5
    assert np.linalg.norm(left - (246, 103)) < 5
    assert abs(face.roll) < np.radians(8)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_picture_gives_the_same_face_turned(astronaut, quarter):
    (straight,) = faces.find_faces(astronaut)
    (turned,) = faces.find_faces(np.rot90(astronaut, quarter))
    x, y = straight.landmarks[:, 0], straight.landmarks[:, 1]
    size = astronaut.shape[0]
    expected = {1: (y, size - x), 2: (size - x, size - y), 3: (size - y, x)}[quarter]
    error = np.hypot(turned.landmarks[:, 0] - expected[0], turned.landmarks[:, 1] - expected[1])
    assert error.mean() < 0.02 * straight.size


def test_a_small_face_in_a_wide_picture_is_found(astronaut):
    wide = np.full((600, 3000, 3), 120, np.uint8)
    wide[40:552, 2300:2812] = astronaut
    (face,) = faces.find_faces(wide)
    (alone,) = faces.find_faces(astronaut)
    assert np.abs(np.subtract(face.box, alone.box) - (2300, 40, 2300, 40)).max() < 0.1 * alone.size


def test_several_faces_come_largest_first(astronaut):
    picture = np.full((512, 800, 3), 100, np.uint8)
    picture[:256, 544:] = _reduced(astronaut, 256)
    picture[:, :512] = astronaut
    found = faces.find_faces(picture)
    assert len(found) == 2
    assert found[0].size > 1.7 * found[1].size
    assert found[0].box[2] < 512 < found[1].box[0]


def test_a_face_that_fills_the_frame_is_found(astronaut):
    (face,) = faces.find_faces(astronaut)
    x0, y0, x1, y1 = (round(v) for v in face.box)
    (tight,) = faces.find_faces(astronaut[y0 + 6 : y1 - 6, x0 + 6 : x1 - 6])
    error = tight.landmarks[:, :2] + (x0 + 6, y0 + 6) - face.landmarks[:, :2]
    assert np.linalg.norm(error, axis=1).mean() < 0.05 * face.size


def test_black_and_white_noise_and_darkness_do_not_hide_a_face(astronaut):
    (clean,) = faces.find_faces(astronaut)
    grey = astronaut.astype(float).mean(2)
    noise = np.random.default_rng(0).normal(0, 14, grey.shape)
    old = np.clip(grey * 0.5 + 50 + noise, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    for picture in (old, (astronaut * 0.15).astype(np.uint8)):
        (face,) = faces.find_faces(picture)
        error = np.linalg.norm((face.landmarks - clean.landmarks)[:, :2], axis=1).mean()
        assert error < 0.05 * clean.size


@pytest.mark.parametrize("name", ["coffee", "chelsea", "blank", "tiny"])
def test_no_face_is_made_up(name):
    if name == "blank":
        picture = np.full((200, 300, 3), 90, np.uint8)
    elif name == "tiny":
        picture = np.zeros((3, 2, 3), np.uint8)
    else:
        picture = getattr(skimage.data, name)()
    assert faces.find_faces(picture) == ()


def test_crop_of_a_linear_ramp_is_exact():
    # On a ramp every interpolation is exact, so any half-pixel slip shows.
    y, x = np.mgrid[:120, :160]
    ramp = np.stack([x, y, x + y], -1).astype(np.float32)
    for side, roll in ((40.0, 0.0), (80.0, 0.3), (20.0, -0.5)):
        matrix = faces.crop_matrix((80, 60), side, roll, 40)
        crop = faces.sample_crop(ramp, matrix, 40)
        centres = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5), -1)
        place = centres @ matrix[:, :2].T + matrix[:, 2] - 0.5
        assert np.abs(crop[..., :2] - place).max() < 0.1


def test_the_whole_picture_passes_through_unchanged(astronaut):
    matrix = faces.crop_matrix((256, 256), 512, 0.0, 512)
    assert np.array_equal(faces.sample_crop(astronaut, matrix, 512), astronaut)


def test_mirror_index_is_an_involution_that_mirrors_the_mean_face():
    index, mean = table.mirror_index(), table.mean_points()
    assert np.array_equal(index[index], np.arange(table.COUNT))
    assert np.allclose(mean[index] * [-1, 1, 1], mean, atol=1e-5)
    assert index[table.LEFT_IRIS] == table.RIGHT_IRIS
    assert set(index[list(table.LEFT_EYE)]) == set(table.RIGHT_EYE)


def test_averaging_views_lowers_the_jitter(astronaut):
    (face,) = faces.find_faces(astronaut)
    centre = ((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2)
    single, averaged = [], []
    for shift in (-2.3, -1.1, 0.4, 1.7, 2.9):
        matrix = faces.crop_matrix((centre[0] + shift, centre[1] - shift), 2 * face.size, 0.01 * shift, 384)
        crop = faces.sample_crop(astronaut, matrix, 384)
        single.append(faces.to_photo(faces.mesh_points(crop), matrix)[:, :2])
        averaged.append(faces.to_photo(faces.averaged_mesh_points(crop), matrix)[:, :2])
    assert np.var(averaged, axis=0).mean() < 0.8 * np.var(single, axis=0).mean()
