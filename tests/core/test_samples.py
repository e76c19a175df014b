"""Random samples: official cameras and seeds, orbits, shapes and files."""

import struct

import av
import numpy as np
import pytest
import torch
import trimesh
from official_pickles import tiny_generator

from inversion_core.camera import Camera
from inversion_core.errors import OutputUnwritable, UsageError
from inversion_core.generators.triplane import VolumeSettings
from inversion_core.geometry.mrc import write_mrc
from inversion_core.samples import (
    density_grid,
    focal_of,
    official_camera,
    official_volume,
    orbit_cameras,
    orbit_frames,
    seeded_codes,
    surface_mesh,
    write_samples,
)
from inversion_core.task import finish
from inversion_core.video import write_video


@pytest.fixture(scope="module")
def generator():
    volume = VolumeSettings(depth_resolution=6, depth_resolution_importance=6)
    return tiny_generator(
        superresolution="SuperresolutionHybrid2X", volume=volume, neural_rendering_resolution=16
    )


@pytest.fixture(scope="module")
def ball(generator):
    """Planes and a decoder-free stand-in whose density is that of a soft ball of radius 0.2."""

    class Ball:
        settings = generator.settings

        def density(self, planes, points):
            return 100 * (0.2 - points.norm(dim=-1, keepdim=True)) + 10

        def query(self, planes, points):
            return {"rgb": (points + 0.5).repeat(1, 1, 11)[..., :32]}

    return Ball()


def test_focal_length_of_the_training_cameras():
    assert focal_of(np.radians(18.837)) == pytest.approx(4.2647, abs=2e-3)


def test_official_camera_from_the_front_and_from_the_side():
    front = official_camera(0, 0)
    np.testing.assert_allclose(front.position, [0, 0, 2.7], atol=1e-6)
    side = official_camera(0.4, 0.0)
    np.testing.assert_allclose(side.position, 2.7 * np.array([np.sin(0.4), 0, np.cos(0.4)]), atol=1e-6)
    forward = np.array([0, 0, 0.2]) - side.position
    np.testing.assert_allclose(side.cam2world[:3, 2], forward / np.linalg.norm(forward), atol=1e-6)
    # Pitch counts on a uniform sphere, and downwards.
    below = official_camera(0.0, 0.2)
    assert below.position[1] == pytest.approx(-2.7 * 2 * 0.2 / np.pi, abs=1e-6)
    assert np.linalg.norm(below.position) == pytest.approx(2.7, abs=1e-6)


def test_official_camera_survives_the_poles():
    for pitch in (-5.0, 5.0):
        assert np.isfinite(official_camera(0.3, pitch).cam2world).all()


def test_orbit_is_closed_and_stays_near_the_front():
    cameras = orbit_cameras(40)
    yaws = np.array([camera.angles[0] for camera in cameras])
    assert np.abs(yaws).max() == pytest.approx(0.35 * 2.7 / 2.5, abs=0.03)
    step = np.linalg.norm(np.diff([c.position for c in [*cameras, cameras[0]]], axis=0), axis=1)
    assert step.max() < 0.2 and step.min() > 0.02


def test_seeds_are_the_official_ones(generator):
    z = torch.from_numpy(np.random.RandomState(3).randn(1, 512)).float()
    label = torch.from_numpy(official_camera(0, 0).label())[None]
    assert torch.equal(seeded_codes(generator, 3, 0.7), generator.mapping(z, label, 0.7))


def test_orbit_frames_do_not_run_the_backbone(generator, monkeypatch):
    ws = seeded_codes(generator, 0)
    planes = generator.backbone_planes(ws)
    monkeypatch.setattr(generator.backbone.synthesis, "run", None)
    frames = list(orbit_frames(generator, planes, ws, 2))
    assert [frame.shape for frame in frames] == [(128, 128, 3)] * 2
    assert frames[0].dtype == np.uint8 and not np.array_equal(*frames)


def test_density_grid_is_sampled_at_the_official_points(generator):
    planes = generator.backbone_planes(seeded_codes(generator, 0))
    grid = finish(density_grid(generator, planes, 8))
    for x, y, z in ((0, 0, 0), (3, 5, 1), (7, 7, 7)):
        # Neither y nor x was rounded down: they carry the fractions of the axes that run faster.
        place = np.array([x + (y + z / 8) / 8, y + z / 8, z], np.float32) / 7 - 0.5
        sigma = generator.query(planes, torch.from_numpy(place.astype(np.float32))[None, None])["sigma"]
        assert grid[x, y, z] == pytest.approx(sigma.item(), abs=1e-3)


