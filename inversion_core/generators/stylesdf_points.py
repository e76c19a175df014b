"""A StyleSDF head asked point by point, in Facet's units, for grids and surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inversion_core.camera import FOCAL, RADIUS
from inversion_core.generators.distance_cache import Field
from inversion_core.generators.distance_volume import Lens
from inversion_core.generators.stylesdf import Codes, StyleSDF
from inversion_core.generators.stylesdf_renderer import RendererSettings, camera_poses

Change = Callable[[Tensor, Tensor], Tensor]
"""(points (1, M, 3) StyleSDF's units, features (1, M, C)) -> the features that colours are made of instead."""
ROOM = 1.2
"""Half of the asked cube as a share of half of the depths that rays have samples at: turned views see its corners."""


def unit_of(settings: RendererSettings) -> float:
    """StyleSDF's units to Facet's: both see the same crop."""
    return (0.5 * RADIUS / FOCAL) / math.tan(settings.fov)


def lens_of(settings: RendererSettings) -> Lens:
    """How the network looks at its heads, in Facet's units."""
    unit = unit_of(settings)
    return Lens(
        unit,
        math.tan(settings.fov),
        settings.near * unit,
        settings.far * unit,
        settings.samples,
        settings.foreground * unit,
    )


def field_of(
    generator: StyleSDF, codes: Codes, azim: Tensor, elev: Tensor, change: Change | None = None
) -> Field:
    """The field of one head (N = 1), with colours as a camera at azim, elev (1,) in radians sees them.

    Args:
        change: of the features that colours are made of, as local features do it; distances stay.
    """
    settings, network = generator.settings.renderer, generator.renderer.network
    unit, lens = unit_of(settings), lens_of(settings)
    poses = camera_poses(azim, elev)

    @torch.no_grad()
    def points(places: NDArray[np.float32]) -> NDArray[np.float32]:
        own = torch.from_numpy(places).to(generator.device)[None] / unit
        sdf, features = network.geometry(own * settings.scale, codes.renderer)
        if change is not None:
            features = change(own, features)
        # In the camera's axes, as in training.
        towards = F.normalize((own - poses[:, None, :, 3]) @ poses[:, :, :3], dim=-1)
        rgb, _ = network.colour(features, towards, codes.renderer)
        return torch.cat([torch.sigmoid(rgb), sdf * unit], -1)[0].float().cpu().numpy()

    beta = float(generator.renderer.sigmoid_beta.abs()) * unit
    return Field(points, beta, ROOM * 0.5 * (lens.far - lens.near), lens)
