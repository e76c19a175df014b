"""Small seeded StyleSDF networks, shared by the tests of the generator, of E3DGE and of its training."""

import torch

from inversion_core.checkpoints.stylesdf import E3DGESettings
from inversion_core.encoders.e3dge import E3DGEEncoder, E3DGEEncoderSettings
from inversion_core.encoders.hourglass import HourglassSettings
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator, VolumeDiscriminatorSettings
from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings
from inversion_core.generators.stylesdf_decoder import DecoderSettings
from inversion_core.generators.stylesdf_renderer import RendererSettings
from inversion_core.refine.e3dge import E3DGE
from inversion_core.refine.local_features import FusionBlock, LocalNetwork, LocalSettings
from inversion_core.refine.residual_aligner import ResidualAligner

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


def small_e3dge_settings():
    return E3DGESettings(
        generator=SMALL,
        encoder=E3DGEEncoderSettings(
            image_size=64,
            channels=(8, 12, 16, 16),
            blocks=(1, 1, 2, 1),
            style_dim=8,
            num_styles=4,
            w_dim=16,
            style_convs=4,
            w_convs=(6, 6, 6, 6, 6, 6),
        ),
        pose=VolumeDiscriminatorSettings(image_size=16, channels=(8, 12, 12, 12)),
        local=LocalSettings(
            hourglass=HourglassSettings(inputs=16, features=16, stem=8, stacks=2, depth=2, groups=2),
            width=16,
            octaves=4,
            retired=False,
        ),
    )


def small_networks(generator=None, seed=0):
    """E3DGE with seeded networks, in evaluation, its norms away from their start."""
    generator = generator or small_generator()
    torch.manual_seed(seed)
    settings = small_e3dge_settings()
    model = E3DGE(
        generator,
        E3DGEEncoder(settings.encoder),
        VolumeDiscriminator(settings.pose),
        LocalNetwork(settings.local),
        ResidualAligner(),
        FusionBlock(settings.local.hourglass.features),
    )
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
        elif name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return model.eval().requires_grad_(False)
