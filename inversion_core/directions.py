"""Edit directions in W: read from files, found from labels or without them, saved, and shown as sliders.

A direction is what a slider at 1 adds to the codes, (num_ws, w_dim) float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from scipy.optimize import minimize
from torch import Tensor

from inversion_core.checkpoints.cards import read_card, write_card
from inversion_core.checkpoints.reader import load_tensors
from inversion_core.edit import Slider
from inversion_core.errors import BadInput, CheckpointRefused, UsageError
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.stylegan2 import SynthesisLayer, ToRGBLayer
from inversion_core.image import write_atomic

DIRECTIONS_FILE = "directions.safetensors"
GLASSES = ("glass", "glasses", "eyeglasses")
GLASSES_SHARE = 0.8
"""How much of the glasses direction every other edit takes away. Source: GOAE, ``infer.py``."""


@dataclass(frozen=True, eq=False)
class EditDirection:
    """A named direction.

    Attributes:
        name: identifier, ``snake_case``.
        offsets: (num_ws, w_dim) float32, added to the codes at strength 1.
        minimum, maximum: the strengths that a slider offers.
        source: how it was found, for the tooltip.
    """

    name: str
    offsets: NDArray[np.float32]
    minimum: float = -1.0
    maximum: float = 1.0
    source: str = ""


def read_direction(path: Path, num_ws: int = 14, w_dim: int = 512) -> EditDirection:
    """The direction in a ``.npy`` file or one of ``torch.save`` (some are named ``.npy``), named as the file.

    Taken are (1, num_ws, w_dim), (num_ws, w_dim), (1, w_dim) and (w_dim,); the last two hold for all codes.

    Raises:
        CheckpointRefused: unreadable, damaged, not one array of numbers, or of another size.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(6)
        if head == b"\x93NUMPY":
            values = np.load(path, allow_pickle=False, mmap_mode="r")
        else:
            tensor = load_tensors(path)
            values = tensor.detach().float().numpy() if isinstance(tensor, Tensor) else None
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise CheckpointRefused(f"{path} is damaged or cannot be read.", "Give a .npy file.") from error
    if values is None or values.dtype.kind not in "fiu":
        raise CheckpointRefused(f"{path.name} holds something else than one array.", "Give a .npy file.")
    if values.shape not in ((1, num_ws, w_dim), (num_ws, w_dim), (1, w_dim), (w_dim,)):
        raise CheckpointRefused(
            f"{path.name} is a direction of size {values.shape}; this model has {num_ws} codes of {w_dim}.",
            "Use directions that were made for this model.",
        )
    return _checked(path.stem, values.reshape(-1, w_dim), num_ws, f"{path.name}")


def save_directions(path: Path, directions: Iterable[EditDirection], generator: str) -> None:
    """Writes the directions as one safetensors file, with names and ranges in its header.

    Args:
        generator: name of the model that they belong to.

    Raises:
        OutputUnwritable: missing folder, no permission, disk full.
    """
    directions = list(directions)
    about = [
        {"name": d.name, "minimum": d.minimum, "maximum": d.maximum, "source": d.source} for d in directions
    ]
    metadata = {"format": "facet-directions-1", "generator": generator, "directions": json.dumps(about)}
    tensors = {d.name: np.ascontiguousarray(d.offsets, np.float32) for d in directions}
    write_atomic(path, save(tensors, metadata=metadata))


def read_directions(path: Path, num_ws: int = 14, w_dim: int = 512) -> list[EditDirection]:
    """The directions of a file that :func:`save_directions` wrote, in their order.

    Raises:
        CheckpointRefused: damaged, another kind of file, or of another size.
    """
    path = Path(path)
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            about = json.loads(metadata["directions"])
            return [
                _checked(
                    str(entry["name"]),
                    file.get_tensor(entry["name"]),
                    num_ws,
                    str(entry["source"]),
                    float(entry["minimum"]),
                    float(entry["maximum"]),
                    w_dim,
                )
                for entry in about
            ]
    except CheckpointRefused:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointRefused(
            f"{path} is damaged or holds no directions.", "Give a file that this program saved."
        ) from error


def install_directions(folder: Path, directions: Iterable[EditDirection]) -> tuple[Slider, ...]:
    """The sliders of a converted model after these directions were added to it; the same names are replaced.

    Raises:
        CheckpointRefused: the folder holds no converted model, or its directions are damaged.
        OutputUnwritable: the folder cannot be written.
    """
    folder = Path(folder)
    card = read_card(folder)
    directions = list(directions)
    kept = []
    if (folder / DIRECTIONS_FILE).exists() and directions:
        num_ws, w_dim = directions[0].offsets.shape
        new = {direction.name for direction in directions}
        kept = [d for d in read_directions(folder / DIRECTIONS_FILE, num_ws, w_dim) if d.name not in new]
    every = [*kept, *directions]
    save_directions(folder / DIRECTIONS_FILE, every, card.name)
    card = replace(card, sliders=sliders_of(every))
    write_card(folder, card)
    return card.sliders


