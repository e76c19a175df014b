"""EG3D's generator: codes -> three planes -> rays -> picture.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks";
``training/triplane.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from inversion_core.generators.stylegan2 import MappingNetwork, NoiseMode, SynthesisNetwork
from inversion_core.generators.superres import SHAPES, Superresolution
from inversion_core.generators.triplane import (
    OSGDecoder,
    Sampling,
    VolumeSettings,
    density,
    draws,
    query,
    render_rays,
)
from inversion_core.volume import camera_rays


@dataclass(frozen=True)
class EG3DSettings:
    """Architecture and rendering of one generator; the defaults are FFHQ 512's.

    Attributes:
        z_dim, c_dim, w_dim: sizes of noise, camera label and code.
        mapping_layers: fully connected layers from z to w.
        plane_resolution, plane_channels: size of each of the three planes.
        channel_base, channel_max: channels of a block are ``min(channel_base / resolution, channel_max)``.
        num_fp16_res, conv_clamp: half-precision blocks (CUDA only) and activation limit of the backbone.
        superresolution: official class name.
        sr_num_fp16_res: above 0, the super-resolution's activations are clamped, and half precision on CUDA.
        sr_antialias: whether a reduced feature picture is smoothed.
        superresolution_noise_mode: "none", "const" or "random".
        decoder_lr_mul: the decoder's learning-rate multiplier.
        c_scale: factor on the camera label before mapping; 0 for generators without pose conditioning.
        c_gen_conditioning_zero: the label is replaced by zeros before mapping.
        neural_rendering_resolution: the side in rays that the model was trained for last.
        volume: how rays are sampled.
        camera_radius, camera_pivot: the orbit of the training cameras, world units.
    """

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    mapping_layers: int = 2
    plane_resolution: int = 256
    plane_channels: int = 32
    channel_base: int = 32768
    channel_max: int = 512
    num_fp16_res: int = 0
    conv_clamp: float | None = None
    use_noise: bool = True
    superresolution: str = "SuperresolutionHybrid8XDC"
    sr_num_fp16_res: int = 4
    sr_antialias: bool = True
    superresolution_noise_mode: NoiseMode = "none"
    decoder_lr_mul: float = 1.0
    c_scale: float = 1.0
    c_gen_conditioning_zero: bool = False
    neural_rendering_resolution: int = 128
    volume: VolumeSettings = field(default_factory=VolumeSettings)
    camera_radius: float = 2.7
    camera_pivot: tuple[float, float, float] = (0.0, 0.0, 0.2)


class StyleGAN2Backbone(nn.Module):
    """Mapping and synthesis under the names of the official checkpoint."""

    def __init__(self, settings: EG3DSettings) -> None:
        super().__init__()
        self.synthesis = SynthesisNetwork(
            settings.w_dim,
            settings.plane_resolution,
            3 * settings.plane_channels,
            channel_base=settings.channel_base,
            channel_max=settings.channel_max,
            num_fp16_res=settings.num_fp16_res,
            conv_clamp=settings.conv_clamp,
            use_noise=settings.use_noise,
        )
        self.mapping = MappingNetwork(
            settings.z_dim,
            settings.c_dim,
            settings.w_dim,
            self.synthesis.num_ws,
            num_layers=settings.mapping_layers,
        )


class TriPlaneGenerator(nn.Module):
    """EG3D. Cameras ``c`` are (N, 25): row-major cam2world, then normalised intrinsics."""

    def __init__(self, settings: EG3DSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = StyleGAN2Backbone(settings)
        self.superresolution = Superresolution(
            SHAPES[settings.superresolution],
            settings.plane_channels,
            settings.w_dim,
            settings.sr_num_fp16_res,
            settings.sr_antialias,
            settings.use_noise,
        )
        self.decoder = OSGDecoder(settings.plane_channels, settings.plane_channels, settings.decoder_lr_mul)

    @property
    def num_ws(self) -> int:
        """How many codes a head has."""
        return self.backbone.synthesis.num_ws

    @property
    def neural_rendering_resolution(self) -> int:
        """The side in rays that this model was trained for last."""
        return self.settings.neural_rendering_resolution

    def mapping(
        self,
        z: Tensor,
        c: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """ws (N, num_ws, w_dim) of z (N, z_dim), conditioned on the cameras."""
        c = torch.zeros_like(c) if self.settings.c_gen_conditioning_zero else c * self.settings.c_scale
        return self.backbone.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)

    def backbone_planes(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Planes (N, 3, C, R, R) of ws (N, num_ws, w_dim)."""
        return self.as_planes(self.backbone.synthesis(ws, noise_mode))

    def backbone_features(
        self, ws: Tensor, resolution: int = 32, noise_mode: NoiseMode = "const"
    ) -> tuple[Tensor, Tensor]:
        """Features (N, C, r, r) and picture (N, 3·channels, r, r) after the blocks up to ``resolution``."""
        network = self.backbone.synthesis
        return network.run(ws, [r for r in network.resolutions if r <= resolution], noise_mode=noise_mode)

    def planes_from_features(
        self, features: Tensor, img: Tensor, ws: Tensor, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """Planes (N, 3, C, R, R) by the blocks that follow the resolution of ``features``."""
        network = self.backbone.synthesis
        rest = [r for r in network.resolutions if r > features.shape[-1]]
        return self.as_planes(network.run(ws, rest, features, img, noise_mode)[1])

    def as_planes(self, img: Tensor) -> Tensor:
        """(N, 3, C, R, R) view of the synthesis network's picture."""
        return img.view(len(img), 3, -1, *img.shape[2:])

    def query(self, planes: Tensor, points: Tensor) -> dict[str, Tensor]:
        """rgb (N, M, C) and raw sigma (N, M, 1) of given planes at points (N, M, 3)."""
        rgb, sigma = query(planes, self.decoder, points, self.settings.volume.box_warp)
        return {"rgb": rgb, "sigma": sigma}

    @torch.no_grad()
    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """Raw sigma (N, M, 1) of given planes at points (N, M, 3), for grids that need no colours."""
        return density(planes, self.decoder, points, self.settings.volume.box_warp)

    def sample_mixed(
        self, points: Tensor, directions: Tensor, ws: Tensor, noise_mode: NoiseMode = "const"
    ) -> dict[str, Tensor]:
        """rgb (N, M, C) and raw sigma (N, M, 1) at points (N, M, 3); the directions change nothing."""
        return self.query(self.backbone_planes(ws, noise_mode), points)

    def synthesis(
        self,
        ws: Tensor,
        c: Tensor,
        noise_mode: NoiseMode = "const",
        neural_rendering_resolution: int | None = 128,
        sampling: Sampling = "midpoint",
    ) -> dict[str, Tensor]:
        """``image`` (N, 3, H, H) and ``image_raw`` (N, 3, r, r) in [-1, 1], ``image_depth`` (N, 1, r, r).

        Args:
            neural_rendering_resolution: side in rays; None takes the model's own, the attribute of that name.
            sampling: "midpoint" is deterministic; "random" draws from torch's global generator in the
                official order, so that a seed gives the official picture.
        """
        planes = self.backbone_planes(ws, noise_mode)
        return self.render(planes, ws, c, sampling, neural_rendering_resolution)

    def render(
        self,
        planes: Tensor,
        ws: Tensor,
        c: Tensor,
        sampling: Sampling = "midpoint",
        neural_rendering_resolution: int | None = 128,
    ) -> dict[str, Tensor]:
        """The same as :meth:`synthesis` from given planes: the backbone does not run."""
        features, depth, _ = self.render_features(planes, c, sampling, neural_rendering_resolution)
        # A view on purpose: see Superresolution.forward.
        raw = features[:, :3]
        image = self.superresolution(raw, features, ws, self.settings.superresolution_noise_mode)
        return {"image": image, "image_raw": raw, "image_depth": depth}

    def render_features(
        self,
        planes: Tensor,
        c: Tensor,
        sampling: Sampling = "midpoint",
        neural_rendering_resolution: int | None = 128,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Feature picture (N, C, r, r), depth and opacity (N, 1, r, r); the first three features are RGB."""
        side = neural_rendering_resolution or self.neural_rendering_resolution
        origins, directions = camera_rays(c[:, :16].reshape(-1, 4, 4), c[:, 16:25].reshape(-1, 3, 3), side)
        n, rays, _ = origins.shape
        volume = self.settings.volume
        drawn = draws(sampling, n, rays, volume, origins.device)
        rendered = render_rays(planes, self.decoder, origins, directions, volume, drawn)
        colours, depth, opacity = (x.transpose(1, 2).reshape(n, -1, side, side) for x in rendered)
        return colours, depth, opacity
