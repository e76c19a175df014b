"""Official files -> names and tensors, without running anything that is in them."""

from __future__ import annotations

import io
import mmap
import pickle
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inversion_core.checkpoints.pickle_records import Record, Span, StoredTensor, read_records
from inversion_core.checkpoints.torch_pickles import screen, screen_legacy
from inversion_core.errors import CheckpointRefused

LARGEST_BYTES = 8 << 30
"""Files with more content are refused; the largest official one has under 0.5 GB."""
ZIP = b"PK\x03\x04"
"""How torch knows its newer format from the legacy one."""
DEEPEST = 32
"""Modules within modules; official networks have six."""


@dataclass(frozen=True)
class OfficialModule:
    """A module of an official pickle.

    Attributes:
        class_name: as the file gives it.
        init_args, init_kwargs: what it was constructed with, plain values.
        attributes: its other attributes that are plain values or dictionaries of them.
        tensors: parameters and buffers by state_dict name.
    """

    class_name: str
    init_args: tuple
    init_kwargs: dict
    attributes: dict
    tensors: dict[str, Tensor]


def read_official_pickle(path: Path, entry: str = "G_ema") -> OfficialModule:
    """The module under ``entry`` of an official network pickle.

    Raises:
        CheckpointRefused: damaged, hostile, or without that entry.
    """
    path = Path(path)
    root = read_records(path)
    module = root.get(entry) if type(root) is dict else None
    if type(module) is not Record:
        raise CheckpointRefused(
            f"{path.name} has no network under {entry!r}.",
            "Give an official network pickle (.pkl), such as EG3D's.",
        )
    stored = _state(module, path.name)
    attributes = dict(module.attributes)
    init_args, init_kwargs = attributes.pop("_init_args", ()), attributes.pop("_init_kwargs", {})
    plain = {key: value for key, value in attributes.items() if type(key) is str and not key.startswith("_")}
    if type(init_args) is not tuple or type(init_kwargs) is not dict:
        raise CheckpointRefused(f"{path.name} does not say how its network is built.", "Download it again.")
    return OfficialModule(module.name, init_args, init_kwargs, plain, _tensors(path, stored))


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pt`` file that holds one flat state_dict, by name, on the CPU.

    Raises:
        CheckpointRefused: damaged, hostile, or something else than a flat state_dict.
    """
    path = Path(path)
    content = load_tensors(path)
    if type(content) is not dict and not isinstance(content, dict):
        raise CheckpointRefused(f"{path.name} holds no state_dict.", "Give the official weights file.")
    if not content or not all(type(k) is str and isinstance(v, Tensor) for k, v in content.items()):
        raise CheckpointRefused(
            f"{path.name} holds something else than named tensors.", "Give the official weights file."
        )
    return {key: _plain(value, path.name) for key, value in content.items()}


def load_tensors(path: Path) -> object:
    """What a file of ``torch.save`` holds, read by torch's ``weights_only`` loader, on the CPU.

    Raises:
        CheckpointRefused: damaged, hostile, or with content that inflates.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            if stream.read(len(ZIP)) == ZIP:
                _check_archive(path)
            else:
                with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    screen_legacy(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointRefused as refusal:
        raise CheckpointRefused(f"{path.name}: {refusal.what}", refusal.hint) from None
    except FileNotFoundError as error:
        raise CheckpointRefused(f"{path} does not exist.", "Check the spelling of the path.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointRefused(
            f"{path.name} is damaged or asks for more than tensors.",
            "Nothing in it was executed. Use only checkpoints from their official source.",
        ) from error
    # torch reports damage through whatever its parsers happen to trip over.
    except Exception as error:
        raise CheckpointRefused(
            f"{path.name} is damaged, cut short, or no weights file.",
            "Download it again from its official source.",
        ) from error


def _check_archive(path: Path) -> None:
    """torch.save stores without compression, with checksums; torch itself does not look at those."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise CheckpointRefused("it is compressed, which weights never are.", "Download it again.")
        if len({entry.filename.lower() for entry in entries}) < len(entries):
            raise CheckpointRefused("it has two entries of one name.", "Download it again.")
        if sum(entry.file_size for entry in entries) > min(LARGEST_BYTES, path.stat().st_size):
            raise CheckpointRefused("it claims more content than it has.", "Download it again.")
        if archive.testzip() is not None:
            raise CheckpointRefused("it is damaged: a checksum does not match.", "Download it again.")
        for entry in entries:
            if entry.filename.lower().endswith(".pkl"):
                screen(io.BytesIO(archive.read(entry)))


def _state(module: Record, file: str) -> dict[str, StoredTensor]:
    """Parameters and buffers of the module and those inside it, by state_dict name."""
    found: dict[str, StoredTensor] = {}
    pending = [("", module, 0)]
    while pending:
        prefix, record, depth = pending.pop()
        if type(record) is not Record or depth > DEEPEST:
            raise CheckpointRefused(f"{file} nests its networks in an impossible way.", "Download it again.")
        transient = record.attributes.get("_non_persistent_buffers_set", ())
        for group in ("_parameters", "_buffers"):
            for key, value in _mapping(record, group, file).items():
                if value is None or key in transient:
                    continue
                if type(value) is not StoredTensor:
                    raise CheckpointRefused(f"{file}: {prefix}{key} is no tensor.", "Download it again.")
                found[f"{prefix}{key}"] = value
        for key, value in _mapping(record, "_modules", file).items():
            if value is not None:
                pending.append((f"{prefix}{key}.", value, depth + 1))
    return found


def _mapping(record: Record, group: str, file: str) -> dict:
    value = record.attributes.get(group, {})
    if type(value) is not dict:
        raise CheckpointRefused(f"{file}: the {group} of {record.name} are no table.", "Download it again.")
    return value


def _tensors(path: Path, stored: dict[str, StoredTensor]) -> dict[str, Tensor]:
    storages: dict[Span | bytes, torch.UntypedStorage] = {}
    result = {}
    with path.open("rb") as stream:
        for name, tensor in stored.items():
            if tensor.storage not in storages:
                storages[tensor.storage] = _storage(stream, tensor.storage, f"{path.name}: {name}")
            result[name] = _view(storages[tensor.storage], tensor, f"{path.name}: {name}")
    return result


def _storage(stream, place: Span | bytes, where: str) -> tuple[torch.UntypedStorage, torch.dtype]:
    """An embedded storage: a legacy ``torch.save`` of its own."""
    if type(place) is Span:
        stream.seek(place.start)
        place = stream.read(place.length)
    try:
        if type(place) is not bytes or place[: len(ZIP)] == ZIP:
            raise ValueError("not a legacy storage")
        screen_legacy(io.BytesIO(place))
        with warnings.catch_warnings():
            # Typed storages are deprecated, and what these files hold.
            warnings.simplefilter("ignore")
            storage = torch.load(io.BytesIO(place), map_location="cpu", weights_only=True)
            return storage.untyped(), storage.dtype
    except Exception as error:
        raise CheckpointRefused(f"{where} is damaged.", "Download the file again.") from error


def _view(storage: tuple[torch.UntypedStorage, torch.dtype], tensor: StoredTensor, where: str) -> Tensor:
    untyped, dtype = storage
    held = untyped.nbytes() // torch.empty(0, dtype=dtype).element_size()
    count, last = 1, tensor.offset
    for size, stride in zip(tensor.size, tensor.stride, strict=True):
        count *= size
        last += max(size - 1, 0) * stride
    # A stride of 0 could make a few bytes look like terabytes, which the next copy would then fill.
    if count > held or (count and last >= held):
        raise CheckpointRefused(f"{where} is larger than its data.", "Download the file again.")
    view = torch.empty(0, dtype=dtype).set_(untyped, tensor.offset, tensor.size, tensor.stride)
    return _plain(view, where)


def _plain(tensor: Tensor, where: str) -> Tensor:
    """The tensor, dense; floats in single precision."""
    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        raise CheckpointRefused(f"{where} holds tensors of an unknown kind.", "Download the file again.")
    tensor = tensor.detach().contiguous()
    return tensor.float() if tensor.is_floating_point() else tensor