def test_official_volume_is_mirrored_and_bordered():
    grid = np.arange(32**3, dtype=np.float32).reshape(32, 32, 32)
    volume = official_volume(grid)
    assert int(30 * 32 / 256) == 3
    inner = np.zeros((32, 32, 32), bool)
    inner[3:-3, 3:-3, 3:-3] = True
    assert (volume[~inner] == -1000).all()
    np.testing.assert_array_equal(volume[inner], grid[::-1][inner])


def test_surface_of_a_ball(ball):
    grid = finish(density_grid(ball, torch.zeros(1), 48))
    mesh = surface_mesh(ball, torch.zeros(1), grid)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    # The official grid is sheared by up to a voxel.
    assert np.abs(radii - 0.2).max() < 1.5 / 47
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert body.volume == pytest.approx(4 / 3 * np.pi * 0.2**3, rel=0.15) and body.is_watertight
    outward = (mesh.normals * mesh.vertices).sum(axis=1) / radii
    assert outward.min() > 0.8
    np.testing.assert_allclose(mesh.vertex_colours, (mesh.vertices + 0.5) * 255, atol=0.6)


def test_no_surface_is_said(ball):
    with pytest.raises(UsageError, match="density 1e"):
        surface_mesh(ball, torch.zeros(1), np.zeros((8, 8, 8), np.float32), level=1e6)


def test_mrc_layout(tmp_path):
    volume = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    write_mrc(tmp_path / "v.mrc", volume, voxel_size=2.0)
    content = (tmp_path / "v.mrc").read_bytes()
    assert struct.unpack_from("<4i", content) == (5, 4, 3, 2)
    assert struct.unpack_from("<3f", content, 40) == (10, 8, 6)
    assert content[208:212] == b"MAP " and len(content) == 1024 + 4 * 60
    np.testing.assert_array_equal(np.frombuffer(content[1024:], "<f4").reshape(3, 4, 5), volume)


def test_files_of_a_seed(generator, tmp_path):
    notes = []
    task = write_samples(
        generator, tmp_path, [0, 12], truncation_psi=0.7, shapes=False, shape_resolution=16, video_frames=2
    )
    written = finish(task, lambda progress: notes.append(progress.note))
    assert [w.picture.name for w in written] == ["seed0000.png", "seed0012.png"] and "Seed 12" in notes
    with av.open(str(written[1].video)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 2 and frames[0].shape == (128, 128, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "seed0000.mp4",
        "seed0000.png",
        "seed0012.mp4",
        "seed0012.png",
    ]


def test_shape_files(generator, tmp_path):
    dense = tiny_generator(superresolution="SuperresolutionHybrid2X", neural_rendering_resolution=16)
    dense.decoder.net[2].bias.data[0] += 15
    (files,) = finish(write_samples(dense, tmp_path, [1], shapes=True, shape_resolution=24))
    assert files.volume.stat().st_size == 1024 + 4 * 24**3
    mesh = trimesh.load(files.mesh, process=False)
    assert len(mesh.faces) > 10 and np.abs(mesh.vertices).max() <= 0.5


def test_videos_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputUnwritable):
        write_video(tmp_path / "absent" / "v.mp4", [np.zeros((16, 16, 3), np.uint8)])
    with pytest.raises(OutputUnwritable, match="no frame"):
        write_video(tmp_path / "v.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_is_stopped_leaves_nothing(tmp_path):
    def frames():
        yield np.zeros((16, 16, 3), np.uint8)
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "v.mp4", frames())
    assert not list(tmp_path.iterdir())


def test_video_frames_come_back(tmp_path):
    frames = [np.full((17, 20, 3), value, np.uint8) for value in (20, 120, 220)]
    assert write_video(tmp_path / "v.mp4", frames, fps=30) == 3
    with av.open(str(tmp_path / "v.mp4")) as video:
        assert video.streams.video[0].average_rate == 30
        decoded = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert decoded[0].shape == (16, 20, 3)
    assert [round(float(frame.mean()), -1) for frame in decoded] == [20, 120, 220]


def test_camera_label_round_trip():
    camera = official_camera(0.1, -0.2)
    np.testing.assert_allclose(Camera.from_label(camera.label()).cam2world, camera.cam2world)
