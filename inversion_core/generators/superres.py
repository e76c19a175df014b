"""EG3D's super-resolution modules: the rendered feature picture -> the final picture.

Source: EG3D, ``training/superresolution.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from inversion_core.errors import UsageError
from inversion_core.generators.resample import low_pass_filter
from inversion_core.generators.stylegan2 import NoiseMode, SynthesisBlock


@dataclass(frozen=True)
class SuperresShape:
    """What distinguishes one module from another.

    Attributes:
        img_resolution: side of the result.
        input_resolution: side that the input is brought to.
        channels: of block 0 and block 1.
        enlarges: whether block 0 doubles the size; block 1 always does.
        reduces: whether inputs that are too large are reduced.
        owns_filter: whether the checkpoint has a filter of the module's own.
        antialias: the module's own choice, None where the model's settings decide.
    """

    img_resolution: int
    input_resolution: int
    channels: tuple[int, int]
    enlarges: bool
    reduces: bool = True
    owns_filter: bool = True
    antialias: bool | None = None


SHAPES = {
    "SuperresolutionHybrid8XDC": SuperresShape(512, 128, (256, 128), enlarges=True, owns_filter=False),
    "SuperresolutionHybrid8X": SuperresShape(512, 128, (128, 64), enlarges=True),
    "SuperresolutionHybrid4X": SuperresShape(256, 128, (128, 64), enlarges=False, reduces=False),
    "SuperresolutionHybrid2X": SuperresShape(128, 64, (128, 64), enlarges=False),
    "SuperresolutionHybridDeepfp32": SuperresShape(
        256, 128, (128, 64), enlarges=False, reduces=False, antialias=False
    ),
    "FacetSuperresolution2X": SuperresShape(128, 64, (32, 16), enlarges=False),
}
"""The official modules by class name, and the small one that this project trains itself."""


class Superresolution(nn.Module):
    """Two synthesis blocks that all read the last of the ws."""

    def __init__(
        self,
        shape: SuperresShape,
        features: int = 32,
        w_dim: int = 512,
        sr_num_fp16_res: int = 4,
        sr_antialias: bool = True,
        use_noise: bool = True,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.antialias = sr_antialias if shape.antialias is None else shape.antialias
        half = sr_num_fp16_res > 0
        first, second = shape.channels
        side = shape.input_resolution * (2 if shape.enlarges else 1)
        block = {
            "w_dim": w_dim,
            "img_channels": 3,
            "use_fp16": half,
            "conv_clamp": 256 if half else None,
            "use_noise": use_noise,
        }
        self.block0 = SynthesisBlock(features, first, resolution=side, up=shape.enlarges, **block)
        self.block1 = SynthesisBlock(first, second, resolution=2 * side, **block)
        if shape.owns_filter:
            self.register_buffer("resample_filter", low_pass_filter())

    def forward(self, rgb: Tensor, features: Tensor, ws: Tensor, noise_mode: NoiseMode = "none") -> Tensor:
        """(N, 3, R, R) in about [-1, 1].

        A module whose block 0 does not enlarge adds its picture to ``rgb`` in place when no resize was
        needed: the official raw picture contains it.

        Raises:
            UsageError: the input is larger than this module takes.
        """
        side = self.shape.input_resolution
        if features.shape[-1] != side and (self.shape.reduces or features.shape[-1] < side):
            features, rgb = (
                F.interpolate(
                    x, size=(side, side), mode="bilinear", align_corners=False, antialias=self.antialias
                )
                for x in (features, rgb)
            )
        elif features.shape[-1] > side:
            raise UsageError(
                f"This model renders at most {side} x {side} rays.",
                f"Use a rendering resolution up to {side}.",
            )
        if features.requires_grad and not self.shape.enlarges:
            # The picture shares the features' memory, whose old values the gradient still needs.
            features = features.clone()
        codes = ws[:, -1:].expand(-1, 3, -1)
        x, picture = self.block0(features, rgb, codes, noise_mode)
        return self.block1(x, picture, codes, noise_mode)[1]
