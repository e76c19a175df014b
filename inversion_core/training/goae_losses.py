"""What GOAE's training measures: pictures, canonical codes, backgrounds.

Source: Yuan et al. 2023 (GOAE), sections 3.2 and 3.3. The official training code and its loss weights are not
public; the weights here are ours. Where the paper uses networks that cannot be shipped (LPIPS, ArcFace), a
caller may pass its own; without one, a structure loss over several sizes stands in for LPIPS and identity is
left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.generators.stylegan2 import FullyConnectedLayer

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of pictures (N, 3, H, W) in [-1, 1] -> a mean distance."""


@dataclass(frozen=True)
class LossWeights:
    """How much each loss counts; 0 leaves it out.

    Attributes:
        pixel: mean squared difference of the pictures.
        structure: differences of gradients over several sizes, or the caller's perceptual distance.
        identity: the caller's identity distance.
        canonical: the discriminator's doubt that a code is canonical.
        background: depth of the background in front of the farthest.
        r1: gradient penalty of the discriminator.
    """

    pixel: float = 1.0
    structure: float = 0.8
    identity: float = 0.1
    canonical: float = 0.005
    background: float = 0.1
    r1: float = 1.0


class CanonicalDiscriminator(nn.Module):
    """Codes (N, w_dim) -> logits (N, 1): do they come from the mapping network under the frontal camera?"""

    def __init__(self, w_dim: int = 512, hidden: int = 512, layers: int = 4) -> None:
        super().__init__()
        sizes = [w_dim, *[hidden] * (layers - 1)]
        self.body = nn.Sequential(
            *(FullyConnectedLayer(size, hidden, activation="lrelu") for size in sizes),
            FullyConnectedLayer(hidden, 1),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Logits (N, 1); positive means canonical."""
        return self.body(codes)


def discriminator_loss(
    discriminator: CanonicalDiscriminator, canonical: Tensor, encoded: Tensor, r1: float
) -> Tensor:
    """The logistic loss of telling canonical from encoded codes, with the R1 penalty on the canonical ones.

    Source: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?".
    """
    canonical = canonical.detach().requires_grad_(r1 > 0)
    real = discriminator(canonical)
    loss = F.softplus(-real).mean() + F.softplus(discriminator(encoded.detach())).mean()
    if r1 > 0:
        (gradient,) = torch.autograd.grad(real.sum(), canonical, create_graph=True)
        loss = loss + r1 / 2 * gradient.square().sum(dim=1).mean()
    return loss


def canonical_loss(discriminator: CanonicalDiscriminator, encoded: Tensor) -> Tensor:
    """How far codes (N, w_dim) are from passing for canonical ones (non-saturating)."""
    return F.softplus(-discriminator(encoded)).mean()


def structure_distance(first: Tensor, second: Tensor, sizes: int = 4) -> Tensor:
    """Mean absolute difference of the pictures' gradients, summed over ``sizes`` halvings."""
    total = first.new_zeros(())
    for _ in range(sizes):
        difference = first - second
        total = total + difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
        if min(first.shape[2:]) < 4:
            break
        first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    return total


def background_depth_loss(depth: Tensor, person: Tensor) -> Tensor:
    """Mean squared distance of the background from the farthest depth of its picture, in depth ranges.

    Without it an encoder paints backgrounds onto the head's own surface.

    Args:
        depth: (N, 1, r, r) rendered.
        person: (N, 1, H, W) in [0, 1], reduced to the depth's size.
    """
    person = F.interpolate(person, size=depth.shape[2:], mode="area")
    farthest = depth.detach().amax(dim=(2, 3), keepdim=True)
    span = farthest - depth.detach().amin(dim=(2, 3), keepdim=True) + 1e-6
    weight = 1 - person
    return (weight * ((farthest - depth) / span).square()).sum() / weight.sum().clamp_min(1)
