"""Balls whose pictures are known, as cached distances and as networks; shared by the tests of both tracers."""

import math

import numpy as np
import torch
from torch import nn

from inversion_core.generators.distance_cache import Field
from inversion_core.generators.distance_volume import DistanceVolume, Lens, slope_of
from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings
from inversion_core.generators.stylesdf_decoder import DecoderSettings
from inversion_core.generators.stylesdf_renderer import RendererSettings

RADIUS = 0.18
UNIT = 3.0
LENS = Lens(UNIT, math.tan(math.radians(6)), 0.88 * UNIT, 1.12 * UNIT, 24, 1.08 * UNIT)


def colours_of(places, half):
    """Colours (..., 3) in [0, 1] that tell places (..., 3) apart."""
    return 0.5 + 0.45 * places / half


def ball_volume(beta=1e-4, cells=64, lens=LENS, distance=None, half=0.4):
    """A ball about the origin, or another signed distance of places (..., 3)."""
    axis = np.linspace(-half, half, cells + 1, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    places = np.stack([x, y, z], -1)
    distances = (distance or ball)(places).astype(np.float32)
    values = np.concatenate([colours_of(places, half), distances[..., None]], -1).astype(np.float32)
    return DistanceVolume(values, half, beta, slope_of(distances, half), lens)


def ball(places):
    return np.linalg.norm(places, axis=-1) - RADIUS


def ball_field(beta=1e-3, half=0.4, lens=LENS, asked=None):
    """The ball as a network would say it; every question is noted in ``asked``."""

    def points(places):
        if asked is not None:
            asked.append(places)
        return np.concatenate([colours_of(places, half), ball(places)[:, None]], 1).astype(np.float32)

    return Field(points, beta, half, lens)


class BallNetwork(nn.Module):
    """A ball in the network's units in place of the SIREN; its colours tell places apart."""

    def geometry(self, points, styles):
        return points.norm(dim=-1, keepdim=True) - 0.5, points

    def colour(self, features, directions, styles):
        return 3 * features, features


def ball_generator(beta=0.02):
    settings = StyleSDFSettings(
        renderer=RendererSettings(style_dim=8, width=3, depth=3, resolution=48),
        decoder=DecoderSettings(48, 3, (4, 4), style_dim=8, w_dim=8, mapping_layers=1),
    )
    generator = StyleSDF(settings).eval().requires_grad_(False)
    generator.renderer.network = BallNetwork()
    generator.renderer.sigmoid_beta.fill_(beta)
    generator.set_mean_latents((torch.zeros(8), torch.zeros(8)))
    return generator
