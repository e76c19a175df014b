"""What E3DGE's training measures. Source: Lan et al. 2023, E3DGE, sections 3.2 to 3.5, and its supplement.

Where the paper uses networks that cannot be shipped (LPIPS, ArcFace), a caller may pass its own; without one,
a structure loss stands in for LPIPS and identity is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from inversion_core.generators.stylesdf import Codes, StyleSDF
from inversion_core.training.e3dge_pairs import PseudoBatch, distances_and_gradients
from inversion_core.training.goae_losses import Distance


@dataclass(frozen=True)
class E3DGEWeights:
    """How much each loss counts; 0 leaves it out. The defaults are the paper's.

    Attributes:
        pixel, perceptual, identity: of pictures; latent: of codes.
        surface, normal, uniform, eikonal: of the field: distances on and near the surface, normals, distances
            anywhere, gradients of unit length.
        residual: of aligned residuals in the alignment stage; hybrid_residual: in the hybrid stage.
        adversarial, r1: of the hybrid stage.
    """

    pixel: float = 1.0
    perceptual: float = 0.8
    identity: float = 0.1
    latent: float = 1.0
    surface: float = 1.0
    normal: float = 1.0
    uniform: float = 0.2
    eikonal: float = 0.1
    residual: float = 1.0
    hybrid_residual: float = 0.1
    adversarial: float = 0.01
    r1: float = 60.0


def latent_loss(found: Codes, true: Codes) -> Tensor:
    """Mean squared error of both codes."""
    return F.mse_loss(found.renderer, true.renderer) + F.mse_loss(found.decoder, true.decoder)


def field_losses(
    generator: StyleSDF, styles: Tensor, batch: PseudoBatch, weights: E3DGEWeights
) -> dict[str, Tensor]:
    """How far the field of styles (N, 9, D) is from the heads' own, by kind of loss, weighted."""
    on, on_gradient = distances_and_gradients(generator, styles, batch.surface.points)
    near, near_gradient = distances_and_gradients(generator, styles, batch.near.points)
    far, far_gradient = distances_and_gradients(generator, styles, batch.uniform.points)
    surface = F.smooth_l1_loss(on, batch.surface.sdf) + F.smooth_l1_loss(near, batch.near.sdf)
    normal = F.smooth_l1_loss(F.normalize(on_gradient, dim=-1), batch.surface.normals)
    lengths = torch.cat([near_gradient, far_gradient], dim=1).norm(dim=-1)
    return {
        "surface": weights.surface * surface,
        "normal": weights.normal * normal,
        "uniform": weights.uniform * F.smooth_l1_loss(far, batch.uniform.sdf),
        "eikonal": weights.eikonal * F.smooth_l1_loss(lengths, torch.ones_like(lengths)),
    }


def picture_loss(
    found: Tensor, true: Tensor, weights: E3DGEWeights, perceptual: Distance, identity: Distance | None = None
) -> Tensor:
    """Weighted distance of pictures (N, 3, H, W) in [-1, 1]."""
    loss = weights.pixel * F.mse_loss(found, true) + weights.perceptual * perceptual(found, true)
    return loss if identity is None else loss + weights.identity * identity(found, true)
