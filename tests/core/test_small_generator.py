"""The small generator: heads of z, the points and views they are learned from, and a run that learns and resumes."""

import csv
import dataclasses

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.checkpoints.cards import read_card
from inversion_core.checkpoints.load import load_generator
from inversion_core.generators.heads_field import load_field
from inversion_core.generators.template import load_template
from inversion_core.model import BUNDLED
from inversion_core.task import finish
from inversion_core.training.pairs import PairMaker
from inversion_core.training.small_generator import SMALL, SmallTraining, train_small_generator
from inversion_core.training.small_heads import BLOCKS, Z_DIM, SmallHeads


@pytest.fixture(scope="module")
def heads():
    template = load_template(BUNDLED / "geometry.safetensors")
    return SmallHeads(PairMaker(template, load_field(BUNDLED / "field.safetensors")))


def test_heads_follow_z_smoothly_and_only_its_direction(heads):
    assert sum(BLOCKS.values()) == Z_DIM
    z = np.random.default_rng(0).normal(size=Z_DIM)
    first, same, near, other = (heads.head(v) for v in (z, 3 * z, z + 0.01, -z))
    np.testing.assert_allclose(first.vertices, same.vertices, atol=1e-6)
    gap, far = (np.abs(head.vertices - first.vertices).max() for head in (near, other))
    assert gap < 0.003 < far
    assert first.colours.min() >= 0 and first.colours.max() <= 1
    assert np.abs(first.colours - other.colours).mean() > 0.01


def test_points_know_their_side_and_views_their_depth(heads):
    head = heads.head(np.random.default_rng(1).normal(size=Z_DIM))
    points = heads.points(head, 4000, 1.0, np.random.default_rng(0))
    assert points.places.shape == points.rgb.shape == (4000, 3)
    ahead = points.places[:, 2] > 0.3
    assert ahead.any() and (points.distance[ahead] > 0).all()
    # Deep between the ears is inside.
    middle = np.linalg.norm(points.places - [0, 0.05, -0.1], axis=1) < 0.08
    assert middle.any() and (points.distance[middle] < 0).all()
    view = heads.view(head, Camera.orbit(0.0, 0.0), 32)
    assert view.rgb.shape == (32, 32, 3) and view.rgb[0, 0].min() > 250
    nose = float(view.depth[16:24, 14:18].astype(float).max())
    assert 2.3 < nose < 2.7 and view.opacity[18, 16] == 255


@pytest.mark.slow
def test_a_run_learns_and_resumes(heads, tmp_path):
    tiny = dataclasses.replace(SMALL, plane_resolution=16, channel_max=12, neural_rendering_resolution=16)
    volume = dataclasses.replace(SMALL.volume, depth_resolution=8, depth_resolution_importance=0)
    tiny = dataclasses.replace(tiny, volume=volume)
    settings = SmallTraining(pool=6, batch=3, points=200, kept_points=300, sharp_batch=1, measure_every=0.5)
    folder = finish(train_small_generator(tmp_path, 0.04, 0, settings, tiny, heads))
    assert load_generator(folder).settings == tiny
    assert "MIT" in read_card(folder).licence
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    minutes = float(rows[-1]["seconds"]) / 60 + 0.05
    again = finish(train_small_generator(tmp_path, minutes, 0, settings, tiny, heads))
    more = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert again == folder and int(more[-1]["step"]) > int(rows[-1]["step"])
    assert float(more[-1]["held_psnr"]) > 2
    assert (tmp_path / "preview.png").is_file()
