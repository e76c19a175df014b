"""Swin Transformer V2, the backbone of GOAE's encoder, with the official parameter names.

Source: Liu et al. 2022, "Swin Transformer V2: Scaling Up Capacity and Resolution".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class SwinSettings:
    """Sizes; the defaults are GOAE's.

    Attributes:
        image_size: side of the square input in pixels.
        patch_size: side of a token in pixels.
        embed_dim: channels of stage 1; each stage doubles them.
        depths, heads: blocks and attention heads of each stage.
        window: side of the attention windows in tokens, at most the stage's side.
        pretrained_windows: what the relative positions are measured in, for each stage.
        mlp_ratio: hidden over outer channels.
        drop_path: chance of skipping the last block in training; earlier blocks linearly less.
    """

    image_size: int = 256
    patch_size: int = 4
    embed_dim: int = 128
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 16
    pretrained_windows: tuple[int, ...] = (12, 12, 12, 6)
    mlp_ratio: int = 4
    drop_path: float = 0.2

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of each stage in tokens."""
        return tuple(self.image_size // self.patch_size >> stage for stage in range(len(self.depths)))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.embed_dim << stage for stage in range(len(self.depths)))


def split_windows(x: Tensor, window: int) -> Tensor:
    """(N·windows, window², C) of (N, H, W, C)."""
    n, height, width, channels = x.shape
    x = x.view(n, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def join_windows(windows: Tensor, window: int, side: int) -> Tensor:
    """(N, H, W, C) of (N·windows, window², C)."""
    count = side // window
    x = windows.view(-1, count, count, window, window, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, side, side, windows.shape[-1])


def relative_coords_table(window: int, pretrained_window: int) -> Tensor:
    """(1, 2W - 1, 2W - 1, 2) log-spaced offsets between tokens. Source: Swin V2, equation 4."""
    offsets = torch.arange(-(window - 1), window, dtype=torch.float32)
    table = torch.stack(torch.meshgrid(offsets, offsets, indexing="ij"), dim=-1)
    table = table / ((pretrained_window if pretrained_window > 0 else window) - 1) * 8
    return (table.sign() * torch.log2(table.abs() + 1) / math.log2(8)).unsqueeze(0)


def relative_position_index(window: int) -> Tensor:
    """(W², W²) int64: where in the flattened table each pair of tokens finds its offset."""
    axis = torch.arange(window)
    tokens = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)
    offsets = tokens[:, :, None] - tokens[:, None, :] + window - 1
    return offsets[0] * (2 * window - 1) + offsets[1]


def shifted_window_mask(side: int, window: int, shift: int) -> Tensor:
    """(windows, W², W²): -100 between tokens that only the cyclic shift made neighbours, 0 elsewhere."""
    axis = torch.zeros(side)
    axis[-window:-shift] = 1
    axis[-shift:] = 2
    regions = split_windows((axis[:, None] * 3 + axis[None, :])[None, :, :, None], window).squeeze(-1)
    differs = regions[:, None, :] != regions[:, :, None]
    return torch.where(differs, -100.0, 0.0)


class WindowAttention(nn.Module):
    """Cosine attention inside windows, with a learned function of the offset added."""

    def __init__(self, channels: int, heads: int, window: int, pretrained_window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.logit_scale = nn.Parameter(torch.full([heads, 1, 1], math.log(10)))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, heads, bias=False)
        )
        self.register_buffer("relative_coords_table", relative_coords_table(window, pretrained_window))
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N·windows, W², C); ``mask`` (windows, W², W²)."""
        batch, tokens, channels = x.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias).view(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scale = self.logit_scale.clamp(max=math.log(100)).exp()
        attention = (F.normalize(q, dim=-1) * scale) @ F.normalize(k, dim=-1).transpose(-2, -1)
        attention = attention + self.position_bias()
        if mask is not None:
            attention = attention.view(-1, len(mask), self.heads, tokens, tokens) + mask[:, None]
            attention = attention.view(batch, self.heads, tokens, tokens)
        return self.proj((attention.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, channels))

    def position_bias(self) -> Tensor:
        """(heads, W², W²), between 0 and 16."""
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.heads)
        return 16 * torch.sigmoid(table[self.relative_position_index].permute(2, 0, 1))


class Mlp(nn.Module):
    """Two layers with an exact GELU between them."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) of (…, C)."""
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Attention and MLP, each normalised after and added (post-norm)."""

    def __init__(self, settings: SwinSettings, stage: int, shifted: bool, drop_path: float) -> None:
        super().__init__()
        channels, self.side = settings.channels[stage], settings.sides[stage]
        self.window = min(settings.window, self.side)
        self.shift = self.window // 2 if shifted and self.side > self.window else 0
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(
            channels, settings.heads[stage], self.window, settings.pretrained_windows[stage]
        )
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, settings.mlp_ratio * channels)
        mask = shifted_window_mask(self.side, self.window, self.shift) if self.shift else None
        self.register_buffer("attn_mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """(N, side², C)."""
        x = x + self.sometimes(self.norm1(self.attend(x)))
        return x + self.sometimes(self.norm2(self.mlp(x)))

    def attend(self, x: Tensor) -> Tensor:
        """(N, side², C): attention inside the windows, which odd blocks shift by half."""
        n, tokens, channels = x.shape
        grid = x.view(n, self.side, self.side, channels)
        if self.shift:
            grid = torch.roll(grid, (-self.shift, -self.shift), dims=(1, 2))
        grid = join_windows(
            self.attn(split_windows(grid, self.window), self.attn_mask), self.window, self.side
        )
        if self.shift:
            grid = torch.roll(grid, (self.shift, self.shift), dims=(1, 2))
        return grid.reshape(n, tokens, channels)

    def sometimes(self, x: Tensor) -> Tensor:
        """``x``, in training left out for some of the batch (stochastic depth)."""
        if not self.training or self.drop_path == 0:
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) >= self.drop_path
        return x * kept / (1 - self.drop_path)


class PatchMerging(nn.Module):
    """(N, side², C) -> (N, side²/4, 2C), normalised after the reduction."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Each 2x2 tokens as one; their order is rows first."""
        grid = x.view(len(x), self.side, self.side, -1)
        corners = [grid[:, 0::2, 0::2], grid[:, 1::2, 0::2], grid[:, 0::2, 1::2], grid[:, 1::2, 1::2]]
        return self.norm(self.reduction(torch.cat(corners, dim=-1).flatten(1, 2)))


