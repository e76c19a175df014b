"""Adapting encoders to a user's own photos: labels, variants, verdicts, resuming, and the model that comes out."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from stylesdf_cases import small_generator, small_networks

from inversion_core.checkpoints.install import installed_models
from inversion_core.checkpoints.stylesdf_folder import load_e3dge_folder, save_e3dge
from inversion_core.cli_train import train
from inversion_core.errors import BadInput, CheckpointRefused, UsageError
from inversion_core.image import save_image
from inversion_core.model import BUNDLED, load_model
from inversion_core.task import finish
from inversion_core.training import adapt_e3dge as volumes
from inversion_core.training import adapt_heads as heads
from inversion_core.training.adapt import adapt
from inversion_core.training.own_photos import OwnPhotos, open_own_photos

TINY = heads.HeadAdapting(
    steps=4, batch=2, pair_batch=2, geometry_batch=4, pairs=2, judged=2, rate=1e-3, log_every=2
)
TINY_VOLUME = volumes.E3DGEAdapting(steps=4, local_steps=1, batch=2, rate=1e-3, log_every=5)


@pytest.fixture(scope="module")
def portraits(astronaut):
    """The sample portrait and versions of it with other colours and landmarks a little apart."""
    found = []
    for number in range(4):
        draws = np.random.default_rng(number)
        image = np.clip(astronaut.image * draws.uniform(0.7, 1.2, 3), 0, 255).astype(np.uint8)
        landmarks = astronaut.landmarks.copy()
        landmarks[:, :2] = 0.5 + (landmarks[:, :2] - 0.5) * draws.normal(1, 0.03, 2)
        found.append(dataclasses.replace(astronaut, image=image, landmarks=landmarks.astype("f")))
    return found


@pytest.fixture(scope="module")
def own(portraits):
    return OwnPhotos(tuple(portraits[:3]), tuple(portraits[3:]), (), "four")


def test_variants_carry_their_truth(model, portraits):
    photo, rng = heads.labelled(model, portraits[0]), np.random.default_rng(0)
    points = model.template.landmarks(photo.fit.coarse)
    seen = photo.fit.camera.project(points)[:, :2]
    apart = np.linalg.norm(seen - portraits[0].landmarks[:, :2], axis=1).mean()
    for _ in range(20):
        picture, truth = heads.varied(photo, rng)
        local = points @ truth["rotation"].T + truth["translation"]
        again = local[:, :2] / local[:, 2:] * photo.fit.camera.intrinsics[0, 0] + 0.5
        # Nothing but a zoom's perspective comes on top of what the fit itself misses.
        assert np.linalg.norm(again - truth["landmarks"], axis=1).mean() < apart + 0.002
        assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8


def test_pictures_move_with_their_landmarks(model, portraits, monkeypatch):
    monkeypatch.setattr(heads, "disturbed", lambda picture, rng: np.round(picture * 255).astype(np.uint8))
    photo = heads.labelled(model, portraits[0])
    spot = (photo.portrait.landmarks[1, :2] * 128).astype(int)
    marked = np.zeros_like(photo.picture)
    cv2.circle(marked, (int(spot[0]), int(spot[1])), 4, (255, 255, 255), -1)
    photo = dataclasses.replace(photo, picture=marked)
    for seed in range(5):
        picture, truth = heads.varied(photo, np.random.default_rng(seed))
        rows, columns = np.nonzero(picture[..., 0] > 127)
        found = (np.array([columns.mean(), rows.mean()]) + 0.5) / 128
        np.testing.assert_allclose(found, truth["landmarks"][1], atol=0.012)


def test_verdicts_ask_for_all_of_it():
    before = {"landmarks": 0.05, "shape": 0.01, "own_heads": 0.01, "fitted": 0.02}
    better = {**before, "landmarks": 0.04, "shape": 0.009}
    assert heads.verdict(before, better)[0]
    for worse in ({"shape": 0.011}, {"landmarks": 0.051}, {"own_heads": 0.012}, {"fitted": 0.03}):
        assert not heads.verdict(before, {**better, **worse})[0]
    before = {"photo": 0.1, "codes": 0.2, "own_views": 0.1, "depth": 0.1}
    better = {**before, "photo": 0.09}
    assert volumes.verdict(before, better)[0]
    for worse in ({"photo": 0.1}, {"codes": 0.3}, {"own_views": 0.2}, {"depth": 0.2}):
        assert not volumes.verdict(before, {**better, **worse})[0]


@pytest.fixture(scope="module")
def whole(model, own, tmp_path_factory):
    """A short run from end to end: its folder, its report, its encoder."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *finish(heads.adapt_heads(model, BUNDLED, own, folder, TINY))


@pytest.mark.slow
def test_a_stopped_head_run_goes_on_as_if_it_had_not(model, own, whole, tmp_path):
    folder, report, encoder = whole
    task = heads.adapt_heads(model, BUNDLED, own, tmp_path, TINY)
    for progress in task:
        if progress.total == 4 and progress.done == 3:
            break
    task.close()
    parts, again = finish(heads.adapt_heads(model, BUNDLED, own, tmp_path, TINY))
    assert report.after == parts.after
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name])
    assert len((folder / "curves.csv").read_text().splitlines()) == 3
    other = dataclasses.replace(own, digest="others")
    with pytest.raises(CheckpointRefused, match="other photos"):
        finish(heads.adapt_heads(model, BUNDLED, other, tmp_path, TINY))


