"""GRViT, the recurrent unit of EReFormer (Liu et al., IEEE TCSVT 2024): state in and state out.

Its attention is a sum over all tokens that nothing divides by their number, so values grow with the
size of the map; ``ereformer`` says what follows for FP16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.vit import Mlp


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(elu(q) + 1) (elu(k) + 1)^T v over [B, heads, N, d], without a normaliser.

    Associativity makes it q' (k'^T v): d x d in between instead of N x N, O(N) in time and memory
    (Katharopoulos et al., 2020). Values grow with N.
    """
    q, k = functional.elu(q) + 1, functional.elu(k) + 1
    return q @ (k.transpose(-1, -2) @ v)


class RecurrentUnit(nn.Module):
    """GRViT: attention whose queries, keys and values come from input and state, and a gate."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.qkv_input = nn.Linear(width, 3 * width, bias=False)
        self.qkv_state = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.norm3 = nn.LayerNorm(width)
        self.update_gate = nn.Linear(2 * width, width)
        self.mlp = Mlp(width, ratio=2)

    def forward(self, tokens: Tensor, positions: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and state [B, N, width], positions [1, N, width] -> output and new state."""
        placed = tokens + positions
        attention = self.attention(placed, state)
        gate = self.update_gate(torch.cat([tokens, state], dim=-1)).sigmoid()
        out = placed + attention
        return out + self.mlp(self.norm3(out)), state * (1 - gate) + attention * gate

    def attention(self, placed: Tensor, state: Tensor) -> Tensor:
        """[B, N, width] twice -> [B, N, width]; of the order of N, unlike its arguments."""
        batch, count, width = placed.shape
        both: Tensor = self.qkv_input(self.norm1(placed)) + self.qkv_state(self.norm2(state))
        q, k, v = (
            part.reshape(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for part in both.chunk(3, dim=-1)
        )
        mixed = linear_attention(q, k, v).transpose(1, 2).reshape(batch, count, width)
        out: Tensor = self.proj(mixed)
        return out
