"""Official files are read as data: right when they are whole, refused when they are not, executed never."""

import io
import os
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from official_pickles import (
    EasyDict,
    init_kwargs,
    official_modules,
    tiny_generator,
    write_official,
)

from inversion_core.checkpoints import convert_generator, load_generator
from inversion_core.checkpoints.pickle_records import read_records
from inversion_core.checkpoints.reader import load_tensors, read_official_pickle, read_state_dict
from inversion_core.errors import CheckpointRefused

PLANTED = "planted-by-a-hostile-file"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache, in a folder of the test's own; and nothing planted at the end."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: folder)
    monkeypatch.chdir(tmp_path)
    yield folder
    assert not Path(PLANTED).exists()


@pytest.fixture(scope="module")
def generator():
    return tiny_generator(superresolution="SuperresolutionHybrid2X")


@pytest.fixture(scope="module")
def official(generator, tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("official") / "tiny.pkl", generator)


def same(first, second):
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_official_pickle_comes_back_whole(generator, tmp_path, protocol):
    path = write_official(tmp_path / "g.pkl", generator, protocol)
    loaded = load_generator(path)
    assert loaded.settings == generator.settings and same(loaded, generator)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"superresolution": "SuperresolutionHybrid8XDC"},
        {"superresolution": "SuperresolutionHybrid8X", "sr_num_fp16_res": 0},
        {"superresolution": "SuperresolutionHybrid4X", "sr_antialias": False},
        {"superresolution": "SuperresolutionHybridDeepfp32", "neural_rendering_resolution": 64},
        {"mapping_layers": 8, "conv_clamp": 256.0, "num_fp16_res": 4, "c_gen_conditioning_zero": True},
        {"superresolution_noise_mode": "random", "c_scale": 0.5, "decoder_lr_mul": 0.5},
    ],
)
def test_every_released_variant_is_built(tmp_path, changes):
    generator = tiny_generator(**changes)
    loaded = load_generator(write_official(tmp_path / "g.pkl", generator))
    assert loaded.settings == generator.settings and same(loaded, generator)


def test_ray_options_of_the_other_data_sets(tmp_path, generator):
    volume = {"box_warp": 1.6, "ray_start": "auto", "ray_end": "auto", "white_back": True}
    volume |= {"disparity_space_sampling": True, "depth_resolution": 64, "depth_resolution_importance": 0}
    kwargs = init_kwargs(generator.settings)
    kwargs["rendering_kwargs"] = EasyDict(kwargs["rendering_kwargs"] | volume)
    kwargs["rendering_kwargs"]["density_noise"] = 0.25
    settings = load_generator(write_official(tmp_path / "g.pkl", generator, **kwargs)).settings.volume
    assert (settings.ray_start, settings.ray_end, settings.box_warp) == (None, None, 1.6)
    assert settings.white_back and settings.disparity_space_sampling
    assert (settings.depth_resolution, settings.depth_resolution_importance) == (64, 0)
    assert settings.density_noise == 0.25


def test_missing_c_scale_means_no_conditioning(tmp_path, generator):
    kwargs = init_kwargs(generator.settings)
    del kwargs["rendering_kwargs"]["c_scale"]
    assert load_generator(write_official(tmp_path / "g.pkl", generator, **kwargs)).settings.c_scale == 0


def test_second_load_takes_the_converted_folder(official, cache, generator, monkeypatch):
    load_generator(official)
    monkeypatch.setattr("inversion_core.checkpoints.load.read_official_pickle", None)
    assert same(load_generator(official), generator)


def test_changed_conversion_is_noticed_and_made_again(official, cache, generator):
    load_generator(official)
    (weights,) = cache.rglob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointRefused, match="not the file that its card describes"):
        load_generator(weights.parent)
    assert same(load_generator(official), generator)


def test_no_place_for_the_cache_is_no_obstacle(official, generator, monkeypatch, tmp_path):
    (tmp_path / "occupied").write_text("")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "occupied")
    assert same(load_generator(official), generator)


