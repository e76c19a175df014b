"""GOAE: a photo -> code, refined features and fused planes; edits move all of them together.

Source: Yuan et al. 2023, "Make Encoder Great Again in 3D GAN Inversion through Geometry and Occlusion-Aware
Encoding"; ``infer.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from inversion_core.encoders.goae import GOAEEncoder
from inversion_core.generators.eg3d import TriPlaneGenerator
from inversion_core.generators.triplane import Sampling, draws
from inversion_core.image import from_signed, to_signed
from inversion_core.refine.afa import AFA
from inversion_core.refine.occlusion import fused_planes, seen_mask

SPLIT = 32
"""Resolution of the generator's features that are refined."""
RAYS = 128
"""Side in rays of every rendering of the inversion."""


@dataclass(frozen=True)
class GOAEInversion:
    """What an inversion found, for N photos.

    Attributes:
        ws: (N, num_ws, w_dim) codes.
        w_render: picture, raw picture and depth of the codes alone, through the photo's camera.
        f_render: the same with refined features.
        planes_w, planes_f: (N, 3, C, R, R) planes of either.
        mask: (N, 1, R, R) in [0, 1], where the xy plane is seen by the photo.
        planes: (N, 3, C, R, R) fused; novel views render these.
        c: (N, 25) the photo's camera.
        features: (N, C, r, r) of the codes alone.
        refined: (N, C, r, r) the aligned features.
    """

    ws: Tensor
    w_render: dict[str, Tensor]
    f_render: dict[str, Tensor]
    planes_w: Tensor
    planes_f: Tensor
    mask: Tensor
    planes: Tensor
    c: Tensor
    features: Tensor
    refined: Tensor


@dataclass(frozen=True)
class GOAEEdit:
    """An edited inversion.

    Attributes:
        ws: (N, num_ws, w_dim) moved codes.
        planes: (N, 3, C, R, R) fused planes of the edit.
        render: picture, raw picture and depth of these planes through the photo's camera.
        mask: (N, 1, R, R) where the xy plane is seen by the photo.
    """

    ws: Tensor
    planes: Tensor
    render: dict[str, Tensor]
    mask: Tensor


class GOAE:
    """Encoder, feature alignment and generator together."""

    def __init__(self, encoder: GOAEEncoder, afa: AFA, generator: TriPlaneGenerator) -> None:
        self.encoder, self.afa, self.generator = encoder, afa, generator

    @torch.no_grad()
    def encode(self, image256: Tensor) -> Tensor:
        """ws (N, num_ws, w_dim) of pictures (N, 3, 256, 256) in [-1, 1]."""
        return self.encoder(image256) + self.generator.backbone.mapping.w_avg

    @torch.no_grad()
    def invert(
        self, image512: Tensor, c: Tensor, sampling: Sampling = "midpoint", blur_sigma: float | None = 1.5
    ) -> GOAEInversion:
        """Codes, features and fused planes of pictures (N, 3, 512, 512) in [-1, 1] and cameras c (N, 25).

        Args:
            sampling: of the rays; see :meth:`TriPlaneGenerator.synthesis`.
            blur_sigma: width of the mask's blurs in plane pixels; None draws it as the official code.
        """
        generator = self.generator
        ws = self.encode(encoder_input(image512, self.encoder.settings.swin.image_size))
        features, img = generator.backbone_features(ws, SPLIT)
        planes_w = generator.planes_from_features(features, img, ws)
        w_render = generator.render(planes_w, ws, c, sampling, RAYS)
        refined = self.afa(image512, w_render["image"], features)
        planes_f = generator.planes_from_features(refined, img, ws)
        f_render = generator.render(planes_f, ws, c, sampling, RAYS)
        mask = self._mask(f_render["image_depth"], c, planes_f, blur_sigma)
        planes = fused_planes(planes_f, planes_w, mask)
        return GOAEInversion(ws, w_render, f_render, planes_w, planes_f, mask, planes, c, features, refined)

    @torch.no_grad()
    def edit(
        self,
        inversion: GOAEInversion,
        direction: Tensor | np.ndarray,
        sampling: Sampling = "midpoint",
        blur_sigma: float | None = 1.5,
    ) -> GOAEEdit:
        """The inversion with ``direction`` (1 or N, num_ws, w_dim) added to its codes, features moved along.

        The blocks after the split keep the unedited codes; features and the last picture follow the edit.
        """
        ws, planes, mask = self.edited_planes(inversion, direction, sampling, blur_sigma)
        return GOAEEdit(ws, planes, self.generator.render(planes, ws, inversion.c, sampling, RAYS), mask)

    @torch.no_grad()
    def edited_planes(
        self,
        inversion: GOAEInversion,
        direction: Tensor | np.ndarray,
        sampling: Sampling = "midpoint",
        blur_sigma: float | None = 1.5,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, fused planes and mask of :meth:`edit`, without its picture."""
        generator, c = self.generator, inversion.c
        ws = inversion.ws + torch.as_tensor(direction).to(inversion.ws)
        moved, img = generator.backbone_features(ws, SPLIT)
        planes_w = generator.planes_from_features(moved, img, ws)
        refined = inversion.refined + (moved - inversion.features)
        planes_f = generator.planes_from_features(refined, img, inversion.ws)
        if sampling == "random":
            # The official script renders the edited code first; its draws must not go to the next rendering.
            draws(sampling, len(ws), RAYS**2, generator.settings.volume, ws.device)
        depth = generator.render_features(planes_f, c, sampling, RAYS)[1]
        mask = self._mask(depth, c, planes_f, blur_sigma)
        return ws, fused_planes(planes_f, planes_w, mask), mask

    def _mask(self, depth: Tensor, c: Tensor, planes: Tensor, blur_sigma: float | None) -> Tensor:
        return seen_mask(depth, c, planes.shape[-1], blur_sigma, self.generator.settings.volume.box_warp)


def encoder_input(image: Tensor, size: int = 256) -> Tensor:
    """The pictures (N, 3, H, H) in [-1, 1], reduced to (N, 3, size, size) as Pillow reduces 8-bit pictures.

    Pictures whose values are no 8-bit steps are reduced by the same filter without rounding.
    """
    if image.shape[-1] == size:
        return image
    bytes_ = [from_signed(picture.cpu().numpy()) for picture in image]
    exact = torch.from_numpy(np.stack([to_signed(picture) for picture in bytes_])).to(image.device)
    if not torch.allclose(exact, image, atol=1e-5):
        small = F.interpolate(image, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        return small.clamp(-1, 1)
    reduced = [Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC) for picture in bytes_]
    return torch.from_numpy(np.stack([to_signed(np.asarray(picture)) for picture in reduced])).to(
        image.device
    )