class PatchEmbedding(nn.Module):
    """Patches of the picture as normalised tokens."""

    def __init__(self, settings: SwinSettings) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, settings.embed_dim, settings.patch_size, settings.patch_size)
        self.norm = nn.LayerNorm(settings.embed_dim)

    def forward(self, image: Tensor) -> Tensor:
        """(N, side², C) of (N, 3, S, S)."""
        return self.norm(self.proj(image).flatten(2).transpose(1, 2))


class Stage(nn.Module):
    """Blocks of one size, then the step to the next."""

    def __init__(self, settings: SwinSettings, stage: int) -> None:
        super().__init__()
        done, depth = sum(settings.depths[:stage]), settings.depths[stage]
        rates = [
            settings.drop_path * k / max(sum(settings.depths) - 1, 1) for k in range(sum(settings.depths))
        ]
        self.blocks = nn.ModuleList(
            SwinBlock(settings, stage, shifted=index % 2 == 1, drop_path=rates[done + index])
            for index in range(depth)
        )
        last = stage == len(settings.depths) - 1
        self.downsample = None if last else PatchMerging(settings.channels[stage], settings.sides[stage])

    def forward(self, x: Tensor) -> Tensor:
        """(N, side²/4, 2C) of (N, side², C); the last stage keeps the size."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class SwinTransformerV2(nn.Module):
    """image (N, 3, S, S) in [-1, 1] -> the inputs of the stages (N, side², C) and the normalised end."""

    def __init__(self, settings: SwinSettings) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(settings)
        self.layers = nn.ModuleList(Stage(settings, stage) for stage in range(len(settings.depths)))
        self.norm = nn.LayerNorm(settings.channels[-1])

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """The tokens before each stage, and those after the last."""
        x = self.patch_embed(image)
        taps = []
        for layer in self.layers:
            taps.append(x)
            x = layer(x)
        return taps, self.norm(x)
