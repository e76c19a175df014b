"""The hourglass filter against its definition in plain calls."""

import torch
import torch.nn.functional as F

from inversion_core.encoders.hourglass import ConvBlock, Hourglass, HourglassFilter, HourglassSettings

SMALL = HourglassSettings(inputs=6, features=16, stem=8, stacks=3, depth=2, groups=2)


def seeded(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.3)
    return module.requires_grad_(False)


def norm(x, layer):
    """Group norm, written out."""
    n, c, h, w = x.shape
    parts = x.reshape(n, layer.num_groups, -1)
    parts = (parts - parts.mean(2, keepdim=True)) / (parts.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return parts.reshape(n, c, h, w) * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)


def block_by_definition(block, x):
    parts, previous = [], x
    for layer, before in ((block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3)):
        previous = F.conv2d(norm(previous, before).clamp(min=0), layer.weight, padding=1)
        parts.append(previous)
    skip = x
    if block.downsample is not None:
        skip = F.conv2d(norm(x, block.bn4).clamp(min=0), block.downsample[2].weight)
    return torch.cat(parts, 1) + skip


def test_block_with_and_without_a_change_of_channels():
    for first in (8, 16):
        block = seeded(ConvBlock(first, 16, 4))
        x = torch.randn(2, first, 8, 8)
        kept = x.clone()
        torch.testing.assert_close(block(x), block_by_definition(block, x), atol=1e-5, rtol=1e-5)
        assert torch.equal(x, kept)


def test_hourglass_adds_branches_of_every_side():
    network = seeded(Hourglass(2, 16, 4))
    x = torch.randn(1, 16, 16, 16)
    low1 = network.b2_2(F.avg_pool2d(x, 2))
    low2 = network.b3_1(network.b2_plus_1(network.b2_1(F.avg_pool2d(low1, 2))))
    inner = network.b1_1(low1) + F.interpolate(low2, size=(8, 8), mode="bicubic", align_corners=True)
    outer = F.interpolate(network.b3_2(inner), size=(16, 16), mode="bicubic", align_corners=True)
    torch.testing.assert_close(network(x), network.b1_2(x) + outer)


def test_filter_feeds_each_stack_the_ones_before():
    network = seeded(HourglassFilter(SMALL))
    x = torch.randn(1, 6, 32, 32)
    start = F.conv2d(x, network.conv1.weight, network.conv1.bias, stride=2, padding=3)
    state = F.avg_pool2d(network.conv2(norm(start, network.bn1).clamp(min=0)), 2)
    state = network.conv4(network.conv3(state))
    for stack in "012":
        part = lambda name, stack=stack: getattr(network, name + stack)  # noqa: E731
        inner = part("conv_last")(part("top_m_")(part("m")(state)))
        inner = norm(inner, part("bn_end")).clamp(min=0)
        out = part("l")(inner)
        if stack != "2":
            state = state + part("bl")(inner) + part("al")(out)
    found = network(x)
    assert found.shape == (1, 16, 8, 8)
    torch.testing.assert_close(found, out, atol=1e-4, rtol=1e-4)


def test_the_shared_norm_is_in_files_under_both_names():
    names = ConvBlock(8, 16, 2).state_dict()
    assert {"bn4.weight", "downsample.0.weight", "downsample.2.weight"} <= names.keys()
    assert ConvBlock(8, 8, 2).state_dict().keys() >= {"bn4.bias"}
