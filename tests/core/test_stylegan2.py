"""StyleGAN2's operators against their definitions, written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, correlate2d

from inversion_core.generators.resample import low_pass_filter, upsample2d
from inversion_core.generators.stylegan2 import (
    FullyConnectedLayer,
    MappingNetwork,
    SynthesisBlock,
    SynthesisLayer,
    SynthesisNetwork,
    ToRGBLayer,
    modulated_conv2d,
    normalised_2nd_moment,
)


def modulated_weights(weight, style, demodulate):
    w = weight * style[None, :, None, None]
    return w / np.sqrt((w**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8) if demodulate else w


def lrelu(x):
    return np.where(x > 0, x, 0.2 * x)


def test_fully_connected_gains():
    layer = FullyConnectedLayer(3, 2, activation="lrelu", lr_multiplier=0.01)
    layer.weight.data = torch.tensor([[100.0, 200.0, 300.0], [-100.0, 0.0, 0.0]])
    layer.bias.data = torch.tensor([50.0, -50.0])
    y = layer(torch.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    # weights * 0.01 / sqrt(3), bias * 0.01, slope 0.2, gain sqrt(2)
    assert y[0] == pytest.approx((14 / 3**0.5 + 0.5) * 2**0.5, rel=1e-6)
    assert y[1] == pytest.approx(0.2 * (-1 / 3**0.5 - 0.5) * 2**0.5, rel=1e-6)


def test_affine_bias_starts_at_one_and_linear_has_no_gain():
    layer = FullyConnectedLayer(4, 3, bias_init=1.0)
    assert layer(torch.zeros(1, 4))[0].tolist() == [1, 1, 1]


def test_second_moment_becomes_one():
    x = normalised_2nd_moment(torch.randn(5, 64) * 9)
    np.testing.assert_allclose(x.square().mean(dim=1).numpy(), 1, rtol=1e-5)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("size", [1, 3])
def test_modulated_convolution_is_a_correlation_with_scaled_weights(demodulate, size):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, size, size))
    styles = rng.normal(size=(2, 3)) + 1
    y = modulated_conv2d(*map(torch.from_numpy, (x, weight, styles)), demodulate=demodulate)
    for n in range(2):
        w = modulated_weights(weight, styles[n], demodulate)
        for out in range(4):
            expected = sum(correlate2d(np.pad(x[n, c], size // 2), w[out, c], mode="valid") for c in range(3))
            np.testing.assert_allclose(y[n, out].numpy(), expected, atol=1e-10)


def test_upsampling_convolution_scatters_the_weight_and_smooths():
    rng = np.random.default_rng(1)
    x, weight, styles = rng.normal(size=(1, 2, 4, 3)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=(1, 2))
    kernel = low_pass_filter().double()
    y = modulated_conv2d(*map(torch.from_numpy, (x, weight, styles)), up=True, kernel=kernel)
    assert y.shape == (1, 3, 8, 6)
    w = modulated_weights(weight, styles[0], True)
    for out in range(3):
        scattered = np.zeros((9, 7))
        for c in range(2):
            for i in range(4):
                for j in range(3):
                    scattered[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += x[0, c, i, j] * w[out, c]
        expected = convolve2d(np.pad(scattered, 1), kernel.numpy() * 4, mode="valid")
        np.testing.assert_allclose(y[0, out].numpy(), expected, atol=1e-9)


def test_demodulated_output_has_unit_variance():
    torch.manual_seed(0)
    y = modulated_conv2d(torch.randn(1, 64, 32, 32), 7 * torch.randn(64, 64, 3, 3), 3 + torch.rand(1, 64))
    assert y[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("noise_mode", ["const", "none", "random"])
def test_layer_order_is_convolution_noise_bias_activation_clamp(noise_mode):
    torch.manual_seed(3)
    layer = SynthesisLayer(2, 3, w_dim=4, resolution=5, conv_clamp=0.8)
    layer.noise_strength.data.fill_(0.7)
    layer.bias.data.normal_()
    x, w = torch.randn(1, 2, 5, 5), torch.randn(1, 4)
    torch.manual_seed(4)
    y = layer(x, w, noise_mode).detach().numpy()[0]
    torch.manual_seed(4)
    noise = {"const": layer.noise_const, "none": torch.zeros(5, 5)}.get(noise_mode)
    noise = torch.randn(1, 1, 5, 5)[0, 0] if noise is None else noise
    style = w @ layer.affine.weight.t() / 2 + 1
    conv = modulated_conv2d(x, layer.weight, style)[0]
    plain = (conv + noise * 0.7 + layer.bias[:, None, None]).detach().numpy()
    np.testing.assert_allclose(y, np.clip(lrelu(plain) * np.sqrt(2), -0.8, 0.8), atol=1e-5)
    assert np.abs(y).max() == pytest.approx(0.8)


def test_to_rgb_scales_styles_by_fan_in_and_does_not_demodulate():
    layer = ToRGBLayer(4, 2, w_dim=3, conv_clamp=5.0)
    layer.bias.data = torch.tensor([0.5, 100.0])
    x, w = torch.randn(1, 4, 2, 2), torch.randn(1, 3)
    style = (w @ layer.affine.weight.t() / 3**0.5 + 1) / 2
    expected = torch.einsum("oc,c,chw->ohw", layer.weight[:, :, 0, 0], style[0], x[0])
    expected = (expected + layer.bias[:, None, None]).clamp(-5, 5)
    np.testing.assert_allclose(layer(x, w)[0].detach().numpy(), expected.detach().numpy(), atol=1e-5)
    assert layer(x, w)[0, 1].max().item() == 5


def test_gradients_flow_through_clamped_layers():
    layer = SynthesisLayer(2, 3, w_dim=4, resolution=8, up=True, conv_clamp=256.0)
    layer.noise_strength.data.fill_(0.1)
    block = SynthesisBlock(2, 3, 4, 8, 3, conv_clamp=256.0)
    x = torch.randn(2, 2, 4, 4, requires_grad=True)
    w = torch.randn(2, 4, requires_grad=True)
    rgb = block(x, torch.zeros(2, 3, 4, 4), w[:, None].repeat(1, 3, 1))[1]
    (layer(x, w).square().sum() + rgb.square().sum()).backward()
    for tensor in (x, w, *layer.parameters(), *block.parameters()):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all()


def test_gradient_of_a_layer_is_right():
    torch.manual_seed(0)
    layer = SynthesisLayer(2, 2, w_dim=3, resolution=4, up=True).double()
    x = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: layer(x, w), (x, w))


def test_mapping_is_two_normalisations_and_scaled_layers():
    torch.manual_seed(5)
    net = MappingNetwork(4, 3, 6, num_ws=5, num_layers=2)
    z, c = torch.randn(1, 4), torch.randn(1, 3)

    def unit(v):
        return v / np.sqrt((v**2).mean() + 1e-8)

    def fc(layer, v, multiplier):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return weight @ v * multiplier / np.sqrt(len(v)) + bias * multiplier

    x = np.concatenate([unit(z[0].numpy()), unit(fc(net.embed, c[0].numpy(), 1))])
    for layer in (net.fc0, net.fc1):
        x = lrelu(fc(layer, x, 0.01)) * np.sqrt(2)
    ws = net(z, c).detach().numpy()
    assert ws.shape == (1, 5, 6)
    np.testing.assert_allclose(ws, np.broadcast_to(x, (1, 5, 6)), atol=1e-6)


def test_truncation_moves_the_first_codes_towards_the_mean():
    net = MappingNetwork(4, 0, 6, num_ws=5, num_layers=1)
    net.w_avg.normal_()
    z = torch.randn(2, 4)
    full, cut = net(z, None), net(z, None, truncation_psi=0.3, truncation_cutoff=2)
    torch.testing.assert_close(cut[:, :2], net.w_avg + 0.3 * (full[:, :2] - net.w_avg))
    torch.testing.assert_close(cut[:, 2:], full[:, 2:])
    torch.testing.assert_close(net(z, None, truncation_psi=0.0), net.w_avg.expand(2, 5, 6))


def test_running_mean_of_codes():
    net = MappingNetwork(4, 0, 6, num_ws=1, num_layers=1, w_avg_beta=0.998)
    z = torch.randn(8, 4)
    w = net(z, None, update_emas=True)[:, 0]
    torch.testing.assert_close(net.w_avg, 0.002 * w.mean(dim=0).detach())


def test_each_code_drives_its_own_layers():
    torch.manual_seed(0)
    net = SynthesisNetwork(4, 16, 3, channel_base=64, channel_max=8, num_fp16_res=0, conv_clamp=None)
    assert net.num_ws == 6
    seen = {}
    for name, module in net.named_modules():
        if isinstance(module, SynthesisLayer | ToRGBLayer):
            module.register_forward_hook(
                lambda _, inputs, __, name=name: seen.__setitem__(name, inputs[1][0, 0])
            )
    ws = torch.arange(6.0).reshape(1, 6, 1).expand(1, 6, 4)
    net(ws)
    assert {name: int(value) for name, value in seen.items()} == {
        "b4.conv1": 0,
        "b4.torgb": 1,
        "b8.conv0": 1,
        "b8.conv1": 2,
        "b8.torgb": 3,
        "b16.conv0": 3,
        "b16.conv1": 4,
        "b16.torgb": 5,
    }


def test_pictures_of_all_blocks_are_summed():
    torch.manual_seed(0)
    net = SynthesisNetwork(4, 16, 3, channel_base=64, channel_max=8)
    ws = torch.randn(1, 6, 4)
    x4, img4 = net.run(ws, [4])
    x8, img8 = net.run(ws, [8], x4, img4)
    torch.testing.assert_close(img8, upsample2d(img4, low_pass_filter()) + net.b8.torgb(x8, ws[:, 3]))
    torch.testing.assert_close(net.run(ws, [16], x8, img8)[1], net(ws))


def test_a_batch_is_the_pictures_one_by_one():
    torch.manual_seed(0)
    net = SynthesisNetwork(4, 32, 6, channel_base=128, channel_max=8)
    ws = torch.randn(3, 8, 4)
    torch.testing.assert_close(net(ws), torch.cat([net(w[None]) for w in ws]), atol=1e-5, rtol=1e-5)


def test_half_precision_blocks_stay_in_single_precision_on_the_cpu():
    net = SynthesisNetwork(4, 16, 3, channel_base=64, channel_max=8, num_fp16_res=4)
    assert net.b16.use_fp16 and not net.b4.use_fp16
    x, img = net.run(torch.randn(1, 6, 4), net.resolutions)
    assert x.dtype == img.dtype == torch.float32


def test_half_precision_convolution_agrees_where_weights_are_large():
    torch.manual_seed(0)
    x, weight, styles = torch.randn(1, 16, 8, 8), 40 * torch.randn(8, 16, 3, 3), 90 * torch.rand(1, 16) + 1
    exact = modulated_conv2d(x, weight, styles)
    half = modulated_conv2d(x.half(), weight, styles)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), exact, atol=0.02, rtol=0.02)