def test_converted_folder_loads_by_itself(official, generator, tmp_path):
    card = convert_generator(official, tmp_path / "model", "tiny")
    assert card.kind == "eg3d" and list(card.source) == ["tiny.pkl"] and "NVIDIA" in card.licence
    assert same(load_generator(tmp_path / "model"), generator)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"name": "x", "kind": "eg3d", "version": 99}', "newer"),
        ('{"name": "x", "kind": "stylesdf"}', "of kind"),
        ('{"name": "x", "kind": "eg3d"}', "does not describe"),
        ('{"name": "x", "kind": "eg3d", "architecture": {"generator": {"z_dim": "many"}}}', "no sense"),
        ('{"name": "x", "kind": "eg3d", "architecture": {"generator": {"z_dim": 9999999}}}', "z_dim"),
        ('{"name": "x", "kind": "eg3d", "architecture": {"generator": {}}}', "lists no"),
        (
            '{"name": "x", "kind": "eg3d", "architecture": {"generator": {}}, '
            '"files": {"generator.safetensors": "0"}}',
            "cannot be read",
        ),
    ],
)
def test_damaged_cards_are_refused(tmp_path, content, words):
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(CheckpointRefused, match=words):
        load_generator(tmp_path)


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def touch(path):
    Path(path).touch()


def hostile_objects():
    plant = f"touch {PLANTED}"
    return {
        "system": Calls(os.system, plant),
        "eval": Calls(eval, f"open({PLANTED!r}, 'w')"),
        "exec": Calls(exec, f"open({PLANTED!r}, 'w')"),
        "nested": {"G_ema": [Calls(getattr, Calls(__import__, "os"), "system")]},
        "open": {"G_ema": Calls(open, PLANTED, "w")},
        "torch.load": Calls(torch.load, PLANTED),
        "pickle.loads": Calls(pickle.loads, pickle.dumps(Calls(os.system, plant))),
        "state": {"G_ema": Calls(touch, PLANTED, state={"a": 1})},
        "path": {"G_ema": Path(PLANTED)},
    }


@pytest.mark.parametrize("name", hostile_objects())
@pytest.mark.parametrize("protocol", range(6))
def test_hostile_pickles_are_refused(tmp_path, name, protocol):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps(hostile_objects()[name], protocol))
    with pytest.raises(CheckpointRefused, match=r"hostile\.pkl") as refusal:
        load_generator(path)
    assert refusal.value.hint


