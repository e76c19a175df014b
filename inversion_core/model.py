"""What a loaded model is: its card, and the four things that every model can do with a face."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from inversion_core.camera import Camera
from inversion_core.edit import Inversion, Slider
from inversion_core.errors import BadInput, MissingResource, UsageError
from inversion_core.mesh import Mesh
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering
from inversion_core.task import Task

MODELS = Path(__file__).resolve().parent.parent / "resources" / "models"
BUNDLED = MODELS / "facet-head"


@dataclass(frozen=True)
class ModelCard:
    """What a model says of itself, read from ``card.json``.

    Attributes:
        name: folder-safe identifier; title: for people; kind: which code runs it ("heads", "eg3d", "stylesdf").
        licence: of the weights; sliders: in the order that panels show them.
        recipes: slider name -> {"units": {unit: weight}, "shapes": {shape: weight}} for models made of named blocks.
        metrics: figures measured on this model; training: the command and data that made it.
        digest: hash of card and weights, stored in projects.
    """

    name: str
    title: str
    kind: str
    licence: str
    sliders: tuple[Slider, ...]
    recipes: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: str = ""
    digest: str = ""


class FaceModel(Protocol):
    """A generator with everything that turns a portrait into an editable head; read-only after loading."""

    card: ModelCard
    device: str

    def invert(self, portrait: Portrait) -> Task[Inversion]: ...
    def edit(self, inversion: Inversion, moves: Mapping[str, float]) -> Any: ...
    def view(self, head: Any, camera: Camera, size: int, samples: int = 1) -> Rendering: ...
    def sculpt(self, head: Any, resolution: int | None = None) -> Task[Mesh]: ...
    def pack(self, inversion: Inversion) -> dict[str, NDArray[np.generic]]: ...
    def unpack(self, portrait: Portrait, arrays: Mapping[str, NDArray[np.generic]]) -> Inversion: ...


def pick_device(wanted: str = "auto") -> str:
    """ "cuda", "mps" or "cpu": the wanted device, or with "auto" the fastest that is there.

    Raises:
        BadInput: the wanted device is not there.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted, False):
        available = ", ".join(name for name, present in there.items() if present)
        raise BadInput(f"The device {wanted!r} is not available.", f"Choose one of: {available}.")
    return wanted


def checked_several(model: FaceModel) -> None:
    """Nothing, where the model takes several photos of a person.

    Raises:
        UsageError: it takes one.
    """
    if model.card.kind not in ("heads", "stylesdf"):
        raise UsageError(
            f"{model.card.title or model.card.name} makes a head of one photo.",
            "Use the bundled model or E3DGE for several, or give one photo.",
        )


def takes_by_hand(model: FaceModel) -> bool:
    """Whether the model inverts photos that were aligned by hand: it asks neither for landmarks nor for a mask."""
    return model.card.kind in ("goae", "stylesdf")


def checked_encoder(model: FaceModel) -> None:
    """Nothing, where the model inverts photos.

    Raises:
        BadInput: it is a generator alone.
    """
    if model.card.kind == "eg3d":
        raise BadInput(
            f"The model {model.card.title!r} has no encoder, so it cannot take photos.",
            "Add GOAE's encoder and AFA to it, or use another model.",
        )


def checked_portrait(portrait: Portrait, model: FaceModel) -> None:
    """Nothing, where the model can take the portrait.

    Raises:
        UsageError: it was aligned by hand, and the model needs the landmarks of a face that was found.
    """
    if portrait.marks is not None and model.card.kind == "heads":
        raise UsageError(
            f"{model.card.title or model.card.name} needs a face that Facet finds by itself; "
            f"{portrait.name} was aligned by hand.",
            "Use a model with GOAE or E3DGE for it.",
        )


def read_card(folder: Path) -> ModelCard:
    """The card in a model's folder.

    Raises:
        MissingResource: there is no card; BadInput: it cannot be read.
    """
    path = folder / "card.json"
    if not path.is_file():
        raise MissingResource(
            f"There is no model in {folder}.", "Install Facet again, or name another model folder."
        )
    try:
        content = path.read_bytes()
        card = msgspec.json.decode(content, type=ModelCard)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadInput(f"The model card {path} cannot be read: {error}.", "Fetch the model again.") from error
    digest = hashlib.sha256(content)
    for weights in sorted(folder.glob("*.safetensors")):
        digest.update(weights.name.encode() + str(weights.stat().st_size).encode())
    return replace(card, digest=digest.hexdigest()[:16])


def load_model(path: Path | None = None, device: str = "auto") -> FaceModel:
    """The model in a folder, or the added one of that name; the bundled one when neither is given.

    Raises:
        MissingResource, BadInput: see :func:`read_card`.
    """
    folder = BUNDLED if path is None else Path(path)
    if not folder.exists():
        from inversion_core.checkpoints.install import model_place

        folder = model_place(folder)
    card = read_card(folder)
    if card.kind == "heads":
        from inversion_core.bundled import BundledModel

        return BundledModel(card, folder)
    if card.kind in ("eg3d", "goae"):
        from inversion_core.eg3d_model import EG3DModel

        return EG3DModel(card, folder, pick_device(device))
    if card.kind == "stylesdf":
        from inversion_core.stylesdf_model import open_stylesdf_model

        return open_stylesdf_model(folder, card, pick_device(device))
    raise BadInput(
        f"{folder} holds a model of kind {card.kind!r}, which cannot be opened here.", "Update Facet."
    )
