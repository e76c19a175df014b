"""A generator as descents see it: a point of any latent space and a camera -> a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from inversion_core.camera import Camera
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.triplane import draws, render_rays
from inversion_core.optimise.coded import (
    SPLIT,
    CodeStatistics,
    SeenHead,
    codes_of,
    moved_label,
    statistics_of,
)
from inversion_core.optimise.point import Point
from inversion_core.portrait import Portrait
from inversion_core.volume import camera_rays

EDITS = 3
"""How many of the code's principal directions editability is measured with."""


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
    """Any EG3D-like generator with codes, frozen; see :class:`inversion_core.optimise.coded.Coded`.

    Args:
        network: evaluated, never written.
        samples: coarse samples on a ray during descents, and half as many fine ones; fewer are faster.
    """

    def __init__(self, network: TriPlaneGenerator, samples: int = 16) -> None:
        self.network = network.eval().requires_grad_(False)
        self.samples, self.name = samples, "eg3d"
        self.painter = _Painter(network)

    @property
    def num_ws(self) -> int:
        """Codes of a head."""
        return self.network.num_ws

    @property
    def w_dim(self) -> int:
        """Numbers of a code."""
        return self.network.settings.w_dim

    @property
    def z_dim(self) -> int:
        """Numbers of a z."""
        return self.network.settings.z_dim

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
        """Of random codes."""
        return statistics_of(self.mapped, self.z_dim, self.device)

    def ws(self, point: Point) -> Tensor:
        """(1, num_ws, w_dim) of a point."""
        return codes_of(point, self.mapped, self.num_ws)

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

    @torch.no_grad()
    def features(self, point: Point, split: int = SPLIT) -> Tensor:
        """(1, C, r, r): no offset of the backbone's features at ``split``."""
        return torch.zeros_like(self.network.backbone_features(self.ws(point), split)[0])

    def channels(self) -> int:
        """Channels of the backbone's features at :data:`SPLIT`."""
        return self.features(Point(ws=self.statistics.mean)).shape[1]

    @torch.no_grad()
    def head(self, point: Point, split: int = SPLIT) -> SeenHead:
        """The point's head as cached planes."""
        from inversion_core.eg3d_model import PlanesHead

        planes = self.planes(point, split)
        camera = None if point.camera is None else point.camera.detach().cpu()
        return SeenHead(PlanesHead(self.tuned(point), self.ws(point).detach(), planes), camera)

    def camera(self, portrait: Portrait) -> Camera:
        """The portrait's own camera, or EG3D's label of it where the generator's codes depend on it."""
        settings = self.network.settings
        if not settings.c_dim:
            return portrait.camera
        moved = portrait.camera.cam2world.copy()
        moved[:3, 3] *= settings.camera_radius / np.linalg.norm(moved[:3, 3])
        return Camera(moved, portrait.camera.intrinsics)

    def orbit(self, yaw: float, pitch: float) -> Camera:
        """A camera of its training, turned by radians."""
        settings = self.network.settings
        return Camera.orbit(yaw, pitch, settings.camera_radius, settings.camera_pivot)

    @torch.no_grad()
    def directions(self) -> Tensor:
        """(EDITS, 1, 1, w_dim) principal directions of w. Source: Härkönen et al. 2020 (GANSpace), section 2.2."""
        z = torch.randn(1024, self.z_dim, generator=torch.Generator().manual_seed(11)).to(self.device)
        w = self.mapped(z)[:, 0]
        _, scale, axes = torch.linalg.svd(w - self.statistics.mean[0], full_matrices=False)
        return (axes[:EDITS] * (scale[:EDITS, None] / len(z) ** 0.5) * 1.5)[:, None, None]

    def _replaced(self, point: Point) -> dict[str, Tensor]:
        both: Mapping[str, Tensor] = {**point.noise, **point.weights}
        return {f"network.{name}": tensor for name, tensor in both.items()}


class _Planes(nn.Module):
    def __init__(self, painter: _Painter) -> None:
        super().__init__()
        self.painter = painter

    def forward(self, point: Point, ws: Tensor, split: int) -> Tensor:
        return self.painter.planes(point, ws, split)
