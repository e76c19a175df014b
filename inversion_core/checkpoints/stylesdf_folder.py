"""E3DGE with its generator as a model folder: ``card.json`` and safetensors, from official files or a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec
import torch

from inversion_core.checkpoints.cards import CheckpointCard, file_digest, read_card, read_tensors, save_model
from inversion_core.checkpoints.stylesdf import E3DGESettings, fill, load_e3dge
from inversion_core.encoders.e3dge import E3DGEEncoder
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator
from inversion_core.errors import CheckpointRefused
from inversion_core.generators.stylesdf import StyleSDF
from inversion_core.refine.boundaries import Boundary, boundary_sliders, read_boundaries
from inversion_core.refine.e3dge import E3DGE
from inversion_core.refine.local_features import FusionBlock, LocalNetwork
from inversion_core.refine.residual_aligner import ResidualAligner

PARTS = {
    "generator": "generator.safetensors",
    "encoder": "encoder.safetensors",
    "pose_network": "pose.safetensors",
    "local": "local.safetensors",
    "aligner": "aligner.safetensors",
    "fusion": "fusion.safetensors",
}
EXTRAS_FILE = "codes.safetensors"
"""The mean codes, and the boundaries as ``renderer_NAME`` and ``decoder_NAME``."""
LICENCE = "StyleSDF's and E3DGE's own terms hold: research only; ask their makers for anything else."


def save_e3dge(
    model: E3DGE,
    boundaries: Mapping[str, Boundary],
    folder: Path,
    name: str,
    source: Mapping[str, str] | None = None,
) -> CheckpointCard:
    """The card of all networks and boundaries, written as one folder.

    Raises:
        OutputUnwritable: the folder cannot be made or written.
    """
    sizes = E3DGESettings(
        model.generator.settings, model.encoder.settings, model.pose_network.settings, model.local.settings
    )
    card = CheckpointCard(
        name=name,
        kind="stylesdf",
        title="StyleSDF with E3DGE",
        licence=LICENCE,
        sliders=boundary_sliders(boundaries),
        architecture=asdict(sizes),
        source=dict(source or {}),
    )
    # Clones, as some networks hold one tensor under two names, which safetensors refuses.
    files = {
        file: {key: value.clone() for key, value in getattr(model, part).state_dict().items()}
        for part, file in PARTS.items()
    }
    generator = model.generator
    extras = {"mean_renderer": generator.mean_renderer, "mean_decoder": generator.mean_decoder}
    for attribute, boundary in boundaries.items():
        extras[f"renderer_{attribute}"] = torch.as_tensor(boundary.renderer)
        extras[f"decoder_{attribute}"] = torch.as_tensor(boundary.decoder)
    return save_model(folder, card, {**files, EXTRAS_FILE: extras})


def load_e3dge_folder(
    folder: Path | str, device: torch.device | str = "cpu"
) -> tuple[E3DGE, dict[str, Boundary]]:
    """The networks, frozen, and the boundaries of a folder that :func:`save_e3dge` wrote.

    Raises:
        CheckpointRefused: the folder is damaged or holds another kind of model.
    """
    folder = Path(folder)
    card = read_card(folder)
    if card.kind != "stylesdf":
        raise CheckpointRefused(f"{folder} holds a model of kind {card.kind!r}.", "Give one of StyleSDF.")
    try:
        sizes = msgspec.convert(card.architecture, E3DGESettings)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CheckpointRefused(
            f"The card's settings make no sense ({str(error)[:120]}).", "Add the model again."
        ) from error
    with torch.device("meta"):
        networks = {
            "generator": StyleSDF(sizes.generator),
            "encoder": E3DGEEncoder(sizes.encoder),
            "pose_network": VolumeDiscriminator(sizes.pose),
            "local": LocalNetwork(sizes.local),
            "aligner": ResidualAligner(),
            "fusion": FusionBlock(sizes.local.hourglass.features),
        }
    for part, network in networks.items():
        fill(network, read_tensors(folder, card, PARTS[part]))
    extras = read_tensors(folder, card, EXTRAS_FILE)
    try:
        networks["generator"].set_mean_latents((extras["mean_renderer"], extras["mean_decoder"]))
        boundaries = {
            s.name: Boundary(extras[f"renderer_{s.name}"].numpy(), extras[f"decoder_{s.name}"].numpy())
            for s in card.sliders
        }
    except KeyError as error:
        raise CheckpointRefused(f"{folder} has no {error.args[0]}.", "Add the model again.") from error
    return E3DGE(**networks).eval().to(device), boundaries


def convert_e3dge(
    runner_path: Path,
    generator_path: Path,
    pose_path: Path,
    folder: Path,
    boundaries: Path | None = None,
    name: str = "stylesdf",
) -> CheckpointCard:
    """The card of official files, converted into one folder.

    Raises:
        CheckpointRefused: a file is damaged, hostile, or of another architecture.
        OutputUnwritable: the folder cannot be written.
    """
    paths = [Path(runner_path), Path(generator_path), Path(pose_path)]
    found = read_boundaries(boundaries) if boundaries else {}
    model = load_e3dge(*paths)
    return save_e3dge(model, found, folder, name, {path.name: file_digest(path) for path in paths})
