"""Models from official files or converted folders.

An official pickle is converted once, into the user's cache, and read from there afterwards: the pickle's hash
finds the folder, and the card's hashes vouch for its content.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path

import platformdirs
import torch

from inversion_core.checkpoints.cards import (
    CARD,
    CheckpointCard,
    file_digest,
    read_card,
    read_tensors,
    save_model,
)
from inversion_core.checkpoints.encoder_keys import afa_with, encoder_with, settings_from_card
from inversion_core.checkpoints.generator_keys import (
    generator_with,
    settings_as_numbers,
    settings_from_numbers,
    settings_from_official,
)
from inversion_core.checkpoints.reader import read_official_pickle, read_state_dict
from inversion_core.encoders.goae import GOAEEncoder, GOAESettings
from inversion_core.errors import CheckpointRefused, OutputUnwritable
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.refine.afa import AFA, AFASettings
from inversion_core.refine.goae import GOAE, SPLIT

GENERATOR_FILE, ENCODER_FILE, AFA_FILE = "generator.safetensors", "encoder.safetensors", "afa.safetensors"
LICENCES = {
    "eg3d": "NVIDIA Source Code License: research and evaluation only; ask its makers for anything else.",
    "goae": "The weights' own terms hold, and those of the EG3D generator they were trained for.",
}


def load_generator(path: Path | str, device: torch.device | str = "cpu") -> TriPlaneGenerator:
    """An EG3D generator from an official ``.pkl`` or a converted folder, frozen.

    Raises:
        CheckpointRefused: damaged, hostile, or of an unknown architecture.
    """
    path = Path(path)
    if path.is_dir():
        return _generator_from_folder(path).to(device)
    digest = file_digest(path)
    folder = platformdirs.user_cache_path("facet") / "converted" / digest[:32]
    if (folder / CARD).exists():
        with contextlib.suppress(CheckpointRefused):
            return _generator_from_folder(folder).to(device)
    generator = _official_generator(path)
    # Without a place to write, the next start converts again; nothing else is lost.
    with contextlib.suppress(OutputUnwritable):
        save_generator(generator, folder, path.stem, {path.name: digest})
    return generator.to(device)


def load_goae(
    encoder_path: Path | str,
    afa_path: Path | str | None = None,
    generator: TriPlaneGenerator | None = None,
) -> GOAE:
    """GOAE for this generator, from the official ``encoder_*.pt`` and ``afa_*.pt``; or whole from a folder.

    Raises:
        CheckpointRefused: damaged, hostile, or made for a generator of another size.
    """
    encoder_path = Path(encoder_path)
    if encoder_path.is_dir():
        return _goae_from_folder(encoder_path, generator)
    if afa_path is None or generator is None:
        raise CheckpointRefused(
            f"{encoder_path.name} is only a part of GOAE.",
            "Give the encoder, the AFA and the generator together.",
        )
    device = next(generator.parameters()).device
    encoder = encoder_with(GOAESettings(), read_state_dict(encoder_path))
    afa = afa_with(AFASettings(), read_state_dict(Path(afa_path)))
    return _joined(encoder.to(device), afa.to(device), generator)


def save_generator(
    generator: TriPlaneGenerator, folder: Path, name: str, source: dict[str, str] | None = None
) -> CheckpointCard:
    """The card of the generator, written as a folder of safetensors and ``card.json``.

    Raises:
        OutputUnwritable: the folder cannot be made or written.
    """
    card = CheckpointCard(
        name=name,
        title=f"{name} (EG3D)",
        kind="eg3d",
        architecture={"generator": settings_as_numbers(generator.settings)},
        source=source or {},
        licence=LICENCES["eg3d"],
    )
    return save_model(folder, card, {GENERATOR_FILE: generator.state_dict()})


def save_goae(goae: GOAE, folder: Path, name: str, source: dict[str, str] | None = None) -> CheckpointCard:
    """The card of all three networks, written as one folder of safetensors and ``card.json``.

    Raises:
        OutputUnwritable: the folder cannot be made or written.
    """
    card = CheckpointCard(
        name=name,
        title=f"{name} (GOAE)",
        kind="goae",
        architecture={
            "generator": settings_as_numbers(goae.generator.settings),
            "encoder": asdict(goae.encoder.settings),
            "afa": asdict(goae.afa.settings),
        },
        source=source or {},
        licence=LICENCES["goae"],
    )
    files = {
        GENERATOR_FILE: goae.generator.state_dict(),
        ENCODER_FILE: goae.encoder.state_dict(),
        AFA_FILE: goae.afa.state_dict(),
    }
    return save_model(folder, card, files)


def convert_generator(path: Path, folder: Path, name: str | None = None) -> CheckpointCard:
    """The card of an official generator pickle, converted into the folder.

    Raises:
        CheckpointRefused: the pickle is damaged, hostile or unknown.
        OutputUnwritable: the folder cannot be written.
    """
    path = Path(path)
    source = {path.name: file_digest(path)}
    return save_generator(_official_generator(path), folder, name or path.stem, source)


def convert_goae(
    generator_path: Path, encoder_path: Path, afa_path: Path, folder: Path, name: str = "goae"
) -> CheckpointCard:
    """The card of GOAE with its generator, converted from the official files into one folder.

    Raises:
        CheckpointRefused: a file is damaged, hostile or does not fit the others.
        OutputUnwritable: the folder cannot be written.
    """
    paths = [Path(generator_path), Path(encoder_path), Path(afa_path)]
    goae = load_goae(paths[1], paths[2], load_generator(paths[0]))
    return save_goae(goae, folder, name, {path.name: file_digest(path) for path in paths})


def _official_generator(path: Path) -> TriPlaneGenerator:
    module = read_official_pickle(path)
    return generator_with(settings_from_official(module), module.tensors)


def _generator_from_folder(folder: Path) -> TriPlaneGenerator:
    card = _card(folder, ("eg3d", "goae"))
    settings = settings_from_numbers(_part(card, "generator"))
    return generator_with(settings, read_tensors(folder, card, GENERATOR_FILE))


def _goae_from_folder(folder: Path, generator: TriPlaneGenerator | None) -> GOAE:
    card = _card(folder, ("goae",))
    generator = generator or _generator_from_folder(folder)
    device = next(generator.parameters()).device
    encoder = encoder_with(
        settings_from_card(_part(card, "encoder"), GOAESettings), read_tensors(folder, card, ENCODER_FILE)
    )
    afa = afa_with(settings_from_card(_part(card, "afa"), AFASettings), read_tensors(folder, card, AFA_FILE))
    return _joined(encoder.to(device), afa.to(device), generator)


def _card(folder: Path, kinds: tuple[str, ...]) -> CheckpointCard:
    card = read_card(folder)
    if card.kind not in kinds:
        raise CheckpointRefused(
            f"{folder} holds a model of kind {card.kind[:40]!r}.", "Choose another model."
        )
    return card


def _part(card: CheckpointCard, name: str) -> dict:
    value = card.architecture.get(name)
    if not isinstance(value, dict):
        raise CheckpointRefused(
            f"The card of {card.name[:80]} does not describe its {name}.", "Convert it again."
        )
    return value


def _joined(encoder: GOAEEncoder, afa: AFA, generator: TriPlaneGenerator) -> GOAE:
    settings = generator.settings
    channels = min(settings.channel_base // SPLIT, settings.channel_max)
    wanted = (generator.num_ws, settings.w_dim, channels)
    given = (encoder.settings.num_ws, encoder.settings.w_dim, afa.settings.channels)
    if wanted != given:
        raise CheckpointRefused(
            f"This GOAE makes {given[0]} codes of {given[1]} and {given[2]} features; the generator has "
            f"{wanted[0]}, {wanted[1]} and {wanted[2]}.",
            "Use the generator that it was trained for.",
        )
    return GOAE(encoder, afa, generator)
