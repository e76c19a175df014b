"""GOAE's cross attention layer, used by its encoder and by its feature alignment."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def plain_norm(x: Tensor) -> Tensor:
    """Layer norm over the channels without learned scale and shift."""
    return F.layer_norm(x, x.shape[-1:])


class CrossAttention(nn.Module):
    """Queries (N, Q, C) that gather from keys (N, K, C): attention, layer norm, feed-forward."""

    def __init__(self, channels: int = 512, heads: int = 4, hidden: int = 1024) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """(N, Q, C)."""
        x = plain_norm(query + self.multihead_attn(query, keys, keys, need_weights=False)[0])
        return x + self.linear2(F.relu(self.linear1(x)))