def installed_directions(folder: Path, num_ws: int, w_dim: int) -> list[EditDirection]:
    """The directions of a converted model; none if it has none.

    Raises:
        CheckpointRefused: they are damaged or of another size.
    """
    path = Path(folder) / DIRECTIONS_FILE
    return read_directions(path, num_ws, w_dim) if path.exists() else []


def sliders_of(directions: Iterable[EditDirection]) -> tuple[Slider, ...]:
    """One slider for each direction."""
    return tuple(
        Slider(
            name=direction.name,
            label=direction.name.replace("_", " ").capitalize(),
            group="directions",
            tooltip=direction.source or "A direction in the model's latent space.",
            minimum=direction.minimum,
            maximum=direction.maximum,
        )
        for direction in directions
    )


def edit_offsets(
    moves: Mapping[str, float], directions: Sequence[EditDirection], glasses_share: float = GLASSES_SHARE
) -> NDArray[np.float32]:
    """(1, num_ws, w_dim) of all moves together, ready for ``goae.edit``.

    As in the official script, an edit of anything but glasses also takes away a share of the glasses
    direction, if there is one; once, however many sliders moved, and not where glasses themselves are moved.

    Args:
        moves: name of a direction -> strength.

    Raises:
        UsageError: a name is unknown or a strength is not finite.
    """
    known = {direction.name: direction.offsets for direction in directions}
    total = np.zeros((1, *directions[0].offsets.shape), np.float32) if directions else None
    for name, strength in moves.items():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UsageError(f"There is no direction {name!r}.", f"There are: {names}.")
        if not np.isfinite(strength):
            raise UsageError(f"The strength of {name!r} is not a number.", "Give a finite number.")
        total = total + np.float32(strength) * known[name]
    glasses = next((known[name] for name in GLASSES if name in known), None)
    moved = {name for name, strength in moves.items() if strength != 0}
    if glasses is not None and moved and not moved & set(GLASSES):
        total = total - np.float32(glasses_share) * glasses
    if total is None:
        raise UsageError("This model has no directions.", "Add or find some first.")
    return total.astype(np.float32)


def svm_direction(
    name: str,
    codes: NDArray,
    scores: NDArray,
    num_ws: int = 14,
    extremes: float = 0.02,
    penalty: float = 1.0,
) -> EditDirection:
    """The direction across the best boundary between codes of high and of low score.

    A linear support vector machine with squared hinge loss on the most certain codes; its range is three
    standard deviations of the codes along it.

    Args:
        codes: (N, w_dim) of the generator's mapping.
        scores: (N,) of some attribute, any scale.
        extremes: share of the codes taken at either end, at least 10.
        penalty: weight of the loss against the margin.

    Raises:
        BadInput: too few codes, or scores that do not differ.

    Source: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing".
    """
    codes, scores = np.asarray(codes, np.float64), np.asarray(scores, np.float64).ravel()
    count = max(int(len(codes) * extremes), 10)
    if len(codes) != len(scores) or len(codes) < 2 * count or not np.isfinite(scores).all():
        raise BadInput(
            f"{len(codes)} codes and {len(scores)} scores are too few.", "Give at least 20 of each."
        )
    order = np.argsort(scores)
    if scores[order[count - 1]] >= scores[order[-count]]:
        raise BadInput(f"The scores of {name!r} hardly differ.", "Score more, and more different, samples.")
    chosen = np.concatenate([codes[order[:count]], codes[order[-count:]]])
    signs = np.repeat([-1.0, 1.0], count)
    scale = chosen.std(axis=0) + 1e-9
    centred = (chosen - chosen.mean(axis=0)) / scale

    def loss(parameters: NDArray) -> tuple[float, NDArray]:
        weights, offset = parameters[:-1], parameters[-1]
        slack = np.maximum(1 - signs * (centred @ weights + offset), 0)
        pull = -2 * penalty / count * slack * signs
        value = 0.5 * weights @ weights + penalty / count * (slack**2).sum()
        return value, np.concatenate([weights + centred.T @ pull, [pull.sum()]])

    found = minimize(loss, np.zeros(codes.shape[1] + 1), jac=True, method="L-BFGS-B").x[:-1] / scale
    normal = found / np.linalg.norm(found)
    return _unit(name, normal, codes, num_ws, f"Support vector boundary of {len(codes)} labelled samples")


