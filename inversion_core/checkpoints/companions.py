"""Which official file is which, what still lacks, and a model from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from inversion_core.checkpoints.install import (
    AFA_KEY,
    ENCODER_KEY,
    checked_name,
    install_model,
    models_folder,
)
from inversion_core.checkpoints.reader import load_tensors
from inversion_core.errors import CheckpointRefused, UsageError

EG3D, GOAE, E3DGE = "eg3d", "goae", "e3dge"
GENERATOR, ENCODER, AFA = "EG3D generator", "GOAE encoder", "GOAE AFA"
RUNNER, STYLESDF, POSE = "E3DGE runner", "StyleSDF generator", "StyleSDF volume renderer"
DIRECTION = "direction"
NEEDED = {EG3D: (GENERATOR,), GOAE: (GENERATOR, ENCODER, AFA), E3DGE: (RUNNER, STYLESDF, POSE)}
"""Files that make a model of each kind, by their roles."""
OFFICIAL = {
    GENERATOR: "ffhqrebalanced512-128.pkl",
    ENCODER: "encoder_FFHQ.pt",
    AFA: "afa_FFHQ.pt",
    RUNNER: "E3DGE_Full_Runner.pt",
    STYLESDF: "ffhq1024x1024.pt",
    POSE: "ffhq_vol_renderer.pt",
}
"""Role -> what its maker calls the file, for a person to look for."""


@dataclass(frozen=True)
class Parts:
    """Files that belong to one model.

    Attributes:
        files: role -> file; directions: files that become sliders; boundaries: E3DGE's folder of them, or None.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    directions: tuple[Path, ...] = ()
    boundaries: Path | None = None

    @property
    def kind(self) -> str:
        """Of the model that they make."""
        if any(role in self.files for role in NEEDED[E3DGE]):
            return E3DGE
        return GOAE if ENCODER in self.files or AFA in self.files else EG3D

    @property
    def missing(self) -> tuple[str, ...]:
        """Roles of the files that lack."""
        return tuple(role for role in NEEDED[self.kind] if role not in self.files)


def identified(files: Sequence[Path], known: Parts | None = None) -> Parts:
    """The files by their roles, told by their content, added to those that are known.

    Raises:
        CheckpointRefused: a file is damaged, hostile or of no known kind.
        UsageError: two files have one role, or belong to different methods.
    """
    known = known or Parts()
    found, directions, boundaries = dict(known.files), list(known.directions), known.boundaries
    for path in map(Path, files):
        if path.is_dir():
            boundaries = path
            continue
        role = _role(path)
        if role == DIRECTION:
            directions.append(path)
        elif role in found and found[role] != path:
            raise UsageError(f"{found[role].name} and {path.name} are both the {role}.", "Give one of each.")
        else:
            found[role] = path
    methods = [any(role in found for role in roles) for roles in (NEEDED[GOAE], NEEDED[E3DGE])]
    if all(methods):
        raise UsageError("The files belong to EG3D and to StyleSDF.", "Add one model at a time.")
    return Parts(found, tuple(directions), boundaries)


def install_parts(parts: Parts, name: str, root: Path | None = None) -> Path:
    """The folder of the model that the parts make; an EG3D model of this name that is there lends its generator.

    Raises:
        UsageError: parts lack, or the name is none.
        CheckpointRefused, OutputUnwritable: see :func:`install_model` and
            :func:`inversion_core.checkpoints.stylesdf_folder.convert_e3dge`.
    """
    if parts.kind != E3DGE:
        files = [*parts.files.values(), *parts.directions]
        return install_model(files, name or None, root)
    if parts.missing:
        raise UsageError(
            f"The {parts.missing[0]} is missing.", f"Its maker calls it {OFFICIAL[parts.missing[0]]}."
        )
    from inversion_core.checkpoints.stylesdf_folder import convert_e3dge

    folder = (root or models_folder()) / checked_name(name or "stylesdf")
    runner, generator, pose = (parts.files[role] for role in NEEDED[E3DGE])
    convert_e3dge(runner, generator, pose, folder, parts.boundaries, folder.name)
    return folder


def _role(path: Path) -> str:
    kind = path.suffix.lower()
    if kind == ".pkl":
        return GENERATOR
    if kind in (".npy", ".safetensors"):
        return DIRECTION
    if kind in (".pt", ".pth"):
        content = load_tensors(path)
        if isinstance(content, Mapping):
            if ENCODER_KEY in content:
                return ENCODER
            if AFA_KEY in content:
                return AFA
            if {"encoder", "netLocal"} <= content.keys():
                return RUNNER
            weights = content.get("g_ema")
            if isinstance(weights, Mapping) and any(
                _is_decoder(key, value) for key, value in weights.items()
            ):
                return STYLESDF
            if isinstance(content.get("d"), Mapping):
                return POSE
    raise CheckpointRefused(
        f"{path.name} is no file of EG3D, GOAE, StyleSDF or E3DGE.",
        "See Help for the files that can be added.",
    )


def _is_decoder(key: object, value: object) -> bool:
    return isinstance(value, Tensor) and str(key).removeprefix("module.").startswith("decoder.")
