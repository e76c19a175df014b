"""Where in a generator a descent stands: every latent space of the literature as one record of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Point:
    """What a picture is drawn from; None or empty where the generator's own is used.

    Attributes:
        z: (1, z_dim); when given, the codes follow from it.
        ws: (1, 1, w_dim) for W, (1, num_ws, w_dim) for W+.
        codes: (K, num_ws, w_dim), several heads whose features are mixed (mGANprior), and
        importance: (K, C), how much each channel of each counts.
        features: (1, C, r, r) added to the backbone's features at ``Stage.resolution`` (F space).
        camera: (6,) a turn (axis-angle, radians) and a shift (world units) of the given camera.
        noise: name -> (R, R) noise map; weights: name -> tuned parameter.
    """

    z: Tensor | None = None
    ws: Tensor | None = None
    codes: Tensor | None = None
    importance: Tensor | None = None
    features: Tensor | None = None
    camera: Tensor | None = None
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    def detached(self) -> Point:
        """A copy that no later step of a descent changes."""
        return self._mapped(lambda tensor: tensor.detach().clone())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Point:
        values = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Mapping):
                values[item.name] = {name: change(tensor) for name, tensor in value.items()}
            else:
                values[item.name] = None if value is None else change(value)
        return Point(**values)


def released(point: Point, moves: tuple[str, ...], layers: slice | None = None) -> tuple[Point, list[Tensor]]:
    """The point with fresh leaves where ``moves`` names its fields, and these leaves.

    Args:
        layers: the ws that may move; the gradient of the others is zeroed.
    """
    leaves: list[Tensor] = []

    def leaf(tensor: Tensor) -> Tensor:
        fresh = tensor.detach().clone().requires_grad_(True)
        leaves.append(fresh)
        return fresh

    changed = {}
    for name in moves:
        value = getattr(point, name)
        if isinstance(value, Mapping):
            changed[name] = {key: leaf(tensor) for key, tensor in value.items()}
        elif value is not None:
            changed[name] = leaf(value)
    if layers is not None and "ws" in changed:
        mask = torch.zeros_like(changed["ws"])
        mask[:, layers] = 1
        changed["ws"].register_hook(lambda gradient: gradient * mask)
    return replace(point, **changed), leaves
