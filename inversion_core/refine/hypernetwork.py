"""Refining E3DGE's codes by a hypernetwork instead of aligned features: one set of weights for each photo.

E3DGE (Lan et al. 2023, section 5) leaves the comparison of both to future work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from inversion_core.encoders.hypernetwork import Hypernetwork, WeightOffsets
from inversion_core.generators.stylesdf import Codes
from inversion_core.generators.stylesdf_decoder import NoiseMode, StyleSDFDecoder
from inversion_core.generators.stylesdf_renderer import Modulation, VolumeView
from inversion_core.refine.e3dge import E3DGE, E3DGEInversion


def view_change(offsets: WeightOffsets) -> Modulation:
    """The view layer's offset as a change of the features that it reads: (W + W a bᵀ) f = W (f + a bᵀ f)."""
    left, right = offsets.view

    def change(points: Tensor, features: Tensor) -> Tensor:
        found = torch.einsum("n...w,nwr->n...r", features, right / right.shape[1] ** 0.5)
        return features + torch.einsum("n...r,nwr->n...w", found, left)

    return change


def steered(
    decoder: StyleSDFDecoder,
    features: Tensor,
    ws: Tensor,
    offsets: WeightOffsets,
    noise: NoiseMode = "stored",
) -> Tensor:
    """What the decoder gives with offset weights; (N, 3, H, H)."""
    weights = {}
    for (name, layer), (left, right) in zip(styled_layers(decoder), offsets.convs, strict=True):
        change = torch.einsum("nor,nir->noi", left, right)
        weights[f"{name}.weight"] = layer.weight * (1 + change[..., None, None])
    return functional_call(decoder, weights, (features, ws, noise))


def styled_layers(decoder: StyleSDFDecoder) -> list[tuple[str, torch.nn.Module]]:
    """Names and modules of the styled convolutions, in order."""
    named = [("conv1.conv", decoder.conv1.conv)]
    return named + [(f"convs.{i}.conv", layer.conv) for i, layer in enumerate(decoder.convs)]


def hyper_view(
    model: E3DGE, codes: Codes, offsets: WeightOffsets, azim: Tensor, elev: Tensor, samples: int | None = None
) -> tuple[VolumeView, Tensor]:
    """The view from azim, elev (N,) with offset weights, and its picture (N, 3, H, H)."""
    renderer = model.generator.renderer
    trace = renderer.trace(codes.renderer, azim, elev, samples=samples)
    seen = renderer.shade(trace, codes.renderer, view_change(offsets))
    return seen, steered(model.generator.decoder, seen.features, codes.decoder, offsets)


@dataclass(frozen=True)
class HyperInversion:
    """N photos whose heads are drawn with weights of their own."""

    inversion: E3DGEInversion
    offsets: WeightOffsets

    @torch.no_grad()
    def render(self, azim: Tensor | float | None = None, elev: Tensor | float | None = None) -> Tensor:
        """Pictures (N, 3, H, H) from azim, elev in radians, or from the photos' own cameras."""
        found = self.inversion
        azim, elev = found.model.generator.angles(
            found.azim if azim is None else azim, found.elev if elev is None else elev, len(found.image)
        )
        return hyper_view(found.model, found.codes, self.offsets, azim, elev)[1]


@torch.no_grad()
def hyper_inverted(hypernetwork: Hypernetwork, inversion: E3DGEInversion) -> HyperInversion:
    """The inversion refined by a hypernetwork, from the residual of its own view."""
    return HyperInversion(inversion, hypernetwork(inversion.residual, inversion.base.thumb))
