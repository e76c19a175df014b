"""A point in some generator's latent space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Latent:
    """Latent code, unbatched.

    Attributes:
        ws: float32; (L, C) for StyleGAN-like spaces (EG3D: 14 x 512), (D,) for the named blocks of the bundled model.
        space: "w", "w+" or "blocks".
        generator: name of the generator it belongs to; a latent is meaningless to any other.
    """

    ws: NDArray[np.float32]
    space: str
    generator: str


def truncated(latent: Latent, mean: Latent, truncation_psi: float) -> Latent:
    """``mean + psi * (ws - mean)``. Source: StyleGAN, section "truncation trick in W"."""
    return Latent(
        (mean.ws + truncation_psi * (latent.ws - mean.ws)).astype(np.float32), latent.space, latent.generator
    )
