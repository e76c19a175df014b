"""Small seeded StyleSDF networks, shared by the tests of the generator, of E3DGE and of its training."""

import torch

from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings
from inversion_core.generators.stylesdf_decoder import DecoderSettings
from inversion_core.generators.stylesdf_renderer import RendererSettings

SMALL = StyleSDFSettings(
    renderer=RendererSettings(style_dim=8, width=16, depth=3, resolution=16, samples=6),
    decoder=DecoderSettings(
        first=16, features=16, channels=(12, 8, 6), style_dim=8, w_dim=16, mapping_layers=2
    ),
)


def small_generator(settings=SMALL, seed=0):
    """A generator whose noise and biases are not the zeros that training starts from."""
    torch.manual_seed(seed)
    generator = StyleSDF(settings).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise.weight", "activate.bias")) or (name.endswith("bias") and "decoder" in name):
            parameter.add_(0.1 * torch.randn_like(parameter))
    generator.set_mean_latents()
    return generator
