"""A generator as descents see it: a point of any latent space and a camera -> a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.triplane import draws, render_rays
from inversion_core.optimise.point import Point
from inversion_core.volume import camera_rays

SPLIT = 16
"""Resolution at which features are added or mixed when nobody asks for another."""


@dataclass(frozen=True)
class CodeStatistics:
    """The distribution of w: mean (1, 1, D), deviation (scalar, root of the mean variance), whitener (D, D)."""

    mean: Tensor
    deviation: float
    whitener: Tensor


class _Painter(nn.Module):
    """The generator as one call, so that parameters and noise maps can be replaced for it."""

    def __init__(self, network: TriPlaneGenerator) -> None:
        super().__init__()
        self.network = network

    def forward(self, point: Point, ws: Tensor, label: Tensor, samples: int, split: int) -> Tensor:
        network = self.network
        planes = self.planes(point, ws, split)
        features = self.features(planes, label, samples, network.settings.neural_rendering_resolution)
        last, mode = ws[:, -1:], network.settings.superresolution_noise_mode
        return network.superresolution(features[:, :3], features, last, mode)

    def features(self, planes: Tensor, label: Tensor, samples: int, side: int) -> Tensor:
        network, settings = self.network, self.network.settings
        volume = replace(
            settings.volume,
            depth_resolution=min(samples, settings.volume.depth_resolution),
            depth_resolution_importance=min(samples // 2, settings.volume.depth_resolution_importance),
        )
        origins, directions = camera_rays(
            label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3), side
        )
        n, rays, _ = origins.shape
        drawn = draws("midpoint", n, rays, volume, label.device)
        colours, _, _ = render_rays(planes, network.decoder, origins, directions, volume, drawn)
        return colours.transpose(1, 2).reshape(n, -1, side, side)

    def planes(self, point: Point, ws: Tensor, split: int) -> Tensor:
        network = self.network
        if point.codes is not None:
            parts, pictures = network.backbone_features(point.codes, split)
            shares = point.importance[:, :, None, None]
            mixed = (parts * shares).sum(0, keepdim=True)
            return network.planes_from_features(mixed, pictures.mean(0, keepdim=True), ws)
        if point.features is not None:
            found, picture = network.backbone_features(ws, split)
            return network.planes_from_features(found + point.features, picture, ws)
        return network.backbone_planes(ws)


class CodedGenerator:
    """Any EG3D-like generator with codes, frozen, for descents and encoders.

    Args:
        network: evaluated, never written.
        samples: coarse samples on a ray during descents, and half as many fine ones; fewer are faster.
    """

    def __init__(self, network: TriPlaneGenerator, samples: int = 16) -> None:
        self.network = network.eval().requires_grad_(False)
        self.samples = samples
        self.painter = _Painter(network)

    @property
    def num_ws(self) -> int:
        """Codes of a head."""
        return self.network.num_ws

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def size(self) -> int:
        """Side of the pictures."""
        return self.network.superresolution.shape.img_resolution

    def mapped(self, z: Tensor) -> Tensor:
        """Codes (N, 1, w_dim) in W of z (N, z_dim), for a frontal camera where the mapping asks for one."""
        label = torch.zeros(len(z), max(self.network.settings.c_dim, 1), device=z.device)
        return self.network.mapping(z, label)[:, :1]

    @cached_property
    def statistics(self) -> CodeStatistics:
        """Of 4096 random codes. Source: StyleGAN2, ``projector.py`` (w_avg, w_std)."""
        with torch.no_grad():
            z = torch.randn(4096, self.network.settings.z_dim, generator=torch.Generator().manual_seed(123))
            w = self.mapped(z.to(self.device))[:, 0]
        mean = w.mean(0)
        centred = w - mean
        deviation = float((centred.square().sum() / len(w)).sqrt())
        covariance = centred.T @ centred / len(w)
        values, vectors = torch.linalg.eigh(covariance)
        whitener = vectors @ torch.diag((values + 1e-3 * values.max()).rsqrt()) @ vectors.T
        return CodeStatistics(mean[None, None], deviation, whitener)

    def ws(self, point: Point) -> Tensor:
        """(1, num_ws, w_dim) of a point."""
        if point.codes is not None:
            return point.codes.mean(0, keepdim=True)
        ws = self.mapped(point.z) if point.z is not None else point.ws
        return ws.expand(-1, self.num_ws, -1) if ws.shape[1] == 1 else ws

    def picture(self, point: Point, label: Tensor, split: int = SPLIT, samples: int | None = None) -> Tensor:
        """(N, 3, size, size) in about [-1, 1] through cameras (N, 25)."""
        if point.camera is not None:
            label = moved_label(label, point.camera)
        ws = self.ws(point)
        arguments = (point, ws, label, samples or self.samples, split)
        return functional_call(self.painter, self._replaced(point), arguments)

    def glimpse(self, ws: Tensor, label: Tensor, side: int = 32, samples: int = 10) -> Tensor:
        """(N, 3, side, side): few rays with few samples, no super-resolution; for training encoders."""
        planes = self.network.backbone_planes(ws.expand(-1, self.num_ws, -1))
        return self.painter.features(planes, label, samples, side)[:, :3]

    @torch.no_grad()
    def planes(self, point: Point, split: int = SPLIT) -> Tensor:
        """(1, 3, C, R, R) planes of a point; the decoder's tuned weights are not in them."""
        replaced = self._replaced(point)
        tuned = _Planes(self.painter)
        named = {f"painter.{name}": tensor for name, tensor in replaced.items()}
        return functional_call(tuned, named, (point, self.ws(point), split))

    def tuned(self, point: Point) -> TriPlaneGenerator:
        """The network of a point: a copy with its weights and noise maps, or the network itself."""
        replaced = self._replaced(point)
        if not replaced:
            return self.network
        state = dict(self.network.state_dict())
        state.update({name.removeprefix("network."): tensor.detach() for name, tensor in replaced.items()})
        copy = TriPlaneGenerator(self.network.settings)
        copy.load_state_dict(state)
        return copy.to(self.device).eval().requires_grad_(False)

    def noise_maps(self) -> dict[str, Tensor]:
        """Name -> noise map (R, R) of the backbone's layers."""
        return {
            name: tensor.clone()
            for name, tensor in self.network.named_buffers()
            if name.startswith("backbone.") and name.endswith("noise_const")
        }

    def tunable(self, finest: int | None = None) -> dict[str, Tensor]:
        """Name -> parameter of the synthesis blocks up to a resolution; of all and the decoder when None."""
        blocks = [r for r in self.network.backbone.synthesis.resolutions if finest is None or r <= finest]
        prefixes = tuple(f"backbone.synthesis.b{r}." for r in blocks)
        if finest is None:
            prefixes += ("decoder.", "superresolution.")
        chosen = {n: p for n, p in self.network.named_parameters() if n.startswith(prefixes)}
        return {name: tensor.detach().clone() for name, tensor in chosen.items()}

    def _replaced(self, point: Point) -> dict[str, Tensor]:
        both: Mapping[str, Tensor] = {**point.noise, **point.weights}
        return {f"network.{name}": tensor for name, tensor in both.items()}


class _Planes(nn.Module):
    def __init__(self, painter: _Painter) -> None:
        super().__init__()
        self.painter = painter

    def forward(self, point: Point, ws: Tensor, split: int) -> Tensor:
        return self.painter.planes(point, ws, split)


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
