"""GOAE's encoder: a face picture -> its code in W+.

Source: Yuan et al. 2023, "Make Encoder Great Again in 3D GAN Inversion through Geometry and Occlusion-Aware
Encoding", section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from inversion_core.encoders.cross_attention import CrossAttention
from inversion_core.encoders.swin import SwinSettings, SwinTransformerV2


@dataclass(frozen=True)
class GOAESettings:
    """Sizes; the defaults are the official ones.

    Attributes:
        swin: the backbone.
        w_dim: channels of a code.
        levels: how many of the codes the coarse, mid and fine level correct; the first has no correction.
        heads, hidden: of the cross attention.
    """

    swin: SwinSettings = field(default_factory=SwinSettings)
    w_dim: int = 512
    levels: tuple[int, int, int] = (3, 3, 7)
    heads: int = 4
    hidden: int = 1024

    @property
    def num_ws(self) -> int:
        """How many codes the encoder makes."""
        return 1 + sum(self.levels)


def _mlp(first: int, last: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(first, first), nn.LeakyReLU(), nn.Linear(first, last))


def _steps(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for first, last in pairwise(sizes):
        layers += [nn.Linear(first, last), nn.LeakyReLU()]
    return nn.Sequential(*layers)


def _over_tokens(mapper: nn.Module, x: Tensor) -> Tensor:
    return mapper(x.transpose(1, 2)).transpose(1, 2)


class GOAEEncoder(nn.Module):
    """image (N, 3, 256, 256) in [-1, 1] -> ws (N, num_ws, w_dim) relative to the generator's mean code."""

    def __init__(self, settings: GOAESettings | None = None) -> None:
        super().__init__()
        settings = settings or GOAESettings()
        self.settings = settings
        self.swin_model = SwinTransformerV2(settings.swin)
        fine, mid, coarse, deep = settings.swin.channels
        tokens_fine, tokens_mid, tokens_coarse, tokens_deep = (side**2 for side in settings.swin.sides)
        w = settings.w_dim
        self.mapper_base_spatial = _mlp(tokens_deep, 1)
        self.mapper_base_channel = _mlp(deep, w)
        for level, count in zip(("coarse", "mid", "fine"), settings.levels, strict=True):
            setattr(self, f"mapper_query_spatial_{level}", _mlp(tokens_deep, count))
            setattr(self, f"mapper_query_channel_{level}", _mlp(deep, w))
        self.mapper_coarse_channel = _steps(coarse, w)
        self.mapper_mid_channel = _steps(mid, w)
        self.mapper_fine_channel = _steps(fine, 2 * fine, w)
        self.mapper_coarse_to_mid_spatial = _steps(tokens_coarse, tokens_mid // 2, tokens_mid)
        self.mapper_mid_to_fine_spatial = _steps(tokens_mid, tokens_fine // 2, tokens_fine)
        self.cross_att_coarse = CrossAttention(w, settings.heads, settings.hidden)
        self.cross_att_mid = CrossAttention(w, settings.heads, settings.hidden)
        self.cross_att_fine = CrossAttention(w, settings.heads, settings.hidden)

    def forward(self, image: Tensor, stage: int = 3) -> Tensor:
        """ws (N, num_ws, w_dim).

        Args:
            stage: 0 for the base code alone, 1 with the coarse correction, 2 with the mid, 3 with all;
                training goes through them in turn.
        """
        (fine, mid, coarse, query), end = self.swin_model(image)
        ws = self.base_code(end.transpose(1, 2)).repeat(1, self.settings.num_ws, 1)
        if stage == 0:
            return ws
        query = query.transpose(1, 2)
        keys = self.mapper_coarse_channel(coarse)
        parts = [self.cross_att_coarse(self.queries(query, "coarse"), keys)]
        if stage > 1:
            keys = self.mapper_mid_channel(mid) + _over_tokens(self.mapper_coarse_to_mid_spatial, keys)
            parts.append(self.cross_att_mid(self.queries(query, "mid"), keys))
        if stage > 2:
            keys = self.mapper_fine_channel(fine) + _over_tokens(self.mapper_mid_to_fine_spatial, keys)
            parts.append(self.cross_att_fine(self.queries(query, "fine"), keys))
        delta = torch.cat([torch.zeros_like(ws[:, :1]), *parts], dim=1)
        rest = ws.shape[1] - delta.shape[1]
        return ws + nn.functional.pad(delta, (0, 0, 0, rest))

    def base_code(self, end: Tensor) -> Tensor:
        """(N, 1, w_dim) of the backbone's end (N, C, tokens)."""
        strongest = end.amax(dim=2)[:, None]
        return self.mapper_base_channel(self.mapper_base_spatial(end).transpose(1, 2) + strongest)

    def queries(self, query: Tensor, level: str) -> Tensor:
        """(N, count, w_dim) of the last stage's input (N, C, tokens)."""
        spatial = getattr(self, f"mapper_query_spatial_{level}")(query).transpose(1, 2)
        strongest = query.amax(dim=2)[:, None]
        return getattr(self, f"mapper_query_channel_{level}")(spatial + strongest)
