"""Edit directions: files, sliders, and what the finders find."""

import numpy as np
import pytest
import torch
from official_pickles import tiny_generator

from inversion_core.directions import (
    EditDirection,
    edit_offsets,
    principal_directions,
    random_codes,
    read_direction,
    read_directions,
    save_directions,
    sliders_of,
    svm_direction,
    weight_directions,
    without,
)
from inversion_core.errors import BadInput, CheckpointRefused, UsageError


def offsets(seed=0, shape=(14, 512)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 14, 512), (14, 512), (1, 512), (512,)])
def test_numpy_files(tmp_path, shape):
    values = offsets(shape=shape)
    np.save(tmp_path / "age.npy", values)
    direction = read_direction(tmp_path / "age.npy")
    assert direction.name == "age" and direction.offsets.dtype == np.float32
    np.testing.assert_array_equal(direction.offsets, np.broadcast_to(values.reshape(-1, 512), (14, 512)))


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_under_the_name_of_numpy(tmp_path, zipped):
    values = torch.from_numpy(offsets(shape=(1, 14, 512)))
    torch.save(values, tmp_path / "cat_black.npy", _use_new_zipfile_serialization=zipped)
    direction = read_direction(tmp_path / "cat_black.npy")
    assert direction.name == "cat_black"
    np.testing.assert_array_equal(direction.offsets, values[0].numpy())


def test_files_that_are_no_directions(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "size.npy", np.zeros((3, 512)))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "nan.npy", np.full(512, np.nan))
    torch.save({"a": torch.zeros(512)}, tmp_path / "dict.npy")
    (tmp_path / "noise.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{" + b"(" * 200)
    (tmp_path / "empty.npy").write_bytes(b"")
    for path in [*tmp_path.iterdir(), tmp_path / "absent.npy"]:
        with pytest.raises(CheckpointRefused):
            read_direction(path)


def test_saved_directions_come_back(tmp_path):
    directions = [
        EditDirection("wide", offsets(1), -2, 3, "found"),
        EditDirection("age", offsets(2)),
    ]
    save_directions(tmp_path / "d.safetensors", directions, "ffhq")
    loaded = read_directions(tmp_path / "d.safetensors")
    assert [(d.name, d.minimum, d.maximum, d.source) for d in loaded] == [
        ("wide", -2, 3, "found"),
        ("age", -1, 1, ""),
    ]
    np.testing.assert_array_equal(loaded[0].offsets, directions[0].offsets)
    with pytest.raises(CheckpointRefused, match="10 codes"):
        read_directions(tmp_path / "d.safetensors", num_ws=10)
    (tmp_path / "d.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointRefused, match="damaged"):
        read_directions(tmp_path / "d.safetensors")


def test_every_direction_is_a_slider():
    (slider,) = sliders_of([EditDirection("cat_black", offsets(), -2, 2)])
    assert (slider.name, slider.label, slider.minimum, slider.maximum) == ("cat_black", "Cat black", -2, 2)


def test_edits_take_glasses_away_once():
    age, anger, glass = (EditDirection(name, offsets(i)) for i, name in enumerate(("age", "anger", "glass")))
    every = [age, anger, glass]
    expected = 0.5 * age.offsets - 0.8 * glass.offsets
    np.testing.assert_allclose(edit_offsets({"age": 0.5}, every)[0], expected, atol=1e-6)
    both = 0.5 * age.offsets + 2 * anger.offsets - 0.8 * glass.offsets
    np.testing.assert_allclose(edit_offsets({"age": 0.5, "anger": 2}, every)[0], both, atol=1e-6)
    np.testing.assert_allclose(edit_offsets({"glass": -1.5}, every)[0], -1.5 * glass.offsets, atol=1e-6)
    np.testing.assert_allclose(edit_offsets({"age": 0.5}, [age])[0], 0.5 * age.offsets, atol=1e-6)
    assert edit_offsets({}, every).shape == (1, 14, 512) and not edit_offsets({"age": 0.0}, every).any()


def test_unknown_moves_are_named():
    with pytest.raises(UsageError, match="smile"):
        edit_offsets({"smile": 1}, [EditDirection("age", offsets())])
    with pytest.raises(UsageError, match="not a number"):
        edit_offsets({"age": float("nan")}, [EditDirection("age", offsets())])
    with pytest.raises(UsageError, match="no direction"):
        edit_offsets({}, [])


def test_support_vectors_find_the_attribute():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(4000, 16)) * np.linspace(0.2, 3, 16)
    truth = rng.normal(size=16)
    truth /= np.linalg.norm(truth)
    direction = svm_direction("smile", codes, codes @ truth + 0.1 * rng.normal(size=4000), num_ws=5)
    assert direction.offsets.shape == (5, 16)
    assert np.linalg.norm(direction.offsets[0]) == pytest.approx(1, abs=1e-5)
    # The sign counts, and high scores lie that way.
    assert direction.offsets[0] @ truth > 0.9
    assert direction.maximum == pytest.approx(3 * (codes @ direction.offsets[0]).std(), rel=1e-3)