def glob(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


EASY, ORDERED = glob("dnnlib.util", "EasyDict"), glob("collections", "OrderedDict")
INERT = glob("training.triplane", "OSGDecoder")
HAND_WRITTEN = {
    "attributes of a class": EASY + b"N}\x8c\x01aI1\ns\x86b.",
    "attributes of a name": INERT + b"}\x8c\x0b__setstate__" + ORDERED + b"sb.",
    "slots": INERT + b")\x81N}\x8c\x01aK\x01s\x86b.",
    "state that is no table": INERT + b")\x81](K\x01eb.",
    "call of a class": INERT + b")R.",
    "call of a record": INERT + b")\x81)R.",
    "arguments for a class": INERT + b"K\x01\x85\x81.",
    "extended arguments": INERT + b")}\x92.",
    "old instance": b"(itraining.triplane\nOSGDecoder\n.",
    "old object": b"(" + INERT + b"o.",
    "extension registry": b"\x82\x01.",
    "persistent id": b"K\x01Q.",
    "dotted name": glob("training.triplane", "OSGDecoder.__init__") + b".",
    "module that only looks right": glob("training.os;x", "system") + b".",
    "no name": b"K\x01K\x02\x93.",
    "huge number": b"\x8b\xff\xff\xff\x7f" + b"1" * 10 + b".",
    "negative length": b"\x8b\xff\xff\xff\xff.",
    "decimal digits": b"L" + b"9" * 100_000 + b"L\n.",
    "huge text": b"\x8d" + struct.pack("<Q", 1 << 62) + b"x.",
    "huge bytes": b"\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "huge frame": b"\x95" + struct.pack("<Q", 1 << 63) + b"N.",
    "huge memo index": b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "empty stack": b"R.",
    "lonely mark": b"(.",
    "mark as a value": b"](a.",
    "mark as an argument": EASY + b"(R.",
    "no end": b"\x80\x04N",
    "unhashable key": b"}]K\x01s.",
    "deep key": b"})" + b"\x85" * 300_000 + b"K\x01s.",
    "deep set": b"\x8f()" + b"\x85" * 300_000 + b"\x90.",
    "itself": b"]\x94h\x00a.",
    "text": b"<html>not found</html>",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_tricks_with_opcodes_are_refused(tmp_path, name):
    path = tmp_path / "trick.pkl"
    path.write_bytes(HAND_WRITTEN[name])
    with pytest.raises(CheckpointRefused):
        load_generator(path)


def records(root, tmp_path):
    """A pickle of the official layout around a state made by the test."""
    path = tmp_path / "crafted.pkl"
    with official_modules(), path.open("wb") as stream:
        pickle.dump({"G_ema": root}, stream, 4)
    return path


class Storage:
    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.content,)


class Tensor:
    def __init__(self, storage, *layout):
        self.parts = (storage, *layout)

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (*self.parts, False, {})


def persistent(**state):
    from official_pickles import _reconstruct_persistent_obj

    meta = {
        "type": "class",
        "version": 6,
        "module_src": "",
        "class_name": "TriPlaneGenerator",
        "state": state,
    }
    return Calls(_reconstruct_persistent_obj, meta)


def legacy(tensor):
    buffer = io.BytesIO()
    torch.save(tensor.storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    "layout",
    [
        (0, (1 << 30, 1 << 8), (0, 0)),
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (0, (2,), (9,)),
        (0, (2,), (-1,)),
        (-1, (2,), (1,)),
        (0, (1 << 62,), (1,)),
        (0, (True,), ("x",)),
        (0, (2, 2), (1,)),
        (0, (1,) * 40, (1,) * 40),
    ],
)
def test_tensors_beyond_their_data_are_refused(tmp_path, layout):
    tensor = Tensor(Storage(legacy(torch.arange(4.0))), *layout)
    with pytest.raises(CheckpointRefused):
        read_official_pickle(records(persistent(_parameters={"w": tensor}), tmp_path))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_strided_views_and_half_precision_come_back(tmp_path):
    values = torch.arange(12, dtype=torch.float16)
    tensor = Tensor(Storage(legacy(values)), 1, (2, 3), (1, 4))
    module = read_official_pickle(records(persistent(_buffers={"w": tensor}), tmp_path))
    assert torch.equal(module.tensors["w"], torch.as_strided(values, (2, 3), (1, 4), 1).float())


def test_tensors_of_something_else_are_refused(tmp_path):
    for storage in ((1, 2), "x", None, {"a": 1}):
        tensor = Tensor(storage, 0, (3,), (1,))
        with pytest.raises(CheckpointRefused):
            read_official_pickle(records(persistent(_parameters={"w": tensor}), tmp_path))


def test_hostile_storages_are_refused(tmp_path):
    zipped = io.BytesIO()
    torch.save(torch.zeros(3), zipped)
    for content in (pickle.dumps(Calls(touch, PLANTED)), zipped.getvalue(), b"", b"x" * 9000):
        tensor = Tensor(Storage(content), 0, (3,), (1,))
        with pytest.raises(CheckpointRefused):
            read_official_pickle(records(persistent(_parameters={"w": tensor}), tmp_path))


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"_parameters": [1]},
        {"_parameters": {"w": 3}},
        {"_modules": {"a": 3}},
        {"_init_args": 3},
        {"_init_kwargs": {"rendering_kwargs": 3}},
        {"_init_kwargs": {"rendering_kwargs": {"superresolution_module": "os.system"}}},
    ],
)
def test_records_of_another_layout_are_refused(tmp_path, state):
    with pytest.raises(CheckpointRefused):
        load_generator(records(persistent(**state), tmp_path))


