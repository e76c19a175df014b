"""A model on disk: a folder with ``card.json`` and safetensors, each tensor file known by its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from inversion_core.edit import Slider
from inversion_core.errors import CheckpointRefused
from inversion_core.image import make_folder, write_atomic

CARD = "card.json"
VERSION = 1
"""Of the card's layout; newer ones are refused."""


@dataclass(frozen=True)
class CheckpointCard:
    """``card.json`` of a converted model: what every model's card says, and how to rebuild the networks.

    Attributes:
        name: folder-safe identifier, unique among installed models.
        title: what people read.
        kind: "eg3d" or "goae": which code builds it.
        licence: what its maker allows, in a sentence.
        sliders: one for each direction that came with it.
        architecture: the numbers that the networks are built from, by part.
        files: name of each tensor file -> SHA-256 of its content.
        source: name of each official file it was converted from -> SHA-256.
        version: of this layout.
    """

    name: str
    kind: str
    title: str = ""
    licence: str = ""
    sliders: tuple[Slider, ...] = ()
    architecture: dict = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


def file_digest(path: Path) -> str:
    """SHA-256 of the file's content, in hex.

    Raises:
        CheckpointRefused: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise CheckpointRefused(f"{path} cannot be read ({error.strerror}).", "Check the path.") from error


def save_model(folder: Path, card: CheckpointCard, tensors: dict[str, dict[str, Tensor]]) -> CheckpointCard:
    """The card with its digests, after writing it and the tensor files (name -> tensors) into the folder.

    The card comes last, so that a folder with a card is complete.

    Raises:
        OutputUnwritable: the folder cannot be made or written.
    """
    folder = Path(folder)
    make_folder(folder)
    files = {}
    for name, content in tensors.items():
        packed = save({key: value.contiguous() for key, value in content.items()})
        write_atomic(folder / name, packed)
        files[name] = hashlib.sha256(packed).hexdigest()
    card = replace(card, files=files)
    write_card(folder, card)
    return card


def write_card(folder: Path, card: CheckpointCard) -> None:
    """Writes the folder's card in one step.

    Raises:
        OutputUnwritable: the folder cannot be written.
    """
    write_atomic(Path(folder) / CARD, (json.dumps(asdict(card), indent=1) + "\n").encode())


def read_card(folder: Path) -> CheckpointCard:
    """The folder's card.

    Raises:
        CheckpointRefused: there is none, or it is damaged or from a newer version.
    """
    path = Path(folder) / CARD
    try:
        card = msgspec.json.decode(path.read_bytes(), type=CheckpointCard)
    except OSError as error:
        raise CheckpointRefused(
            f"{folder} holds no model card.", "Give a folder with a card.json."
        ) from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CheckpointRefused(
            f"{path} is damaged ({error}).", "Convert or install the model again."
        ) from error
    if card.version > VERSION:
        raise CheckpointRefused(f"{path} is from a newer version.", "Update the program.")
    return card


def read_tensors(folder: Path, card: CheckpointCard, name: str) -> dict[str, Tensor]:
    """The tensors of one of the model's files, after checking its hash.

    Raises:
        CheckpointRefused: the file is missing, changed or damaged.
    """
    if name not in card.files or Path(name).name != name:
        raise CheckpointRefused(f"{folder}: the card lists no {name}.", "Convert or install the model again.")
    path = Path(folder) / name
    if file_digest(path) != card.files[name]:
        raise CheckpointRefused(
            f"{path} is not the file that its card describes.", "Convert or install the model again."
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointRefused(f"{path} is damaged.", "Convert or install the model again.") from error
