"""StyleSDF and E3DGE from their official ``.pt`` files. Parameter names are the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from inversion_core.checkpoints.generator_keys import check_shapes
from inversion_core.checkpoints.reader import load_tensors
from inversion_core.encoders.e3dge import E3DGEEncoder, E3DGEEncoderSettings
from inversion_core.encoders.volume_discriminator import VolumeDiscriminator, VolumeDiscriminatorSettings
from inversion_core.errors import CheckpointRefused
from inversion_core.generators.stylesdf import StyleSDF, StyleSDFSettings
from inversion_core.refine.e3dge import E3DGE
from inversion_core.refine.local_features import FusionBlock, LocalNetwork, LocalSettings
from inversion_core.refine.residual_aligner import ResidualAligner

MeanLatents = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class E3DGESettings:
    """Architecture of all networks; the defaults are the official ones."""

    generator: StyleSDFSettings = field(default_factory=StyleSDFSettings)
    encoder: E3DGEEncoderSettings = field(default_factory=E3DGEEncoderSettings)
    pose: VolumeDiscriminatorSettings = field(default_factory=VolumeDiscriminatorSettings)
    local: LocalSettings = field(default_factory=LocalSettings)


GLOBAL = "renderer.network.netGlobal."


def load_stylesdf(
    path: Path | str,
    mean_latents: MeanLatents | None = None,
    settings: StyleSDFSettings | None = None,
    device: torch.device | str = "cpu",
) -> StyleSDF:
    """The generator ``g_ema`` of an official file, frozen.

    Args:
        mean_latents: renderer (256,) or (9, 256), decoder (512,) or (10, 512); without them, the means
            of 10,000 codes drawn with seed 0: no official file holds them.

    Raises:
        CheckpointRefused: damaged, hostile, or of another architecture.
    """
    tensors = entry(Path(path), read_entries(Path(path)), "g_ema")
    # Inside E3DGE's own model the network sits one level deeper.
    tensors = {name.replace(GLOBAL, "renderer.network."): tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        generator = StyleSDF(settings)
    fill(generator, tensors)
    generator.set_mean_latents(_checked_means(mean_latents, generator.settings))
    return generator.to(device)


def load_e3dge(
    runner_path: Path | str,
    generator_path: Path | str,
    pose_path: Path | str,
    mean_latents: MeanLatents | None = None,
    settings: E3DGESettings | None = None,
    device: torch.device | str = "cpu",
) -> E3DGE:
    """E3DGE from its official file, StyleSDF's, and that of StyleSDF's volume renderer; all frozen.

    Args:
        runner_path: ``E3DGE_Full_Runner.pt``; generator_path: ``ffhq1024x1024.pt``;
        pose_path: ``ffhq_vol_renderer.pt``, whose discriminator finds cameras.
        mean_latents: as for :func:`load_stylesdf`.

    Raises:
        CheckpointRefused: a file is damaged, hostile, or of another architecture.
    """
    settings = settings or E3DGESettings()
    generator = load_stylesdf(generator_path, mean_latents, settings.generator)
    runner_path = Path(runner_path)
    content = read_entries(runner_path)
    with torch.device("meta"):
        encoder = E3DGEEncoder(settings.encoder)
        local, aligner = LocalNetwork(settings.local), ResidualAligner()
        fusion = FusionBlock(settings.local.hourglass.features)
    fill(encoder, entry(runner_path, content, "encoder"))
    fill(local, entry(runner_path, content, "netLocal"))
    fill(aligner, entry(runner_path, content, "grid_align"))
    fill(fusion, entry(runner_path, content, "Fuse_sft_block"))
    pose_network = load_pose_network(pose_path, settings.pose)
    return E3DGE(generator, encoder, pose_network, local, aligner, fusion).eval().to(device)


def load_pose_network(
    path: Path | str, settings: VolumeDiscriminatorSettings | None = None
) -> VolumeDiscriminator:
    """The discriminator ``d`` of StyleSDF's volume renderer, frozen.

    Raises:
        CheckpointRefused: damaged, hostile, or of another architecture.
    """
    with torch.device("meta"):
        network = VolumeDiscriminator(settings)
    fill(network, entry(Path(path), read_entries(Path(path)), "d"))
    return network


def read_entries(path: Path) -> Mapping:
    """The dictionary that an official file holds.

    Raises:
        CheckpointRefused: damaged, hostile, or something else than a dictionary.
    """
    content = load_tensors(path)
    if not isinstance(content, dict):
        raise CheckpointRefused(f"{path.name} holds no table of networks.", "Give the official file.")
    return content


def entry(path: Path, content: Mapping, name: str) -> dict[str, Tensor]:
    """The named tensors under ``name``, floats in single precision, without ``module.`` in front.

    Raises:
        CheckpointRefused: there is no such entry, or it holds something else.
    """
    found = content.get(name)
    if not isinstance(found, Mapping) or not found:
        raise CheckpointRefused(f"{path.name} has no network under {name!r}.", "Give the official file.")
    result = {}
    for key, value in found.items():
        if type(key) is not str or not isinstance(value, Tensor) or value.layout != torch.strided:
            raise CheckpointRefused(
                f"{path.name}: {name} holds something else than named tensors.", "Give the official file."
            )
        value = value.detach().contiguous()
        result[key.removeprefix("module.")] = value.float() if value.is_floating_point() else value
    return result


def fill(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Puts the tensors into a module made on the meta device, and freezes it.

    Raises:
        CheckpointRefused: tensors are missing, left over, or of other shapes.
    """
    check_shapes(module, tensors)
    module.load_state_dict(dict(tensors), assign=True)
    module.eval().requires_grad_(False)


def _checked_means(means: MeanLatents | None, settings: StyleSDFSettings) -> MeanLatents | None:
    if means is None:
        return None
    styles, ws = settings.renderer.num_styles, settings.decoder.num_ws
    sizes = ((styles, settings.renderer.style_dim), (ws, settings.decoder.w_dim))
    result = []
    for mean, (layers, size) in zip(means, sizes, strict=True):
        mean = torch.as_tensor(mean, dtype=torch.float32)
        if mean.numel() not in (size, layers * size) or mean.shape[-1] != size:
            raise CheckpointRefused(
                f"A mean latent is {tuple(mean.shape)} where ({size},) or ({layers}, {size}) belongs.",
                "Give the means of this generator, or none.",
            )
        result.append(mean.reshape(-1, size))
    return result[0], result[1]
