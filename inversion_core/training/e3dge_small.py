"""A small, untrained StyleSDF and networks to its size: E3DGE's training from end to end without official files."""

from __future__ import annotations

import torch

from inversion_core.checkpoints.stylesdf import E3DGESettings
from inversion_core.encoders.e3dge import E3DGEEncoderSettings
from inversion_core.encoders.hourglass import HourglassSettings
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator, VolumeDiscriminatorSettings
from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings
from inversion_core.generators.stylesdf_decoder import DecoderSettings
from inversion_core.generators.stylesdf_renderer import RendererSettings
from inversion_core.refine.local_features import LocalSettings

COLOUR_GAIN = 8.0
"""Untrained colours are nearly grey; this makes heads differ visibly."""


def small_settings() -> E3DGESettings:
    """Sizes at which a training step takes a fraction of a second on a processor."""
    return E3DGESettings(
        generator=StyleSDFSettings(
            renderer=RendererSettings(style_dim=8, width=16, depth=3, resolution=16, samples=6),
            decoder=DecoderSettings(16, 16, (12, 8, 6), style_dim=8, w_dim=16, mapping_layers=2),
        ),
        encoder=E3DGEEncoderSettings(64, (8, 12, 16, 16), (1, 1, 2, 1), 8, 4, 16, 4, (6,) * 6),
        pose=VolumeDiscriminatorSettings(16, (8, 12, 12, 12)),
        local=LocalSettings(HourglassSettings(16, 16, 8, 2, 2, 2), 16, 4, retired=False),
    )


def small_networks(seed: int = 0) -> tuple[StyleSDF, VolumeDiscriminator]:
    """Generator and pose network of these sizes, seeded and frozen."""
    sizes = small_settings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = StyleSDF(sizes.generator).eval().requires_grad_(False)
        pose_network = VolumeDiscriminator(sizes.pose).eval().requires_grad_(False)
    generator.renderer.network.rgb_linear.weight.mul_(COLOUR_GAIN)
    generator.set_mean_latents()
    return generator, pose_network