def principal_directions(codes: NDArray, count: int = 10, num_ws: int = 14) -> list[EditDirection]:
    """Principal components of the codes (N, w_dim), the widest first; named ``component_1`` …

    Raises:
        BadInput: fewer codes than components.

    Source: Härkönen et al. 2020, "GANSpace: Discovering Interpretable GAN Controls".
    """
    codes = np.asarray(codes, np.float64)
    if len(codes) <= count or codes.shape[1] < count:
        raise BadInput(f"{len(codes)} codes do not give {count} components.", "Sample more codes.")
    components = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)[2][:count]
    return [
        _unit(f"component_{index + 1}", component, codes, num_ws, f"Principal component {index + 1} of W")
        for index, component in enumerate(components)
    ]


def weight_directions(
    generator: TriPlaneGenerator, count: int = 10, layers: Sequence[int] | None = None
) -> list[EditDirection]:
    """The directions that the generator's own style layers react to most; named ``style_1`` …

    Args:
        layers: which codes are read and moved; all by default.

    Raises:
        BadInput: a layer does not exist, or more directions are asked for than codes have channels.

    Source: Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs" (SeFa).
    """
    chosen = range(generator.num_ws) if layers is None else layers
    styles = _style_weights(generator)
    if not set(chosen) <= set(range(generator.num_ws)) or not 0 < count <= generator.settings.w_dim:
        raise BadInput(
            "These layers or this many directions do not exist.", f"Layers are 0 to {len(styles) - 1}."
        )
    weights = np.concatenate([matrix for index in chosen for matrix in styles[index]])
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(weights.T @ weights)
    result = []
    for index in range(count):
        offsets = np.zeros((generator.num_ws, generator.settings.w_dim), np.float32)
        offsets[list(chosen)] = vectors[:, -1 - index]
        result.append(
            EditDirection(
                f"style_{index + 1}", offsets, -3, 3, f"Eigenvector {index + 1} of the style layers"
            )
        )
    return result


def without(direction: EditDirection, others: Sequence[EditDirection]) -> EditDirection:
    """The direction, made perpendicular to the others, so that it moves nothing along them.

    Source: Shen et al. 2020, section 3.2, "conditional manipulation".
    """
    flat = direction.offsets.astype(np.float64).ravel()
    if others:
        basis = np.linalg.qr(np.stack([other.offsets.ravel() for other in others], 1).astype(np.float64))[0]
        flat = flat - basis @ (basis.T @ flat)
    offsets = flat.reshape(direction.offsets.shape).astype(np.float32)
    return EditDirection(direction.name, offsets, direction.minimum, direction.maximum, direction.source)


@torch.no_grad()
def random_codes(generator: TriPlaneGenerator, count: int, c: Tensor, seed: int = 0) -> Tensor:
    """(count, w_dim) codes of random noise under the camera label c (1, 25); the same for the same seed."""
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.settings.z_dim, generator=source).to(c.device)
    return torch.cat([generator.mapping(part, c.expand(len(part), -1))[:, 0] for part in z.split(1024)])


def _style_weights(generator: TriPlaneGenerator) -> list[list[NDArray]]:
    """For each code, the style layers (out, w_dim) that read it."""
    network = generator.backbone.synthesis
    read: list[list[NDArray]] = [[] for _ in range(network.num_ws)]
    for index, resolution in enumerate(network.resolutions):
        block = getattr(network, f"b{resolution}")
        layers = [layer for layer in block.children() if isinstance(layer, SynthesisLayer | ToRGBLayer)]
        for offset, layer in enumerate(layers):
            read[max(2 * index - 1, 0) + offset].append(layer.affine.weight.detach().cpu().double().numpy())
    return read


def _unit(name: str, normal: NDArray, codes: NDArray, num_ws: int, source: str) -> EditDirection:
    """A unit direction whose range is three standard deviations of the codes along it."""
    spread = 3 * float((codes @ normal).std())
    offsets = np.broadcast_to(normal.astype(np.float32), (num_ws, len(normal))).copy()
    return EditDirection(name, offsets, -spread, spread, source)


def _checked(
    name: str,
    values: NDArray,
    num_ws: int,
    source: str,
    minimum: float = -1.0,
    maximum: float = 1.0,
    w_dim: int | None = None,
) -> EditDirection:
    values = np.asarray(values)
    if w_dim is not None and values.shape != (num_ws, w_dim):
        raise CheckpointRefused(
            f"The direction {name!r} is of size {values.shape}; this model has {num_ws} codes of {w_dim}.",
            "Use directions that were made for this model.",
        )
    offsets = np.broadcast_to(values.astype(np.float32), (num_ws, values.shape[-1])).copy()
    if not np.isfinite(offsets).all() or not minimum <= maximum:
        raise CheckpointRefused(
            f"The direction {name!r} holds impossible numbers.", "Make or download it again."
        )
    return EditDirection(name, offsets, minimum, maximum, source)
