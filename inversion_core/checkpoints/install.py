"""Official files -> an installed model: what ``facet models add`` and a drop on the window do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from inversion_core.checkpoints.cards import CARD, file_digest, read_card
from inversion_core.checkpoints.encoder_keys import afa_with, encoder_with
from inversion_core.checkpoints.load import load_generator, save_generator, save_goae
from inversion_core.checkpoints.reader import read_state_dict
from inversion_core.directions import (
    EditDirection,
    install_directions,
    installed_directions,
    read_direction,
    read_directions,
)
from inversion_core.encoders.goae import GOAESettings
from inversion_core.errors import CheckpointRefused, UsageError
from inversion_core.model import MODELS
from inversion_core.refine.afa import AFASettings
from inversion_core.refine.goae import GOAE

ENCODER_KEY, AFA_KEY = "swin_model.patch_embed.proj.weight", "input_layer.0.weight"
"""Tensors by which the two kinds of GOAE's weights are told apart."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def models_folder() -> Path:
    """Where models that were added live, one folder each."""
    return platformdirs.user_data_path("facet") / "models"


def model_place(model: Path, root: Path | None = None) -> Path:
    """The path itself if there is something, else the folder of the model of that name: an added one, or Facet's own."""
    model = Path(model)
    if model.exists() or len(model.parts) != 1:
        return model
    added, own = (root or models_folder()) / model.name, MODELS / model.name
    return own if own.exists() and not added.exists() else added


def installed_models(root: Path | None = None) -> list[Path]:
    """The folders of the models that were added, by name."""
    return sorted(card.parent for card in (root or models_folder()).glob(f"*/{CARD}"))


def install_model(files: Sequence[Path], name: str | None = None, root: Path | None = None) -> Path:
    """The folder of the model after adding these files to it; it is made if there is none of this name.

    A new model needs a generator (``.pkl``). GOAE's encoder and AFA (``.pt``) come together, with their generator
    or to one that is there. Directions (``.npy``, or a file that this program saved) become sliders.

    Args:
        name: of the model; the generator's file name when left out.
        root: where models live; see :func:`models_folder`.

    Raises:
        UsageError: parts are missing, doubled or without a name.
        CheckpointRefused: a file is damaged, hostile, unknown, or does not fit the others.
        OutputUnwritable: the folder cannot be written.
    """
    parts: dict[str, Path] = {}
    weights = {}
    directions = []
    for path in map(Path, files):
        kind = path.suffix.lower()
        if kind == ".pkl":
            found = "generator"
        elif kind in (".npy", ".safetensors"):
            directions.append(path)
            continue
        elif kind in (".pt", ".pth"):
            tensors = read_state_dict(path)
            found = "encoder" if ENCODER_KEY in tensors else "afa" if AFA_KEY in tensors else ""
            weights[found] = tensors
        else:
            found = ""
        if not found:
            raise CheckpointRefused(
                f"{path.name} is no file of EG3D or GOAE.", "Give .pkl, .pt or .npy files."
            )
        if found in parts:
            raise UsageError(
                f"{parts[found].name} and {path.name} are both the {found}.", "Give one of each."
            )
        parts[found] = path
    if ("encoder" in parts) != ("afa" in parts):
        raise UsageError("GOAE needs its encoder and its AFA.", "Add both files together.")
    name = name or (parts["generator"].stem if "generator" in parts else "")
    folder = (root or models_folder()) / checked_name(name)
    if "generator" not in parts and not (folder / CARD).exists():
        raise UsageError(
            f"There is no model {name!r} yet.", "Add its generator (.pkl) first, or name another model."
        )
    source = {} if "generator" in parts else dict(read_card(folder).source)
    source |= {path.name: file_digest(path) for path in parts.values()}
    generator = load_generator(parts.get("generator", folder))
    offsets = [
        d for path in directions for d in _directions(path, generator.num_ws, generator.settings.w_dim)
    ]
    if "encoder" in parts:
        encoder = encoder_with(GOAESettings(), weights["encoder"])
        afa = afa_with(AFASettings(), weights["afa"])
        save_goae(GOAE(encoder, afa, generator), folder, name, source)
    elif "generator" in parts:
        save_generator(generator, folder, name, source)
    # A card that was just written knows nothing of the directions that were there before.
    offsets = offsets or installed_directions(folder, generator.num_ws, generator.settings.w_dim)
    if offsets:
        install_directions(folder, offsets)
    return folder


def checked_name(name: str) -> str:
    """The name, if a model may have it.

    Raises:
        UsageError: it may not.
    """
    if not _NAME.match(name):
        raise UsageError(f"{name!r} is no name for a model.", "Use letters, digits, dots and hyphens.")
    return name


def _directions(path: Path, num_ws: int, w_dim: int) -> list[EditDirection]:
    if path.suffix.lower() == ".safetensors":
        return read_directions(path, num_ws, w_dim)
    return [read_direction(path, num_ws, w_dim)]
