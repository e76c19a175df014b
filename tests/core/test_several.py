"""Several photos of one person: one identity, and each side of the head from the photo that shows it."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from inversion_core import cli, pipeline
from inversion_core.camera import Camera
from inversion_core.errors import UsageError
from inversion_core.image import encode, to_uint8
from inversion_core.optimise.landmark_fit import fit_several
from inversion_core.portrait import Portrait
from inversion_core.project import Project, load_project, save_project
from inversion_core.refine.layer import WEIGHT
from inversion_core.task import finish

BLUE, RED = (0.25, 0.4, 1.0), (1.0, 0.3, 0.25)


def _cheeks(model, head):
    """(V, 2) how far a vertex is on the head's left and right side, where the front view hardly shows it."""
    normals = head.normals
    return np.stack([np.clip((s * normals[:, 0] - 0.75) / 0.1, 0, 1) for s in (1, -1)], 1)


def _photographed(model, head, yaw):
    """A portrait of the head from ``yaw``, with the landmarks where they are."""
    middle = tuple(float(v) for v in model.template.landmarks(head.coarse)[4] - [0, 0, 0.15])
    camera = Camera.orbit(yaw, 0.02, 2.7, middle)
    picture = pipeline.view(head, camera, 512)
    points = camera.project(model.template.landmarks(head.coarse)).astype(np.float32)
    points[:, 2] -= points[:, 2].mean()
    image = to_uint8(picture.over((0.4, 0.5, 0.6)))
    return Portrait(
        image,
        camera,
        points,
        picture.opacity,
        encode(image),
        f"{yaw:+.1f}.png",
        0,
        np.eye(2, 3, dtype=np.float32),
    )


@pytest.fixture(scope="module")
def painted(model, inversion):
    """The sample head with a blue left and a red right side."""
    head = pipeline.edit(inversion, {}, model)
    left, right = _cheeks(model, head).T[..., None]
    light = head.light * (1 + (np.float32(BLUE) - 1) * left) * (1 + (np.float32(RED) - 1) * right)
    return replace(head, light=light.astype(np.float32))


@pytest.fixture(scope="module")
def portraits(model, painted):
    return [_photographed(model, painted, yaw) for yaw in (0.0, 0.7, -0.7)]


@pytest.fixture(scope="module")
def several(model, portraits):
    return finish(pipeline.invert(portraits[0], model, portraits[1:]))


def test_several_views_share_an_identity_and_find_their_poses(model):
    template, rng = model.template, np.random.default_rng(4)
    identity = np.zeros(len(template.identity), np.float32)
    identity[:10] = rng.normal(0, 0.8, 10)
    smiles = [np.zeros(len(template.units), np.float32) for _ in range(3)]
    smiles[1][template.units.index("mouth-open")] = 0.4
    cameras = [Camera.orbit(yaw, 0.05) for yaw in (0.0, 0.6, -0.5)]
    nothing = np.zeros(len(template.shapes), np.float32)
    seen = [
        camera.project(template.landmarks(template.coarse(identity, smile, nothing)))
        for camera, smile in zip(cameras, smiles, strict=True)
    ]
    fits = fit_several(template, seen, [Camera.orbit(yaw, 0) for yaw in (0.0, 0.4, -0.4)])
    assert all(np.array_equal(fit.identity, fits[0].identity) for fit in fits)
    for fit, camera in zip(fits, cameras, strict=True):
        turn = fit.camera.cam2world[:3, :3].T @ camera.cam2world[:3, :3]
        assert np.degrees(np.arccos(min((np.trace(turn) - 1) / 2, 1))) < 3.5
        assert fit.error * 512 < 1.0
    opening = [fit.expression[template.units.index("mouth-open")] for fit in fits]
    assert opening[1] > 0.25 and max(opening[0], opening[2]) < 0.1


