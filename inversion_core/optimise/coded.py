"""What descents and encoders ask of a generator with codes, whatever draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from inversion_core.camera import Camera
from inversion_core.optimise.point import Point
from inversion_core.portrait import Portrait
from inversion_core.rendering import Rendering

SPLIT = 16
"""Resolution at which features are added or mixed when nobody asks for another."""


@dataclass(frozen=True)
class CodeStatistics:
    """The distribution of w: mean (1, 1, D), deviation (scalar, root of the mean variance), whitener (D, D)."""

    mean: Tensor
    deviation: float
    whitener: Tensor


@dataclass(frozen=True)
class SeenHead:
    """A method's head, drawn as every other head is; ``camera`` (6,) is what the method moved the camera by."""

    head: Any
    camera: Tensor | None

    def view(self, camera: Camera, size: int, samples: int = 1) -> Rendering:
        """The head through a camera, (size, size)."""
        if self.camera is not None:
            label = moved_label(torch.from_numpy(camera.label())[None], self.camera)
            camera = Camera.from_label(label[0].numpy())
        return self.head.view(camera, size, samples)


class Coded(Protocol):
    """A frozen generator whose pictures follow from a :class:`Point`.

    Attributes:
        name: identifies it in files; network: holds the weights; num_ws, w_dim, z_dim: its codes and noise;
        size: side of its pictures; statistics: of its codes; device: where the weights are.
    """

    name: str
    network: nn.Module

    @property
    def num_ws(self) -> int: ...
    @property
    def w_dim(self) -> int: ...
    @property
    def z_dim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def statistics(self) -> CodeStatistics: ...

    def mapped(self, z: Tensor) -> Tensor:
        """Codes (N, 1, w_dim) in W of z (N, z_dim)."""

    def ws(self, point: Point) -> Tensor:
        """(1, num_ws, w_dim) of a point."""

    def picture(self, point: Point, label: Tensor, split: int = SPLIT, samples: int | None = None) -> Tensor:
        """(N, 3, size, size) in about [-1, 1] through cameras (N, 25)."""

    def glimpse(self, ws: Tensor, label: Tensor, side: int = 32, samples: int = 10) -> Tensor:
        """(N, 3, side, side): quicker and coarser, for training encoders."""

    def features(self, point: Point, split: int = SPLIT) -> Tensor:
        """A zero offset of the features of a point, for ``Point.features``."""

    def channels(self) -> int:
        """How many channels several heads are mixed by, for ``Point.importance``."""

    def noise_maps(self) -> dict[str, Tensor]:
        """Name -> noise map (R, R)."""

    def tunable(self, finest: int | None = None) -> dict[str, Tensor]:
        """Name -> parameter of the coarse layers up to a resolution; of all when None."""

    def head(self, point: Point, split: int = SPLIT) -> SeenHead:
        """What the point shows from any side."""

    def camera(self, portrait: Portrait) -> Camera:
        """The camera that this generator takes the portrait to be seen by."""

    def orbit(self, yaw: float, pitch: float) -> Camera:
        """A camera of its training, turned by radians."""

    def directions(self) -> Tensor:
        """(K, 1, num_ws or 1, w_dim): edits that move a head's codes visibly and plausibly."""


@torch.no_grad()
def statistics_of(
    mapped: Callable[[Tensor], Tensor], z_dim: int, device: torch.device, count: int = 4096
) -> CodeStatistics:
    """Of random codes. Source: StyleGAN2, ``projector.py`` (w_avg, w_std)."""
    z = torch.randn(count, z_dim, generator=torch.Generator().manual_seed(123))
    w = mapped(z.to(device))[:, 0]
    mean = w.mean(0)
    centred = w - mean
    deviation = float((centred.square().sum() / len(w)).sqrt())
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(w))
    whitener = vectors @ torch.diag((values + 1e-3 * values.max()).rsqrt()) @ vectors.T
    return CodeStatistics(mean[None, None], deviation, whitener)


def codes_of(point: Point, mapped: Callable[[Tensor], Tensor], num_ws: int) -> Tensor:
    """(1, num_ws, w_dim) of a point: the mean of several heads' codes, those of its z, or its own."""
    if point.codes is not None:
        return point.codes.mean(0, keepdim=True)
    ws = mapped(point.z) if point.z is not None else point.ws
    return ws.expand(-1, num_ws, -1) if ws.shape[1] == 1 else ws


def moved_label(label: Tensor, camera: Tensor) -> Tensor:
    """The camera (1, 25) turned about the world's origin by an axis-angle and shifted, both in ``camera`` (6,)."""
    a, b, c = camera[:3]
    zero = torch.zeros_like(a)
    skew = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero]).reshape(3, 3)
    turn = torch.linalg.matrix_exp(skew)
    pose = label[:, :16].reshape(-1, 4, 4)
    rotation = turn @ pose[:, :3, :3]
    position = pose[:, :3, 3] @ turn.T + camera[3:]
    upper = torch.cat([rotation, position[:, :, None]], 2)
    return torch.cat([torch.cat([upper, pose[:, 3:]], 1).flatten(1), label[:, 16:]], 1)