def test_a_network_inside_itself_is_refused(tmp_path):
    state = {"_modules": {}}
    root = persistent(**state)
    root.parts[1][0]["state"]["_modules"]["again"] = [root.parts[1][0]["state"]]
    with pytest.raises(CheckpointRefused):
        load_generator(records(root, tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"img_resolution": 256},
        {"img_channels": 6},
        {"z_dim": "512"},
        {"w_dim": 10**9},
        {"channel_base": -5},
        {"channel_base": 128},
        {"channel_max": 10**12},
        {"channel_max": 24},
        {"mapping_kwargs": {"num_layers": 10**9}},
        {"mapping_kwargs": {"num_layers": 3}},
        {"mapping_kwargs": {"activation": "relu"}},
        {"architecture": "resnet"},
        {"resample_filter": {"a": 1}},
        {"sr_kwargs": []},
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_built(tmp_path, generator, changes):
    path = write_official(tmp_path / "g.pkl", generator, **changes)
    with pytest.raises(CheckpointRefused):
        load_generator(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"depth_resolution": 10**9},
        {"depth_resolution": 1},
        {"ray_start": "auto"},
        {"ray_start": float("nan")},
        {"box_warp": 0},
        {"clamp_mode": "relu"},
        {"superresolution_noise_mode": "loud"},
        {"superresolution_module": "training.superresolution.SuperresolutionHybrid16X"},
    ],
)
def test_impossible_rendering_options_are_refused(tmp_path, generator, changes):
    kwargs = init_kwargs(generator.settings)
    kwargs["rendering_kwargs"] = EasyDict(kwargs["rendering_kwargs"] | changes)
    with pytest.raises(CheckpointRefused):
        load_generator(write_official(tmp_path / "g.pkl", generator, **kwargs))


def test_truncated_files_are_refused(official, tmp_path):
    content = official.read_bytes()
    path = tmp_path / "cut.pkl"
    for share in (0.0001, 0.01, 0.3, 0.7, 0.999, 0.9999999):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(CheckpointRefused):
            load_generator(path)


def test_flipped_bytes_load_or_are_refused(official, tmp_path, monkeypatch):
    """Flips in the structure, where they could do harm; flips in weights only change weights."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "none" / "\0")
    content = official.read_bytes()
    structure = [p for _, _, p in pickletools.genops(content)]
    random = torch.Generator().manual_seed(0)
    path = tmp_path / "flipped.pkl"
    outcomes = {True: 0, False: 0}
    for _ in range(60):
        at = structure[int(torch.randint(len(structure), (1,), generator=random))]
        at += int(torch.randint(4, (1,), generator=random))
        broken = bytearray(content)
        broken[min(at, len(content) - 1)] ^= int(torch.randint(1, 256, (1,), generator=random))
        path.write_bytes(broken)
        try:
            read_official_pickle(path)
            outcomes[True] += 1
        except CheckpointRefused:
            outcomes[False] += 1
    assert outcomes[False] > 20


def test_random_bytes_are_refused(tmp_path):
    random = torch.Generator().manual_seed(1)
    path = tmp_path / "noise.pkl"
    for size in (1, 2, 3, 10, 100, 1000) * 20:
        path.write_bytes(bytes(torch.randint(256, (size,), generator=random).tolist()))
        with pytest.raises(CheckpointRefused):
            read_official_pickle(path)


def test_missing_files_and_folders_without_a_card(tmp_path):
    for path in (tmp_path / "absent.pkl", tmp_path):
        with pytest.raises(CheckpointRefused) as refusal:
            load_generator(path)
        assert refusal.value.exit_code == 3


def test_weights_for_the_wrong_slot(tmp_path, official):
    path = tmp_path / "encoder.pt"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointRefused):
        load_generator(path)
    with pytest.raises(CheckpointRefused):
        read_state_dict(official)


def test_state_dict_of_both_torch_formats(tmp_path):
    state = {"w": torch.randn(3, 4), "index": torch.arange(5), "half": torch.ones(2).half()}
    for zipped in (True, False):
        torch.save(state, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
        loaded = read_state_dict(tmp_path / "w.pt")
        assert torch.equal(loaded["w"], state["w"]) and torch.equal(loaded["index"], state["index"])
        assert loaded["half"].dtype == torch.float32


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", ["call", "list", "nested", "empty", "number"])
def test_pt_files_of_anything_else_are_refused(tmp_path, content, zipped):
    value = {
        "call": {"w": Calls(touch, PLANTED)},
        "list": [torch.zeros(2)],
        "nested": {"state_dict": {"w": torch.zeros(2)}},
        "empty": {},
        "number": {"w": 3},
    }[content]
    torch.save(value, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointRefused):
        read_state_dict(tmp_path / "w.pt")


def legacy_file(body):
    """The legacy format around an object's pickle."""
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join(parts) + body + pickle.dumps([], 2)