def test_the_adapted_model_opens_like_any(model, whole, portraits, tmp_path):
    run, report, encoder = whole
    assert report.before != report.after and (run / "preview.png").exists()
    folder = heads.save_adapted(report, encoder, BUNDLED, tmp_path / "mine", "mine")
    opened = load_model(folder)
    assert opened.card.name == "mine" and opened.card.sliders == model.card.sliders
    assert opened.card.digest != model.card.digest and "adapt" in opened.card.training
    said = opened.encoder.encode(portraits[0].image, portraits[0].landmarks)
    expected = encoder.encode(portraits[0].image, portraits[0].landmarks)
    np.testing.assert_allclose(said.identity, expected.identity, atol=2e-2)


@pytest.mark.slow
def test_volumes_learn_from_photos(model, own, tmp_path):
    networks = small_networks(small_generator())
    task = volumes.adapt_e3dge(networks, own, model.template, tmp_path, TINY_VOLUME)
    report, adapted = finish(task)
    assert report.steps == 5 and report.after["codes"] < report.before["codes"]
    assert adapted.generator is networks.generator
    assert not torch.equal(adapted.encoder.latlayer64.weight, networks.encoder.latlayer64.weight)
    restored = volumes.E3DGEAdapter(networks, TINY_VOLUME)
    volumes._restored(tmp_path / "state.pt", restored, own.digest)
    assert restored.step == 5
    with pytest.raises(CheckpointRefused, match="other photos"):
        volumes._restored(tmp_path / "state.pt", restored, "others")


def test_depth_at_landmarks_is_the_fit_s(model, portraits):
    networks = small_networks(small_generator())
    photos = volumes.photo_batch(portraits[:2], networks, model.template)
    assert photos.image.shape == (2, 3, 64, 64) and photos.depth.shape == (2, 478)
    # The nose is nearer than the outline by some centimetres of a head of 0.2 units' depth.
    nose, outline = photos.depth[:, 1], photos.depth[:, [234, 454]].mean(1)
    assert bool((outline - nose > 0.03).all()) and bool((outline - nose < 0.2).all())
    renderer = networks.generator.settings.renderer
    side = renderer.resolution
    flat = torch.full((2, 1, side, side), 1.0)
    base = networks.invert(photos.image).base
    flat_loss = volumes.depth_loss(dataclasses.replace(base, depth=flat), photos, 0.12)
    torch.testing.assert_close(flat_loss, (photos.depth / 0.12).square().mean(), rtol=1e-3, atol=1e-4)


def test_photos_are_split_by_their_content(astronaut, tmp_path):
    for number in range(5):
        save_image(tmp_path / f"{number}.png", np.roll(astronaut.image, number, 1))
    save_image(tmp_path / "again.png", astronaut.image)
    (tmp_path / "none.png").write_bytes(b"no picture")
    first = finish(open_own_photos([tmp_path], 0.25))
    assert len(first.training) == 4 and len(first.held_out) == 1
    assert len(first.refused) == 1 and first.refused[0].startswith("none.png")
    names = sorted(tmp_path.glob("*.png"), reverse=True)
    second = finish(open_own_photos(names, 0.25))
    assert second.digest == first.digest
    assert np.array_equal(second.held_out[0].image, first.held_out[0].image)
    with pytest.raises(BadInput, match="1 of 1"):
        finish(open_own_photos([tmp_path / "0.png"]))


def test_what_does_not_help_is_not_kept(own, whole, tmp_path, monkeypatch):
    from inversion_core.training import adapt as module

    def photos(paths, share, seed):
        return own
        yield

    def no_better(*arguments):
        return dataclasses.replace(whole[1], kept=False, why="It is no better."), whole[2]
        yield

    monkeypatch.setattr(module, "open_own_photos", photos)
    monkeypatch.setattr(module, "adapt_heads", no_better)
    (tmp_path / "run").mkdir()
    report = finish(adapt([], tmp_path / "run", root=tmp_path / "models"))
    assert not report.kept and report.model is None and installed_models(tmp_path / "models") == []
    assert json.loads((tmp_path / "run" / "report.json").read_text())["kept"] is False


@pytest.mark.slow
def test_what_helps_is_an_added_model(own, tmp_path, monkeypatch):
    from inversion_core.training import adapt as module

    def photos(paths, share, seed):
        return own
        yield

    monkeypatch.setattr(module, "open_own_photos", photos)
    networks = small_networks(small_generator())
    save_e3dge(networks, {}, tmp_path / "small", "small")
    monkeypatch.setattr(
        module, "E3DGEAdapting", lambda seed: dataclasses.replace(TINY_VOLUME, steps=1, local_steps=1)
    )
    monkeypatch.setattr(volumes, "verdict", lambda before, after: (True, "better"))
    report = finish(
        adapt([], tmp_path / "again", tmp_path / "small", name="mine", device="cpu", root=tmp_path / "models")
    )
    assert [f.name for f in installed_models(tmp_path / "models")] == ["mine"] and report.model is not None
    loaded, _ = load_e3dge_folder(report.model)
    assert torch.equal(loaded.generator.renderer.sigmoid_beta, networks.generator.renderer.sigmoid_beta)
    assert not torch.equal(loaded.encoder.latlayer64.weight, networks.encoder.latlayer64.weight)
    (report.model / "report.json").unlink()
    with pytest.raises(UsageError, match="already"):
        finish(adapt([], tmp_path / "again", tmp_path / "small", name="mine", root=tmp_path / "models"))


def test_the_command_says_what_is_missing(tmp_path):
    result = CliRunner().invoke(train, ["adapt", str(tmp_path / "absent"), "-o", str(tmp_path / "run")])
    assert isinstance(result.exception, BadInput) and "0 of 1" in str(result.exception)
