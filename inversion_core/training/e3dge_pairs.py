"""What E3DGE learns from: heads sampled from its own generator, with codes, cameras, distances and normals known.

Source: Lan et al. 2023, E3DGE, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inversion_core.generators.stylesdf import CAMERA_STD, Codes, StyleSDF

NEAR_STD = 0.03
"""Spread about the surface of the points near it, in the network's units."""


@dataclass(frozen=True)
class View:
    """N views: cameras azim, elev (N,) in radians; thumb (N, 3, r, r); image (N, 3, S, S)."""

    azim: Tensor
    elev: Tensor
    thumb: Tensor
    image: Tensor


@dataclass(frozen=True)
class FieldSamples:
    """Points (N, P, 3) in world units with distances (N, P, 1) and unit normals (N, P, 3)."""

    points: Tensor
    sdf: Tensor
    normals: Tensor


@dataclass(frozen=True)
class PseudoBatch:
    """N heads: their codes, two views, and samples on the surface, near it, and anywhere in the box."""

    codes: Codes
    first: View
    second: View
    surface: FieldSamples
    near: FieldSamples
    uniform: FieldSamples


@dataclass(frozen=True)
class PseudoPairs:
    """Draws of a generator.

    Attributes:
        image_size: side of the pictures; points: of each kind of field sample.
        truncation_psi: how far codes are drawn towards the mean.
        seed: with a step's number, of all that is drawn for that step.
    """

    generator: StyleSDF
    image_size: int = 256
    points: int = 1024
    truncation_psi: float = 0.55
    seed: int = 0

    @torch.no_grad()
    def batch(self, step: int, count: int, turn: float = 1.0) -> PseudoBatch:
        """The heads of a step.

        Args:
            turn: how far the second camera is from the first, as a share of two independent draws' distance.
        """
        generator = self.generator
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + step)
            z = torch.randn(count, generator.settings.renderer.style_dim)
            cameras = torch.randn(2, 2, count) * torch.tensor(CAMERA_STD)[:, None]
            uniform = torch.rand(count, self.points, 3) * 2 - 1
            near = NEAR_STD * torch.randn(count, self.points, 3)
            rays = torch.rand(count, generator.settings.renderer.resolution**2)
        device, scale = generator.device, generator.settings.renderer.scale
        cameras[1] = cameras[0] + turn * (cameras[1] - cameras[0])
        codes = generator.mapping(z.to(device), self.truncation_psi)
        (first, xyz, mask), (second, _, _) = (self._view(codes, *pair.to(device)) for pair in cameras)
        # Rays that hit the head come first, in random order.
        chosen = (rays.to(device) + mask.flatten(1)).topk(min(self.points, rays.shape[1]), dim=1).indices
        surface = xyz.flatten(2).transpose(1, 2).gather(1, chosen[..., None].expand(-1, -1, 3))
        beside = surface + near.to(device)[:, : surface.shape[1]] / scale
        return PseudoBatch(
            codes,
            first,
            second,
            *(self._samples(codes, points) for points in (surface, beside, uniform.to(device) / scale)),
        )

    def _view(self, codes: Codes, azim: Tensor, elev: Tensor) -> tuple[View, Tensor, Tensor]:
        seen = self.generator.volume(codes, azim, elev)
        image = self.generator.decoder(seen.features, codes.decoder, "stored")
        image = F.adaptive_avg_pool2d(image, self.image_size)
        return View(azim, elev, seen.thumb, image), seen.xyz, seen.mask

    def _samples(self, codes: Codes, points: Tensor) -> FieldSamples:
        sdf, gradient = distances_and_gradients(self.generator, codes.renderer, points)
        return FieldSamples(points, sdf.detach(), F.normalize(gradient, dim=-1).detach())


def distances_and_gradients(generator: StyleSDF, styles: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """sdf (N, P, 1) and its gradient (N, P, 3), both in the network's units; both can be descended through."""
    with torch.enable_grad():
        points = points.detach().requires_grad_(True)
        sdf = generator.renderer.sdf(points, styles)
        (gradient,) = torch.autograd.grad(sdf.sum(), points, create_graph=True)
    return sdf, gradient / generator.settings.renderer.scale
