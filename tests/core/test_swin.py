"""Swin V2 against its definitions."""

import math

import numpy as np
import pytest
import torch

from inversion_core.encoders.swin import (
    PatchMerging,
    SwinBlock,
    SwinSettings,
    SwinTransformerV2,
    WindowAttention,
    join_windows,
    relative_coords_table,
    relative_position_index,
    shifted_window_mask,
    split_windows,
)

TINY = SwinSettings(
    image_size=64,
    embed_dim=8,
    depths=(2, 2, 2, 2),
    heads=(1, 2, 2, 4),
    window=4,
    pretrained_windows=(3, 3, 3, 2),
)


def test_relative_coordinates_are_log_spaced():
    table = relative_coords_table(3, 5)[0]
    assert table.shape == (5, 5, 2)
    # Offset (-2, 1): -2/4*8 = -4 and 1/4*8 = 2, then sign * log2(1 + |t|) / 3.
    np.testing.assert_allclose(table[0, 3].numpy(), [-math.log2(5) / 3, math.log2(3) / 3], rtol=1e-6)
    assert table[2, 2].tolist() == [0, 0]


def test_position_index_finds_the_offset_of_each_pair():
    window = 3
    index = relative_position_index(window)
    offsets = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    for first in range(9):
        for second in range(9):
            expected = (first // 3 - second // 3, first % 3 - second % 3)
            assert offsets[index[first, second]] == expected


def test_windows_split_and_join():
    x = torch.arange(2 * 8 * 8 * 3.0).reshape(2, 8, 8, 3)
    windows = split_windows(x, 4)
    assert windows.shape == (8, 16, 3)
    assert torch.equal(windows[1].reshape(4, 4, 3), x[0, :4, 4:])
    assert torch.equal(join_windows(windows, 4, 8), x)


def test_mask_parts_what_only_the_shift_joined():
    side, window, shift = 8, 4, 2
    mask = shifted_window_mask(side, window, shift)
    where = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij"), -1)
    rolled = split_windows(torch.roll(where, (-shift, -shift), (0, 1))[None], window)
    for number in range(4):
        for a in range(16):
            for b in range(16):
                apart = (rolled[number, a] - rolled[number, b]).abs().max() >= window
                assert mask[number, a, b].item() == (-100 if apart else 0)


def test_attention_is_cosine_attention_with_position_bias():
    torch.manual_seed(0)
    layer = WindowAttention(6, 2, 2, 2).double()
    layer.q_bias.data.normal_()
    layer.v_bias.data.normal_()
    layer.logit_scale.data = torch.tensor([[[0.5]], [[9.0]]]).double()
    x = torch.randn(1, 4, 6).double()
    mask = torch.where(torch.rand(1, 4, 4) < 0.3, -100.0, 0.0).double()
    weight, cpb = layer.qkv.weight.detach().numpy(), layer.cpb_mlp
    bias = np.concatenate([layer.q_bias.detach(), np.zeros(6), layer.v_bias.detach()])
    q, k, v = np.split(x[0].numpy() @ weight.T + bias, 3, axis=1)
    table = cpb[2](torch.relu(cpb[0](layer.relative_coords_table))).detach().numpy().reshape(9, 2)
    result = np.zeros((4, 6))
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        unit_q = q[:, part] / np.linalg.norm(q[:, part], axis=1, keepdims=True)
        unit_k = k[:, part] / np.linalg.norm(k[:, part], axis=1, keepdims=True)
        scale = min(math.exp(layer.logit_scale[head].item()), 100)
        logits = unit_q @ unit_k.T * scale
        logits += 16 / (1 + np.exp(-table[layer.relative_position_index.numpy(), head])) + mask[0].numpy()
        attention = np.exp(logits - logits.max(1, keepdims=True))
        result[:, part] = attention / attention.sum(1, keepdims=True) @ v[:, part]
    expected = result @ layer.proj.weight.detach().numpy().T + layer.proj.bias.detach().numpy()
    np.testing.assert_allclose(layer(x, mask)[0].detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(("shifted", "reach"), [(False, (0, 4)), (True, (2, 6))])
def test_tokens_attend_inside_their_window(shifted, reach):
    torch.manual_seed(0)
    settings = SwinSettings(image_size=32, embed_dim=8, depths=(2, 1, 1, 1), heads=(1,) * 4, window=4)
    block = SwinBlock(settings, 0, shifted, drop_path=0.0)
    x = torch.randn(1, 64, 8)
    changed = x.clone()
    changed[0, 3 * 8 + 3] += 1
    moved = (block(x) != block(changed)).any(dim=2).reshape(8, 8)
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[slice(*reach), slice(*reach)] = True
    assert torch.equal(moved, expected)


def test_shifted_corners_do_not_see_each_other():
    settings = SwinSettings(image_size=32, embed_dim=8, depths=(2, 1, 1, 1), heads=(1,) * 4, window=4)
    block = SwinBlock(settings, 0, True, drop_path=0.0)
    x = torch.randn(1, 64, 8)
    changed = x.clone()
    changed[0, 0] += 1
    moved = (block(x) - block(changed)).abs().amax(dim=2).reshape(8, 8) > 1e-5
    assert moved[:2, :2].all() and not moved[2:].any() and not moved[:, 2:].any()


def test_no_shift_where_the_window_covers_the_stage():
    last = SwinBlock(TINY, 3, shifted=True, drop_path=0.0)
    assert (last.window, last.shift, last.attn_mask) == (2, 0, None)


def test_block_normalises_after():
    torch.manual_seed(0)
    block = SwinBlock(TINY, 0, False, drop_path=0.0)
    x = torch.randn(1, 256, 8)
    middle = x + block.norm1(block.attend(x))
    expected = middle + block.norm2(block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(middle))))
    torch.testing.assert_close(block(x), expected)


def test_merging_takes_corners_by_column_and_normalises_after():
    merge = PatchMerging(1, 2)
    merge.reduction.weight.data = torch.tensor([[1.0, 10.0, 100.0, 1000.0], [0, 0, 0, 0]])
    # Rows first, then columns: top left, bottom left, top right, bottom right.
    y = merge.reduction(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]))
    assert y[0, 0, 0].item() == 1 + 30 + 200 + 4000
    merged = merge(torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]))
    torch.testing.assert_close(merged, merge.norm(y))


def test_taps_are_the_inputs_of_the_stages():
    torch.manual_seed(0)
    taps, end = SwinTransformerV2(TINY)(torch.randn(2, 3, 64, 64))
    assert [tuple(tap.shape) for tap in taps] == [(2, 256, 8), (2, 64, 16), (2, 16, 32), (2, 4, 64)]
    assert end.shape == (2, 4, 64)
    torch.testing.assert_close(end.mean(dim=2), torch.zeros(2, 4), atol=1e-5, rtol=0)


def test_stochastic_depth_only_in_training():
    torch.manual_seed(0)
    block = SwinBlock(TINY, 0, False, drop_path=0.5)
    x = torch.ones(4000, 1, 1)
    assert torch.equal(block.eval().sometimes(x), x)
    kept = block.train().sometimes(x)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert kept.mean().item() == pytest.approx(1, abs=0.1)
