"""From a photo to a portrait: EG3D's crop, a camera that is right, and errors one can act on."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from inversion_core import alignment
from inversion_core import landmark_tables as table
from inversion_core.border import outside_photo
from inversion_core.camera import RADIUS, Camera
from inversion_core.errors import BadInput, ImageUnreadable, NoFace


def _png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def content():
    return _png(skimage.data.astronaut())


@pytest.fixture(scope="module")
def portrait(content):
    return alignment.open_portrait(content, "astronaut.png")


def _angle(a, b):
    turn = a.cam2world[:3, :3].T @ b.cam2world[:3, :3]
    return np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))


def test_the_portrait_is_complete(portrait, content):
    assert portrait.image.shape == (512, 512, 3)
    assert portrait.image.dtype == np.uint8
    assert portrait.landmarks.shape == (478, 3)
    assert portrait.landmarks.dtype == np.float32
    assert portrait.person.shape == (512, 512)
    assert portrait.crop_to_photo.shape == (2, 3)
    assert portrait.source == content
    assert portrait.name == "astronaut.png"
    assert portrait.face == 0


def test_the_crop_is_framed_the_eg3d_way(portrait):
    eyes = portrait.landmarks[[table.LEFT_IRIS, table.RIGHT_IRIS], :2].mean(0)
    distance = np.linalg.norm(portrait.landmarks[table.LEFT_IRIS] - portrait.landmarks[table.RIGHT_IRIS])
    # EG3D's own crops: irises .26 of a crop apart, eyes a tenth above the middle.
    assert 0.22 < distance < 0.30
    assert abs(eyes[0] - 0.5) < 0.04
    assert 0.36 < eyes[1] < 0.46


def test_crop_to_photo_leads_back_to_the_photo(portrait):
    photo = skimage.data.astronaut()
    eye = portrait.landmarks[list(table.RIGHT_EYE), :2].mean(0) * 512
    place = portrait.crop_to_photo[:, :2] @ eye + portrait.crop_to_photo[:, 2]
    assert np.linalg.norm(place - (204, 102)) < 5
    x, y = place.astype(int)
    column, row = eye.astype(int)
    around = portrait.image[row - 4 : row + 5, column - 4 : column + 5].reshape(-1, 3).mean(0)
    assert np.abs(around - photo[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0)).max() < 40


def test_an_aligned_crop_passes_through_unchanged(portrait):
    again = alignment.open_portrait(_png(portrait.image))
    assert np.array_equal(again.image, portrait.image)
    assert np.allclose(again.crop_to_photo, [[1, 0, 0], [0, 1, 0]])
    assert _angle(again.camera, portrait.camera) < 1.0


def test_a_leaning_head_is_turned_upright(portrait):
    leaning = alignment.open_portrait(_png(np.rot90(skimage.data.astronaut()).copy()))
    right, left = leaning.landmarks[table.RIGHT_IRIS], leaning.landmarks[table.LEFT_IRIS]
    assert abs(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))) < 8
    # Set upright the head's own small lean goes, too: beyond that the pose is the same.
    assert _angle(leaning.camera, portrait.camera) < 8


def test_a_mirrored_photo_has_the_mirrored_camera(portrait):
    mirrored = alignment.open_portrait(_png(skimage.data.astronaut()[:, ::-1].copy()))
    label = portrait.camera.label()
    label[[1, 2, 3, 4, 8]] *= -1  # EG3D's own mirroring of labels
    assert _angle(mirrored.camera, Camera.from_label(label)) < 2


@pytest.mark.parametrize("yaw", [-60, -30, 0, 30, 60])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_camera_of_the_average_face_is_exact(yaw, pitch):
    camera = Camera.orbit(np.radians(yaw), np.radians(pitch))
    estimated = alignment.estimate_camera(_landmarks_of_the_average_face(camera))
    assert _angle(estimated, camera) < 0.05
    assert np.linalg.norm(estimated.position - camera.position) < 0.01


def test_camera_keeps_eg3d_s_radius_and_bears_moved_mouths():
    camera = Camera.orbit(0.3, -0.1)
    landmarks = _landmarks_of_the_average_face(camera)
    landmarks[list(table.LIPS), 1] += 0.03
    landmarks[list(table.BROWS), 1] -= 0.02
    estimated = alignment.estimate_camera(landmarks)
    assert abs(np.linalg.norm(estimated.position) - RADIUS) < 1e-3
    assert _angle(estimated, camera) < 2.5


def _landmarks_of_the_average_face(camera):
    seen = camera.project(table.mean_points()).astype(np.float64)
    focal = camera.intrinsics[0, 0]
    weights = alignment._pose_weights()
    weights = weights / weights.sum()
    depth, middle = seen[:, 2], weights @ seen[:, 2]
    # MediaPipe's lean is taken out by the estimate; put it in.
    lean = np.tan(alignment.DEPTH_TILT) * (seen[:, 1] - weights @ seen[:, 1])
    return np.c_[seen[:, :2], (depth - middle) * focal / middle - lean].astype(np.float32)


def test_what_lies_outside_the_photo_is_continued_without_a_border():
    photo = skimage.data.astronaut()[60:]  # the hair is cut
    cut = alignment.open_portrait(_png(photo))
    outside = outside_photo(cut.crop_to_photo.astype(float), photo.shape[:2], 512)
    assert 0.05 < outside.mean() < 0.5
    last = int(np.argmin(outside[:, 256]))
    step = np.abs(cut.image[last].astype(float) - cut.image[last - 1]).mean()
    assert step < 12
    # The mask closes over the cut hair instead of running on to the top of the crop.
    assert cut.person[last, 256] > 0.9
    assert (cut.person[0] > 0.5).sum() < 0.9 * (cut.person[last] > 0.5).sum()


def test_nobody_stands_where_the_photo_ends():
    picture = skimage.data.astronaut()[60:215, 165:290]
    cut = alignment.open_portrait(_png(np.ascontiguousarray(picture)), "cut")
    outside = outside_photo(cut.crop_to_photo, picture.shape[:2], 512)
    top = int(np.argmin(outside[:, 256]))
    assert outside[top + 20 :, :20].all() and not outside[:, 256].all()
    far = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 5) > 20
    far[: top + 1] = False  # a head that is cut above is rounded off there
    assert far.sum() > 1000 and cut.person[far].max() < 0.05
    assert cut.person[~outside].mean() > 0.5


def test_no_face_is_said_so():
    with pytest.raises(NoFace, match=r"No face was found in coffee\.png") as caught:
        alignment.open_portrait(_png(skimage.data.coffee()), "coffee.png")
    assert caught.value.hint


def test_a_face_number_out_of_range_names_the_choice(content):
    with pytest.raises(NoFace, match="shows one face") as caught:
        alignment.open_portrait(content, "astronaut.png", face=3)
    assert "--face" in caught.value.hint


def test_a_chosen_face_is_taken():
    astronaut = skimage.data.astronaut()
    both = np.full((512, 768, 3), 100, np.uint8)
    both[:, :512] = astronaut
    both[:256, 512:] = np.asarray(Image.fromarray(astronaut).resize((256, 256), Image.Resampling.LANCZOS))
    second = alignment.open_portrait(_png(both), face=1)
    assert second.face == 1
    assert second.crop_to_photo[0, 2] > 400


def test_a_tiny_face_is_refused():
    small = np.full((480, 640, 3), 120, np.uint8)
    astronaut = Image.fromarray(skimage.data.astronaut()).resize((130, 130), Image.Resampling.LANCZOS)
    small[100:230, 200:330] = np.asarray(astronaut)
    with pytest.raises(BadInput, match="too small"):
        alignment.open_portrait(_png(small), "small.png")


def test_a_missing_path_is_said_so(tmp_path):
    with pytest.raises(ImageUnreadable, match="does not exist"):
        alignment.open_portrait(tmp_path / "nobody.jpg")


def test_a_path_gives_the_file_s_name(tmp_path, content):
    path = tmp_path / "with space.png"
    path.write_bytes(content)
    assert alignment.open_portrait(path).name == "with space.png"