def test_support_vectors_need_labels_that_differ():
    codes = np.random.default_rng(0).normal(size=(100, 4))
    with pytest.raises(BadInput, match="hardly differ"):
        svm_direction("x", codes, np.ones(100))
    with pytest.raises(BadInput, match="too few"):
        svm_direction("x", codes[:5], np.arange(5))


def test_principal_components_of_an_elongated_cloud():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    codes = rng.normal(size=(5000, 6)) * [5, 3, 1, 0.1, 0.1, 0.1] @ axes.T + 7
    found = principal_directions(codes, 3, num_ws=2)
    assert [d.name for d in found] == ["component_1", "component_2", "component_3"]
    for index, spread in enumerate((5, 3, 1)):
        assert abs(found[index].offsets[1] @ axes[:, index]) > 0.99
        assert found[index].maximum == pytest.approx(3 * spread, rel=0.05)
    with pytest.raises(BadInput):
        principal_directions(codes[:3], 3)


def test_weights_tell_what_the_generator_reacts_to():
    generator = tiny_generator(superresolution="SuperresolutionHybrid2X")
    planted = torch.nn.functional.normalize(torch.randn(512), dim=0)
    for name in ("conv0", "conv1"):
        layer = getattr(generator.backbone.synthesis.b256, name).affine
        layer.weight.data += 300 * torch.randn(len(layer.weight), 1) * planted
    found = weight_directions(generator, 2, layers=[11, 12])
    assert abs(found[0].offsets[11] @ planted.numpy()) > 0.95
    assert not found[0].offsets[:11].any() and not found[0].offsets[13:].any()
    assert abs(found[0].offsets[12] @ found[1].offsets[12]) < 1e-5
    assert weight_directions(generator, 1)[0].offsets.shape == (14, 512)
    with pytest.raises(BadInput):
        weight_directions(generator, 1, layers=[14])


def test_conditional_directions_leave_the_others_alone():
    age, glass, smile = (EditDirection(name, offsets(i)) for i, name in enumerate(("age", "glass", "smile")))
    clean = without(age, [glass, smile])
    assert abs((clean.offsets * glass.offsets).sum()) < 0.01
    assert abs((clean.offsets * smile.offsets).sum()) < 0.01
    assert np.array_equal(without(age, []).offsets, age.offsets)


def test_random_codes_repeat_with_the_seed():
    generator = tiny_generator(superresolution="SuperresolutionHybrid2X")
    c = torch.zeros(1, 25)
    first = random_codes(generator, 5, c, seed=3)
    assert first.shape == (5, 512)
    assert torch.equal(first, random_codes(generator, 5, c, seed=3))
    assert not torch.equal(first, random_codes(generator, 5, c, seed=4))
