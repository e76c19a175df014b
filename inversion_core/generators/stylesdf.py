"""StyleSDF: codes -> signed-distance field -> feature picture -> picture.

Source: Or-El et al. 2022, "StyleSDF: High-Resolution 3D-Consistent Image and Geometry Generation".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.camera import Camera
from inversion_core.generators.stylesdf_decoder import LEAK, DecoderSettings, NoiseMode, StyleSDFDecoder
from inversion_core.generators.stylesdf_renderer import (
    Modulation,
    RendererSettings,
    VolumeRenderer,
    VolumeView,
)

MEAN_SEED, MEAN_COUNT = 0, 10_000
"""The mean codes, which no official file holds, are those of this many codes from this seed."""
CAMERA_STD = (0.3, 0.15)
"""Standard deviations in radians of azimuth and elevation in the training data."""


class Codes(NamedTuple):
    """Codes of N heads: ``renderer`` (N, 9, 256) for the field, ``decoder`` (N, 10, 512) for the picture."""

    renderer: Tensor
    decoder: Tensor


@dataclass(frozen=True)
class StyleSDFSettings:
    """Architecture of one generator; the defaults are FFHQ 1024's."""

    renderer: RendererSettings = field(default_factory=RendererSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    mapping_layers: int = 3


class MappingLinear(nn.Module):
    """Linear layer and leaky ReLU, nothing scaled."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.25 * nn.init.kaiming_normal_(torch.empty(last, first), a=LEAK))
        bound = (1 / first) ** 0.5
        self.bias = nn.Parameter(torch.empty(last).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.linear(x, self.weight, self.bias), LEAK)


class StyleSDF(nn.Module):
    """The generator. Cameras are azim, elev (N,) in radians: positive azim shows the head's own left."""

    mean_renderer: Tensor
    mean_decoder: Tensor

    def __init__(self, settings: StyleSDFSettings | None = None) -> None:
        super().__init__()
        settings = settings or StyleSDFSettings()
        self.settings = settings
        dim = settings.renderer.style_dim
        self.style = nn.Sequential(*(MappingLinear(dim, dim) for _ in range(settings.mapping_layers)))
        self.renderer = VolumeRenderer(settings.renderer)
        self.decoder = StyleSDFDecoder(settings.decoder)
        self.register_buffer("mean_renderer", torch.zeros(dim), persistent=False)
        self.register_buffer("mean_decoder", torch.zeros(settings.decoder.w_dim), persistent=False)

    @property
    def device(self) -> torch.device:
        return self.renderer.sigmoid_beta.device

    @torch.no_grad()
    def computed_mean_latents(self, count: int = MEAN_COUNT, seed: int = MEAN_SEED) -> tuple[Tensor, Tensor]:
        """Mean codes (style_dim,) and (w_dim,) of ``count`` seeded draws through both mapping networks."""
        draws = torch.randn(count, self.settings.renderer.style_dim, generator=_seeded(seed))
        styles = self.style(draws.to(self.device))
        return styles.mean(0), self.decoder.mapping(styles).mean(0)

    def set_mean_latents(self, mean_latents: tuple[Tensor, Tensor] | None = None) -> None:
        """Keeps the mean codes: (style_dim,) and (w_dim,), or one for each layer; None computes them."""
        renderer, decoder = self.computed_mean_latents() if mean_latents is None else mean_latents
        device = self.device
        self.mean_renderer = torch.as_tensor(renderer, dtype=torch.float32).to(device).squeeze()
        self.mean_decoder = torch.as_tensor(decoder, dtype=torch.float32).to(device).squeeze()

    def mean_codes(self) -> Codes:
        """The mean codes, one for each layer, N = 1."""
        styles, ws = self.settings.renderer.num_styles, self.settings.decoder.num_ws
        return Codes(
            self.mean_renderer.expand(styles, -1)[None].clone(),
            self.mean_decoder.expand(ws, -1)[None].clone(),
        )

    def mapping(self, z: Tensor, truncation_psi: float = 1.0) -> Codes:
        """Codes of z (N, style_dim), drawn towards the mean codes by ``truncation_psi``.

        The decoder's code is made of the truncated renderer's code, then truncated itself.
        """
        mean = self.mean_codes()
        styles = self.style(z)[:, None].expand(-1, self.settings.renderer.num_styles, -1)
        styles = mean.renderer + truncation_psi * (styles - mean.renderer) if truncation_psi != 1 else styles
        w = self.decoder.mapping(styles[:, 0])[:, None].expand(-1, self.settings.decoder.num_ws, -1)
        w = mean.decoder + truncation_psi * (w - mean.decoder) if truncation_psi != 1 else w
        return Codes(styles, w)

    def seeded_codes(self, seed: int, truncation_psi: float = 1.0) -> Codes:
        """Codes (N = 1) of a seed."""
        z = torch.randn(1, self.settings.renderer.style_dim, generator=_seeded(seed))
        with torch.no_grad():
            return self.mapping(z.to(self.device), truncation_psi)

    def volume(
        self, codes: Codes, azim: Tensor, elev: Tensor, modulation: Modulation | None = None
    ) -> VolumeView:
        """Thumb, features, depth and points from azim, elev (N,)."""
        return self.renderer(codes.renderer, azim, elev, modulation)

    @torch.no_grad()
    def render(
        self, codes: Codes, azim: Tensor | float, elev: Tensor | float, noise: NoiseMode = "stored"
    ) -> dict[str, Tensor]:
        """``image`` (N, 3, 1024, 1024) and ``thumb`` (N, 3, 64, 64), about [-1, 1], ``depth`` and more.

        Returns:
            The fields of :class:`VolumeView` by name, and the image.
        """
        view = self.volume(codes, *self.angles(azim, elev, len(codes.renderer)))
        return {**vars(view), "image": self.decoder(view.features, codes.decoder, noise)}

    def render_camera(self, codes: Codes, camera: Camera, noise: NoiseMode = "stored") -> dict[str, Tensor]:
        """The same for one of Facet's cameras; this generator can follow its viewing direction only."""
        return self.render(codes, *camera.angles, noise)

    def angles(self, azim: Tensor | float, elev: Tensor | float, count: int) -> tuple[Tensor, Tensor]:
        """Both as (count,) tensors on this generator's device."""
        device = self.device
        both = (torch.as_tensor(angle, dtype=torch.float32, device=device) for angle in (azim, elev))
        first, second = (angle.reshape(-1).expand(count) for angle in both)
        return first, second


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
