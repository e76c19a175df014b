"""Portraits whose head is known: faces that are not found are passed over, and a perfect inversion scores as one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from inversion_core.camera import Camera
from inversion_core.edit import Inversion
from inversion_core.errors import BadInput
from inversion_core.image import decode
from inversion_core.landmark_tables import mean_points
from inversion_core.latent import Latent
from inversion_core.model import ModelCard
from inversion_core.portrait import Portrait
from inversion_core.task import finish
from inversion_core.training import truth_portraits as module
from inversion_core.training.held_out import Part, TruthHead, draw_truth


def _ball():
    """A ball of 0.25 world units with stripes round it."""
    across, up = np.meshgrid(np.linspace(0, 2 * np.pi, 33), np.linspace(-1.5, 1.5, 17))
    points = np.stack([np.sin(across) * np.cos(up), np.sin(up), np.cos(across) * np.cos(up)], -1)
    index = np.arange(33 * 17).reshape(17, 33)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]).astype(np.int32)
    uv = np.stack([across / (2 * np.pi), (up + 1.5) / 3], -1).reshape(-1, 2).astype(np.float32)
    texture = np.zeros((64, 64, 4), np.uint8)
    texture[..., 0], texture[..., 1], texture[::8, :, 2] = np.arange(64) * 4, 120, 255
    part = Part((0.25 * points.reshape(-1, 3)).astype(np.float32), faces, uv[faces], texture)
    return TruthHead((part,), np.array([0, 0, 1], np.float32), 0.6)


@pytest.fixture
def photos(monkeypatch):
    """Every second picture shows no face."""
    seen = []

    def opened(data, name):
        seen.append(name)
        if len(seen) % 2:
            raise BadInput("No face was found.", "")
        image = decode(data)
        points = np.zeros((478, 3), np.float32)
        points[:, :2] = Camera.orbit(0.0, 0.0).project(mean_points())[:, :2]
        person = np.ones(image.shape[:2], np.float32)
        crop = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
        return Portrait(image, Camera.orbit(0.0, 0.0), points, person, data, name, 0, crop)

    monkeypatch.setattr(module, "HeadAssets", lambda folder: None)
    monkeypatch.setattr(module, "TemplateBuilder", lambda assets: None)
    monkeypatch.setattr(module, "truth_head", lambda assets, builder, seed: _ball())
    monkeypatch.setattr(module.pipeline, "open_portrait", opened)
    return seen


class Perfect:
    """A model whose head is the truth, flatter by ``shift`` from front to back."""

    card = ModelCard("perfect", "Perfect", "found", "", ())

    def __init__(self, head, shift=0.0):
        self.parts = tuple(
            replace(p, vertices=p.vertices * np.array([1, 1, 1 - shift], np.float32)) for p in head.parts
        )
        self.head = replace(head, parts=self.parts)

    def edit(self, inversion, moves):
        return SimpleNamespace(view=lambda camera, size, samples=1: draw_truth(self.head, camera, size))


def test_heads_are_found_and_measured(photos, tmp_path):
    items = finish(module.truth_portraits(tmp_path, 2))
    assert len(items) == 2 and len(photos) == 4
    assert [item.portrait.name for item in items] == ["held-out 1", "held-out 3"]
    item = items[0]
    portrait = replace(item.portrait, camera=item.camera)
    inversion = Inversion(portrait, Latent(np.zeros(3, np.float32), "w", "test"), None, {}, "test", 0.0)
    turned, depth = item.measured(inversion, Perfect(item.head))
    assert turned > 35 and depth < 1e-4
    # A flatter head is seen from the side and in the depths.
    worse, error = item.measured(inversion, Perfect(item.head, 0.3))
    assert worse < turned - 8 and error > 10 * depth + 1e-4


def test_other_views_are_as_like_the_truth_as_the_head_is(photos, monkeypatch, tmp_path):
    item = finish(module.truth_portraits(tmp_path, 1))[0]
    portrait = replace(item.portrait, camera=item.camera)
    inversion = Inversion(portrait, Latent(np.zeros(3, np.float32), "w", "test"), None, {}, "test", 0.0)
    spots = np.stack(np.meshgrid(np.linspace(0.3, 0.7, 22), np.linspace(0.25, 0.7, 22)), -1).reshape(-1, 2)
    points = np.column_stack([spots, 0 * spots[:, 0]])[:478].astype(np.float32)
    monkeypatch.setattr(module.metrics, "redetected_landmarks", lambda view: points)
    assert (
        item.likeness(inversion, Perfect(item.head))
        > 0.99
        > item.likeness(inversion, Perfect(item.head, 0.3))
    )
    monkeypatch.setattr(module.metrics, "redetected_landmarks", lambda view: None)
    assert item.likeness(inversion, Perfect(item.head)) == 0


def test_no_face_at_all_is_said(photos, monkeypatch, tmp_path):
    def refused(data, name):
        raise BadInput("No face was found.", "")

    monkeypatch.setattr(module.pipeline, "open_portrait", refused)
    with pytest.raises(BadInput, match="held-out"):
        finish(module.truth_portraits(tmp_path, 1))