@pytest.mark.parametrize("zipped", [True, False])
def test_pt_files_that_would_overflow_torchs_stack_are_refused(tmp_path, zipped):
    deep = b"\x80\x02})" + b"\x85" * 500_000 + b"K\x01s."
    path = tmp_path / "deep.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", deep)
            archive.writestr("archive/version", "3")
    else:
        path.write_bytes(legacy_file(deep))
    with pytest.raises(CheckpointRefused):
        read_state_dict(path)
    tensor = Tensor(Storage(legacy_file(deep)), 0, (3,), (1,))
    with pytest.raises(CheckpointRefused):
        read_official_pickle(records(persistent(_parameters={"w": tensor}), tmp_path))


@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_of_modules_carry_their_versions(tmp_path, zipped):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(module.state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    loaded = read_state_dict(tmp_path / "w.pt")
    assert list(loaded) == list(module.state_dict()) and loaded["1.num_batches_tracked"].dtype == torch.int64
    torch.save(dict(module.named_parameters()), tmp_path / "p.pt", _use_new_zipfile_serialization=zipped)
    assert torch.equal(read_state_dict(tmp_path / "p.pt")["0.weight"], module[0].weight)


def test_pt_archives_that_inflate_are_refused(tmp_path):
    torch.save({"w": torch.zeros(1000, 1000)}, tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as source,
        zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    with pytest.raises(CheckpointRefused, match="compressed"):
        load_tensors(tmp_path / "small.pt")


def test_damaged_pt_archives_are_refused(tmp_path):
    torch.save({"w": torch.randn(64, 64)}, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    path = tmp_path / "broken.pt"
    for at in range(40, len(content), len(content) // 25):
        path.write_bytes(content[:at])
        with pytest.raises(CheckpointRefused):
            read_state_dict(path)
    middle = bytearray(content)
    middle[len(content) // 2] ^= 0xFF
    path.write_bytes(middle)
    with pytest.raises(CheckpointRefused, match="checksum"):
        read_state_dict(path)


def test_the_module_source_is_never_kept(official):
    def texts(value, depth=0):
        if isinstance(value, str):
            yield value
        elif depth < 40:
            children = (
                value.values()
                if isinstance(value, dict)
                else value
                if isinstance(value, list | tuple)
                else ()
            )
            children = vars(value).values() if hasattr(value, "attributes") else children
            for child in children:
                yield from texts(child, depth + 1)

    assert not any("SystemExit" in text for text in texts(read_records(official)))


@pytest.mark.slow
def test_full_width_round_trip(tmp_path):
    generator = tiny_generator(channel_base=32768, channel_max=512)
    loaded = load_generator(write_official(tmp_path / "ffhq512-128.pkl", generator))
    assert same(loaded, generator)
    assert sum(p.numel() for p in loaded.parameters()) == 30_662_136
