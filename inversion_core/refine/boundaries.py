"""E3DGE's edit directions: one unit vector in each of StyleSDF's two spaces for each attribute.

Source: Shen et al. 2020, InterFaceGAN; E3DGE's published boundaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.edit import Slider
from inversion_core.errors import CheckpointRefused, UsageError
from inversion_core.generators.stylesdf import Codes

SPACES = ("renderer", "decoder")
LIMIT = 2.0
"""How far a slider goes, in boundary vectors; the paper's edits lie between -1.5 and 1.5."""
LABELS = {
    "Bangs": "Fringe",
    "Eyeglasses": "Glasses",
    "No_Beard": "No beard",
    "Smiling": "Smile",
    "Young": "Youth",
}


class Boundary(NamedTuple):
    """A direction in both spaces: ``renderer`` (256,) and ``decoder`` (512,), float32."""

    renderer: NDArray[np.float32]
    decoder: NDArray[np.float32]


def read_boundaries(folder: Path | str) -> dict[str, Boundary]:
    """The attributes in a folder of ``renderer_NAME/boundary.npy`` and ``decoder_NAME/boundary.npy``.

    Raises:
        CheckpointRefused: there is none, one has no partner, or a file is damaged.
    """
    folder = Path(folder)
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for space in SPACES:
        for path in sorted(folder.glob(f"{space}_*/boundary.npy")):
            name = path.parent.name.removeprefix(f"{space}_")
            found.setdefault(name, {})[space] = _vector(path)
    if not found:
        raise CheckpointRefused(
            f"{folder} holds no boundaries.",
            "Give the folder with renderer_Smiling, decoder_Smiling and so on.",
        )
    for name, parts in found.items():
        if len(parts) < len(SPACES):
            raise CheckpointRefused(
                f"{name} has no boundary for the {(set(SPACES) - set(parts)).pop()}.",
                "Both parts belong together: fetch the missing one.",
            )
    return {name: Boundary(**parts) for name, parts in sorted(found.items())}


def boundary_sliders(boundaries: Mapping[str, Boundary]) -> tuple[Slider, ...]:
    """One slider for each attribute, from -2 to 2 boundary vectors."""
    return tuple(
        Slider(
            name=name,
            label=LABELS.get(name, name.replace("_", " ")),
            group="character",
            tooltip=f"Moves both codes along the published {name.replace('_', ' ').lower()} direction.",
            minimum=-LIMIT,
            maximum=LIMIT,
        )
        for name in boundaries
    )


def moved(codes: Codes, moves: Mapping[str, float], boundaries: Mapping[str, object]) -> Codes:
    """All codes of both spaces moved by the sum of strength times boundary.

    Args:
        boundaries: name -> pair of vectors, as :func:`read_boundaries` gives them, or a mapping with the keys
            ``renderer`` and ``decoder``.

    Raises:
        UsageError: an attribute is unknown, a strength is no finite number, or a boundary has another size.
    """
    renderer, decoder = codes
    for name, strength in moves.items():
        if name not in boundaries:
            known = ", ".join(sorted(boundaries)) or "none"
            raise UsageError(f"There is no boundary named {name!r}.", f"There are: {known}.")
        if not np.isfinite(strength):
            raise UsageError(f"The value of {name!r} is not a number.", "Give a finite number.")
        first, second = _pair(boundaries[name])
        renderer = renderer + float(strength) * _row(first, renderer, name)
        decoder = decoder + float(strength) * _row(second, decoder, name)
    return Codes(renderer, decoder)


def _pair(boundary: object) -> tuple[object, object]:
    if isinstance(boundary, Mapping):
        return boundary["renderer"], boundary["decoder"]
    first, second = boundary  # type: ignore[misc]
    return first, second


def _row(vector: object, codes: Tensor, name: str) -> Tensor:
    row = torch.as_tensor(vector, dtype=codes.dtype, device=codes.device).reshape(-1)
    if len(row) != codes.shape[-1]:
        raise UsageError(
            f"The boundary of {name!r} has {len(row)} numbers where codes have {codes.shape[-1]}.",
            "Use boundaries that were made for this generator.",
        )
    return row


def _vector(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointRefused(f"{path} is damaged or no array.", "Download it again.") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise CheckpointRefused(f"{path} holds something else than finite numbers.", "Download it again.")
    return array.astype(np.float32).reshape(-1)
