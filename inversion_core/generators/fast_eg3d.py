"""A head's planes arranged for fast pictures on processors."""

from __future__ import annotations

import torch
from torch import Tensor

from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.fast_rays import FastRays
from inversion_core.generators.fast_superres import FastSuperresolution
from inversion_core.generators.vectors import HALVES
from inversion_core.volume import camera_rays


def halves_are_fast() -> bool:
    """Whether the loops multiply bfloat16 faster than float32: on this processor, as they are compiled here."""
    return HALVES


class FastView:
    """One head: midpoint sampling, no noise; the same pictures as the plain generator to float32's rounding."""

    def __init__(self, generator: TriPlaneGenerator, planes: Tensor, ws: Tensor) -> None:
        """Take planes (1, 3, C, R, R) and ws (1, num_ws, w_dim), on the processor."""
        self.rays = FastRays(planes.detach(), generator.decoder, generator.settings.volume)
        self._module, self._ws = generator.superresolution, ws
        self._enlarging: dict[bool, FastSuperresolution] = {}

    @torch.no_grad()
    def features(self, c: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Feature picture (1, C, side, side), depth and opacity (1, 1, side, side) of a camera (1, 25)."""
        origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:25].reshape(-1, 3, 3), side)
        found = self.rays.render(origins[0], directions[0])
        colours, depth, opacity = (x.reshape(side * side, -1).t().reshape(1, -1, side, side) for x in found)
        return colours, depth, opacity

    def picture(self, features: Tensor, half: bool = False) -> Tensor:
        """(1, 3, H, H) in about [-1, 1]; ``half`` multiplies in bfloat16: about 50 dB of likeness."""
        if half not in self._enlarging:
            self._enlarging[half] = FastSuperresolution(self._module, self._ws, half)
        return self._enlarging[half](features)