def _painted(model, inversion):
    """Shares of the head that are blue, seen from its left, and red, seen from its right."""
    head, found = pipeline.edit(inversion, {}, model), []
    for yaw, paint, other in ((50, 2, 0), (-50, 0, 2)):
        picture = pipeline.view(head, pipeline.turntable_camera(inversion, np.radians(yaw), 0.0), 128)
        solid = picture.opacity > 0.99
        ratio = picture.rgb[solid][:, paint] / np.maximum(picture.rgb[solid][:, other], 0.02)
        found.append(float((ratio > (1.2 if paint == 2 else 3.0)).mean()))
    return found


def test_either_side_comes_from_the_photo_that_shows_it(model, portraits, several):
    alone = finish(pipeline.invert(portraits[0], model))
    one, three = _painted(model, alone), _painted(model, several)
    # One photo shows a rim of the right side's red and carries it on; of the left side's blue it shows nothing.
    assert three[0] > max(0.08, 4 * one[0]), (one, three)
    assert three[1] > max(0.08, 1.4 * one[1]), (one, three)
    # The first photo's own view stays the first photo's.
    assert several.scores["psnr"] > alone.scores["psnr"] - 1.0


def test_what_faces_the_first_photo_stays_its_own(model, portraits, several):
    alone = finish(pipeline.invert(portraits[0], model))
    trusted = alone.detail.head.attributes[:, WEIGHT] > 0.95
    facing = trusted & (pipeline.edit(several, {}, model).normals[:, 2] > 0.9)
    kept = several.detail.head.attributes[facing, WEIGHT]
    assert facing.sum() > 500 and np.median(kept) > 0.9


def test_a_project_keeps_all_photos(model, several, tmp_path):
    save_project(Project(several), tmp_path / "three.facet", model)
    again = load_project(tmp_path / "three.facet", model).inversion
    assert [other.name for other in again.others] == [other.name for other in several.others]
    for one, two in zip(several.others, again.others, strict=True):
        assert np.array_equal(one.image, two.image) and one.source == two.source
        assert np.allclose(one.camera.label(), two.camera.label())
    camera = pipeline.turntable_camera(several, 0.8, 0.0)
    one, two = (pipeline.view(pipeline.edit(x, {}, model), camera, 96) for x in (several, again))
    assert np.abs(one.rgb - two.rgb).max() < 0.02


def test_the_command_takes_further_photos(model, inversion, tmp_path):
    for name, yaw in (("front.png", 0.0), ("left.png", 0.5)):
        head = pipeline.edit(inversion, {}, model)
        (tmp_path / name).write_bytes(_photographed(model, head, yaw).source)
    photos = [str(tmp_path / "front.png"), "--also", str(tmp_path / "left.png")]
    result = CliRunner().invoke(cli.facet, ["invert", *photos, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    kept = load_project(tmp_path / "out" / "front.facet", model).inversion
    assert [other.name for other in kept.others] == ["left.png"]
    refused = CliRunner().invoke(cli.facet, ["invert", *photos, photos[0], "-o", str(tmp_path / "out")])
    assert isinstance(refused.exception, UsageError)


def test_a_model_of_one_photo_says_so(portraits):
    from types import SimpleNamespace

    other = SimpleNamespace(card=SimpleNamespace(kind="eg3d", title="EG3D"))
    with pytest.raises(UsageError, match="one photo"):
        finish(pipeline.invert(portraits[0], other, portraits[1:]))


def test_edits_are_taken_from_another_project(model, inversion, project_file, tmp_path):
    save_project(Project(inversion, {"smile": 0.7, "age": -0.2}), tmp_path / "other.facet", model)
    snapshots = {"A": {"smile": 0.1}}
    save_project(Project(inversion, {"blink": 1.0}, None, snapshots), tmp_path / "one.facet", model)
    words = ["edit", str(tmp_path / "one.facet"), "--like", str(tmp_path / "other.facet"), "--set", "age=0.5"]
    result = CliRunner().invoke(cli.facet, [*words, "-o", str(tmp_path / "out.facet")])
    assert result.exit_code == 0, result.output
    written = load_project(tmp_path / "out.facet", model)
    assert written.moves == {"smile": 0.7, "age": 0.5}
    assert written.snapshots == snapshots
